// The messages of the open conversation: the branch that is shown, loaded from its end backwards.

import { Gone, Refused, part } from './daemon.js';
import { Emitter } from './emitter.js';
import { dayOf } from './words.js';

/** Read at first, and with each page further up. */
const PAGE = 200;
/** The most that the daemon gives at once. */
const PAGE_MAX = 1_000;
/** However much lands, the branch is read again at most this often. */
const REFRESH_MS = 250;
/** The names of drafts are half as long as those of sealed messages. */
const DRAFT_DIGITS = 32;
/** What a message shows; when all of it is equal, so is the message. */
const SHOWN = ['id', 'parent', 'role', 'content', 'created_at', 'model', 'version', 'versions', 'state', 'day'];

/**
 * Tells `changed` when anything of it is another. `state` is `none`, `loading`, `ready`, `absent` (nothing is there
 * yet) or `error`.
 */
export class Thread extends Emitter {
  #api;
  /** Names under which the view knows messages: the first id each was seen with, though sealing gives it another. */
  #keys = new Map();
  #paging = null;
  #refreshing = false;
  #stale = false;
  #timer = 0;

  constructor(api) {
    super();
    this.#api = api;
    this.#reset(null);
  }

  /** Opens a conversation, or none. */
  async open(id) {
    this.#reset(id);
    if (id === null) return this.tell('changed');
    this.state = 'loading';
    this.tell('changed');
    await this.#read(id, PAGE);
  }

