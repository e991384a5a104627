//! What a relay means by the OK to an event (field guide 3.1).

use crate::refusal::normalise;

/// What an OK says about one event at one relay, and so what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OkClass {
    /// The relay says it holds the event. Done, once it was read back (U-3).
    Stored,
    /// Too fast: slow down, send the same bytes later (U-8).
    Pause,
    /// Authenticate and send again; not counted as a try (U-12).
    NeedsAuth,
    /// Something went wrong there, or the text is unknown: again, with a growing pause (U-16).
    Temporary,
    /// The relay dislikes the event's time (U-10).
    Clock(ClockRefusal),
    /// The relay found the event malformed: quarantine, say so loudly, keep it.
    OurBug,
    /// This relay will not take it; others may. Tried again after 24 h.
    PermanentHere,
    /// The relay knows the event as replaced or deleted: mark it, look at the tombstones (U-14).
    Settled,
}

/// Which way an event's time is off for a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockRefusal {
    /// Its `created_at` lies too far ahead: wait and send the same bytes. Also when a relay does not say which
    /// way, because waiting loses nothing.
    Late,
    /// Its `created_at` lies too far back: permanent here, other relays.
    Early,
}

const RATE: &[&str] = &[
    "rate-limited",
    "rate limited",
    "rate limit",
    "slow down",
    "too many requests",
];
const SIZE: &[&str] = &["too large", "too big", "too long", "max size", "maximum size"];
const DELETED: &[&str] = &["has been deleted", "requested deletion"];
const KIND_REFUSED: &[&str] = &[
    "blocked",
    "not allowed",
    "not permitted",
    "not supported",
    "unsupported",
    "not accepted",
];
const TIME: &[&str] = &[
    "created_at",
    "created at",
    "creation date",
    "creation time",
    "timestamp",
    "too late",
    "too early",
    "too old",
    "in the future",
    "in the past",
    "current time",
];
const LATE: &[&str] = &["too late", "future"];
const EARLY: &[&str] = &["too early", "too old", "past", "older"];

impl OkClass {
    /// Whether a refusal is about the event's size.
    pub fn names_size(reason: &str) -> bool {
        let reason = normalise(reason);
        SIZE.iter().any(|phrase| reason.contains(phrase))
    }

    /// Classifies an OK. Unknown text is temporary: only a short list of meanings is permanent (rule 7).
    pub fn classify(accepted: bool, reason: &str) -> Self {
        if accepted {
            return Self::Stored;
        }
        let reason = normalise(reason);
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| reason.contains(phrase));
        let kind_refused = reason.contains("kind") && says(KIND_REFUSED);
        let prefix = reason.split_once(':').map_or("", |(prefix, _)| prefix);
        match prefix {
            "duplicate" => Self::Stored,
            "rate-limited" => Self::Pause,
            "auth-required" => Self::NeedsAuth,
            "replaced" | "deleted" => Self::Settled,
            "invalid" if kind_refused => Self::PermanentHere,
            "invalid" if says(TIME) => Self::Clock(if says(EARLY) && !says(LATE) {
                ClockRefusal::Early
            } else {
                ClockRefusal::Late
            }),
            // Every relay has its own size limit, so an event that is too large for one is no mistake of ours.
            "invalid" if says(SIZE) => Self::PermanentHere,
            "invalid" => Self::OurBug,
            "blocked" | "restricted" if says(DELETED) => Self::Settled,
            // Passes by itself, whatever the prefix says.
            "blocked" | "restricted" if says(RATE) => Self::Pause,
            "blocked" | "restricted" | "pow" | "mute" => Self::PermanentHere,
            _ if says(RATE) || reason.contains("too many") => Self::Pause,
            _ if kind_refused || says(SIZE) => Self::PermanentHere,
            _ => Self::Temporary,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_the_field_guide_has_its_class() {
        use OkClass::*;
        let (late, early) = (Clock(ClockRefusal::Late), Clock(ClockRefusal::Early));
        for (reason, class) in [
            ("duplicate: already have this event", Stored),
            ("rate-limited: you are noting too much", Pause),
            ("rate limited", Pause),
            ("slow down there", Pause),
            ("too many events", Pause),
            ("blocked: rate limited", Pause),
            ("auth-required: event marked as protected", NeedsAuth),
            ("ERROR: auth-required: please", NeedsAuth),
            ("error: unknown", Temporary),
            ("error: could not connect to the database", Temporary),
            ("Write error: disk", Temporary),
            ("write event error", Temporary),
            ("event is expired", Temporary),
            ("rejected: event already exists", Temporary),
            (
                "Policy violated and pubkey is not in our web of trust.",
                Temporary,
            ),
            ("", Temporary),
            ("something new", Temporary),
            ("invalid: created_at too late", late),
            (
                "invalid: event creation date is too far off from the current time",
                late,
            ),
            (
                "invalid: the event created_at field is out of the acceptable range (+30min) for this relay",
                late,
            ),
            ("invalid: created_at too early", early),
            ("invalid: timestamp too far in the past", early),
            ("invalid: bad event id", OurBug),
            ("invalid: signature verification failed", OurBug),
            ("invalid: too many tags", OurBug),
            ("invalid: event too large: 65973", PermanentHere),
            ("event exceeded max size", PermanentHere),
            ("message too large (140000 > 131072)", PermanentHere),
            ("blocked: event kind is blocked by relay", PermanentHere),
            ("blocked: received event kind 1080 not allowed", PermanentHere),
            ("kind 22774 not permitted in this relay", PermanentHere),
            ("kind not allowed", PermanentHere),
            ("kinds not supported", PermanentHere),
            ("invalid: kind not allowed", PermanentHere),
            ("blocked: you are not on the list", PermanentHere),
            ("blocked: event marked as protected", PermanentHere),
            ("restricted: must be published by the author", PermanentHere),
            ("pow: 28 bits needed. (12)", PermanentHere),
            ("mute: nobody listens", PermanentHere),
            ("replaced: have newer event", Settled),
            ("deleted: user requested deletion", Settled),
            ("blocked: this event has been deleted", Settled),
        ] {
            assert_eq!(OkClass::classify(false, reason), class, "{reason:?}");
            assert_eq!(
                OkClass::classify(false, &reason.to_uppercase()),
                class,
                "{reason:?} in capitals"
            );
            assert_eq!(OkClass::classify(true, reason), Stored, "{reason:?} with true");
        }
    }
}
