//! What Prometheus reads.

use std::collections::BTreeSet;

use event_index::Counts;
use nostr::prelude::Keys;
use relay_link::{LinkState, RelayUrl, Traffic};
use status::{Board, RelayState, Status, metrics_text};
use supervision::Switches;

const UNIX: u64 = 1_789_000_000;

fn board(relays: &[&str]) -> (Board, Vec<RelayUrl>) {
    let urls: Vec<RelayUrl> = relays.iter().map(|url| url.parse().unwrap()).collect();
    let account = Keys::parse(&"01".repeat(32)).unwrap().public_key();
    (Board::new(account, urls.clone()), urls)
}

fn status(board: &Board) -> Status {
    board.status(tokio::time::Instant::now().into_std(), UNIX)
}

fn value(text: &str, series: &str) -> Option<String> {
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{series} ")))?;
    Some(line[series.len() + 1..].to_owned())
}

#[test]
fn counts_and_relays_are_series_of_their_own() {
    let (mut board, urls) = board(&["wss://one.example", "wss://two.example/path"]);
    board.counted(Counts {
        messages: 12,
        drafts: 2,
        waiting: 3,
        ..Counts::default()
    });
    board.link(urls[0].clone(), LinkState::Connected { connection: 1 });
    let traffic = Traffic {
        bytes_in: 1_000,
        bytes_out: 20,
        frames_in: 3,
        frames_out: 4,
    };
    board.traffic(&urls[0], traffic, tokio::time::Instant::now().into_std());
    board.switches(Switches {
        live: false,
        ..Switches::ON
    });
    board.clock_skew(Some(-7));
    let text = metrics_text(&status(&board));
    for (series, expected) in [
        ("chat_sync_messages", "12"),
        ("chat_sync_drafts", "2"),
        ("chat_sync_waiting", "3"),
        ("chat_sync_complete", "0"),
        ("chat_sync_clock_skew_seconds", "-7"),
        ("chat_sync_account_state{state=\"loading\"}", "1"),
        ("chat_sync_account_state{state=\"ready\"}", "0"),
        ("chat_sync_switch{name=\"live\"}", "0"),
        ("chat_sync_switch{name=\"sync\"}", "1"),
        (
            "chat_sync_relay_received_bytes_total{relay=\"wss://one.example\"}",
            "1000",
        ),
        (
            "chat_sync_relay_sent_frames_total{relay=\"wss://one.example\"}",
            "4",
        ),
        ("chat_sync_relay_connected{relay=\"wss://one.example\"}", "1"),
        ("chat_sync_relay_connected{relay=\"wss://two.example/path\"}", "0"),
        (
            "chat_sync_relay_state{relay=\"wss://two.example/path\",state=\"off\"}",
            "1",
        ),
    ] {
        assert_eq!(
            value(&text, series).as_deref(),
            Some(expected),
            "{series} in\n{text}"
        );
    }
}

#[test]
fn every_series_is_announced_once_and_told_once_and_ends_with_a_line() {
    let (board, _) = board(&["wss://one.example?key=secret", "wss://one.example?key=other"]);
    let text = metrics_text(&status(&board));
    assert!(text.ends_with('\n'));
    let mut announced = BTreeSet::new();
    let mut told = BTreeSet::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# TYPE ") {
            let (name, kind) = name.split_once(' ').unwrap();
            assert!(announced.insert(name.to_owned()), "{name} twice");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        } else if !line.starts_with('#') {
            let (series, number) = line.rsplit_once(' ').unwrap();
            assert!(told.insert(series.to_owned()), "{series} twice");
            number.parse::<i64>().unwrap();
            let name = series.split('{').next().unwrap();
            assert!(announced.contains(name), "{name} has no type before it");
        }
    }
}

#[test]
fn no_account_key_or_token_is_in_it() {
    let (board, _) = board(&["wss://one.example?token=hush"]);
    let status = status(&board);
    let text = metrics_text(&status);
    assert!(!text.contains(&status.account.account.to_hex()) && !text.contains("npub"));
    assert!(!text.contains("hush"), "{text}");
}

#[test]
fn every_state_has_its_word() {
    let states = [
        RelayState::Off,
        RelayState::Live,
        RelayState::Fetching { done: 1, total: 2 },
    ];
    for state in states {
        let json = serde_json::to_value(&state).unwrap();
        assert_eq!(json["state"], state.word());
        assert!(RelayState::WORDS.contains(&state.word()));
    }
}
