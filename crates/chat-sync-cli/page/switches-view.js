// What is switched on. Changes hold at once, and are kept in the configuration.

import { failed } from './announce.js';
import { el } from './dom.js';
import { Panel } from './panel.js';

/** What is known about a switch. One that is not listed here is shown by its name. */
const ABOUT = {
  sync: ['Sync', 'Off: nothing leaves this machine and nothing comes in. Chats still work here.'],
  uploads: ['Uploads', 'Messages written here go to relays.'],
  downloads: ['Downloads', 'What relays hold comes here.'],
  live: ['Live', 'A subscription stays open, so that messages appear as they are written elsewhere.'],
  negentropy: ['Compare sets', 'Relays that can are asked what differs (NIP-77). Off: they are read page by page.'],
  recent_first: ['Recent first', 'A comparison begins with what is new.'],
  parts: ['Long messages in pieces', 'A text over 40,000 bytes goes out as several messages.'],
  auth: ['Prove who asks', 'Relays that want to know who asks are told (NIP-42).'],
  nip65_relays: ['Follow your relay list', 'Relays that your account has published are used as well (NIP-65).'],
};

const FORGET = 'forget_after_days';
const DAYS_MAX = 36500;

export function switchesView({ api }) {
  const panel = new Panel({
    heading: 'Switches',
    about: 'Each part can be switched off. What is turned here holds at once, and is kept in config.toml.',
    load: () => api.get('/switches'),
    render: (switches) => el('ul', { class: 'switches' }, Object.entries(switches).map(([name, value]) => (name === FORGET ? days(value) : line([name, value])))),
  });

  async function change(name, value) {
    try {
      panel.show(await api.patch('/switches', { [name]: value }));
    } catch (error) {
      failed(error);
      panel.refresh();
    }
  }

  function line([name, value]) {
    const [label, about] = ABOUT[name.replaceAll('-', '_')] ?? [name.replaceAll(/[-_]/g, ' '), ''];
    const control = el('input', {
      type: 'checkbox', role: 'switch', class: 'switch', checked: value, 'data-name': name,
      on: { change: (event) => change(name, event.target.checked) },
    });
    return el('li', {}, el('label', {}, el('span', { class: 'switch-words' },
      el('span', { class: 'switch-name' }, label), about ? el('span', { class: 'remark' }, about) : null), control));
  }

  /** How long messages are kept on this device. */
  function days(value) {
    const control = el('input', {
      type: 'number', class: 'days', min: 1, max: DAYS_MAX, step: 1, placeholder: 'never', value, 'data-name': FORGET,
      on: {
        change: ({ target }) => {
          if (target.reportValidity()) change(FORGET, target.value === '' ? null : Number(target.value));
        },
      },
    });
    return el('li', {}, el('label', {}, el('span', { class: 'switch-words' },
      el('span', { class: 'switch-name' }, 'Forget after days'),
      el('span', { class: 'remark' }, 'Messages that are older, and safe on relays, leave this device. Relays and other devices keep them. Empty: everything is kept.')),
    control));
  }

  return panel;
}
