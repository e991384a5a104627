// One message, as it is read.

import { body } from './content.js';
import { button, el } from './dom.js';
import { clockTime, fullTime, roleName, stateWords } from './words.js';

/**
 * `actions` are `step(message, by)` for versions, and `receipts`, `reply`, `copy`, `remove`, each with the message.
 * `details` is what is shown below it, if it was opened.
 */
export function messageElement(message, { unfolded, details, actions }) {
  const { role, model, created_at: at } = message;
  const who = roleName(role);
  const article = el('article', {
    class: `message ${['user', 'assistant', 'system'].includes(role) ? role : 'assistant'}`,
    'aria-label': `${who}, ${fullTime(at)}`,
    'data-id': message.id,
  },
  message.day ? el('p', { class: 'day' }, message.day) : null,
  el('div', { class: 'message-box' },
    el('header', { class: 'message-head' },
      el('span', { class: 'who' }, who),
      model ? el('span', { class: 'model' }, model) : null,
      el('time', { class: 'at', datetime: new Date(at * 1000).toISOString(), title: fullTime(at) }, clockTime(at))),
    body(message, unfolded),
    el('footer', { class: 'message-foot' },
      message.versions > 1 ? versions(message, actions) : null,
      stateButton(message, details !== null, actions),
      el('span', { class: 'message-actions' },
        button('Answer', () => actions.reply(message), { class: 'quiet-button', 'data-name': 'reply', title: 'Answer from here: begins another version' }),
        button('Copy', () => actions.copy(message), { class: 'quiet-button', 'data-name': 'copy' }),
        button('Delete', () => actions.remove(message), { class: 'quiet-button', 'data-name': 'delete' }))),
    details));
  return article;
}

function versions(message, actions) {
  const { version, versions: all } = message;
  const step = (by, label, sign) => button(sign, () => actions.step(message, by), {
    class: 'step',
    'aria-label': label,
    'data-name': `step${by}`,
    disabled: version + by < 1 || version + by > all,
  });
  return el('span', { class: 'versions', role: 'group', 'aria-label': `Version ${version} of ${all}` },
    step(-1, 'Version before', '‹'), el('span', { class: 'version' }, `${version}/${all}`), step(1, 'Version after', '›'));
}

function stateButton(message, open, actions) {
  const { word, tone, sentence } = stateWords(message.state);
  return button([el('span', { class: `dot ${tone}` }), word], () => actions.receipts(message), {
    class: 'quiet-button state',
    title: sentence,
    'aria-label': `${sentence} Where it is`,
    'aria-expanded': String(open),
    'data-name': 'state',
  });
}
