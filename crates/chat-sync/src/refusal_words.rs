//! What a relay's no means, in one sentence that a person understands (field guide 3.1), and the same for what this
//! program found out about a relay by itself (field guide U-1, U-3, U-5).

use event_index::{FORGETS, FORGOT_ONCE};
use relay_link::{ClockRefusal, OkClass};
use uploader::{CLOSED_TWICE, NO_ANSWER};

use crate::queue::GIVEN_UP;

/// Says what became of a message that `relay` answered with `reason`, and what happens next. The relay's own words are
/// not in it: whoever shows the sentence shows them beside it, without control characters. `docs/REFUSALS.md` lists
/// every sentence.
pub fn refusal_words(relay: &str, reason: &str) -> String {
    if let Some(own) = Own::of(reason) {
        return own.sentence(relay);
    }
    sentence(
        relay,
        OkClass::classify(false, reason),
        OkClass::names_size(reason),
    )
}

/// The same in a few words, as they follow `3 refused by nos.lol:`.
pub(crate) fn refusal_brief(reason: &str) -> &'static str {
    if let Some(own) = Own::of(reason) {
        return own.brief();
    }
    match OkClass::classify(false, reason) {
        OkClass::Stored => "there already",
        OkClass::Pause => "too many at once",
        OkClass::NeedsAuth => "it wants a login",
        OkClass::Temporary => "no lasting reason given",
        OkClass::Clock(ClockRefusal::Late) => "their time is ahead",
        OkClass::Clock(ClockRefusal::Early) => "too old",
        OkClass::OurBug => "malformed",
        OkClass::PermanentHere if OkClass::names_size(reason) => "too large",
        OkClass::PermanentHere => "it does not take such messages",
        OkClass::Settled => "deleted or replaced there",
    }
}

/// A relay's URL as people call it: without the scheme.
pub fn relay_name(url: &str) -> &str {
    url.split_once("://")
        .map_or(url, |(_, name)| name.trim_end_matches('/'))
}

/// What this program writes where a relay's words stand.
#[derive(Debug, Clone, Copy)]
enum Own {
    ForgotOnce,
    Forgets,
    ClosedTwice,
    NoAnswer,
    GivenUp,
}

impl Own {
    fn of(reason: &str) -> Option<Self> {
        match reason {
            FORGOT_ONCE => Some(Self::ForgotOnce),
            FORGETS => Some(Self::Forgets),
            GIVEN_UP => Some(Self::GivenUp),
            _ if reason.starts_with(CLOSED_TWICE) => Some(Self::ClosedTwice),
            _ if reason.starts_with(NO_ANSWER) => Some(Self::NoAnswer),
            _ => None,
        }
    }

    fn sentence(self, relay: &str) -> String {
        match self {
            Self::ForgotOnce => {
                format!(
                    "{relay} took this message and did not have it when asked; it is sent there once more"
                )
            }
            Self::Forgets => format!(
                "{relay} says yes to this message and does not keep it; other relays may, and it is asked again after a \
                 day"
            ),
            Self::ClosedTwice => format!(
                "{relay} ended the connection twice when this message was sent; other relays may take it, and it is \
                 asked again after an hour"
            ),
            Self::NoAnswer => {
                format!("{relay} did not say whether it has this message; it is sent again by itself")
            }
            Self::GivenUp => {
                format!("this message was given up at {relay}; `chat-sync queue retry` takes that back")
            }
        }
    }

    fn brief(self) -> &'static str {
        match self {
            Self::ForgotOnce | Self::Forgets => "it accepts messages and forgets them",
            Self::ClosedTwice => "it ended the connection",
            Self::NoAnswer => "no answer",
            Self::GivenUp => "given up",
        }
    }
}

