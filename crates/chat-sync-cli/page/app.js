// The page: makes the parts and lets them know of each other. The only file that knows all of them.

import { announce, regions } from './announce.js';
import { Api, Refused } from './daemon.js';
import { Banner } from './banner.js';
import { ConversationList } from './conversation-list.js';
import { Conversations } from './conversations.js';
import { button, el, fill } from './dom.js';
import { Events } from './events.js';
import { ExtensionSigner } from './extension.js';
import { keysView } from './keys-view.js';
import { LoginView } from './login-view.js';
import { Messages } from './messages.js';
import { queueView } from './queue-view.js';
import { relaysView } from './relays-view.js';
import { VIEWS, chatHash, parseRoute } from './route.js';
import { listenForShortcuts, showShortcuts } from './shortcuts.js';
import { StatusBar } from './status-bar.js';
import { NOBODY } from './status-words.js';
import { statusView } from './status-view.js';
import { switchesView } from './switches-view.js';
import { Thread } from './thread.js';
import { hasToken, takeToken } from './token.js';

/** Statuses come ten times a second while much happens. */
const REDRAW_MS = 250;
const NAMES = { chats: 'Chats', status: 'Status', queue: 'Queue', relays: 'Relays', keys: 'Keys', switches: 'Switches' };

// The address with a key, pasted where the page is open already, changes nothing but what is behind the #.
addEventListener('hashchange', () => {
  if (hasToken()) location.reload();
});
const token = takeToken();
if (token === null) noAccess('This page needs its key', 'It was opened without one.');
else start(token);

/** The whole page for somebody who may not see it. */
function noAccess(heading, why) {
  fill(document.body, el('main', { class: 'alone' },
    el('h1', {}, heading),
    el('p', {}, `${why} The key is in the address that `, el('code', {}, 'chat-sync ui'),
      ' opens, and changes when the daemon is started again.'),
    el('p', {}, 'Run ', el('code', {}, 'chat-sync ui'), ' on this machine to open the page.')));
}

