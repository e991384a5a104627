// A view that is read from the daemon when it is opened: heading, content, and what to do when reading fails.

import { button, el, fill } from './dom.js';

export class Panel {
  #load;
  #render;
  #content = el('div', { class: 'panel-content' });
  #asked = 0;

  /** `load()` asks for a value, `render(value)` makes elements of it. */
  constructor({ heading, about, load, render, actions = [] }) {
    this.#load = load;
    this.#render = render;
    this.heading = el('h1', { tabindex: '-1' }, heading);
    this.element = el('section', { class: 'panel scroller', 'aria-label': heading, hidden: true },
      el('div', { class: 'panel-inner' },
        el('header', { class: 'panel-head' }, this.heading, el('div', { class: 'panel-actions' }, actions)),
        about ? el('p', { class: 'about' }, about) : null,
        this.#content));
  }

  get shown() {
    return !this.element.hidden;
  }

  /** Reads and shows. What is on the screen stays there until the answer has come. */
  async refresh() {
    const asked = (this.#asked += 1);
    if (!this.#content.hasChildNodes()) fill(this.#content, el('p', { class: 'remark soon' }, 'Reading …'));
    try {
      const value = await this.#load();
      if (asked === this.#asked) this.show(value);
    } catch (error) {
      if (asked !== this.#asked) return;
      fill(this.#content, el('div', { class: 'empty' },
        el('p', { class: 'empty-head' }, 'This could not be read'),
        el('p', {}, error.message),
        button('Try again', () => this.refresh())));
    }
  }

  /** Shows a value. The keyboard stays at the control it was at, where there is one of the same name. */
  show(value) {
    const at = this.#content.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    fill(this.#content, this.#render(value));
    if (at) this.#content.querySelector(`[data-name="${CSS.escape(at)}"]`)?.focus({ preventScroll: true });
  }
}
