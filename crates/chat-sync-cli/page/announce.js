// What a screen reader says, and what everybody sees for a moment.

import { el } from './dom.js';

const spoken = el('div', { class: 'unseen', 'aria-live': 'polite' });
const notices = el('div', { class: 'notices', role: 'status' });

/** How long a notice stays. Longer than it takes to read. */
const NOTICE_MS = 7_000;

export const regions = [spoken, notices];

/** Says it to whoever listens instead of looking. */
export function announce(text) {
  spoken.textContent = text;
}

/** Shows a line at the edge for a moment. */
export function notice(text, tone = 'calm') {
  const line = el('div', { class: `notice ${tone}` }, text);
  notices.append(line);
  setTimeout(() => line.remove(), NOTICE_MS);
}

/** The same for what went wrong. */
export function failed(error) {
  notice(error.message, 'bad');
}