  /** Reads the branch again, as much of it as is loaded: something has changed that is not known in detail. */
  refresh() {
    if (this.id === null) return;
    this.#stale = true;
    if (this.#refreshing || this.#timer) return;
    this.#timer = setTimeout(() => this.#refreshNow(), this.#pause());
  }

  async #refreshNow() {
    this.#timer = 0;
    this.#refreshing = true;
    this.#stale = false;
    this.#readAt = Date.now();
    await this.#read(this.id, Math.min(PAGE_MAX, Math.max(PAGE, this.messages.length)));
    this.#refreshing = false;
    if (this.#stale) this.refresh();
  }

  #readAt = 0;

  #pause() {
    return Math.max(0, this.#readAt + REFRESH_MS - Date.now());
  }

  /** Loads what comes before. Answers whether there was anything. */
  older(limit = PAGE) {
    if (!this.more || this.state !== 'ready' || this.messages.length === 0) return Promise.resolve(false);
    this.#paging ??= this.#readOlder(limit).finally(() => {
      this.#paging = null;
    });
    return this.#paging;
  }

  async #readOlder(limit) {
    const { id } = this;
    const before = this.messages[0].id;
    try {
      const page = await this.#api.get(`/conversations/${part(id)}`, { limit, before });
      // Another one was opened, or the branch was changed, meanwhile.
      if (this.id !== id || this.messages[0]?.id !== before) return true;
      this.more = page.more;
      this.#put([...page.messages, ...this.messages]);
      return page.messages.length > 0;
    } catch (error) {
      if (this.id === id) this.tell('failed', error);
      return false;
    }
  }

  /**
   * Loads up to this message. Answers the key it is known by, or null when the shown branch does not have it. Pages are
   * put together first: with each one shown by itself, a long way would cost its square.
   */
  async find(message) {
    const { id } = this;
    // A page may be on its way.
    await this.#paging;
    const pages = [];
    const first = this.messages[0]?.id;
    let [before, more] = [first, this.more];
    let found = this.messages.some((each) => each.id === message);
    try {
      while (!found && more && this.id === id) {
        const page = await this.#api.get(`/conversations/${part(id)}`, { limit: PAGE_MAX, before });
        pages.unshift(page.messages);
        more = page.more && page.messages.length > 0;
        before = page.messages[0]?.id;
        found = page.messages.some((each) => each.id === message);
      }
    } catch (error) {
      this.tell('failed', error);
    }
    if (this.id !== id) return null;
    if (pages.length > 0 && this.messages[0]?.id === first) {
      this.more = more;
      this.#put([...pages.flat(), ...this.messages]);
    }
    return this.messages.find((each) => each.id === message)?.key ?? null;
  }

  /** Messages that have just landed here. */
  landed(messages) {
    const next = [...this.messages];
    for (const message of messages) {
      const at = next.findLastIndex((each) => each.id === message.id);
      if (at >= 0) {
        next[at] = message;
      } else if (this.state === 'ready' && message.versions === 1 && message.parent === next.at(-1)?.id) {
        next.push(message);
      } else {
        // Between others, or a version: only the daemon knows the branch.
        this.refresh();
      }
    }
    this.#put(next);
  }

  /** A draft was sealed, and has another id from now on. */
  renamed({ local, id }) {
    // The branch may have been read under the new name already.
    const known = this.messages.find((message) => message.id === id);
    this.#keys.set(id, known?.key ?? this.#keys.get(local) ?? local);
    if (!this.messages.some((message) => message.id === local || message.parent === local)) return;
    const name = (each) => (each === local ? id : each);
    this.#put(this.messages.map((message) => (message.id === local || message.parent === local
      ? { ...message, id: name(message.id), parent: name(message.parent) }
      : message)));
    this.refresh();
  }

  /** Takes messages out. */
  removed(ids) {
    const gone = new Set(ids);
    if (!this.messages.some((message) => gone.has(message.id))) return;
    this.#put(this.messages.filter((message) => !gone.has(message.id)));
    this.refresh();
  }

  /** Shows another version. */
  async pick(message) {
    const { id } = this;
    const shown = await this.#api.post(`/conversations/${part(id)}/pick`, { message });
    if (this.id === id) this.#take(shown);
  }

  /** Something here may still change by itself: not everything is known to be on a relay. */
  get unsettled() {
    return this.messages.some(({ state }) => state !== 'verified');
  }

  async #read(id, limit) {
    try {
      const shown = await this.#api.get(`/conversations/${part(id)}`, { limit });
      if (this.id !== id) return;
      // A part of a title fits too; that would be another conversation.
      if (shown.id === id) this.#take(shown);
      else this.#absent();
    } catch (error) {
      if (this.id !== id) return;
      if (error instanceof Refused && error.status === 404) return this.#absent();
      // What is on the screen is still true when the daemon has only gone.
      if (error instanceof Gone && this.state === 'ready') return;
      this.state = 'error';
      this.error = error;
      this.tell('changed');
    }
  }

  #absent() {
    this.state = 'absent';
    this.messages = [];
    this.more = false;
    this.tell('changed');
  }

  /** The end of the branch as the daemon has it; what was loaded before it stays. */
  #take(shown) {
    this.title = shown.title;
    this.total = shown.total ?? shown.messages.length;
    const first = shown.messages[0]?.id;
    const at = this.messages.findIndex((message) => message.id === first);
    const kept = at > 0 ? this.messages.slice(0, at) : [];
    if (kept.length === 0) this.more = shown.more ?? false;
    this.state = shown.messages.length > 0 ? 'ready' : 'absent';
    this.#put([...kept, ...shown.messages]);
  }

  #put(messages) {
    let before = null;
    let day = null;
    this.messages = messages.map((message) => {
      const today = dayOf(message.created_at);
      const shown = today === day ? null : today;
      day = today;
      // One of ours that nobody has touched.
      if (message.key !== undefined && message.day === shown) return message;
      before ??= new Map(this.messages.map((each) => [each.key, each]));
      const key = message.key ?? this.#keyOf(message);
      const next = { ...message, key, day: shown };
      const known = before.get(key);
      return known && SHOWN.every((name) => known[name] === next[name]) ? known : next;
    });
    this.tell('changed');
  }

  /**
   * What the view calls a message that the daemon has sent. One that was a draft a moment ago is known by the name it
   * had then, also when the answer was faster than the event that tells of the sealing.
   */
  #keyOf({ id, role, content, created_at: at }) {
    const known = this.#keys.get(id);
    if (known || id.length === DRAFT_DIGITS) return known ?? id;
    const draft = this.messages.findLast((each) => each.id.length === DRAFT_DIGITS
      && each.created_at === at && each.role === role && each.content === content);
    if (!draft) return id;
    this.#keys.set(id, draft.key);
    return draft.key;
  }

  #reset(id) {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#stale = false;
    this.#keys.clear();
    this.id = id;
    this.state = 'none';
    this.error = null;
    this.title = '';
    this.total = 0;
    this.messages = [];
    this.more = false;
  }
}
