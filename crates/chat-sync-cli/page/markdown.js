// The text of a message: paragraphs, code in lines, code in blocks. Nothing else is read into it, and every piece of it
// becomes a text node.

import { el } from './dom.js';

/** The pieces of a text: `{ code, language }` for a fenced block, `{ text }` for what is between. */
export function blocks(text) {
  const found = [];
  let plain = [];
  const lines = text.split('\n');
  const flush = () => {
    const joined = plain.join('\n').replace(/^\n+|\s+$/g, '');
    if (joined !== '') found.push({ text: joined });
    plain = [];
  };
  for (let at = 0; at < lines.length; at += 1) {
    const open = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/.exec(lines[at]);
    if (!open) {
      plain.push(lines[at]);
      continue;
    }
    flush();
    const [, fence, language] = open;
    const code = [];
    const closes = (line) => line.trim().startsWith(fence) && /^[`~]+$/.test(line.trim());
    // A fence that nobody closes goes on to the end, as while an answer is still being written.
    for (at += 1; at < lines.length && !closes(lines[at]); at += 1) code.push(lines[at]);
    found.push({ code: code.join('\n'), language: language.trim().split(/\s/)[0] });
  }
  flush();
  return found;
}

/** A text as elements. */
export function render(text) {
  return blocks(text).flatMap((block) => ('code' in block ? [codeBlock(block)] : paragraphs(block.text)));
}

function paragraphs(text) {
  return text.split(/\n{2,}/).map((paragraph) => el('p', {}, inline(paragraph)));
}

/** Text, and what stands between backticks as code. */
function inline(text) {
  return text.split(/(`[^`\n]+`)/).map((piece, at) => (at % 2 ? el('code', {}, piece.slice(1, -1)) : piece));
}

function codeBlock({ code, language }) {
  // Reachable by keyboard, because it scrolls sideways.
  const pre = el('pre', { tabindex: '0', 'aria-label': language ? `${language} code` : 'code' }, el('code', {}, code));
  return el('figure', { class: 'code' }, language ? el('figcaption', {}, language.slice(0, 40)) : null, pre);
}
