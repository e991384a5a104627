// Where a message is written.

import { Gone, part } from './daemon.js';
import { announce } from './announce.js';
import { button, el, fill } from './dom.js';

/** As high as the field grows before it scrolls, as a part of the window. */
const HEIGHT_MAX = 0.4;

/** `onSent(conversation, answer)` hears of each message that the daemon has on disk. */
export class Composer {
  #api;
  #conversation = null;
  /** What was begun in each conversation. In memory only: text is nowhere on disk but sealed. */
  #texts = new Map();
  #parent = null;
  #busy = false;
  #onSent;
  #onLeave;
  #text;
  #send;
  #remark = el('p', { class: 'composer-remark', 'aria-live': 'polite' });
  #reply = el('p', { class: 'composer-reply', hidden: true });

  constructor({ api, onSent, onLeave }) {
    this.#api = api;
    this.#onSent = onSent;
    this.#onLeave = onLeave;
    this.#text = el('textarea', {
      rows: '1',
      placeholder: 'Write a message',
      'aria-label': 'Message',
      on: { input: () => this.#grow(), keydown: (event) => this.#key(event) },
    });
    this.#send = button('Send', () => this.#submit(), { class: 'button primary', 'data-name': 'send' });
    this.element = el('form', {
      class: 'composer',
      'aria-label': 'Write',
      on: { submit: (event) => { event.preventDefault(); this.#submit(); } },
    }, el('div', { class: 'composer-inner' }, this.#reply, el('div', { class: 'composer-row' }, this.#text, this.#send), this.#remark));
  }

  focus() {
    this.#text.focus();
  }

  /** Writes into this conversation from now on. */
  open(conversation) {
    if (conversation === this.#conversation) return;
    if (this.#conversation !== null) this.#texts.set(this.#conversation, this.#text.value);
    this.#conversation = conversation;
    this.#text.value = this.#texts.get(conversation) ?? '';
    this.answerFrom(null);
    this.#say('');
    this.#grow();
  }

  /** The next message answers this one, and not the last: it begins another version. */
  answerFrom(message, words = '') {
    this.#parent = message?.id ?? null;
    this.#reply.hidden = message === null;
    if (message) {
      fill(this.#reply, el('span', {}, words), button('Not from here', () => this.answerFrom(null), { class: 'quiet-button' }));
      this.focus();
    }
  }

  async #submit() {
    const text = this.#text.value;
    const conversation = this.#conversation;
    if (this.#busy || text.trim() === '' || conversation === null) return;
    this.#busy = true;
    this.#send.setAttribute('aria-disabled', 'true');
    this.#say('');
    const message = { text, role: 'user' };
    if (this.#parent) message.parent = this.#parent;
    try {
      const answer = await this.#api.post(`/conversations/${part(conversation)}/messages`, message);
      if (this.#conversation === conversation) {
        this.#text.value = '';
        this.answerFrom(null);
        this.#grow();
      } else {
        this.#texts.delete(conversation);
      }
      announce('Sent');
      this.#onSent(conversation, answer);
    } catch (error) {
      const why = error instanceof Gone ? 'the daemon does not answer' : error.message;
      this.#say(`Not sent: ${why}. The text is still here.`);
    } finally {
      this.#busy = false;
      this.#send.removeAttribute('aria-disabled');
    }
  }

  #say(text) {
    this.#remark.textContent = text;
  }

  #key(event) {
    if (event.key === 'Escape') {
      event.preventDefault();
      this.#onLeave();
    }
    // A phone's Enter is for new lines, and an input method's Enter ends a word.
    const enter = event.key === 'Enter' && !event.shiftKey && !event.isComposing;
    if (enter && !matchMedia('(pointer: coarse)').matches) {
      event.preventDefault();
      this.#submit();
    }
  }

  #grow() {
    const { style } = this.#text;
    style.height = 'auto';
    style.height = `${Math.min(this.#text.scrollHeight, innerHeight * HEIGHT_MAX)}px`;
  }
}
