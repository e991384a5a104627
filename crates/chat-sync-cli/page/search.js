// Search: titles at once, messages as soon as the daemon has looked.

import { button, el, fill } from './dom.js';
import { chatHash } from './route.js';
import { plural, roleName, shortTime } from './words.js';

/** Somebody who types is not asked about every letter. */
const PAUSE_MS = 180;
/** A screen full. The daemon says when there is more. */
const HITS = 50;
const TITLES = 8;

export class SearchResults {
  #api;
  #conversations;
  #onShown;
  #timer = 0;
  #asked = 0;

  constructor({ api, conversations, onShown }) {
    this.#api = api;
    this.#conversations = conversations;
    this.#onShown = onShown;
    this.input = el('input', {
      type: 'search',
      placeholder: 'Search',
      'aria-label': 'Search in titles and messages',
      autocomplete: 'off',
      spellcheck: 'false',
      enterkeyhint: 'search',
      on: { input: () => this.#typed(), keydown: (event) => this.#key(event) },
    });
    this.field = el('div', { class: 'search', role: 'search' }, this.input);
    this.element = el('div', { class: 'scroller hits', hidden: true });
    this.element.addEventListener('keydown', (event) => this.#walk(event));
  }

  focus() {
    this.input.focus();
    this.input.select();
  }

  /** Back to the list. */
  close() {
    if (this.element.hidden && this.input.value === '') return;
    this.input.value = '';
    this.#typed();
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#asked += 1;
    const text = this.input.value.trim();
    this.element.hidden = text === '';
    this.#onShown(text !== '');
    if (text === '') return fill(this.element);
    this.#timer = setTimeout(() => this.#ask(text), PAUSE_MS);
  }

  async #ask(text) {
    const asked = (this.#asked += 1);
    const titles = this.#titles(text);
    fill(this.element, titles, el('p', { class: 'hits-head', role: 'status' }, 'Looking through the messages …'));
    let found;
    try {
      found = await this.#api.get('/search', { q: text, limit: HITS });
    } catch (error) {
      if (asked !== this.#asked) return;
      return fill(this.element, titles, el('p', { class: 'hits-head bad', role: 'status' }, `The search failed: ${error.message}`),
        button('Try again', () => this.#ask(text)));
    }
    // Somebody has typed on.
    if (asked !== this.#asked) return;
    const { hits, more } = found;
    const head = hits.length === 0
      ? `No message says “${text}”`
      : `${more ? 'The newest ' : ''}${plural(hits.length, 'message')}`;
    fill(this.element, titles, el('p', { class: 'hits-head', role: 'status' }, head), hits.map(hit));
  }

  #titles(text) {
    const needle = text.toLowerCase();
    const matching = this.#conversations.list.filter(({ title }) => title?.toLowerCase().includes(needle));
    if (matching.length === 0) return [];
    return [
      el('p', { class: 'hits-head' }, plural(matching.length, 'title')),
      matching.slice(0, TITLES).map(({ id, title, updated_at: at }) => el('a', { class: 'row hit', href: chatHash(id) },
        el('span', { class: 'row-title' }, title), el('time', { class: 'row-time' }, shortTime(at)))),
    ];
  }

  #key(event) {
    if (event.key === 'Escape' && this.input.value !== '') {
      event.preventDefault();
      this.close();
    } else if (event.key === 'ArrowDown') {
      event.preventDefault();
      this.element.querySelector('a')?.focus();
    }
  }

  #walk(event) {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    event.preventDefault();
    const links = [...this.element.querySelectorAll('a')];
    const next = links.indexOf(document.activeElement) + (event.key === 'ArrowDown' ? 1 : -1);
    if (next < 0) this.input.focus();
    else links[next]?.focus();
  }
}

/** `match` says where in the snippet, in characters, of which some are two units of a string here. */
function hit({ conversation, title, message, role, created_at: at, snippet, match: [from, to] }) {
  const letters = Array.from(snippet);
  const piece = (start, end) => letters.slice(start, end).join('');
  return el('a', { class: 'row hit', href: chatHash(conversation, message) },
    el('span', { class: 'row-title' }, title || 'Untitled'),
    el('time', { class: 'row-time' }, shortTime(at)),
    el('span', { class: 'row-note snippet' }, `${roleName(role)}: `, piece(0, from),
      el('mark', {}, piece(from, to)), piece(to)));
}
