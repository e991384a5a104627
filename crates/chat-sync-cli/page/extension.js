// A browser extension as the signer of the account (NIP-07): the daemon asks, the extension answers, and its key stays
// where it is. One call at a time: several extensions refuse a second one.

import { Refused, part } from './daemon.js';

/** What is signed here: keyrings, and proofs for relays that want to know who asks for them (NIP-42). */
const KINDS = [1081, 22242];
/** An extension is given so long to appear; some put themselves into the page late. */
const APPEAR_MS = 2_000;

/** Why the extension cannot be used, or null when it can. */
export function shortcoming(nostr = window.nostr) {
  if (!nostr) return 'No browser extension for Nostr is here. Install one (NIP-07), allow it for this page, and load the page anew.';
  if (typeof nostr.getPublicKey !== 'function' || typeof nostr.signEvent !== 'function') {
    return 'The browser extension does not do what NIP-07 asks for (getPublicKey, signEvent).';
  }
  if (typeof nostr.nip44?.encrypt !== 'function' || typeof nostr.nip44?.decrypt !== 'function') {
    return 'The browser extension has no NIP-44 encryption, which keyrings need. Use another extension, or a remote signer.';
  }
  return null;
}

/** Waits a moment for an extension. */
export async function extensionAppeared() {
  const until = Date.now() + APPEAR_MS;
  while (!window.nostr && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 100));
  return shortcoming();
}

export class ExtensionSigner {
  #api;
  #queue = Promise.resolve();
  #answered = new Set();
  #pubkey = null;

  constructor(api) {
    this.#api = api;
  }

  /** Begins a login with the extension's account. `choice` goes along: the relays of the history. */
  async logIn(choice) {
    const why = await extensionAppeared();
    if (why) throw new Error(why);
    const pubkey = String(await window.nostr.getPublicKey()).toLowerCase();
    if (!/^[0-9a-f]{64}$/.test(pubkey)) throw new Error('The browser extension gave no public key.');
    this.#pubkey = pubkey;
    return this.#api.post('/login/extension', { pubkey, ...choice });
  }

  /** Does what a `signer` event asks for, after what was asked for before. */
  handle(request) {
    if (!request?.id || this.#answered.has(request.id)) return;
    this.#answered.add(request.id);
    // Tabs share the extension: the first to take the request answers it.
    this.#queue = this.#queue.then(() => navigator.locks.request(`chat-sync-signer-${request.id}`, { ifAvailable: true },
      (lock) => lock && this.#answer(request)));
  }

  async #answer(request) {
    let answer;
    try {
      answer = { result: await this.#carryOut(request) };
    } catch (error) {
      answer = { error: String(error?.message ?? error).slice(0, 500) };
    }
    try {
      await this.#api.post(`/signer/${part(request.id)}`, answer);
    } catch (error) {
      // Answered by another tab, or too late.
      if (!(error instanceof Refused)) this.#answered.delete(request.id);
    }
  }

  async #carryOut({ method, params }) {
    const why = await extensionAppeared();
    if (why) throw new Error(why);
    const { nostr } = window;
    this.#pubkey ??= String(await nostr.getPublicKey()).toLowerCase();
    if (method === 'sign_event') {
      const event = typeof params[0] === 'string' ? JSON.parse(params[0]) : params[0];
      if (!KINDS.includes(event.kind)) throw new Error(`this page has no event of kind ${event.kind} signed`);
      const signed = await nostr.signEvent(event);
      return typeof params[0] === 'string' ? JSON.stringify(signed) : signed;
    }
    const [peer, text] = params;
    if (peer !== this.#pubkey) throw new Error('this page encrypts to the account itself only; the extension holds another account');
    if (method === 'nip44_encrypt') return nostr.nip44.encrypt(peer, text);
    if (method === 'nip44_decrypt') return nostr.nip44.decrypt(peer, text);
    throw new Error(`this page does not know ${method}`);
  }
}
