// What has not arrived, why, and a person's word about it.

import { failed, notice } from './announce.js';
import { confirmed } from './dialog.js';
import { button, el } from './dom.js';
import { Panel } from './panel.js';
import { moment, plural, relayName, stateWords } from './words.js';

export function queueView({ api }) {
  const panel = new Panel({
    heading: 'Queue',
    about: 'What has still to reach a relay, and what a relay does not take. It all stays on this device.',
    actions: [button('Try all now', () => retry({ all: true }), { 'data-name': 'retry-all' })],
    load: () => api.get('/queue'),
    render: (queue) => content(queue),
  });

  async function retry(what) {
    try {
      const { retried } = await api.post('/queue/retry', what);
      notice(`${plural(retried, 'delivery', 'deliveries')} due now`, 'good');
    } catch (error) {
      failed(error);
    }
    panel.refresh();
  }

  async function drop(what, heading, force = false) {
    const agreed = await confirmed(heading, [
      el('p', {}, 'This relay is not tried any more. The messages stay here, and “Try again” takes this back.'),
      force ? el('p', { class: 'bad' }, force) : null,
    ], { yes: force ? 'Give up all the same' : 'Give up', dangerous: true });
    if (!agreed) return;
    try {
      const { dropped } = await api.post('/queue/drop', force ? { ...what, force: true } : what);
      notice(`${plural(dropped, 'delivery', 'deliveries')} given up`);
    } catch (error) {
      // On no other relay, as far as is known: asked once more, with the reason.
      if (!force && error.exit === 1) return drop(what, heading, error.message);
      failed(error);
    }
    panel.refresh();
  }

  function content({ drafts, groups, more_groups: more }) {
    if (groups.length === 0 && !drafts) {
      return el('div', { class: 'empty' }, el('p', { class: 'empty-head' }, 'Nothing waits'),
        el('p', {}, 'Every message is where it should be, as far as relays have said.'));
    }
    return [
      drafts ? el('p', { class: 'remark-line wait' }, `${plural(drafts, 'message')} not sealed yet: no relay could be asked so far`) : null,
      el('ul', { class: 'cards' }, groups.map(group)),
      more ? el('p', { class: 'remark' }, `${plural(more, 'more group')}; `, el('code', {}, 'chat-sync queue list --all'), ' shows them') : null,
    ];
  }

  function group({ relay, state, count, meaning, reason, next_try: next, ids = [] }, at) {
    const { word, tone } = stateWords(state);
    const name = relayName(relay);
    // One delivery is named by its id; several go by their relay.
    const what = count === 1 && ids.length === 1 ? { id: ids[0], relay } : { relay };
    const when = next ? `tried again ${moment(next)}` : state === 'waiting' || state === 'sent' ? 'when online' : 'not tried by itself';
    return el('li', { class: 'card' },
      el('div', { class: 'card-head' },
        el('span', { class: `dot ${tone}` }),
        el('span', { class: 'relay-name' }, name),
        el('span', { class: 'card-state' }, `${plural(count, 'message')} ${word}`)),
      meaning ? el('p', {}, meaning) : null,
      reason ? el('p', { class: 'remark reason' }, `The relay said: ${reason}`) : null,
      el('p', { class: 'remark' }, when),
      el('div', { class: 'card-actions' },
        button('Try again', () => retry(what), { 'data-name': `retry-${at}`, 'aria-label': `Try again at ${name}` }),
        state === 'dropped' ? null : button('Give up', () => drop(what, `Give up at ${name}?`), {
          class: 'button', 'data-name': `drop-${at}`, 'aria-label': `Give up at ${name}`,
        })));
  }

  return panel;
}
