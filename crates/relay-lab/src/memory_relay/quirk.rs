//! How a relay in memory misbehaves when it reads: by name, for ever or a few times. Unlike a [`Fault`](crate::Fault),
//! a quirk knows which events a request is about.

use std::collections::BTreeSet;
use std::sync::Arc;

use nostr::event::{Event, EventId};
use nostr::filter::Filter;
use nostr::types::Timestamp;

use super::guard::WantsAuth;
use super::store::Held;
use super::wire;

/// A way to misbehave when something is read. Seen at real relays; the rows are those of the relay field guide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quirk {
    /// Answers NEG-OPEN with this NEG-ERR (N-4, N-5, N-10).
    NegErr(&'static str),
    /// Answers NEG-OPEN with a NEG-MSG of this text, which need not be hex (N-11).
    NegReply(&'static str),
    /// Answers NEG-OPEN as it should, and every NEG-MSG with this NEG-ERR: the session is gone (N-9).
    NegForgets(&'static str),
    /// The same, said with CLOSED (N-9, khatru).
    NegCloses(&'static str),
    /// Answers every NEG frame with another wrong fingerprint of everything, so that no round ends.
    NegEndless,
    /// Answers the first NEG-MSG of a session with what it answered to the NEG-OPEN: every id of that again (N-14).
    NegRepeats,
    /// Compares against an empty set, as after an error of its database (N-13).
    NegEmpty,
    /// Refuses to compare more items than this, and says so in words only (N-6).
    NegCapInWords(usize),
    /// Names these ids in comparisons and never shows them (N-16).
    Withholds(BTreeSet<EventId>),
    /// Passes no new event on to live subscriptions (C-5).
    AnnouncesNothing,
    /// Shows nothing, and a clean EOSE (P-1).
    EmptyPage,
    /// Shows half the events, then this NOTICE and EOSE (P-2).
    NoticeMidPage(&'static str),
    /// Shows two fifths of the events, and falls silent (P-4).
    SilentMidPage,
    /// Shows two fifths of the events, then this CLOSED (P-5).
    ClosedMidPage(&'static str),
    /// Says CLOSED without a reason after every EOSE (P-21).
    ClosedAfterEose,
    /// Takes `until` as exclusive (P-9).
    ExclusiveUntil,
    /// Takes no notice of `until` (P-11).
    IgnoresUntil,
    /// Shows the right events in an order of its own (P-12).
    Shuffles,
    /// Shows every event this often (P-12).
    Repeats(usize),
    /// Shows these events beside every answer, whatever was asked (P-22).
    MixesIn(Vec<Event>),
    /// Says nothing to a REQ whose subscription id was used before on that connection (P-17).
    IgnoresReusedSubs,
    /// Refuses a REQ by NOTICE while this many are open (P-19).
    SubCap(usize),
    /// Serves only those who prove who they are (U-12, N-17).
    WantsAuth(WantsAuth),
}

/// The quirks of one relay, each with how often it shows; `None` is for ever.
#[derive(Debug, Default)]
pub(super) struct Quirks(Vec<(Quirk, Option<u32>)>);

impl Quirks {
    pub(super) fn add(&mut self, quirk: Quirk, times: Option<u32>) {
        self.0.push((quirk, times));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What the first quirk that `pick` takes makes of it; it has shown once more then.
    fn take<T>(&mut self, pick: impl Fn(&Quirk) -> Option<T>) -> Option<T> {
        let (place, picked) = self
            .0
            .iter()
            .enumerate()
            .find_map(|(place, (quirk, _))| Some((place, pick(quirk)?)))?;
        if let Some(times) = &mut self.0[place].1 {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.0.remove(place);
            }
        }
        Some(picked)
    }

    fn has(&mut self, wanted: &Quirk) -> bool {
        self.take(|quirk| (quirk == wanted).then_some(())).is_some()
    }

    /// The answer to a NEG-OPEN over `items` items that does not look at them.
    pub(super) fn neg_open(&mut self, sub: &str, items: usize, rounds: u64) -> Option<String> {
        self.take(|quirk| match quirk {
            Quirk::NegErr(reason) => Some(wire::neg_err(sub, reason)),
            Quirk::NegReply(text) => Some(wire::neg_msg_text(sub, text)),
            Quirk::NegEndless => Some(wire::neg_msg(sub, &everything_differs(rounds))),
            Quirk::NegCapInWords(cap) if items > *cap => {
                let reason = format!("blocked: query matches too many records ({items} > {cap})");
                Some(wire::neg_err(sub, &reason))
            }
            _ => None,
        })
    }

    /// The answer to a NEG-MSG that does not look at it.
    pub(super) fn neg_msg(&mut self, sub: &str, rounds: u64) -> Option<String> {
        self.take(|quirk| match quirk {
            Quirk::NegForgets(reason) => Some(wire::neg_err(sub, reason)),
            Quirk::NegCloses(reason) => Some(wire::closed(sub, reason)),
            Quirk::NegEndless => Some(wire::neg_msg(sub, &everything_differs(rounds))),
            _ => None,
        })
    }

    /// Whether the first NEG-MSG of a session is answered with what was said to the NEG-OPEN.
    pub(super) fn neg_repeats(&mut self) -> bool {
        self.has(&Quirk::NegRepeats)
    }

    /// Whether new events are passed on.
    pub(super) fn announces(&mut self) -> bool {
        !self.has(&Quirk::AnnouncesNothing)
    }

    /// How it wants to know who asks, if it does.
    pub(super) fn wants_auth(&self) -> Option<WantsAuth> {
        self.0.iter().find_map(|(quirk, _)| match quirk {
            Quirk::WantsAuth(rules) => Some(*rules),
            _ => None,
        })
    }

    /// Whether a comparison sees nothing.
    pub(super) fn neg_is_empty(&mut self) -> bool {
        self.has(&Quirk::NegEmpty)
    }

    /// What is said to a REQ instead of an answer; an empty list is silence.
    pub(super) fn refuses(&mut self, open: usize, reused: bool) -> Option<Vec<String>> {
        self.take(|quirk| match quirk {
            Quirk::IgnoresReusedSubs if reused => Some(Vec::new()),
            Quirk::SubCap(cap) if open >= *cap => Some(vec![wire::notice("ERROR: too many concurrent REQs")]),
            _ => None,
        })
    }

    /// The filters as this relay reads them.
    pub(super) fn read(&mut self, mut filters: Vec<Filter>) -> Vec<Filter> {
        for filter in filters.iter_mut().filter(|filter| filter.until.is_some()) {
            if self.has(&Quirk::IgnoresUntil) {
                filter.until = None;
            } else if self.has(&Quirk::ExclusiveUntil) {
                let below = |until: Timestamp| Timestamp::from_secs(until.as_secs().saturating_sub(1));
                filter.until = filter.until.map(below);
            }
        }
        filters
    }

    /// The answer to a REQ for which `found` was found, and whether the subscription stays open.
    pub(super) fn answer(&mut self, sub: &str, mut found: Vec<Arc<Held>>) -> (Vec<String>, bool) {
        let withheld = self.take(|quirk| match quirk {
            Quirk::Withholds(ids) => Some(ids.clone()),
            _ => None,
        });
        if let Some(ids) = withheld {
            found.retain(|held| !ids.contains(&held.event.id));
        }
        if self.has(&Quirk::Shuffles) {
            // An id is a hash, so this order has nothing to do with time.
            found.sort_by_key(|held| held.event.id);
        }
        let times = self.take(|quirk| match quirk {
            Quirk::Repeats(times) => Some(*times),
            _ => None,
        });
        if let Some(times) = times {
            found = (0..times).flat_map(|_| found.clone()).collect();
        }
        let strangers = self.take(|quirk| match quirk {
            Quirk::MixesIn(events) => Some(events.clone()),
            _ => None,
        });
        let strangers = strangers.unwrap_or_default();
        let mut frames: Vec<String> = found.iter().map(|held| wire::event(sub, &held.json)).collect();
        frames.extend(strangers.iter().map(|event| wire::event(sub, &event.as_json())));
        let (share, mut end, open) = self.ending(sub, frames.len());
        frames.truncate(share);
        frames.append(&mut end);
        (frames, open)
    }

    /// How many of `count` frames go out, what follows them, and whether the subscription stays open. An answer
    /// without events ends as it should, since there is no middle to stop in.
    fn ending(&mut self, sub: &str, count: usize) -> (usize, Vec<String>, bool) {
        let broken = self.take(|quirk| match quirk {
            _ if count == 0 => None,
            Quirk::EmptyPage => Some((0, vec![wire::eose(sub)], true)),
            Quirk::NoticeMidPage(text) => Some((count / 2, vec![wire::notice(text), wire::eose(sub)], true)),
            Quirk::SilentMidPage => Some((count * 2 / 5, Vec::new(), true)),
            Quirk::ClosedMidPage(reason) => Some((count * 2 / 5, vec![wire::closed(sub, reason)], false)),
            _ => None,
        });
        if let Some(broken) = broken {
            return broken;
        }
        if self.has(&Quirk::ClosedAfterEose) {
            return (count, vec![wire::eose(sub), wire::closed(sub, "")], false);
        }
        (count, vec![wire::eose(sub)], true)
    }
}

/// A message that says: from here to infinity, another fingerprint (NIP-77 appendix, mode 1).
fn everything_differs(round: u64) -> Vec<u8> {
    let mut message = vec![0x61, 0, 0, 1];
    // Never the fingerprint of a set that anybody holds, and another one every time.
    message.extend([0xFD; 8]);
    message.extend(round.to_be_bytes());
    message
}
