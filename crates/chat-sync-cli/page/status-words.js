// The one line over everything: is it in sync, if not why, since when.

import { count, moment, plural, relayName } from './words.js';

/** Stands for a status while there is no account. */
export const NOBODY = Object.freeze({});

/**
 * `{ tone: 'good' | 'busy' | 'wait' | 'bad', head, tail }` of a status and of the connection to the daemon. What a
 * person can do something about goes first.
 */
export function statusLine(status, connection) {
  if (connection.state === 'gone') return line('bad', 'The daemon does not answer', 'what you see is as it was');
  if (connection.state === 'denied') return line('bad', 'This tab has no access any more', 'open the page anew');
  if (!status) return line('busy', 'Connecting', 'to the daemon on this machine');
  if (status === NOBODY) return line('wait', 'Nobody is logged in', '');
  const { account, relays } = status;
  if (account.state === 'failed') return line('bad', 'A part has failed', account.why ?? status.failed?.[0]);
  if (status.failed?.length) return line('bad', 'A part has failed', status.failed[0]);
  if (account.state === 'loading') return line('busy', 'Loading', 'reading the history on this device');
  if (account.state === 'locked') return line('bad', 'Locked', account.why);
  if (!status.switches.sync) return line('wait', 'Sync is switched off', 'nothing leaves this machine');
  if (relays.length === 0) return line('wait', 'No relay', 'everything stays on this device');
  const reached = relays.filter((relay) => !['off', 'connecting', 'waiting', 'refused'].includes(relay.state));
  const refusing = relays.filter((relay) => relay.state === 'refused');
  const waiting = relays.filter((relay) => relay.state === 'waiting');
  if (reached.length === 0 && refusing.length === relays.length) {
    return line('bad', 'Refused', `${relayName(refusing[0].url)}: ${refusing[0].why}`);
  }
  if (reached.length === 0 && waiting.length > 0) {
    const kept = status.waiting > 0 ? `no relay is reached; ${plural(status.waiting, 'message')} kept here` : lastEqual(status);
    return line('wait', 'Offline', kept);
  }
  if (account.state === 'offline') return line('wait', account.write_key ? 'Offline' : 'No history key yet', account.why);
  const busy = relays.find((relay) => relay.state === 'fetching' || relay.state === 'sending');
  if (busy) {
    const verb = busy.state === 'fetching' ? 'Fetching' : 'Sending';
    return line('busy', verb, `${count(busy.done)} of ${count(busy.total)}, ${relayName(busy.url)}`);
  }
  if (status.refused?.some((group) => group.count > 0)) {
    const group = status.refused[0];
    return line('bad', `${plural(group.count, 'message')} refused`, `${relayName(group.relay)}: ${group.why}`);
  }
  if (refusing.length > 0) return line('bad', `${relayName(refusing[0].url)} refuses`, refusing[0].why);
  if (status.complete) return line('good', 'In sync', lastEqual(status));
  if (status.waiting > 0) return line('busy', `${plural(status.waiting, 'message')} to be sent`, status.held);
  if (waiting.length > 0) {
    return line('wait', `${plural(waiting.length, 'relay')} of ${relays.length} out of reach`, waiting[0].why);
  }
  if (relays.some((relay) => relay.state === 'comparing')) return line('busy', 'Comparing', lastEqual(status));
  if (relays.some((relay) => relay.state === 'connecting')) return line('busy', 'Connecting', 'to relays');
  return line('wait', 'Not known', lastEqual(status));
}

function lastEqual({ agreed_at: at }) {
  return at ? `all equal ${moment(at)}` : 'not every relay was compared yet';
}

function line(tone, head, tail) {
  return { tone, head, tail: tail ?? '' };
}
