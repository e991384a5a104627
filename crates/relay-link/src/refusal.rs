//! What a relay means when it refuses a REQ or a NEG-OPEN (field guide 1.1).

/// Why a NEG session or a subscription was refused or ended, from NEG-ERR, CLOSED or NOTICE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// More items match than the relay compares: split by time.
    TooBig {
        /// How many it would compare, when it said so.
        cap: Option<u64>,
    },
    /// The relay does not speak NIP-77, or not now: page, and remember it for 24 h.
    NegUnavailable,
    /// The relay forgot the session: open again, at most three times.
    SessionGone,
    /// The relay wants to know who asks: NIP-42, then once more.
    AuthRequired,
    /// Too fast or too many: pause the relay. Never split, because it does not shrink (N-5).
    RateLimited,
    /// The filter names more authors or ids than the relay takes in one: ask author by author (P-20).
    FilterTooWide,
    /// Anything else: page now, try NEG at the next pass.
    Other,
}

/// Splitting is answered only to these (N-4): any other text that sounds like size led to 2^31 windows elsewhere.
const TOO_BIG: &[&str] = &[
    "too many query results",
    "too many records",
    "too many results",
    "result set too large",
    "results too large",
    "max_sync_events",
];

const RATE_LIMITED: &[&str] = &[
    "rate-limited",
    "too many requests",
    "too many concurrent",
    "slow down",
];

const NEG_UNAVAILABLE: &[&str] = &[
    "negentropy disabled",
    "unknown envelope",
    "unknown cmd",
    "unknown message type: neg-open",
    "could not parse command",
    "bad message type",
    "bad msg",
    "command unrecognized",
    "invalid enum value neg-open",
    "does not match any of the allowed types",
    "unsupported message",
];

/// With one of these, a text that names negentropy or says that a session was closed means "not here" (N-9).
const ABSENT: &[&str] = &["disabled", "not supported", "unsupported"];

/// strfry's bounds on one filter.
const FILTER_TOO_WIDE: &[&str] = &[
    "filter must have exactly one author",
    "total filter items too large",
    "too many ids",
    "too many authors",
];

const SESSION_GONE: &[&str] = &["unknown subscription handle", "subscription not found"];

impl Refusal {
    /// Classifies a relay's text; `cap` is the fourth element of a NEG-ERR, and a cap in the text is found too.
    pub fn classify(text: &str, cap: Option<u64>) -> Self {
        let text = normalise(text);
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
        let closed = text == "closed" || text.starts_with("closed:");
        let names_neg = says(&["negentropy", "nip77", "nip-77", "neg-open"]);
        if at_word_start(&text, "auth-required:") {
            Self::AuthRequired
        } else if says(TOO_BIG) {
            Self::TooBig {
                cap: cap.or_else(|| cap_in_text(&text)),
            }
        } else if says(RATE_LIMITED) {
            Self::RateLimited
        } else if says(FILTER_TOO_WIDE) {
            Self::FilterTooWide
        } else if says(NEG_UNAVAILABLE) || ((names_neg || closed) && says(ABSENT)) {
            Self::NegUnavailable
        } else if says(SESSION_GONE) || closed {
            Self::SessionGone
        } else {
            Self::Other
        }
    }
}

/// Lower case, without the `ERROR: ` that strfry puts before the prefix (P-21).
pub(crate) fn normalise(text: &str) -> String {
    let text = text.trim().to_lowercase();
    text.strip_prefix("error: ")
        .map_or(text.as_str(), str::trim_start)
        .to_owned()
}

fn at_word_start(text: &str, phrase: &str) -> bool {
    text.match_indices(phrase)
        .any(|(at, _)| !text[..at].ends_with(|before: char| before.is_alphanumeric()))
}

/// strfry's `(2988225 > 1000000)`: what matched, then what it would compare.
fn cap_in_text(text: &str) -> Option<u64> {
    let (_, after) = text.split_once("> ")?;
    let digits = after
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(after.len());
    after[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phrase_of_the_field_guide_has_its_class() {
        use Refusal::*;
        let big = TooBig { cap: None };
        for (text, class) in [
            ("blocked: too many query results", big),
            (
                "blocked: query matches too many records (2988225 > 1000000)",
                TooBig { cap: Some(1_000_000) },
            ),
            ("error: too many results", big),
            ("result set too large", big),
            ("blocked: results too large", big),
            ("max_sync_events exceeded", big),
            ("ERROR: bad msg: negentropy disabled", NegUnavailable),
            ("negentropy disabled", NegUnavailable),
            ("blocked: Negentropy sync is disabled", NegUnavailable),
            ("negentropy is not supported here", NegUnavailable),
            ("unsupported: negentropy", NegUnavailable),
            ("failed to parse envelope: unknown envelope label", NegUnavailable),
            ("unknown cmd", NegUnavailable),
            ("unknown message type: NEG-OPEN", NegUnavailable),
            ("could not parse command", NegUnavailable),
            ("bad message type", NegUnavailable),
            ("ERROR: bad msg: unknown", NegUnavailable),
            ("Command unrecognized", NegUnavailable),
            ("Invalid enum value NEG-OPEN", NegUnavailable),
            ("\"[0]\" does not match any of the allowed types", NegUnavailable),
            ("Unsupported message", NegUnavailable),
            ("closed: nip77 disabled", NegUnavailable),
            ("closed: unknown subscription handle", SessionGone),
            ("error: subscription not found", SessionGone),
            ("CLOSED", SessionGone),
            ("closed: you took too long to respond!", SessionGone),
            (
                "auth-required: requested filter requires authentication",
                AuthRequired,
            ),
            (
                "ERROR: auth-required: requested filter requires authentication",
                AuthRequired,
            ),
            ("refused (auth-required: please)", AuthRequired),
            ("rate-limited: too many requests", RateLimited),
            ("too many requests", RateLimited),
            ("ERROR: too many concurrent NEG requests", RateLimited),
            ("ERROR: too many concurrent REQs", RateLimited),
            ("slow down", RateLimited),
            (
                "ERROR: bad req: filter must have exactly one author, p tag, or e tag",
                FilterTooWide,
            ),
            (
                "blocked: filter must have exactly one author, p tag, or e tag",
                FilterTooWide,
            ),
            ("ERROR: bad req: total filter items too large", FilterTooWide),
            ("invalid: too many ids", FilterTooWide),
            ("ERROR: bad req: unrecognised filter item: x", Other),
            ("blocked: kind not allowed: 1080", Other),
            ("PROTOCOL-ERROR", Other),
            ("get event error: timeout", Other),
            ("noauth-required: x", Other),
            ("the connection was closed: bye", Other),
            ("welcome to this relay", Other),
            ("", Other),
        ] {
            assert_eq!(Refusal::classify(text, None), class, "{text:?}");
            assert_eq!(
                Refusal::classify(&text.to_uppercase(), None),
                class,
                "{text:?} in capitals"
            );
        }
    }

    #[test]
    fn a_cap_beside_the_text_wins_over_one_inside() {
        let classify = |text| Refusal::classify(text, Some(7));
        assert_eq!(
            classify("blocked: too many query results"),
            Refusal::TooBig { cap: Some(7) }
        );
        assert_eq!(
            classify("too many records (9 > 8)"),
            Refusal::TooBig { cap: Some(7) }
        );
    }

    #[test]
    fn a_cap_that_is_no_number_is_no_cap() {
        for text in [
            "too many records (9 > )",
            "too many records > 99999999999999999999999",
            "too many records >",
        ] {
            assert_eq!(
                Refusal::classify(text, None),
                Refusal::TooBig { cap: None },
                "{text}"
            );
        }
    }
}