function start(key) {
  const api = new Api(key);
  const events = new Events(api);
  const conversations = new Conversations(api);
  const thread = new Thread(api);
  const extension = new ExtensionSigner(api);
  let status = null;
  let loggedIn = null;

  const bar = new StatusBar();
  const banner = new Banner({ events, api });
  const list = new ConversationList({ api, conversations, onNew: begin });
  const messages = new Messages({ api, thread, conversations, onClosed: () => go('#/chats') });
  const login = new LoginView({ api, extension });
  const chats = el('div', { class: 'chats' }, list.element, messages.element);
  const panels = {
    status: statusView({ api, connection: () => events.connection }),
    queue: queueView({ api }),
    relays: relaysView({ api }),
    keys: keysView({ api }),
    switches: switchesView({ api }),
  };
  const links = new Map(VIEWS.map((view) => [view, el('a', { href: `#/${view}`, class: 'tab' }, NAMES[view])]));
  const nav = el('nav', { class: 'tabs', 'aria-label': 'Views' }, [...links.values()]);
  fill(document.body,
    el('header', { class: 'top' },
      bar.element,
      nav,
      button('?', showShortcuts, { class: 'help', 'aria-label': 'Keys', title: 'Keys (?)' })),
    banner.element,
    el('main', {}, chats, login.element, Object.values(panels).map((panel) => panel.element)),
    regions);

  function go(hash) {
    if (location.hash === hash) route();
    else location.hash = hash;
  }

  /** Shows the chats, and then does something there. */
  function inChats(hash, then) {
    if (location.hash === hash || (hash === lastChats && !chats.hidden)) return then();
    addEventListener('hashchange', () => requestAnimationFrame(then), { once: true });
    location.hash = hash;
  }

  function begin() {
    inChats(chatHash(crypto.randomUUID()), () => messages.composer.focus());
  }

  let shownView = null;
  /** Where the chats were left. */
  let lastChats = '#/chats';

  /** Shows what the address says. */
  function route() {
    const { view, conversation, message } = parseRoute(location.hash);
    const hidden = loggedIn === false;
    nav.hidden = hidden;
    login.element.hidden = !hidden;
    chats.hidden = hidden || view !== 'chats';
    for (const [name, panel] of Object.entries(panels)) panel.element.hidden = hidden || name !== view;
    for (const [name, link] of links) {
      if (name === view) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    if (view === 'chats') lastChats = chatHash(conversation);
    // Back to where one was; from there, to the list.
    links.get('chats').href = view === 'chats' ? '#/chats' : lastChats;
    document.body.dataset.open = conversation ? 'thread' : 'list';
    const moved = shownView !== null && shownView !== view;
    shownView = view;
    if (hidden) return;
    if (view === 'chats') {
      list.select(conversation);
      events.follow(conversation);
      messages.open(conversation, message);
    } else {
      messages.look();
      panels[view].refresh();
      if (moved) panels[view].heading.focus();
    }
    title();
  }

  function title() {
    const unread = conversations.list.reduce((sum, { unread: each }) => sum + (each ?? 0), 0);
    document.title = unread > 0 ? `(${unread}) Chat Sync` : 'Chat Sync';
  }

  /** Who is logged in decides what there is to see. */
  async function readAccount() {
    try {
      await api.get('/account');
      if (loggedIn === false) announce('Logged in');
      loggedIn = true;
    } catch (error) {
      if (error instanceof Refused && error.status === 404) loggedIn = false;
      else return;
    }
    route();
    show();
    if (loggedIn) conversations.load();
  }

  function show() {
    bar.show(loggedIn === false ? NOBODY : status, events.connection);
    list.accountIs(status?.account.state ?? 'loading');
    banner.show(loggedIn === false ? null : status, events.connection);
  }

  events.on('connection', ({ state }) => {
    if (state === 'denied') return noAccess('The key of this page is not valid any more', 'The daemon has refused it.');
    show();
  });
  // Also the first thing that a new connection tells; of one conversation, when it begins to be followed.
  events.on('reload', async ({ conversation }) => {
    if (conversation === undefined) await readAccount();
    thread.refresh();
  });
  let drawing = 0;

  /** As often as a person can follow; a bar that is made anew more often does not move smoothly either. */
  function statusSoon() {
    drawing ||= setTimeout(() => {
      drawing = 0;
      if (panels.status.shown && status) panels.status.show(status);
    }, REDRAW_MS);
  }

  events.on('status', (next) => {
    const moved = status === null || ['waiting', 'safe', 'parked', 'drafts'].some((each) => status[each] !== next[each]);
    status = next;
    show();
    if (panels.status.shown) statusSoon();
    if (panels.queue.shown && moved) panels.queue.refresh();
    if (moved && thread.unsettled) thread.refresh();
  });
  events.on('landed', ({ conversation, messages: landed }) => {
    if (conversation === thread.id) thread.landed(landed);
  });
  events.on('renamed', (names) => thread.renamed(names));
  events.on('removed', ({ ids }) => thread.removed(ids));
  events.on('counts', ({ conversations: changed }) => {
    conversations.apply(changed);
    // It began elsewhere while it was looked at.
    if (thread.state === 'absent' && changed.some(({ id }) => id === thread.id)) thread.refresh();
  });
  events.on('signer', (request) => extension.handle(request));
  events.on('login', (progress) => {
    login.progress(progress);
    if (progress.state === 'done') readAccount();
  });
  conversations.on('changed', title);
  addEventListener('hashchange', route);
  listenForShortcuts({
    '/': () => inChats(lastChats, () => list.focusSearch()),
    n: begin,
    c: () => inChats(lastChats, () => messages.composer.focus()),
    l: () => inChats(lastChats, () => list.focus()),
    m: () => inChats(lastChats, () => messages.focus()),
    ...Object.fromEntries(VIEWS.map((view, at) => [String(at + 1), () => go(view === 'chats' ? lastChats : `#/${view}`)])),
  });
  route();
  show();
  events.start();
}
