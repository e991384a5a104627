// The open conversation: its messages, and where one is written.

import { Gone, part } from './daemon.js';
import { announce, failed, notice } from './announce.js';
import { Composer } from './composer.js';
import { plainText } from './content.js';
import { deleteAfterQuestion } from './deletion.js';
import { button, el, fill } from './dom.js';
import { messageElement } from './message.js';
import { receiptsPanel } from './receipts.js';
import { moveIn } from './shortcuts.js';
import { VirtualList } from './virtual-list.js';
import { plural, roleName } from './words.js';

/** Earlier messages are fetched when so few are left above what is rendered. */
const AHEAD = 30;
/** A glance on the way to another conversation is no reading. */
const READ_MS = 300;
/** The daemon takes a look to last a minute. */
const LOOK_AGAIN_MS = 30_000;
/** How long a message that was searched for stands out. */
const FLASH_MS = 2_000;

export class Messages {
  #api;
  #thread;
  #conversations;
  #onClosed;
  #list;
  #open = null;
  #unfolded = new Set();
  #details = new Set();
  #known = null;
  #found = null;
  /** The conversation that the daemon knows is looked at, or is about to be told of. */
  #lookedAt = null;
  #lookTimer = 0;
  /** What was told the daemon before: it must not overtake. */
  #told = Promise.resolve();
  #title = el('h1', { class: 'thread-title', tabindex: '-1' });
  #note = el('span', { class: 'thread-note' });
  #state = el('div', { class: 'empty' });
  #top = el('div', { class: 'list-top' });
  #below = el('div', { class: 'below', hidden: true });
  #scroller;
  #head;

  constructor({ api, thread, conversations, onClosed }) {
    this.#api = api;
    this.#thread = thread;
    this.#conversations = conversations;
    this.#onClosed = onClosed;
    const items = el('div', { class: 'messages', role: 'feed', 'aria-label': 'Messages' });
    this.#scroller = el('div', { class: 'scroller thread-scroller', tabindex: '-1' }, items);
    this.#list = new VirtualList({
      scroller: this.#scroller,
      list: items,
      key: ({ key }) => key,
      create: (message) => this.#message(message),
      estimate: ({ content, day }) => 92 + 26 * Math.min(60, Math.ceil(content.length / 85)) + (day ? 44 : 0),
      stick: true,
      onRange: (first) => first < AHEAD && queueMicrotask(() => this.#older()),
    });
    this.#scroller.addEventListener('keydown', (event) => this.#key(event));
    this.#scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    fill(this.#below, button('New messages below ↓', () => this.#list.toEnd(), { class: 'button' }));
    this.composer = new Composer({
      api,
      onSent: (conversation) => this.#sent(conversation),
      onLeave: () => this.focus(),
    });
    this.#head = el('header', { class: 'thread-head' },
      button('‹', onClosed, { class: 'back', 'aria-label': 'All conversations' }),
      el('div', { class: 'thread-titles' }, this.#title, this.#note),
      button('Delete', () => this.#deleteAll(), { class: 'quiet-button', 'data-name': 'delete-conversation' }));
    this.element = el('section', { class: 'thread', 'aria-label': 'Conversation' },
      this.#head, this.#top, this.#state, this.#scroller, this.#below, this.composer.element);
    thread.on('changed', () => this.#show());
    thread.on('failed', failed);
    conversations.on('changed', () => this.#showHead());
    document.addEventListener('visibilitychange', () => this.look());
    this.#show();
  }

  /** Shows a conversation, and a message in it when one is named. */
  async open(conversation, message) {
    if (this.#open !== conversation) {
      this.#open = conversation;
      this.#unfolded.clear();
      this.#details.clear();
      this.#known = null;
      this.#found = null;
      this.#list.clear();
      this.composer.open(conversation);
      await this.#thread.open(conversation);
    }
    // Once: the address stays when everything is read anew.
    if (message && message !== this.#found && this.#open === conversation) {
      this.#found = message;
      await this.#find(message);
    }
  }

  focus() {
    const key = this.#list.atEnd ? this.#list.items.at(-1)?.key : this.#list.activeKey;
    if (key) this.#list.focus(key);
    else this.#title.focus();
  }

  async #find(message) {
    const waiting = setTimeout(() => notice('Looking for the message …'), 400);
    const key = await this.#thread.find(message);
    clearTimeout(waiting);
    if (key === null) return notice('The message is in another version of this conversation');
    this.#list.show(key);
    this.#list.focus(key);
    const element = this.#list.elementOf(key);
    element?.classList.add('found');
    setTimeout(() => this.#list.elementOf(key)?.classList.remove('found'), FLASH_MS);
  }

  async #older() {
    if (!this.#thread.more) return;
    await this.#thread.older();
  }

  #show() {
    const { state, messages, more } = this.#thread;
    const before = this.#known;
    const atEnd = this.#list.atEnd;
    this.#showHead();
    this.#showState();
    this.#scroller.hidden = messages.length === 0;
    this.composer.element.hidden = state === 'none' || state === 'error';
    this.#top.hidden = !more || messages.length === 0;
    this.#list.set(messages);
    this.#known = state === 'ready' ? new Set(messages.slice(-200).map(({ key }) => key)) : null;
    if (before && this.#known) this.#heard(messages, before, atEnd);
    this.look();
  }

  /** What has come at the end since: said aloud, and offered to whoever reads further up. */
  #heard(messages, before, atEnd) {
    const fresh = [];
    for (let at = messages.length - 1; at >= 0 && !before.has(messages[at].key); at -= 1) fresh.unshift(messages[at]);
    if (fresh.length === 0 || fresh.length === messages.length) return;
    const last = fresh.at(-1);
    if (last.role !== 'user') announce(`${roleName(last.role)}: ${plainText(last).slice(0, 300)}`);
    if (!atEnd) this.#below.hidden = false;
  }

  #showHead() {
    const { id, title, total, state } = this.#thread;
    const summary = this.#conversations.get(id);
    this.#head.hidden = id === null;
    this.#title.textContent = (summary?.title ?? title) || (state === 'loading' ? '…' : 'New conversation');
    const messages = summary?.messages ?? total;
    this.#note.textContent = messages ? plural(messages, 'message') : '';
  }

  #showState() {
    const { state, error, messages } = this.#thread;
    this.#state.hidden = messages.length > 0;
    if (messages.length > 0) return;
    const content = {
      none: [
        el('p', { class: 'empty-head' }, 'Choose a conversation'),
        el('p', {}, 'or press ', el('kbd', {}, 'n'), ' to begin one. ', el('kbd', {}, '?'), ' lists all keys.'),
      ],
      loading: [el('p', { class: 'soon' }, 'Reading the messages …')],
      absent: [
        el('p', { class: 'empty-head' }, 'Nothing here yet'),
        el('p', {}, 'Write the first message below. It is on this disk at once, sealed, and on its way to your relays.'),
      ],
      error: [
        el('p', { class: 'empty-head' }, error instanceof Gone ? 'The daemon does not answer' : 'The messages could not be read'),
        el('p', {}, error?.message ?? ''),
        button('Try again', () => this.#thread.open(this.#open)),
      ],
    }[state];
    fill(this.#state, content);
  }

  #message(message) {
    const details = this.#details.has(message.key) ? receiptsPanel(this.#api, message) : null;
    return messageElement(message, {
      unfolded: this.#unfolded,
      details,
      actions: {
        step: (which, by) => this.#step(which, by),
        receipts: (which) => this.#toggleReceipts(which),
        reply: (which) => this.#reply(which),
        copy: (which) => this.#copy(which),
        remove: (which) => this.#remove(which),
      },
    });
  }

  async #step(message, by) {
    const target = message.version_ids?.[message.version - 1 + by];
    if (!target) return;
    try {
      await this.#thread.pick(target);
    } catch (error) {
      return failed(error);
    }
    const shown = this.#thread.messages.find(({ id }) => id === target);
    if (!shown) return;
    this.#list.focus(shown.key);
    announce(`Version ${shown.version} of ${shown.versions}`);
  }

  #toggleReceipts(message) {
    if (!this.#details.delete(message.key)) this.#details.add(message.key);
    this.#list.refresh(message.key);
  }

  #reply(message) {
    this.composer.answerFrom(message, `Answers the message of ${roleName(message.role) === 'You' ? 'yours' : message.role} above; begins another version.`);
  }

