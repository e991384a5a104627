// Status: the whole, and relay by relay with bars.

import { failed, notice } from './announce.js';
import { button, el } from './dom.js';
import { Panel } from './panel.js';
import { statusLine } from './status-words.js';
import { bytes, count, duration, moment, plural, relayName, relayWords } from './words.js';

/** Seconds by which clocks may differ (DESIGN 6). */
const SKEW_MAX = 120;

export function statusView({ api, connection }) {
  const compare = button('Compare now', async () => {
    compare.disabled = true;
    try {
      const { complete, error } = await api.post('/sync');
      notice(complete ? 'Every relay holds the same set' : error ?? 'Not level yet; it goes on by itself', complete ? 'good' : 'calm');
    } catch (error) {
      failed(error);
    } finally {
      compare.disabled = false;
    }
  }, { 'data-name': 'compare' });
  return new Panel({
    heading: 'Status',
    actions: [compare],
    load: () => api.get('/status'),
    render: (status) => content(status, connection()),
  });
}

function content(status, connection) {
  const { tone, head, tail } = statusLine(status, connection);
  return [
    el('div', { class: `card lead ${tone}` },
      el('p', { class: 'lead-head' }, el('span', { class: `dot ${tone}` }), head),
      tail ? el('p', { class: 'lead-tail' }, tail) : null,
      status.summary ? el('p', { class: 'remark' }, status.summary) : null),
    remarks(status),
    el('dl', { class: 'numbers' },
      number('messages', count(status.messages)),
      number('conversations', count(status.conversations)),
      number('safe', count(status.safe)),
      number('waiting', count(status.waiting), status.drafts ? `${count(status.drafts)} not sealed yet` : null),
      number('refused', count(status.parked))),
    el('h2', {}, plural(status.relays.length, 'relay')),
    status.relays.length
      ? el('ul', { class: 'cards' }, status.relays.map(relayCard))
      : el('p', { class: 'remark' }, 'No relay is configured. ', el('a', { href: '#/relays' }, 'Add one'), '.'),
  ];
}

function number(name, value, note) {
  return el('div', { class: 'number' }, el('dt', {}, name), el('dd', {}, value), note ? el('dd', { class: 'remark' }, note) : null);
}

function remarks({ account, held, warning, failed: parts, refused, clock_skew: skew, unproven, switches }) {
  const off = Object.entries(switches).filter(([, on]) => on === false).map(([name]) => name.replaceAll('_', ' '));
  const lines = [
    account.page ? signerPage(account.page) : null,
    held ? el('p', { class: 'remark-line wait' }, `Held back: ${held}`) : null,
    warning ? el('p', { class: 'remark-line wait' }, warning) : null,
    Math.abs(skew ?? 0) > SKEW_MAX
      ? el('p', { class: 'remark-line bad' }, `Relays are ${duration(Math.abs(skew))} ${skew > 0 ? 'ahead of' : 'behind'} this machine’s clock: set it right`)
      : null,
    off.length ? el('p', { class: 'remark-line wait' }, `Switched off: ${off.join(', ')}`) : null,
    unproven ? el('p', { class: 'remark-line wait' }, `${plural(unproven, 'second')} too full for a page of a relay: what is in them is not proven`) : null,
    ...parts.map((why) => el('p', { class: 'remark-line bad' }, `Failed: ${why}`)),
    ...refused.map((group) => el('p', { class: 'remark-line bad' },
      `${plural(group.count, 'message')}: ${group.meaning ?? `not taken by ${relayName(group.relay)}, ${group.why}`}`,
      ' ', el('a', { href: '#/queue' }, 'Queue'))),
  ].filter(Boolean);
  return lines.length ? el('div', { class: 'remarks' }, lines) : null;
}

/** A page that the signer wants opened. Only an address of the web becomes a link. */
export function signerPage(url) {
  const link = /^https?:\/\//.test(url)
    ? el('a', { href: url, target: '_blank', rel: 'noopener noreferrer' }, url)
    : el('code', {}, url);
  return el('p', { class: 'remark-line wait' }, 'The signer asks you to open ', link);
}

function relayCard(relay) {
  const { text, tone, why, note, done, total, busy } = relayWords(relay);
  const bar = total > 0
    ? el('progress', { max: total, value: done, 'aria-label': `${relayName(relay.url)}: ${text}` })
    : busy ? el('progress', { 'aria-label': `${relayName(relay.url)}: ${text}` }) : el('div', { class: 'no-bar' });
  const basis = { fingerprint: 'proven by fingerprint', pages: 'read page by page' }[relay.basis];
  return el('li', { class: 'card', 'data-relay': relay.url },
    el('div', { class: 'card-head' },
      el('span', { class: `dot ${tone}` }),
      el('span', { class: 'relay-name' }, relayName(relay.url)),
      el('span', { class: 'card-state' }, text)),
    bar,
    why ? el('p', { class: `relay-why ${tone}` }, why) : null,
    el('p', { class: 'remark' }, [
      relay.agreed_at ? `last equal ${moment(relay.agreed_at)}${basis ? `, ${basis}` : ''}` : 'never equal so far',
      relay.parked ? `${plural(relay.parked, 'message')} not taken` : null,
      note,
      pace(relay),
      relay.bytes_in + relay.bytes_out > 0 ? `${bytes(relay.bytes_in)} in, ${bytes(relay.bytes_out)} out` : null,
    ].filter(Boolean).join(' · ')),
    relay.trouble ? el('p', { class: 'remark bad' }, relay.trouble) : null);
}

function pace({ speed }) {
  if (!speed) return null;
  return [
    speed.bytes_per_second > 0 ? `${bytes(speed.bytes_per_second)}/s` : null,
    speed.seconds_left > 0 ? `${duration(speed.seconds_left)} left` : null,
  ].filter(Boolean).join(', ');
}
