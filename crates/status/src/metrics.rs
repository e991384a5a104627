//! A status as Prometheus reads it (text format 0.0.4).
//!
//! Gauges say how it is, counters grow from the start of the engine. Nothing names the account, a conversation or a key;
//! relays are named by host and path, without a query.

use std::fmt::{Display, Write};

use crate::state::{AccountState, RelayState, RelayStatus, Status, basis_word};

/// The words of [`AccountState`], so that a series exists before it is true.
const ACCOUNT_STATES: [&str; 5] = ["loading", "ready", "locked", "offline", "failed"];

/// The status in the text format of Prometheus. Cost: some microseconds a relay.
pub fn metrics_text(status: &Status) -> String {
    let counts = &status.counts;
    let mut page = Page(String::with_capacity(4096));
    let mut gauge = |name: &str, help: &str, value: u64| page.one("gauge", name, help, value);
    gauge("messages", "Messages on this device.", counts.messages);
    gauge(
        "forgotten_messages",
        "Old messages that relays hold and this device does not any more.",
        counts.forgotten,
    );
    gauge(
        "conversations",
        "Conversations on this device.",
        status.conversations,
    );
    gauge("drafts", "Messages that are not sealed yet.", counts.drafts);
    gauge(
        "waiting",
        "Messages that are still to be sent somewhere.",
        counts.waiting,
    );
    gauge(
        "safe_messages",
        "Messages that are verified on two relays, or on all if fewer.",
        status.safe,
    );
    gauge(
        "parked_deliveries",
        "Deliveries that a relay refused and that are not tried for now.",
        counts.parked,
    );
    gauge(
        "unproven_seconds",
        "Seconds that hold more events than a relay shows on a page.",
        status.unproven,
    );
    gauge(
        "full_download_bytes",
        "What fetching everything from one relay would cost.",
        counts.full_download_bytes(),
    );
    gauge(
        "complete",
        "1 when every relay agreed and nothing waits.",
        status.complete.into(),
    );
    gauge(
        "failed_parts",
        "Parts of the engine that were given up.",
        status.failed.len() as u64,
    );
    if let Some(at) = status.agreed_at {
        gauge(
            "agreed_timestamp_seconds",
            "When the relay that was asked longest ago agreed.",
            at,
        );
    }
    if let Some(skew) = status.clock_skew {
        page.one(
            "gauge",
            "clock_skew_seconds",
            "How far the clocks of relays are ahead of this one.",
            skew,
        );
    }
    page.head("gauge", "account_state", "1 for the state the account is in.");
    let word = AccountState::word(&status.account.state);
    for state in ACCOUNT_STATES {
        page.sample("account_state", &[("state", state)], u8::from(state == word));
    }
    page.head("gauge", "switch", "1 when the switch is on.");
    for name in supervision::Switches::NAMES {
        let on = status.switches.get(name).unwrap_or(false);
        page.sample("switch", &[("name", name)], u8::from(on));
    }
    page.relays(&status.relays);
    page.0
}

struct Page(String);

impl Page {
    fn one(&mut self, kind: &str, name: &str, help: &str, value: impl Display) {
        self.head(kind, name, help);
        self.sample(name, &[], value);
    }

    fn head(&mut self, kind: &str, name: &str, help: &str) {
        // Writing into a string does not fail.
        let _ = writeln!(
            self.0,
            "# HELP chat_sync_{name} {help}\n# TYPE chat_sync_{name} {kind}"
        );
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.0, "chat_sync_{name}");
        for (n, (label, text)) in labels.iter().enumerate() {
            let before = if n == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{before}{label}=\"{}\"", escaped(text));
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{after} {value}");
    }

    fn relays(&mut self, relays: &[RelayStatus]) {
        let names = names(relays);
        let mut each = |kind: &str, metric: &str, help: &str, value: &dyn Fn(&RelayStatus) -> Option<u64>| {
            self.head(kind, metric, help);
            for (relay, name) in relays.iter().zip(&names) {
                if let Some(value) = value(relay) {
                    self.sample(metric, &[("relay", name)], value);
                }
            }
        };
        each(
            "gauge",
            "relay_connected",
            "1 while there is a connection.",
            &|relay| Some(connected(&relay.state).into()),
        );
        each(
            "counter",
            "relay_received_bytes_total",
            "Bytes the relay sent.",
            &|relay| Some(relay.traffic.bytes_in),
        );
        each(
            "counter",
            "relay_sent_bytes_total",
            "Bytes sent to the relay.",
            &|relay| Some(relay.traffic.bytes_out),
        );
        each(
            "counter",
            "relay_received_frames_total",
            "Frames the relay sent.",
            &|relay| Some(relay.traffic.frames_in),
        );
        each(
            "counter",
            "relay_sent_frames_total",
            "Frames sent to the relay.",
            &|relay| Some(relay.traffic.frames_out),
        );
        each(
            "counter",
            "relay_passes_total",
            "The number of the newest comparison, over all relays.",
            &|relay| Some(relay.pass),
        );
        each(
            "gauge",
            "relay_parked",
            "Messages the relay does not take.",
            &|relay| Some(relay.parked),
        );
        each(
            "gauge",
            "relay_unproven_seconds",
            "Seconds too full for a page of the relay.",
            &|relay| Some(relay.unproven),
        );
        each(
            "gauge",
            "relay_agreed_timestamp_seconds",
            "When the relay last agreed.",
            &|relay| relay.agreed_at,
        );
        self.head(
            "gauge",
            "relay_agreed_basis",
            "1 for what the relay's last agreement rests on.",
        );
        for (relay, name) in relays.iter().zip(&names) {
            if let Some(basis) = relay.basis {
                self.sample(
                    "relay_agreed_basis",
                    &[("relay", name), ("basis", basis_word(basis))],
                    1,
                );
            }
        }
        self.head("gauge", "relay_state", "1 for the state the relay is in.");
        for (relay, name) in relays.iter().zip(&names) {
            for state in RelayState::WORDS {
                let in_it = u8::from(state == relay.state.word());
                self.sample("relay_state", &[("relay", name), ("state", state)], in_it);
            }
        }
    }
}

fn connected(state: &RelayState) -> bool {
    !matches!(
        state,
        RelayState::Off | RelayState::Connecting | RelayState::Waiting { .. } | RelayState::Refused { .. }
    )
}

/// Some people's relay addresses carry a token behind the question mark. Two that differ by nothing else are numbered: a
/// series is told once.
fn names(relays: &[RelayStatus]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(relays.len());
    for relay in relays {
        let url = relay.url.as_str();
        let bare = url.split_once('?').map_or(url, |(bare, _)| bare);
        let mut name = bare.to_owned();
        let mut number = 1;
        while names.contains(&name) {
            number += 1;
            name = format!("{bare} ({number})");
        }
        names.push(name);
    }
    names
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
