//! Where a message is, as a person reads it.

use chat_sync::{MessageReceipt, MessageState, RelayReceipt, refusal_words, relay_name};

use crate::output::{one_line, utc};

/// Whether the message is safe, and a line for each relay.
pub(crate) fn lines(known: &MessageReceipt) -> Vec<String> {
    let head = match (known.state, known.safe) {
        (MessageState::Draft, _) => "  on this device only: not sealed yet",
        (_, true) => "  safe",
        (_, false) => "  not safe yet",
    };
    let relays = known.deliveries.iter().map(relay_line);
    std::iter::once(head.to_owned()).chain(relays).collect()
}

fn relay_line(RelayReceipt { url, receipt }: &RelayReceipt) -> String {
    let name = relay_name(url);
    let mut line = format!("  {name}: {}", receipt.standing.word());
    if let Some(at) = receipt.at {
        line = format!("{line} since {} UTC", utc(at));
    }
    if receipt.attempts > 1 {
        line = format!("{line}, sent {} times", receipt.attempts);
    }
    if let Some(at) = receipt.next_try {
        line = format!("{line}, tried again {} UTC", utc(at));
    }
    if let Some(reason) = &receipt.reason {
        line = format!("{line}: {} ({})", refusal_words(name, reason), one_line(reason));
    }
    line
}
