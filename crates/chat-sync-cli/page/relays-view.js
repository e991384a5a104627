// The account's relays: add, remove, try out.

import { failed, notice } from './announce.js';
import { confirmed } from './dialog.js';
import { button, el, fill } from './dom.js';
import { Panel } from './panel.js';
import { moment, plural, relayName } from './words.js';

export function relaysView({ api }) {
  /** The last test of each relay, by its address. */
  let tests = new Map();
  const input = el('input', {
    type: 'text', inputmode: 'url', name: 'url', placeholder: 'wss://relay.example.com', 'aria-label': 'Address of a relay',
    autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', 'data-name': 'relay-url',
  });
  const said = el('p', { class: 'remark bad', role: 'alert' });
  const test = button('Test all', testAll, { 'data-name': 'test' });
  const panel = new Panel({
    heading: 'Relays',
    about: 'Every relay gets everything, sealed. None can read any of it.',
    actions: [test],
    load: () => api.get('/relays'),
    render: ({ relays }) => [form, said, el('ul', { class: 'cards' }, relays.map((relay) => card(relay, relays.length)))],
  });
  const form = el('form', { class: 'line-form', on: { submit: add } }, input, el('button', { class: 'button primary', type: 'submit' }, 'Add'));

  async function add(event) {
    event.preventDefault();
    fill(said);
    const url = input.value.trim();
    if (url === '') return;
    try {
      await api.post('/relays', { url });
      input.value = '';
      notice(`${relayName(url)} added; it is given what it lacks`, 'good');
    } catch (error) {
      fill(said, error.message);
    }
    panel.refresh();
  }

  async function remove(url, last) {
    const agreed = await confirmed(`Remove ${relayName(url)}?`, [
      el('p', {}, 'This device does not use it any more. What it holds stays there, sealed; what is here stays here.'),
      last ? el('p', { class: 'bad' }, 'It is the last one: nothing would leave this device.') : null,
    ], { yes: 'Remove', dangerous: true });
    if (!agreed) return;
    try {
      await api.delete('/relays', { url, force: last ? true : null });
      tests.delete(url);
    } catch (error) {
      failed(error);
    }
    panel.refresh();
  }

  async function testAll() {
    test.disabled = true;
    test.textContent = 'Testing …';
    try {
      const { relays } = await api.post('/relays/test');
      tests = new Map(relays.map((each) => [each.url, each]));
    } catch (error) {
      failed(error);
    }
    test.disabled = false;
    test.textContent = 'Test all';
    panel.refresh();
  }

  function card({ url, origin, method, agreed_at: at, basis }, all) {
    const tried = tests.get(url);
    const how = { negentropy: 'compares sets', paging: 'is read page by page' }[method];
    return el('li', { class: 'card', 'data-relay': url },
      el('div', { class: 'card-head' },
        tried ? el('span', { class: `dot ${tried.reachable ? 'good' : 'bad'}` }) : null,
        el('span', { class: 'relay-name' }, relayName(url)),
        button('Remove', () => remove(url, all === 1), {
          class: 'quiet-button edge', 'data-name': `remove-${url}`, 'aria-label': `Remove ${relayName(url)}`,
        })),
      el('p', { class: 'remark' }, [
        origin === 'list' ? 'from your relay list' : null,
        how,
        at ? `last equal ${moment(at)}${basis === 'pages' ? ', by pages' : ''}` : 'never equal so far',
      ].filter(Boolean).join(' · ')),
      tried ? result(tried) : null);
  }

  return panel;
}

function result({ reachable, connect_ms: ms, error, info, negentropy, page, refused }) {
  if (!reachable) return el('p', { class: 'remark bad' }, `Not reached: ${error}`);
  const lines = [
    `reached in ${ms} ms`,
    negentropy ? { true: 'compares sets', false: `does not compare sets${negentropy.why ? `: ${negentropy.why}` : ''}`, null: 'did not say whether it compares sets' }[negentropy.speaks] : null,
    page && !page.error ? `${plural(page.messages ?? 0, 'message')} of yours read` : page?.error,
    info?.error ? 'says nothing about itself' : null,
    refused ? `refused before: ${refused}` : null,
  ];
  return el('ul', { class: 'plain remark' }, lines.filter(Boolean).map((each) => el('li', {}, each)));
}
