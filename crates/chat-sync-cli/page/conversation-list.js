// The list of conversations beside the messages: search, unread counts, one link each.

import { button, el, fill, setAttribute } from './dom.js';
import { chatHash } from './route.js';
import { SearchResults } from './search.js';
import { moveIn } from './shortcuts.js';
import { VirtualList } from './virtual-list.js';
import { count, fullTime, plural, shortTime } from './words.js';

export class ConversationList {
  #conversations;
  #current = null;
  #list;
  #state = el('div', { class: 'empty', hidden: true });
  #account = 'ready';
  #search;

  constructor({ api, conversations, onNew }) {
    this.#conversations = conversations;
    const items = el('div', { class: 'rows', role: 'listbox', 'aria-label': 'Conversations' });
    const scroller = el('div', { class: 'scroller', tabindex: '-1' }, this.#state, items);
    this.#list = new VirtualList({
      scroller,
      list: items,
      key: ({ id }) => id,
      create: (summary) => this.#row(summary),
      estimate: () => 60,
    });
    items.addEventListener('keydown', (event) => moveIn(this.#list, event));
    scroller.addEventListener('keydown', (event) => event.target === scroller && moveIn(this.#list, event));
    this.#search = new SearchResults({ api, conversations, onShown: (shown) => { scroller.hidden = shown; } });
    this.element = el('section', { class: 'side', 'aria-label': 'Conversations' },
      el('div', { class: 'side-head' },
        this.#search.field,
        button('New', onNew, { class: 'button', 'data-name': 'new', title: 'New conversation (n)' })),
      this.#search.element,
      scroller);
    conversations.on('changed', () => this.#show());
    this.#show();
  }

  /** Marks the conversation that is open. */
  select(id) {
    if (id === this.#current) return;
    const before = this.#current;
    this.#current = id;
    this.#list.refresh(before);
    this.#list.refresh(id);
  }

  /** Whether the account can be read decides what an empty list says. */
  accountIs(state) {
    if (state === this.#account) return;
    this.#account = state;
    this.#show();
  }

  focus() {
    this.#search.close();
    if (this.#conversations.get(this.#current)) this.#list.focus(this.#current);
    else this.#list.focusFirst();
  }

  focusSearch() {
    this.#search.focus();
  }

  #show() {
    const { list, loaded, error } = this.#conversations;
    this.#state.hidden = list.length > 0;
    if (list.length === 0) fill(this.#state, ...this.#emptiness(loaded, error));
    this.#list.set(list);
  }

  #emptiness(loaded, error) {
    if (error && error.status !== 404) {
      return [el('p', {}, `The conversations could not be read: ${error.message}`),
        button('Try again', () => this.#conversations.load())];
    }
    if (!loaded || this.#account === 'loading') return [el('p', { class: 'soon' }, 'Reading the conversations …')];
    if (this.#account === 'locked') {
      return [el('p', { class: 'empty-head' }, 'The history is locked'),
        el('p', {}, 'Nothing of it can be read while its key is. What is written now waits on this device.')];
    }
    return [
      el('p', { class: 'empty-head' }, 'No conversations yet'),
      el('p', {}, 'Write the first message here, bring an old history with ', el('code', {}, 'chat-sync import FILE'),
        ', or wait: what relays hold appears by itself.'),
    ];
  }

  #row({ id, title, messages, updated_at: at, unread }) {
    const current = id === this.#current;
    const row = el('a', {
      class: unread ? 'row unread' : 'row',
      href: chatHash(id),
      role: 'option',
      'aria-selected': String(current),
    },
    el('span', { class: 'row-title' }, title || 'Untitled'),
    el('time', { class: 'row-time', title: fullTime(at) }, shortTime(at)),
    el('span', { class: 'row-note' }, plural(messages, 'message')),
    unread ? el('span', { class: 'badge', 'aria-label': `${unread} unread` }, unread > 999 ? '999+' : count(unread)) : null);
    setAttribute(row, 'data-id', id);
    return row;
  }
}
