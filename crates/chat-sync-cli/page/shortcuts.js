// Keys, and the dialog that lists them.

import { openDialog } from './dialog.js';
import { button, el, takesText } from './dom.js';

const KEYS = [
  ['Everywhere', [
    ['/', 'search'],
    ['n', 'new conversation'],
    ['c', 'write'],
    ['l', 'list of conversations'],
    ['m', 'messages'],
    ['1 … 6', 'chats, status, queue, relays, keys, switches'],
    ['?', 'this list'],
  ]],
  ['In a list', [
    ['↑ ↓', 'one up, one down'],
    ['Page ↑ ↓', 'ten at a time'],
    ['Home, End', 'first, last'],
    ['Enter', 'open'],
  ]],
  ['At a message', [
    ['← →', 'version before, version after'],
    ['i', 'where it is: receipts'],
    ['r', 'answer from here: begins another version'],
    ['y', 'copy'],
    ['Delete', 'delete, after a question'],
  ]],
  ['While writing', [
    ['Enter', 'send'],
    ['Shift Enter', 'new line'],
    ['Esc', 'back to the messages'],
  ]],
];

/** Calls `actions[key]` for keys that are pressed outside text fields and without Ctrl, Alt or Meta. */
export function listenForShortcuts(actions) {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
    if (takesText(event.target) || document.querySelector('dialog[open]')) return;
    const action = event.key === '?' ? showShortcuts : actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

export function showShortcuts() {
  const groups = KEYS.map(([heading, keys]) => el('section', {},
    el('h3', {}, heading),
    el('dl', { class: 'keys' }, keys.map(([key, does]) => el('div', {}, el('dt', {}, el('kbd', {}, key)), el('dd', {}, does))))));
  const close = button('Close', () => dialog.close(), { class: 'button primary' });
  const dialog = openDialog('Keys', el('div', { class: 'key-groups' }, groups), [close]);
  close.focus();
}

/** Up, down, by ten, first and last in a virtual list. Answers whether the key was one of these. */
export function moveIn(list, event) {
  const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -10, PageDown: 10 }[event.key];
  if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return false;
  if (steps) list.move(steps);
  else if (event.key === 'Home') list.focusFirst();
  else if (event.key === 'End') list.focusLast();
  else return false;
  event.preventDefault();
  return true;
}
