//! Where a message is, as a person reads it.

use chat_sync::{refusal_words, relay_name};

use crate::output::{one_line, utc};
use crate::shapes::{DeliveryShape, MessageShape};

/// Whether the message is safe, and a line for each relay.
pub(crate) fn lines(message: &MessageShape) -> Vec<String> {
    let head = match (message.state.as_str(), message.safe) {
        ("draft", _) => "  on this device only: not sealed yet",
        (_, Some(true)) => "  safe",
        _ => "  not safe yet",
    };
    let relays = message.deliveries.iter().flatten().map(relay_line);
    std::iter::once(head.to_owned()).chain(relays).collect()
}

fn relay_line(delivery: &DeliveryShape) -> String {
    let name = relay_name(&delivery.url);
    let mut line = format!("  {name}: {}", delivery.state);
    if let Some(at) = delivery.at {
        line = format!("{line} since {} UTC", utc(at));
    }
    if delivery.attempts > 1 {
        line = format!("{line}, sent {} times", delivery.attempts);
    }
    if let Some(at) = delivery.next_try {
        line = format!("{line}, tried again {} UTC", utc(at));
    }
    if let Some(reason) = &delivery.reason {
        line = format!("{line}: {} ({})", refusal_words(name, reason), one_line(reason));
    }
    line
}
