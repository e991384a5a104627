// States, counts and times in words. The words are those of the command line.

const number = new Intl.NumberFormat('en');
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const dayWithYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const longDay = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });

/** A number with its thousands set apart. */
export const count = (n) => number.format(n);

/** `1 message`, `2 messages`. */
export const plural = (n, noun, nouns = `${noun}s`) => `${count(n)} ${n === 1 ? noun : nouns}`;

/** A moment, as short as it can be understood: the time today, else the day. Times are Unix seconds. */
export function shortTime(seconds, now = Date.now()) {
  const at = new Date(seconds * 1000);
  const today = new Date(now);
  if (at.toDateString() === today.toDateString()) return clock.format(at);
  return (at.getFullYear() === today.getFullYear() ? day : dayWithYear).format(at);
}

/** The same with the time of day in any case. */
export function moment(seconds, now = Date.now()) {
  const at = new Date(seconds * 1000);
  const short = shortTime(seconds, now);
  const time = clock.format(at);
  return short === time ? time : `${short}, ${time}`;
}

export const clockTime = (seconds) => clock.format(new Date(seconds * 1000));
export const fullTime = (seconds) => whole.format(new Date(seconds * 1000));

/** Every place on earth changes its day at a full quarter of an hour, so that a quarter is looked up once. */
const QUARTER = 900;
/** Looked up and kept: four years of them. What is more is thrown away. */
const QUARTERS_MAX = 150_000;
const days = new Map();

/** The day of a moment, in full. */
export function dayOf(seconds) {
  const quarter = Math.floor(seconds / QUARTER);
  let found = days.get(quarter);
  if (found === undefined) {
    if (days.size >= QUARTERS_MAX) days.clear();
    found = longDay.format(new Date(seconds * 1000));
    days.set(quarter, found);
  }
  return found;
}

/** A relay's address as people call it. */
export const relayName = (url) => url.replace(/^wss?:\/\//, '').replace(/\/$/, '');

/** Bytes as people read them. */
export function bytes(n) {
  if (n < 1024) return `${n} B`;
  const units = ['KB', 'MB', 'GB', 'TB'];
  let value = n;
  let unit = -1;
  do {
    value /= 1024;
    unit += 1;
  } while (value >= 1024 && unit < units.length - 1);
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

/** How long, in the two largest units at most. */
export function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  const hours = Math.floor(seconds / 3600);
  return `${hours} h ${Math.round((seconds % 3600) / 60)} min`;
}

const ROLES = { user: 'You', assistant: 'Assistant', system: 'System' };
export const roleName = (role) => ROLES[role] ?? role;

/** How far a message is: a word, a tone, and a sentence. */
const STATES = {
  draft: ['only here', 'wait', 'Only on this device: not sealed yet.'],
  waiting: ['waiting', 'wait', 'Sealed, and to be sent.'],
  sent: ['sent', 'wait', 'Sent; no relay has answered yet.'],
  accepted: ['accepted', 'calm', 'A relay took it.'],
  verified: ['verified', 'good', 'Read back from a relay, or part of a set that a relay agreed on.'],
  parked: ['refused', 'bad', 'No relay took it; it is kept here.'],
  dropped: ['given up', 'wait', 'Given up by a person; it is kept here.'],
  gone: ['gone', 'wait', 'Not on this device any more.'],
  unknown: ['not known', 'wait', 'Nothing is known of it there.'],
};

export function stateWords(state) {
  const [word, tone, sentence] = STATES[state] ?? [state, 'calm', state];
  return { word, tone, sentence };
}

/** What goes on with a relay: words, a tone, the reason, and how far it is where that is known. */
export function relayWords(relay) {
  const { state } = relay;
  switch (state) {
    case 'off': return { text: 'not dialled', tone: 'calm' };
    case 'connecting': return { text: 'connecting', tone: 'busy', busy: true };
    case 'comparing': return {
      text: relay.round
        ? `comparing: ${plural(relay.round, 'round')}, ${count(relay.have)} only here, ${count(relay.need)} only there`
        : 'comparing',
      tone: 'busy',
      busy: true,
    };
    case 'fetching': return progress('fetching', relay);
    case 'sending': return progress('sending', relay);
    case 'live': return { text: 'live', tone: 'good' };
    case 'waiting': return {
      text: 'not reached',
      why: relay.why,
      tone: 'wait',
      note: relay.until ? `tried again ${moment(relay.until)}` : null,
    };
    case 'refused': return { text: 'refused', why: relay.why, tone: 'bad' };
    default: return { text: state, tone: 'calm' };
  }
}

function progress(verb, { done, total }) {
  return { text: `${verb} ${count(done)} of ${count(total)}`, tone: 'busy', done, total };
}
