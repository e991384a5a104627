// Which view is shown, as it stands in the address behind the #.

export const VIEWS = ['chats', 'status', 'queue', 'relays', 'keys', 'switches'];

/** `{ view, conversation, message }` of an address like `#/chats/ID/MESSAGE`. */
export function parseRoute(hash) {
  const [view, conversation, message] = hash.replace(/^#\/?/, '').split('/').map(decode);
  return {
    view: VIEWS.includes(view) ? view : 'chats',
    conversation: (view === 'chats' && conversation) || null,
    message: (view === 'chats' && message) || null,
  };
}

/** The address of a conversation, and of a message in it. */
export function chatHash(conversation, message) {
  return ['#/chats', conversation, message].filter(Boolean).map((each, at) => (at ? encodeURIComponent(each) : each))
    .join('/');
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