  async #copy(message) {
    try {
      await navigator.clipboard.writeText(plainText(message));
      notice('Copied');
    } catch {
      notice('The browser does not let this page copy', 'bad');
    }
  }

  async #remove(message) {
    if (await deleteAfterQuestion(this.#api, message.id, 'this message')) this.#thread.refresh();
  }

  async #deleteAll() {
    const id = this.#open;
    if (!(await deleteAfterQuestion(this.#api, id, 'this conversation'))) return;
    await this.#conversations.load();
    if (this.#open === id) this.#onClosed();
  }

  #sent(conversation) {
    if (conversation !== this.#open) return;
    this.#list.toEnd();
    this.#thread.refresh();
    if (!this.#conversations.get(conversation)) this.#conversations.load();
  }

  #key(event) {
    if (event.target.closest('button, pre') && event.key.startsWith('Arrow')) return;
    if (moveIn(this.#list, event)) return;
    const message = this.#list.items.find(({ key }) => key === this.#list.activeKey);
    if (!message || event.ctrlKey || event.altKey || event.metaKey) return;
    const action = {
      ArrowLeft: () => this.#step(message, -1),
      ArrowRight: () => this.#step(message, 1),
      i: () => this.#toggleReceipts(message),
      r: () => this.#reply(message),
      y: () => this.#copy(message),
      Delete: () => this.#remove(message),
    }[event.key];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }

  #scrolled() {
    if (this.#list.atEnd) this.#below.hidden = true;
    this.look();
  }

  /** Read is what is on a screen that somebody has before them, and what comes there while it is. */
  look() {
    const looks = !document.hidden && this.#thread.state === 'ready' && this.#list.atEnd && this.element.offsetParent !== null;
    const id = looks ? this.#open : null;
    if (id === this.#lookedAt) return;
    clearTimeout(this.#lookTimer);
    const before = this.#lookedAt;
    this.#lookedAt = id;
    if (before !== null) this.#tell(() => this.#api.delete(`/conversations/${part(before)}/active`));
    if (id !== null) this.#lookTimer = setTimeout(() => this.#lookAt(id), READ_MS);
  }

  #lookAt(id) {
    this.#lookTimer = setTimeout(() => this.#lookAt(id), LOOK_AGAIN_MS);
    this.#tell(async () => {
      await this.#api.put(`/conversations/${part(id)}/active`);
      this.#conversations.read(id);
    });
  }

  /** What could not be told is told with the next look; until then it stays unread. */
  #tell(what) {
    this.#told = this.#told.then(what).catch(() => {});
  }
}
