// Where a message is, relay by relay: the panel below it.

import { part } from './daemon.js';
import { el, fill } from './dom.js';
import { moment, relayName, stateWords } from './words.js';

/** Asks the daemon, and fills the panel when it answers. */
export function receiptsPanel(api, message) {
  const panel = el('section', { class: 'receipts', 'aria-label': 'Where this message is', 'aria-live': 'polite' },
    el('p', { class: 'remark' }, 'Looking …'));
  api.get(`/messages/${part(message.id)}/receipts`).then(
    (known) => fill(panel, content(known)),
    (error) => fill(panel, el('p', { class: 'remark bad' }, `Not known: ${error.message}`)),
  );
  return panel;
}

function content({ id, state, safe, deliveries }) {
  const head = state === 'draft' ? 'Only on this device: not sealed yet.' : safe ? 'Safe.' : 'Not safe yet.';
  return [
    el('p', { class: safe ? 'receipts-head good' : 'receipts-head' }, head, ' ',
      el('span', { class: 'remark' }, safe ? 'Proven on two relays, or on all if there are fewer.' : '')),
    deliveries.length
      ? el('ul', { class: 'receipts-list' }, deliveries.map(delivery))
      : el('p', { class: 'remark' }, 'No relay was asked so far.'),
    el('p', { class: 'remark id' }, id),
  ];
}

function delivery({ relay, url = relay, state, since, at = since, attempts, next_try: next, reason, meaning }) {
  const { word, tone } = stateWords(state);
  const notes = [
    at ? `since ${moment(at)}` : null,
    attempts > 1 ? `sent ${attempts} times` : null,
    next ? `tried again ${moment(next)}` : null,
  ].filter(Boolean).join(', ');
  return el('li', {},
    el('span', { class: 'relay-name' }, relayName(url)),
    el('span', { class: 'receipt-state' }, el('span', { class: `dot ${tone}` }), word),
    notes ? el('span', { class: 'remark' }, notes) : null,
    meaning || reason ? el('span', { class: 'remark reason' }, meaning ?? reason) : null);
}
