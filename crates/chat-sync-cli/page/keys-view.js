// Who is logged in, and the history keys. No secret is in what the daemon tells.

import { el } from './dom.js';
import { Panel } from './panel.js';
import { moment, plural } from './words.js';

const METHODS = {
  'raw-key': 'a secret key',
  'encrypted-key': 'an encrypted key',
  mnemonic: 'words',
  'remote-signer': 'a remote signer',
  extension: 'a browser extension',
  'history-keys': 'a key card',
};

export function keysView({ api }) {
  return new Panel({
    heading: 'Keys',
    about: 'A keyring holds the key that seals and opens this history. Every one is kept and read for ever; the oldest writes.',
    load: async () => ({ account: await api.get('/account'), keyrings: await api.get('/keyrings') }),
    render: ({ account, keyrings }) => [
      el('dl', { class: 'facts' },
        fact('account', account.npub),
        fact('logged in with', METHODS[account.method] ?? account.method),
        fact('writes as', account.write_key ?? 'known after the first sync')),
      el('h2', {}, plural(keyrings.keys.length, 'keyring')),
      keyrings.keys.length
        ? el('ul', { class: 'cards' }, keyrings.keys.map(card))
        : el('p', { class: 'remark' }, 'No history key yet. The first sync finds one, or makes it once relays have said twice that there is none.'),
      keyrings.store_key ? el('p', { class: 'remark' }, `The key of this device’s store is ${keyrings.store_key}.`) : null,
      el('p', { class: 'remark' }, 'A backup that fits on a card: ', el('code', {}, 'chat-sync key backup'), '.'),
    ],
  });
}

function fact(name, value) {
  return el('div', {}, el('dt', {}, name), el('dd', { class: 'id' }, value));
}

function card({ keyring, created_at: at, public_key: key, writes, on_a_relay: kept, messages }) {
  const use = key === null ? 'closed: only the signer can open it' : writes ? 'reads and writes' : 'reads';
  return el('li', { class: 'card' },
    el('div', { class: 'card-head' },
      el('span', { class: `dot ${key === null ? 'bad' : kept ? 'good' : 'wait'}` }),
      el('span', { class: 'relay-name' }, use),
      el('span', { class: 'card-state' }, plural(messages, 'message'))),
    el('p', { class: 'remark' }, `made ${moment(at)} · ${kept ? 'seen on a relay' : 'not seen on a relay yet'}`),
    el('p', { class: 'remark id' }, keyring));
}
