// Elements out of values. Text only ever becomes text: there is no way in here for markup.

/**
 * Makes an element. `props` are attributes, except `class`, `on` (event listeners by name), and `props` (properties
 * that are set on the object). An attribute that is null, undefined or false is left out. Children are elements,
 * strings, or nothing.
 */
export function el(tag, { class: name, on, props, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  for (const [attribute, value] of Object.entries(attributes)) setAttribute(element, attribute, value);
  for (const [event, listener] of Object.entries(on ?? {})) element.addEventListener(event, listener);
  Object.assign(element, props);
  element.append(...kept(children));
  return element;
}

/** Sets an attribute, or takes it away for null, undefined and false. */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? '' : String(value));
}

/** Replaces what is in an element. */
export function fill(element, ...children) {
  element.replaceChildren(...kept(children));
  return element;
}

/** A button with words on it. */
export function button(label, onClick, { class: name = 'button', ...attributes } = {}) {
  return el('button', { type: 'button', class: name, on: { click: onClick }, ...attributes }, label);
}

/** Whether somebody is typing there, so that a letter is a letter and no shortcut. */
export function takesText(target) {
  return target instanceof HTMLElement
    && (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName));
}

function kept(children) {
  return children.flat(2).filter((child) => child !== null && child !== undefined && child !== false && child !== '');
}
