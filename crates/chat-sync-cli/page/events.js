// What the daemon tells, as it happens; keeps the connection, and says how it is.

import { Gone, Refused } from './daemon.js';
import { Emitter } from './emitter.js';
import { readEvents } from './event-stream.js';

/** Waits between tries: at once, then slower, and never given up. */
const WAITS_MS = [250, 1_000, 2_000, 4_000, 8_000];
/** A stream that brings nothing for this long is asked whether somebody is there. */
const QUIET_MS = 30_000;

/**
 * Tells `connection` (`{ state: 'connecting' | 'open' | 'gone' | 'denied', retryAt }`) and the daemon's events by their
 * names, their data parsed.
 */
export class Events extends Emitter {
  #api;
  #conversation = null;
  #lastId = null;
  #ending = null;
  #wake = null;
  #tries = 0;
  #running = false;

  constructor(api) {
    super();
    this.#api = api;
    this.connection = { state: 'connecting', retryAt: null };
  }

  /** Begins, and goes on until the token is refused. */
  async start() {
    if (this.#running) return;
    this.#running = true;
    this.#say('connecting');
    for (;;) {
      try {
        await this.#listen();
        // Ended by the daemon, or to follow another conversation.
        if (!this.#ending?.signal.aborted) await this.#wait();
      } catch (error) {
        if (error instanceof Refused && (error.status === 401 || error.status === 403)) {
          this.#running = false;
          return this.#say('denied');
        }
        if (!this.#ending?.signal.aborted || this.#ending.signal.reason === 'quiet') await this.#wait();
      }
    }
  }

  /** Follows this conversation message by message; of all others only the counts. */
  follow(conversation) {
    if (conversation === this.#conversation) return;
    this.#conversation = conversation;
    this.#ending?.abort('other conversation');
  }

  /** Tries again now. */
  retry() {
    this.#wake?.();
  }

  async #listen() {
    this.#ending = new AbortController();
    const { signal } = this.#ending;
    const response = await this.#api.stream('/events', {
      query: { conversation: this.#conversation },
      headers: this.#lastId === null ? {} : { 'Last-Event-ID': this.#lastId },
      signal,
    });
    this.#say('open');
    let quiet = setTimeout(() => this.#probe(), QUIET_MS);
    try {
      for await (const event of readEvents(response.body)) {
        this.#tries = 0;
        clearTimeout(quiet);
        quiet = setTimeout(() => this.#probe(), QUIET_MS);
        if (event === null) continue;
        if (event.id !== null) this.#lastId = event.id;
        this.tell(event.name, event.data === '' ? null : JSON.parse(event.data));
      }
    } finally {
      clearTimeout(quiet);
    }
  }

  /** Nothing came for a while, which is fine when the daemon still answers. */
  async #probe() {
    const ending = this.#ending;
    try {
      this.tell('status', await this.#api.get('/status'));
    } catch (error) {
      if (error instanceof Gone) ending.abort('quiet');
    }
  }

  async #wait() {
    const wait = WAITS_MS[Math.min(this.#tries, WAITS_MS.length - 1)];
    this.#tries += 1;
    this.#say('gone', Date.now() + wait);
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
  }

  #say(state, retryAt = null) {
    this.connection = { state, retryAt };
    this.tell('connection', this.connection);
  }
}
