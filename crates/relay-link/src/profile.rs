//! What one relay can do, as far as it was found out: learned, expiring, kept over restarts.
//!
//! What a reader can rely on:
//! - Behaviour is learned at run time; a relay's own document (NIP-11) is a hint that never overrules what was seen.
//! - Every fact carries when it was learned and is believed for a while only, so a relay that changes is found out.
//!   A fact from the future is from before the clock was set, and is not believed at all.
//! - Nothing here is needed for correctness: an empty profile costs a refusal or some round trips more.
//! - Damaged text loses the facts it held and nothing else.
//!
//! Units: times are Unix seconds.

mod info;
mod learned;

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use self::info::one_line;
pub use self::info::{NotRelayInfo, RelayInfo};
pub use self::learned::Believed;
use self::learned::Learned;

/// How [`RelayProfile::to_json`] writes. A profile of another version is read as an empty one: it is learned again.
const FORMAT: u32 = 1;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// A refusal of NEG: programs are updated and switched on, so it is tried again each day (N-1).
pub const NEG_REFUSAL_KEPT_SECS: u64 = DAY;
/// A proof that NEG is spoken only means more patience with an answer; a relay rarely unlearns it.
pub const NEG_PROOF_KEPT_SECS: u64 = 30 * DAY;
/// Caps are settings of a relay: an old one costs round trips, a forgotten one a refusal, so once a week is often enough.
pub const CAP_KEPT_SECS: u64 = 7 * DAY;
/// A refused subscription may come of slots that the relay leaked (P-19), so the limit is probed again each day.
pub const SUBS_KEPT_SECS: u64 = DAY;
/// A document that cannot be fetched again is believed this long: a hint that is a month old helps more than none.
pub const INFO_KEPT_SECS: u64 = 30 * DAY;
/// A document older than this is fetched again.
pub const INFO_FRESH_SECS: u64 = DAY;
/// The same fact again is worth a write to the disk after this long: far below the time that any fact is kept.
const RENEWED_SECS: u64 = HOUR;
/// Events per page asked of any relay: the most that the common ones bring (P-7).
pub const PAGE_LIMIT_MAX: usize = 500;

/// What to expect of a relay's NEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NegChance {
    /// Never tried, or longer ago than it is remembered.
    Unknown,
    /// It answered a NEG-OPEN before.
    Proven,
    /// It refused less than 24 hours ago: page at once.
    Unavailable,
}

/// What was found out about NEG.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Neg {
    /// It answered a NEG-OPEN with a NEG-MSG.
    Spoken,
    /// It refused or stayed silent.
    Refused {
        /// What it said or did, one line.
        why: String,
    },
}

/// Something that a relay has shown. The last one of a kind counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lesson {
    /// It answered a NEG-OPEN.
    NegSpoken,
    /// It does not speak NEG, or not now.
    NegRefused {
        /// What it said or did.
        why: String,
    },
    /// It compares at most this many events at once (N-6).
    NegCap(u64),
    /// However many are asked for, a page brings at most this many events (P-7).
    PageCap(usize),
    /// It refuses filters with several authors (P-20).
    OneAuthorPerFilter {
        /// What it said.
        why: String,
    },
    /// It keeps at most this many subscriptions open per connection (P-19).
    SubsMax(usize),
    /// It takes this many events an hour; more are refused (U-8).
    EventsPerHour(u64),
    /// It refused an event whose frame has this many bytes, for its size (U-5).
    TooLargeFrom(usize),
    /// When it was compared last, this many seconds held more events than it shows on a page, and nothing else shows them
    /// (P-10).
    Unproven(u64),
    /// It said this about itself (NIP-11).
    Info(RelayInfo),
}

/// What is known of one relay. Pure: whoever holds it keeps it on disk with [`RelayProfile::to_json`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RelayProfile {
    #[serde(deserialize_with = "if_it_can_be_read")]
    neg: Option<Learned<Neg>>,
    #[serde(deserialize_with = "if_it_can_be_read")]
    neg_cap: Option<Learned<u64>>,
    #[serde(deserialize_with = "if_it_can_be_read")]
    page_cap: Option<Learned<usize>>,
    #[serde(deserialize_with = "if_it_can_be_read")]
    one_author: Option<Learned<String>>,
    #[serde(deserialize_with = "if_it_can_be_read")]
    subs_max: Option<Learned<usize>>,
    #[serde(deserialize_with = "if_it_can_be_read")]
    events_per_hour: Option<Learned<u64>>,
    #[serde(deserialize_with = "if_it_can_be_read")]
    too_large_from: Option<Learned<usize>>,
    #[serde(deserialize_with = "if_it_can_be_read")]
    unproven: Option<Learned<u64>>,
    #[serde(deserialize_with = "if_it_can_be_read")]
    info: Option<Learned<RelayInfo>>,
}

