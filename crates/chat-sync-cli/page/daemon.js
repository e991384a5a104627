// The daemon's HTTP API (docs/API.md). The only file that makes requests.

/** How long an answer may take. Asking relays takes the longest, 20 s for one that is silent. */
const ANSWER_MS = 120_000;

/** The daemon answered, and the answer is no. */
export class Refused extends Error {
  constructor(status, body) {
    super(body?.error ?? `the daemon answered with ${status}`);
    this.name = 'Refused';
    this.status = status;
    this.code = body?.code ?? null;
    this.exit = body?.exit ?? null;
  }
}

/** The daemon did not answer. */
export class Gone extends Error {
  constructor() {
    super('the daemon does not answer; `chat-sync ui` starts it');
    this.name = 'Gone';
  }
}

export class Api {
  #token;

  constructor(token) {
    this.#token = token;
  }

  get(path, query) {
    return this.#ask('GET', path, { query });
  }

  post(path, body = {}) {
    return this.#ask('POST', path, { body });
  }

  put(path) {
    return this.#ask('PUT', path, {});
  }

  patch(path, body) {
    return this.#ask('PATCH', path, { body });
  }

  delete(path, query) {
    return this.#ask('DELETE', path, { query });
  }

  /** The response itself, for a stream. `signal` ends it. */
  async stream(path, { query, headers, signal }) {
    const response = await this.#fetch('GET', path, { query, headers, signal });
    if (!response.ok) throw new Refused(response.status, await json(response));
    return response;
  }

  async #ask(method, path, { query, body }) {
    const response = await this.#fetch(method, path, { query, body, signal: AbortSignal.timeout(ANSWER_MS) });
    if (response.status === 204) return null;
    const answer = await json(response);
    if (!response.ok) throw new Refused(response.status, answer);
    return answer;
  }

  async #fetch(method, path, { query, body, headers, signal }) {
    const url = new URL(`/api/v1${path}`, location.origin);
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== null && value !== undefined) url.searchParams.set(name, value);
    }
    const request = {
      method,
      signal,
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      headers: { Authorization: `Bearer ${this.#token}`, ...headers },
    };
    if (body !== undefined) {
      request.body = JSON.stringify(body);
      request.headers['Content-Type'] = 'application/json';
    }
    try {
      return await fetch(url, request);
    } catch {
      throw new Gone();
    }
  }
}

async function json(response) {
  try {
    return await response.json();
  } catch {
    return null;
  }
}

/** A part of a path, whatever is in it. */
export const part = encodeURIComponent;
