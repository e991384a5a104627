//! What a relay's no means, in one sentence that a person understands (field guide 3.1).

use relay_link::{ClockRefusal, OkClass};

/// Says what became of a message that `relay` answered with `reason`, and what happens next. The relay's own words are
/// not in it: whoever shows the sentence shows them beside it, without control characters. `docs/REFUSALS.md` lists
/// every sentence.
pub fn refusal_words(relay: &str, reason: &str) -> String {
    sentence(
        relay,
        OkClass::classify(false, reason),
        OkClass::names_size(reason),
    )
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

    #[test]
    fn the_page_of_refusals_says_what_the_program_says() {
        let page = include_str!("../../../docs/REFUSALS.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        let said: Vec<String> = SAID
            .iter()
            .map(|reason| format!("| `{reason}` | {} |", refusal_words("nos.lol", reason)))
            .collect();
        assert_eq!(rows, said);
    }

    #[test]
    fn every_class_has_a_sentence_of_its_own() {
        let sentences: std::collections::BTreeSet<String> = SAID
            .iter()
            .map(|reason| refusal_words("nos.lol", reason))
            .collect();
        assert_eq!(sentences.len(), SAID.len());
    }
}
