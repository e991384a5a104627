//! The one sentence that says how a history is.

use status::Status;

use crate::refusal_words::relay_name;
use crate::refusals::Refusal;

/// `1,204 messages, 1,190 safe on at least 2 relays, 11 waiting, 3 refused by nos.lol: too large`. What is zero is left
/// out, except what is safe.
pub fn summary(status: &Status, refusals: &[Refusal]) -> String {
    let counts = &status.counts;
    let noun = if counts.messages == 1 {
        "message"
    } else {
        "messages"
    };
    let safe = grouped(status.safe);
    let place = match status.relays.len() {
        0 => "none safe: there is no relay".to_owned(),
        1 => format!("{safe} safe on your only relay"),
        _ => format!("{safe} safe on at least 2 relays"),
    };
    let mut parts = vec![format!("{} {noun}", grouped(counts.messages)), place];
    if counts.waiting > 0 {
        parts.push(format!("{} waiting", grouped(counts.waiting)));
    }
    parts.extend(refusals.iter().map(|refusal| {
        let (count, relay) = (grouped(refusal.count), relay_name(refusal.relay.as_str()));
        if refusal.given_up {
            format!("{count} given up at {relay}")
        } else {
            format!("{count} refused by {relay}: {}", refusal.brief)
        }
    }));
    parts.join(", ")
}

/// A number with a comma between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use event_index::Counts;
    use relay_link::RelayUrl;
    use status::Board;

    use super::*;

    fn status(relays: &[&str], messages: u64, safe: u64, waiting: u64) -> Status {
        let relays: Vec<RelayUrl> = relays.iter().map(|url| url.parse().unwrap()).collect();
        let account = nostr::key::Keys::parse(&"01".repeat(32)).unwrap().public_key();
        let mut board = Board::new(account, relays);
        board.counted(Counts {
            messages,
            waiting,
            ..Counts::default()
        });
        board.stored(safe, 0, &std::collections::BTreeMap::new());
        let now = tokio::time::Instant::now().into_std();
        board.status(now, 1_789_000_000)
    }

    fn refusal(relay: &str, count: u64, brief: &'static str, given_up: bool) -> Refusal {
        Refusal {
            relay: relay.parse().unwrap(),
            count,
            brief: brief.into(),
            meaning: String::new(),
            reason: None,
            next_try: None,
            given_up,
        }
    }

    #[test]
    fn one_sentence_says_how_a_history_is() {
        let (one, two) = ("wss://nos.lol", "wss://relay.primal.net");
        let large = refusal(one, 3, "too large", false);
        assert_eq!(
            summary(&status(&[one, two], 1_204, 1_190, 11), &[large]),
            "1,204 messages, 1,190 safe on at least 2 relays, 11 waiting, 3 refused by nos.lol: too large"
        );
        assert_eq!(
            summary(&status(&[one], 1, 1, 0), &[]),
            "1 message, 1 safe on your only relay"
        );
        let given_up = refusal(one, 2_000, "", true);
        assert_eq!(
            summary(&status(&[], 0, 0, 0), &[given_up]),
            "0 messages, none safe: there is no relay, 2,000 given up at nos.lol"
        );
    }

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
