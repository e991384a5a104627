//! What relays do not take, below everything else that a command says.

use chat_sync::{Refusal, relay_name};

use super::{one_line, plural, utc};

/// A sentence for each relay and reason, with the relay's own words under it; nothing when everything is taken.
pub(crate) fn refused_lines(refused: &[Refusal]) -> Vec<String> {
    let mut lines = Vec::new();
    for refusal in refused {
        lines.push(String::new());
        lines.push(format!(
            "{}, {}: {}",
            relay_name(refusal.relay.as_str()),
            plural(refusal.count, "message"),
            refusal.meaning
        ));
        if let Some(reason) = refusal.reason.as_deref().filter(|_| !refusal.given_up) {
            lines.push(format!("  reason: {}", one_line(reason)));
        }
        if let Some(at) = refusal.next_try {
            lines.push(format!("  next try: {} UTC", utc(at)));
        }
    }
    lines
}
