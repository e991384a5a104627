// Every conversation of the account, newest first: what the list shows.

import { Emitter } from './emitter.js';

/** The most that the daemon gives at once. */
const PAGE = 1_000;

/** Tells `changed` whenever `list` is another one. */
export class Conversations extends Emitter {
  #api;
  #byId = new Map();
  #loading = null;
  #again = false;

  constructor(api) {
    super();
    this.#api = api;
    this.list = [];
    this.loaded = false;
    this.error = null;
  }

  get(id) {
    return this.#byId.get(id) ?? null;
  }

  /** Reads all of them. What is asked for while it reads leads to one more reading. */
  async load() {
    if (this.#loading) {
      this.#again = true;
      return this.#loading;
    }
    this.#loading = this.#read();
    try {
      await this.#loading;
    } finally {
      this.#loading = null;
    }
    if (this.#again) {
      this.#again = false;
      await this.load();
    }
  }

  async #read() {
    try {
      const found = new Map();
      for (let offset = 0; ; offset += PAGE) {
        const { conversations, total } = await this.#api.get('/conversations', { offset, limit: PAGE });
        for (const summary of conversations) found.set(summary.id, summary);
        if (conversations.length === 0 || offset + PAGE >= total) break;
      }
      this.#byId = found;
      this.loaded = true;
      this.error = null;
    } catch (error) {
      this.error = error;
    }
    this.#sort();
  }

  /** Takes over what has changed. One that changed at no time is gone. */
  apply(summaries) {
    for (const summary of summaries) {
      if (summary.updated_at === 0) this.#byId.delete(summary.id);
      else this.#byId.set(summary.id, { ...this.#byId.get(summary.id), ...summary });
    }
    this.#sort();
  }

  /** Read here, so there is nothing unread until the daemon says so. */
  read(id) {
    const summary = this.#byId.get(id);
    if (summary?.unread) this.apply([{ id, unread: 0 }]);
  }

  #sort() {
    this.list = [...this.#byId.values()]
      .sort((a, b) => b.updated_at - a.updated_at || (a.id < b.id ? -1 : 1));
    this.tell('changed', this.list);
  }
}
