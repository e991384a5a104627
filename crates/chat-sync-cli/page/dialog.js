// Questions and lists over the page. The browser's own dialog keeps the keyboard inside and closes with Escape.

import { button, el } from './dom.js';

/** Opens a dialog with a heading. Answers the element; `close` removes it, and the keyboard goes back to where it was. */
export function openDialog(heading, content, actions = []) {
  const back = document.activeElement;
  const dialog = el('dialog', { class: 'dialog', 'aria-labelledby': 'dialog-heading' },
    el('h2', { id: 'dialog-heading' }, heading),
    el('div', { class: 'dialog-content' }, content),
    el('div', { class: 'dialog-actions' }, actions));
  dialog.addEventListener('close', () => {
    dialog.remove();
    if (back?.isConnected) back.focus({ preventScroll: true });
  });
  // A click beside it is a no.
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * Asks before something is done. Resolves to true when somebody said yes. `dangerous` makes "no" the first choice.
 */
export function confirmed(heading, content, { yes, dangerous = false }) {
  return new Promise((resolve) => {
    let answer = false;
    const agree = button(yes, () => {
      answer = true;
      dialog.close();
    }, { class: dangerous ? 'button dangerous' : 'button primary', 'data-name': 'yes' });
    const decline = button('Cancel', () => dialog.close(), { 'data-name': 'cancel' });
    const dialog = openDialog(heading, content, [decline, agree]);
    (dangerous ? decline : agree).focus();
    dialog.addEventListener('close', () => resolve(answer));
  });
}
