// What a message says: a text, or an array of parts as other chat programs write them.

import { button, el, fill } from './dom.js';
import { render } from './markdown.js';
import { count } from './words.js';

/** A longer text is folded: one message must not take the place of all others. */
const FOLD_CHARACTERS = 8_000;
/** What is shown of it then. */
const SHOWN_CHARACTERS = 4_000;
/** Pictures that travel in the message. One from elsewhere would tell a stranger that it is read. */
const PICTURE = /^data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+$/;

/** The body of a message. `unfolded` remembers across renderings which long ones were opened. */
export function body(message, unfolded) {
  const element = el('div', { class: 'body' });
  const parts = partsOf(message.content);
  if (parts) return fill(element, parts.map(part));
  const whole = message.content;
  if (whole.length <= FOLD_CHARACTERS || unfolded.has(message.id)) return fill(element, render(whole));
  const more = button(`Show all ${count(whole.length)} characters`, () => {
    unfolded.add(message.id);
    fill(element, render(whole));
  }, { class: 'quiet-button' });
  return fill(element, render(beginning(whole)), more);
}

/** The text alone, to copy, search or edit. */
export function plainText(message) {
  const parts = partsOf(message.content);
  return parts ? parts.map((each) => each.text ?? '').filter(Boolean).join('\n\n') : message.content;
}

function partsOf(content) {
  if (!content.startsWith('[')) return null;
  try {
    const parts = JSON.parse(content);
    const valid = Array.isArray(parts) && parts.length > 0 && parts.every((each) => typeof each?.type === 'string');
    return valid ? parts : null;
  } catch {
    return null;
  }
}

function part({ type, text, image_url: image }) {
  if (typeof text === 'string') return render(text);
  const url = typeof image === 'string' ? image : image?.url;
  if (typeof url === 'string' && PICTURE.test(url)) return el('img', { src: url, alt: 'a picture in the message' });
  if (typeof url === 'string') return el('p', { class: 'remark' }, 'A picture that is kept elsewhere; it is not loaded.');
  return el('p', { class: 'remark' }, `A part of the kind “${type.slice(0, 40)}”, which this page does not show.`);
}

/** Up to the end of a line, and never half of a character. */
function beginning(text) {
  const cut = text.slice(0, SHOWN_CHARACTERS);
  const line = cut.lastIndexOf('\n');
  return line > SHOWN_CHARACTERS / 2 ? cut.slice(0, line) : cut.replace(/[\uD800-\uDBFF]$/, '');
}
