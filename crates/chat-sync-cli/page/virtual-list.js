// A long list of which only what is on the screen is in the document.
//
// Items have any height: it is guessed until an item was shown once, and then known. What is rendered stands in the
// normal flow, between two paddings that are as high as everything above and below, so that nothing ever overlaps.
// What a reader looks at stays where it is when something above it changes: the first item in sight is the anchor.
// With `stick`, whoever is at the end stays at the end.

/** What is rendered beyond each edge of the screen, in pixels. */
const OVERSCAN = 600;
/** So near to the end counts as at the end, in pixels. */
const END = 32;
/** Guesses become heights while rendering; after so many rounds what is left is mended with the next scroll. */
const ROUNDS_MAX = 6;

export class VirtualList {
  #scroller;
  #list;
  #key;
  #create;
  #estimate;
  #stick;
  #onRange;
  #items = [];
  #index = new Map();
  #heights = new Map();
  #offsets = new Float64Array(1);
  #shown = new Map();
  #anchor = null;
  #atEnd;
  #top = 0;
  #active = null;
  #frame = 0;
  #hidden = false;
  #sizes;

  /**
   * `key(item)` names an item for good, `create(item)` makes its element, `estimate(item)` guesses its height in
   * pixels, `onRange(first, last)` hears which items are rendered.
   */
  constructor({ scroller, list, key, create, estimate, stick = false, onRange = () => {} }) {
    this.#scroller = scroller;
    this.#list = list;
    this.#key = key;
    this.#create = create;
    this.#estimate = estimate;
    this.#stick = stick;
    this.#atEnd = stick;
    this.#onRange = onRange;
    this.#sizes = new ResizeObserver((entries) => this.#resized(entries));
    this.#sizes.observe(scroller);
    scroller.addEventListener('scroll', () => this.#schedule(), { passive: true });
    list.addEventListener('focusin', (event) => this.#focused(event));
  }

  get items() {
    return this.#items;
  }

  /** The end is in sight. */
  get atEnd() {
    return this.#atEnd;
  }

  /** The item that the keyboard is at, or the first one in sight. */
  get activeKey() {
    return this.#index.has(this.#active) ? this.#active : this.#anchor?.key ?? null;
  }

  /** Replaces the items. Elements of items that are the same object stay as they are. */
  set(items) {
    this.#glance();
    const before = new Map([...this.#shown.keys()].map((key) => [key, this.#items[this.#index.get(key)]]));
    this.#items = items;
    this.#index = new Map(items.map((item, at) => [this.#key(item), at]));
    for (const [key, { element }] of this.#shown) {
      const at = this.#index.get(key);
      if (at === undefined) this.#remove(key, element);
      else if (items[at] !== before.get(key)) this.#renew(key, element, items[at]);
    }
    this.#measureAll();
    this.#layout();
  }

  /** Forgets everything, and starts at the end, or at the beginning. */
  clear() {
    for (const [key, { element }] of this.#shown) this.#remove(key, element);
    this.#items = [];
    this.#index.clear();
    this.#heights.clear();
    this.#anchor = null;
    this.#active = null;
    this.#atEnd = this.#stick;
    this.#top = 0;
    this.#scroller.scrollTop = 0;
    this.#measureAll();
    this.#layout();
  }

  /** Makes the element of an item again. */
  refresh(key) {
    const element = this.elementOf(key);
    if (!element) return;
    this.#glance();
    this.#renew(key, element, this.#items[this.#index.get(key)]);
    this.#layout();
  }

  elementOf(key) {
    return this.#shown.get(key)?.element ?? null;
  }

  toEnd() {
    this.#atEnd = true;
    this.#anchor = null;
    this.#layout();
  }

  /** Brings an item into sight: a third down, or, with `nearest`, only as far as needed. */
  show(key, { nearest = false } = {}) {
    const at = this.#index.get(key);
    if (at === undefined) return;
    this.#glance();
    const height = this.#scroller.clientHeight;
    const [top, bottom] = [this.#offsets[at], this.#offsets[at + 1]];
    let delta = -height / 3;
    if (nearest) {
      if (top >= this.#top && bottom <= this.#top + height) delta = this.#top - top;
      else if (bottom > this.#top + height && bottom - top < height) delta = bottom - height - top;
      else delta = 0;
    }
    this.#atEnd = false;
    this.#anchor = { key, delta };
    this.#layout();
    this.#look();
  }

  /** Moves the keyboard to an item. */
  focus(key) {
    if (!this.#index.has(key)) return;
    this.#setActive(key);
    this.show(key, { nearest: true });
    this.elementOf(key)?.focus({ preventScroll: true });
  }

  /** Moves the keyboard by so many items. Answers false at the edge. */
  move(steps) {
    const at = this.#index.get(this.activeKey);
    if (at === undefined) return false;
    const next = Math.min(this.#items.length - 1, Math.max(0, at + steps));
    this.focus(this.#key(this.#items[next]));
    return next === at + steps;
  }

  focusFirst() {
    if (this.#items.length) this.focus(this.#key(this.#items[0]));
  }

  focusLast() {
    if (this.#items.length) this.focus(this.#key(this.#items.at(-1)));
  }

  #focused(event) {
    for (const [key, { element }] of this.#shown) {
      if (element.contains(event.target)) return this.#setActive(key);
    }
  }

  #setActive(key) {
    this.#active = key;
    this.#placeStop();
  }

  #schedule() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#hidden) return;
      this.#look();
      this.#layout();
    });
  }

  #resized(entries) {
    if (this.#scroller.clientHeight === 0) {
      // Another view is shown. Browsers forget how far a hidden element was scrolled; the anchor does not.
      this.#hidden = this.#shown.size > 0;
      return;
    }
    if (this.#hidden) this.#hidden = false;
    else this.#glance();
    let changed = false;
    for (const { target } of entries) {
      if (target === this.#scroller) {
        changed = true;
        continue;
      }
      const key = target.dataset.key;
      const height = heightOf(target);
      // Hidden, not flat.
      if (height === 0 || !this.#shown.has(key)) continue;
      if (Math.abs((this.#heights.get(key) ?? 0) - height) > 0.5) {
        this.#heights.set(key, height);
        changed = true;
      }
    }
    if (!changed) return;
    this.#measureAll();
    this.#layout();
  }

  /** Looks when somebody has scrolled since the last look. */
  #glance() {
    if (!this.#hidden && Math.abs(this.#scroller.scrollTop - this.#top) > 1) this.#look();
  }

  /** Learns from where the reader has scrolled to. What is in the document counts: it may have just changed its size. */
  #look() {
    const { scrollTop, clientHeight, scrollHeight } = this.#scroller;
    if (clientHeight === 0) return;
    this.#top = scrollTop;
    this.#atEnd = this.#stick && scrollTop + clientHeight >= scrollHeight - END;
    const at = this.#at(scrollTop);
    this.#anchor = this.#items.length
      ? { key: this.#key(this.#items[at]), delta: scrollTop - this.#offsets[at] }
      : null;
  }

  get #total() {
    return this.#offsets[this.#items.length];
  }

  /** The item at so many pixels from the top. */
  #at(pixels) {
    let [low, high] = [0, this.#items.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#offsets[middle] <= pixels) low = middle;
      else high = middle - 1;
    }
    return Math.max(0, low);
  }

  #measureAll() {
    const offsets = new Float64Array(this.#items.length + 1);
    this.#items.forEach((item, at) => {
      offsets[at + 1] = offsets[at] + (this.#heights.get(this.#key(item)) ?? this.#estimate(item));
    });
    this.#offsets = offsets;
  }

  #layout() {
    const scroller = this.#scroller;
    if (scroller.clientHeight === 0) return;
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const top = this.#wantedTop();
      const first = this.#at(Math.max(0, top - OVERSCAN));
      const last = Math.min(this.#items.length, this.#at(top + scroller.clientHeight + OVERSCAN) + 1);
      this.#render(first, last);
      if (!this.#learn()) break;
      this.#measureAll();
    }
    const top = this.#wantedTop();
    if (Math.abs(scroller.scrollTop - top) > 0.5) scroller.scrollTop = top;
    this.#top = scroller.scrollTop;
    if (this.#anchor === null && !this.#atEnd) this.#look();
  }

  #wantedTop() {
    const max = Math.max(0, this.#total - this.#scroller.clientHeight);
    if (this.#atEnd) return max;
    const at = this.#anchor ? this.#index.get(this.#anchor.key) : undefined;
    const top = at === undefined ? this.#top : this.#offsets[at] + this.#anchor.delta;
    return Math.min(max, Math.max(0, top));
  }

  #render(first, last) {
    const wanted = new Set();
    for (let at = first; at < last; at += 1) wanted.add(this.#key(this.#items[at]));
    for (const [key, { element }] of this.#shown) if (!wanted.has(key)) this.#remove(key, element);
    let previous = null;
    for (let at = first; at < last; at += 1) {
      const item = this.#items[at];
      const key = this.#key(item);
      let element = this.#shown.get(key)?.element;
      if (!element) {
        element = this.#create(item);
        this.#adopt(key, element);
      }
      const place = previous ? previous.nextSibling : this.#list.firstChild;
      if (element !== place) this.#list.insertBefore(element, place);
      element.setAttribute('aria-posinset', at + 1);
      element.setAttribute('aria-setsize', this.#items.length);
      previous = element;
    }
    this.#list.style.paddingTop = `${this.#offsets[first] ?? 0}px`;
    this.#list.style.paddingBottom = `${this.#total - (this.#offsets[last] ?? 0)}px`;
    this.#placeStop();
    this.#onRange(first, last);
  }

  /** One item can be reached with Tab; the others from there with arrows. */
  #placeStop() {
    const key = this.#shown.has(this.#active) ? this.#active : this.#anchor?.key;
    const stop = this.elementOf(key) ?? this.#shown.values().next().value?.element;
    for (const { element } of this.#shown.values()) element.tabIndex = element === stop ? 0 : -1;
  }

  /** Puts a fresh element where the old one is. The keyboard stays at the control it was at. */
  #renew(key, old, item) {
    const focused = old.contains(document.activeElement);
    const within = focused ? focusName(document.activeElement) : null;
    const element = this.#create(item);
    this.#sizes.unobserve(old);
    old.replaceWith(element);
    this.#adopt(key, element);
    if (focused) ((within && element.querySelector(within)) ?? element).focus({ preventScroll: true });
  }

  #adopt(key, element) {
    element.dataset.key = key;
    // What cannot have the keyboard cannot keep it.
    element.tabIndex = -1;
    this.#shown.set(key, { element });
    this.#sizes.observe(element);
  }

  #remove(key, element) {
    // The keyboard stays in the list when what it was at has scrolled away.
    if (element.contains(document.activeElement)) this.#scroller.focus({ preventScroll: true });
    this.#sizes.unobserve(element);
    element.remove();
    this.#shown.delete(key);
  }

  /** Reads the heights of what is rendered. Answers whether a guess was wrong. */
  #learn() {
    let wrong = false;
    for (const [key, { element }] of this.#shown) {
      const height = heightOf(element);
      const known = this.#heights.get(key);
      if (known !== undefined && Math.abs(known - height) <= 0.5) continue;
      this.#heights.set(key, height);
      wrong = true;
    }
    return wrong;
  }
}

function heightOf(element) {
  return element.getBoundingClientRect().height;
}

/** A selector that finds the same control in an element that was made again. */
function focusName(element) {
  const name = element?.dataset?.name;
  return name ? `[data-name="${CSS.escape(name)}"]` : null;
}