/// One fact that cannot be read is one that is not known.
fn if_it_can_be_read<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: for<'a> Deserialize<'a>,
{
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

impl RelayProfile {
    /// Takes in what the relay has shown at `now`, in place of what was known of it. Returns whether that is worth a write
    /// to the disk: it is news, or the same was last learned more than an hour ago.
    pub fn learn(&mut self, lesson: Lesson, now: u64) -> bool {
        match lesson {
            Lesson::NegSpoken => renew(&mut self.neg, Neg::Spoken, now),
            Lesson::NegRefused { why } => renew(&mut self.neg, Neg::Refused { why: one_line(&why) }, now),
            Lesson::NegCap(cap) => renew(&mut self.neg_cap, cap, now),
            Lesson::PageCap(cap) => renew(&mut self.page_cap, cap, now),
            Lesson::OneAuthorPerFilter { why } => renew(&mut self.one_author, one_line(&why), now),
            Lesson::SubsMax(max) => renew(&mut self.subs_max, max, now),
            Lesson::EventsPerHour(rate) => renew(&mut self.events_per_hour, rate, now),
            Lesson::TooLargeFrom(bytes) => renew(&mut self.too_large_from, bytes, now),
            // Nearly every relay, nearly always.
            Lesson::Unproven(0) if self.unproven() == 0 => false,
            Lesson::Unproven(seconds) => renew(&mut self.unproven, seconds, now),
            // When the document was sent is of no use later.
            Lesson::Info(info) => renew(&mut self.info, RelayInfo { date: None, ..info }, now),
        }
    }

    /// How many seconds held more events than it shows on a page when it was compared last.
    pub fn unproven(&self) -> u64 {
        self.unproven.as_ref().map_or(0, |known| known.what)
    }

    /// What to expect of a NEG-OPEN at `now`. A document that does not list NIP-77 changes nothing: relays speak it
    /// unlisted, and refuse it listed.
    pub fn neg(&self, now: u64) -> NegChance {
        match self.neg_known(now).map(|known| known.what) {
            None => NegChance::Unknown,
            Some(Neg::Spoken) => NegChance::Proven,
            Some(Neg::Refused { .. }) => NegChance::Unavailable,
        }
    }

    /// How many events the relay compares at once, when it has said so. At least 1.
    pub fn neg_cap(&self, now: u64) -> Option<u64> {
        self.neg_cap_known(now).map(|known| (*known.what).max(1))
    }

    /// What to ask for per page: the smallest of 500, the relay's own word and what its pages really brought. At least
    /// 1. Asking for more is refused by some relays and silently cut by others (P-7).
    pub fn page_limit(&self, now: u64) -> usize {
        let learned = self.page_cap_known(now).map(|known| *known.what);
        let said = self.info(now).and_then(|known| known.what.max_limit);
        // Nobody means a limit of 0; some write it for "no limit".
        let said = said
            .filter(|max| *max > 0)
            .and_then(|max| usize::try_from(max).ok());
        [learned, said]
            .into_iter()
            .flatten()
            .fold(PAGE_LIMIT_MAX, usize::min)
            .max(1)
    }

    /// Whether a filter may name one author only.
    pub fn one_author(&self, now: u64) -> bool {
        self.one_author_known(now).is_some()
    }

    /// How many subscriptions may be open at once, when that is known: the smaller of what was seen and what the relay
    /// says. At least 1.
    pub fn subs_max(&self, now: u64) -> Option<usize> {
        let learned = self.subs_max_known(now).map(|known| *known.what);
        let said = self.info(now).and_then(|known| known.what.max_subscriptions);
        let said = said
            .filter(|max| *max > 0)
            .and_then(|max| usize::try_from(max).ok());
        [learned, said].into_iter().flatten().min().map(|max| max.max(1))
    }

    /// How many events an hour the relay takes, and how long ago that was learned; `None` when it never refused one for
    /// being too many.
    pub fn events_per_hour(&self, now: u64) -> Option<(u64, Duration)> {
        let known = self.events_per_hour.as_ref()?.believed(now, CAP_KEPT_SECS)?;
        Some((*known.what, Duration::from_secs(now - known.at)))
    }

    /// Bytes of a frame from which on the relay refuses it: the smaller of what was seen and what the relay says. A
    /// frame of this size is not sent (field guide 3.2).
    pub fn too_large_from(&self, now: u64) -> Option<usize> {
        let learned = self
            .too_large_from
            .as_ref()
            .and_then(|known| known.believed(now, CAP_KEPT_SECS));
        let said = self.info(now).and_then(|known| known.what.max_message_length);
        // Nobody means a limit of 0; some write it for "no limit".
        let said = said
            .filter(|max| *max > 0)
            .and_then(|max| usize::try_from(max).ok())
            .map(|max| max.saturating_add(1));
        [learned.map(|known| *known.what), said]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether the relay's document is to be fetched: none is known, or the one that is, is older than a day.
    pub fn wants_info(&self, now: u64) -> bool {
        let known = self.info.as_ref();
        known
            .and_then(|known| known.believed(now, INFO_FRESH_SECS))
            .is_none()
    }

    /// What was found out about NEG and is believed at `now`.
    pub fn neg_known(&self, now: u64) -> Option<Believed<'_, Neg>> {
        let known = self.neg.as_ref()?;
        let kept = match known.what {
            Neg::Spoken => NEG_PROOF_KEPT_SECS,
            Neg::Refused { .. } => NEG_REFUSAL_KEPT_SECS,
        };
        known.believed(now, kept)
    }

    /// The cap of a comparison that was found out and is believed at `now`.
    pub fn neg_cap_known(&self, now: u64) -> Option<Believed<'_, u64>> {
        self.neg_cap.as_ref()?.believed(now, CAP_KEPT_SECS)
    }

    /// The cap of a page that was found out and is believed at `now`.
    pub fn page_cap_known(&self, now: u64) -> Option<Believed<'_, usize>> {
        self.page_cap.as_ref()?.believed(now, CAP_KEPT_SECS)
    }

    /// What the relay said against filters with several authors, if that is believed at `now`.
    pub fn one_author_known(&self, now: u64) -> Option<Believed<'_, String>> {
        self.one_author.as_ref()?.believed(now, CAP_KEPT_SECS)
    }

    /// The limit of subscriptions that was found out and is believed at `now`.
    pub fn subs_max_known(&self, now: u64) -> Option<Believed<'_, usize>> {
        self.subs_max.as_ref()?.believed(now, SUBS_KEPT_SECS)
    }

    /// What the relay says about itself, if that is believed at `now`.
    pub fn info(&self, now: u64) -> Option<Believed<'_, RelayInfo>> {
        self.info.as_ref()?.believed(now, INFO_KEPT_SECS)
    }

    /// Whether nothing was ever learned.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The text to keep: JSON, at most a few KB.
    pub fn to_json(&self) -> String {
        let kept = Kept {
            format: FORMAT,
            profile: self.clone(),
        };
        // Numbers and texts always become JSON; if they did not, no text is an empty profile.
        serde_json::to_string(&kept).unwrap_or_default()
    }

    /// What [`RelayProfile::to_json`] wrote. A fact that cannot be read is not known.
    pub fn from_json(text: &str) -> Self {
        match serde_json::from_str::<Kept>(text) {
            Ok(kept) if kept.format == FORMAT => kept.profile,
            _ => Self::default(),
        }
    }
}

/// Replaces a fact. Returns whether it is news, or renews one from more than an hour ago.
fn renew<T: PartialEq>(fact: &mut Option<Learned<T>>, what: T, now: u64) -> bool {
    let fresh = fact
        .as_ref()
        .is_some_and(|known| known.what == what && known.believed(now, RENEWED_SECS).is_some());
    if !fresh {
        *fact = Some(Learned::new(what, now));
    }
    !fresh
}

/// A profile as it is on disk. A field that is added later is not known to an older program, and does not hurt it.
#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    profile: RelayProfile,
}

#[cfg(test)]
mod tests;
