// Nobody is logged in: with what to begin.

import { button, el, fill } from './dom.js';
import { extensionAppeared } from './extension.js';
import { signerPage } from './status-view.js';

export class LoginView {
  #api;
  #extension;
  #said = el('div', { class: 'login-said', 'aria-live': 'polite' });
  #offer = el('div', { class: 'offer', 'aria-live': 'polite', hidden: true });
  #relay = el('input', {
    type: 'text', inputmode: 'url', placeholder: 'the signer’s usual relay', 'aria-label': 'Relay to meet the signer at',
    autocomplete: 'off', spellcheck: 'false', 'data-name': 'login-relay',
  });

  #relays = el('input', {
    type: 'text', inputmode: 'url', placeholder: 'wss://relay.routstr.com, wss://nos.lol, wss://relay.primal.net',
    autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', 'data-name': 'login-relays',
  });

  constructor({ api, extension }) {
    this.#api = api;
    this.#extension = extension;
    this.heading = el('h1', { tabindex: '-1' }, 'Whose history is it?');
    const lacks = el('p', { class: 'remark' });
    this.element = el('section', { class: 'panel scroller login', 'aria-label': 'Log in', hidden: true },
      el('div', { class: 'panel-inner narrow' },
        this.heading,
        el('p', { class: 'about' }, 'Log in with what holds your key. The key itself stays there, and comes neither to this page nor to this machine.'),
        el('div', { class: 'card' },
          el('h2', {}, 'Browser extension'),
          el('p', {}, 'Asked once for this device: to open your history’s keyring, or to make the first one.'),
          button('Use the extension', () => this.#byExtension(), { class: 'button primary', 'data-name': 'login-extension' }),
          lacks),
        el('div', { class: 'card' },
          el('h2', {}, 'Remote signer'),
          el('p', {}, 'An app on your phone or a bunker: scan a code with it, and confirm there.'),
          el('form', { class: 'line-form', on: { submit: (event) => { event.preventDefault(); this.#byCode(); } } },
            this.#relay, el('button', { class: 'button primary', type: 'submit', 'data-name': 'login-qr' }, 'Show a code')),
          this.#offer),
        this.#said,
        el('details', {}, el('summary', {}, 'Relays that keep the history'),
          el('label', { class: 'stacked' }, this.#relays,
            el('span', { class: 'remark' }, 'Addresses with a comma between them. Empty: the three above.'))),
        el('p', { class: 'remark' }, 'A secret key, words or a key card are never typed into a page: ',
          el('code', {}, 'chat-sync login'), ' takes them.')));
    extensionAppeared().then((why) => fill(lacks, why ?? ''));
  }

  /** What a `login` event says. */
  progress({ state, why, page }) {
    if (state === 'failed') this.#say(`It did not work: ${why ?? 'the signer gave no reason'}`, 'bad');
    else if (state === 'done') fill(this.#said);
    else if (page) fill(this.#said, signerPage(page));
    else if (why) this.#say(why);
  }

  async #byExtension() {
    this.#say('The extension is asked. It may show a window of its own.');
    try {
      await this.#extension.logIn(this.#chosenRelays());
    } catch (error) {
      this.#say(error.message, 'bad');
    }
  }

  async #byCode() {
    this.#say('Preparing a code …');
    const relay = this.#relay.value.trim();
    try {
      const { uri, svg } = await this.#api.post('/login/qr', { ...(relay ? { relay } : {}), ...this.#chosenRelays() });
      // As an image, a drawing runs no script and reaches nothing.
      const image = el('img', { class: 'qr', alt: 'QR code for the remote signer', src: `data:image/svg+xml,${encodeURIComponent(svg)}` });
      this.#offer.hidden = false;
      fill(this.#offer, image, el('div', { class: 'offer-words' },
        el('p', {}, 'Waiting for the signer …'),
        el('details', {}, el('summary', {}, 'As text, to paste into a signer'), el('p', { class: 'id' }, uri))));
      fill(this.#said);
    } catch (error) {
      this.#say(error.message, 'bad');
    }
  }

  /** Nothing, when the usual ones are meant. */
  #chosenRelays() {
    const relays = this.#relays.value.split(/[\s,]+/).filter(Boolean);
    return relays.length > 0 ? { relays } : {};
  }

  #say(text, tone = 'calm') {
    fill(this.#said, el('p', { class: `remark-line ${tone}` }, text));
  }
}
