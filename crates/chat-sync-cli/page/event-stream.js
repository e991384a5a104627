// Server-sent events out of the bytes of a response. EventSource cannot send the token, so the stream is read by hand.

/** Yields `{ id, name, data }` for each event, and null for each chunk of bytes, which shows that somebody is there. */
export async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield null;
      rest += value;
      const blocks = rest.split(/\r?\n\r?\n/);
      rest = blocks.pop();
      for (const block of blocks) {
        const event = parse(block);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parse(block) {
  const event = { id: null, name: 'message', data: '' };
  const lines = [];
  for (const line of block.split(/\r?\n/)) {
    const at = line.indexOf(':');
    if (at === 0) continue; // A comment keeps the connection alive.
    const field = at < 0 ? line : line.slice(0, at);
    const value = at < 0 ? '' : line.slice(at + 1).replace(/^ /, '');
    if (field === 'id') event.id = value;
    else if (field === 'event') event.name = value;
    else if (field === 'data') lines.push(value);
  }
  event.data = lines.join('\n');
  return event.id === null && event.name === 'message' && event.data === '' ? null : event;
}
