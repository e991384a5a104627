// The line at the top: is it in sync, why not, since when.

import { el } from './dom.js';
import { statusLine } from './status-words.js';

export class StatusBar {
  #dot = el('span', { class: 'dot' });
  #head = el('span', { class: 'status-head' });
  #tail = el('span', { class: 'status-tail' });
  #last = '';

  constructor() {
    this.element = el('a', { class: 'status-bar', href: '#/status', title: 'Status, relay by relay' },
      this.#dot,
      el('span', { class: 'status-words', role: 'status' }, this.#head, ' ', this.#tail));
  }

  show(status, connection) {
    const { tone, head, tail } = statusLine(status, connection);
    const text = `${tone}|${head}|${tail}`;
    // A screen reader is not told the same again.
    if (text === this.#last) return;
    this.#last = text;
    this.#dot.className = `dot ${tone}`;
    this.element.dataset.tone = tone;
    this.#head.textContent = head;
    this.#tail.textContent = tail;
  }
}
