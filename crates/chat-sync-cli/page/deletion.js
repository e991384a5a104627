// Deleting: first what would go, then the question, then what each relay says.

import { part } from './daemon.js';
import { failed, notice } from './announce.js';
import { confirmed, openDialog } from './dialog.js';
import { button, el } from './dom.js';
import { plural, relayName } from './words.js';

/** `id` names a conversation or one message. Answers whether something was deleted. */
export async function deleteAfterQuestion(api, id, what) {
  let preview;
  try {
    preview = await api.delete(`/conversations/${part(id)}`, { dry_run: true });
  } catch (error) {
    failed(error);
    return false;
  }
  const hereOnly = el('input', { type: 'checkbox', 'data-name': 'here-only' });
  const agreed = await confirmed(`Delete ${what}?`, [
    el('p', {}, amount(preview)),
    preview.relays?.length
      ? el('ul', { class: 'plain' }, preview.relays.map(({ url, known }) => el('li', {},
        el('span', { class: 'relay-name' }, relayName(url)), ` ${known} of ${preview.events} known to be there`)))
      : null,
    el('p', { class: 'remark' }, 'It goes from every device and every relay that keeps to it. No relay can be made to forget.'),
    el('label', { class: 'check' }, hereOnly, el('span', {}, 'Only from this device. The next sync brings it back.')),
  ], { yes: 'Delete', dangerous: true });
  if (!agreed) return false;
  try {
    const done = await api.delete(`/conversations/${part(id)}`, { here_only: hereOnly.checked ? true : null });
    report(done);
    return true;
  } catch (error) {
    failed(error);
    return false;
  }
}

function amount({ message, title, messages, versions, drafts, aliases }) {
  const extra = [
    versions > 0 ? plural(versions, 'older version') : null,
    drafts > 0 ? plural(drafts, 'draft that was never sent', 'drafts that were never sent') : null,
    aliases > 0 ? plural(aliases, 'copy under another id', 'copies under other ids') : null,
  ].filter(Boolean).join(', ');
  const whose = message ? `One message of “${title}”` : `“${title}”: ${plural(messages, 'message')}`;
  return `${whose}${extra ? `, with ${extra}` : ''}.`;
}

function report(done) {
  if (done.here_only) {
    notice(`${plural(done.dropped, 'message')} dropped from this device${done.kept ? `, ${done.kept} kept: no relay is known to hold them` : ''}`);
    return;
  }
  const left = (done.relays ?? []).filter((relay) => relay.deletions !== 'accepted' || relay.error || relay.serves > 0);
  if (left.length === 0) return notice('Deleted here and on every relay', 'good');
  const close = button('Close', () => dialog.close(), { class: 'button primary' });
  const dialog = openDialog('Deleted here, not everywhere', [
    el('ul', { class: 'plain' }, left.map((relay) => el('li', {}, el('span', { class: 'relay-name' }, relayName(relay.url)), ` ${rest(relay)}`))),
    el('p', { class: 'remark' }, 'What relays still serve is not shown again, on any device.'),
  ], [close]);
  close.focus();
}

function rest({ deletions, reason, serves, error }) {
  const told = { waiting: 'is told when it can be reached', refused: `did not take the deletion${reason ? ` (${reason})` : ''}` }[deletions];
  const left = error ? 'could not be asked' : serves > 0 ? `still serves ${serves}` : null;
  return [left, told].filter(Boolean).join(' and ');
}