fn sentence(relay: &str, class: OkClass, names_size: bool) -> String {
    match class {
        OkClass::Stored => format!("{relay} has this message already; nothing is left to do"),
        OkClass::Pause => {
            format!("{relay} wants messages more slowly; this one is sent again later by itself")
        }
        OkClass::NeedsAuth => {
            format!(
                "{relay} takes messages only from people who are logged in there; it is asked again after a day"
            )
        }
        OkClass::Temporary => format!("{relay} did not take this message; it is sent again later by itself"),
        OkClass::Clock(ClockRefusal::Late) => format!(
            "{relay} finds the message's time too far ahead: check this device's clock; it is sent again by itself"
        ),
        OkClass::Clock(ClockRefusal::Early) => {
            format!(
                "{relay} does not take messages this old; other relays may, and it is asked again after a day"
            )
        }
        OkClass::OurBug => format!(
            "{relay} finds this message malformed, which is a mistake of this program: please report it; the message \
             stays here, and goes there again only with `chat-sync queue retry`"
        ),
        OkClass::PermanentHere if names_size => {
            format!(
                "this message is too large for {relay}; other relays may take it, and it is asked again after a day"
            )
        }
        OkClass::PermanentHere => {
            format!("{relay} does not take this message; other relays may, and it is asked again after a day")
        }
        OkClass::Settled => {
            format!("{relay} knows this message as deleted or replaced; it is not sent there again")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every class, with a text that relays say.
    const SAID: [&str; 10] = [
        "duplicate: already have this event",
        "rate-limited: you are noting too much",
        "auth-required: event marked as protected",
        "error: could not connect to the database",
        "invalid: created_at too late",
        "invalid: created_at too early",
        "invalid: bad event id",
        "invalid: event too large: 65973",
        "blocked: event kind is blocked by relay",
        "deleted: user requested deletion",
    ];

    /// What the program finds out by itself.
    const FOUND: [&str; 6] = [
        "too large for this relay: 65973 bytes, and it takes less than 65536; not sent",
        FORGOT_ONCE,
        FORGETS,
        "the relay closed the connection twice when this event of 65973 bytes was sent",
        "no OK within 10 s",
        GIVEN_UP,
    ];

    #[test]
    fn the_page_of_refusals_says_what_the_program_says() {
        let page = include_str!("../../../docs/REFUSALS.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        let said: Vec<String> = SAID
            .iter()
            .chain(&FOUND)
            .map(|reason| (reason.replace('`', "\""), refusal_words("nos.lol", reason)))
            .map(|(reason, words)| format!("| `{reason}` | {words} |"))
            .collect();
        assert_eq!(rows, said);
    }

    /// The place of a class in `SAID`. A class that is added has none, and does not compile until it is on the page.
    fn place(class: OkClass, names_size: bool) -> usize {
        match class {
            OkClass::Stored => 0,
            OkClass::Pause => 1,
            OkClass::NeedsAuth => 2,
            OkClass::Temporary => 3,
            OkClass::Clock(ClockRefusal::Late) => 4,
            OkClass::Clock(ClockRefusal::Early) => 5,
            OkClass::OurBug => 6,
            OkClass::PermanentHere if names_size => 7,
            OkClass::PermanentHere => 8,
            OkClass::Settled => 9,
        }
    }

    /// The same for what the program finds out, in `FOUND` behind the first, which is said like the relay's own words.
    fn own_place(own: Own) -> usize {
        match own {
            Own::ForgotOnce => 1,
            Own::Forgets => 2,
            Own::ClosedTwice => 3,
            Own::NoAnswer => 4,
            Own::GivenUp => 5,
        }
    }

    #[test]
    fn every_class_is_on_the_page_with_a_sentence_of_its_own() {
        for (at, reason) in SAID.iter().enumerate() {
            let class = OkClass::classify(false, reason);
            assert_eq!(place(class, OkClass::names_size(reason)), at, "{reason}");
        }
        for (at, reason) in FOUND.iter().enumerate() {
            assert_eq!(Own::of(reason).map_or(0, own_place), at, "{reason}");
        }
        let all = || SAID.iter().chain(&FOUND);
        let sentences: std::collections::BTreeSet<String> =
            all().map(|reason| refusal_words("nos.lol", reason)).collect();
        assert_eq!(
            sentences.len(),
            SAID.len() + FOUND.len() - 1,
            "not sent is as good as refused"
        );
        assert!(all().all(|reason| !refusal_brief(reason).is_empty()));
    }
}
