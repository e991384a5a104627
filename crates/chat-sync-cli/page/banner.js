// What stands in the way, over everything else: the daemon has gone, the account is locked.

import { button, el, fill } from './dom.js';
import { signerPage } from './status-view.js';

export class Banner {
  #events;
  #api;
  #last = '';
  #timer = 0;
  #rest = el('span', {});

  constructor({ events, api }) {
    this.#events = events;
    this.#api = api;
    this.element = el('div', { class: 'banner', role: 'alert', hidden: true });
  }

  show(status, connection) {
    const kind = connection.state === 'gone' ? 'gone' : status?.account.state === 'locked' ? 'locked' : '';
    const { why, page } = status?.account ?? {};
    const text = `${kind}|${kind === 'locked' ? `${why}|${page}` : ''}`;
    this.#count(kind === 'gone' ? connection.retryAt : null);
    // Said once, not with each try.
    if (text === this.#last) return;
    this.#last = text;
    this.element.hidden = kind === '';
    this.element.dataset.kind = kind;
    if (kind === 'gone') {
      fill(this.element,
        el('p', {}, el('strong', {}, 'The daemon does not answer.'), ' What you see is as it was. ',
          el('code', {}, 'chat-sync ui'), ' starts it and opens the page anew. ', this.#rest),
        button('Try now', () => this.#events.retry(), { 'data-name': 'retry-daemon' }));
    } else if (kind === 'locked') {
      fill(this.element,
        el('p', {}, el('strong', {}, 'The history key is locked.'), ` ${why ?? ''}`),
        page ? signerPage(page) : null,
        button('Ask again', () => this.#api.post('/sync').catch(() => {}), { 'data-name': 'unlock' }));
    } else {
      fill(this.element);
    }
  }

  #count(until) {
    clearInterval(this.#timer);
    const say = () => {
      const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
      this.#rest.textContent = until === null || seconds === 0 ? 'Trying …' : `Next try in ${seconds} s.`;
    };
    say();
    if (until !== null) this.#timer = setInterval(say, 500);
  }
}
