//! What the status says for which facts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use event_index::{Agreement, Basis, Counts};
use nostr::prelude::{Keys, PublicKey};
use pns_keys::keeper::{KeyState, KeysChanged};
use realtime::DownloadsChanged;
use reconciler::{Method, PassChanged, PassReport, Phase, author_set};
use relay_link::{LinkState, RelayUrl, Traffic};
use status::{AccountState, Board, RelayState};
use supervision::Switches;
use uploader::{ParkedChanged, UploadsChanged};

const UNIX: u64 = 1_789_000_000;

fn relay(n: u8) -> RelayUrl {
    format!("wss://relay{n}.example").parse().unwrap()
}

fn account() -> PublicKey {
    Keys::parse(&"01".repeat(32)).unwrap().public_key()
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn done(url: &RelayUrl, pass: u64, complete: bool) -> PassChanged {
    let report = PassReport {
        complete,
        error: None,
        method: Method::Negentropy,
        ..PassReport::failed(url.clone(), String::new())
    };
    PassChanged {
        relay: url.clone(),
        pass,
        phase: Phase::Done(report),
    }
}

fn agreed(url: &RelayUrl, at: u64, basis: Basis) -> (String, Agreement) {
    (
        url.to_string(),
        Agreement {
            at,
            count: 0,
            fingerprint: [0; 16],
            last_seq: 0,
            basis,
            authors: 1,
        },
    )
}

#[test]
fn complete_needs_every_relay() {
    let mut board = Board::new(account(), [relay(1), relay(2)]);
    board.link(relay(1), LinkState::Connected { connection: 1 });
    board.pass(done(&relay(1), 1, true));
    assert!(
        !board.status(now(), UNIX).complete,
        "the other one was never compared"
    );
    board.pass(done(&relay(2), 2, true));
    assert!(board.status(now(), UNIX).complete);
    board.pass(done(&relay(2), 3, false));
    assert!(!board.status(now(), UNIX).complete);
}

#[test]
fn nothing_is_complete_while_something_waits() {
    let mut board = Board::new(account(), [relay(1)]);
    board.pass(done(&relay(1), 1, true));
    board.counted(Counts {
        waiting: 1,
        ..Counts::default()
    });
    assert!(!board.status(now(), UNIX).complete);
}

#[test]
fn nothing_is_complete_without_a_relay() {
    assert!(!Board::new(account(), []).status(now(), UNIX).complete);
}

#[test]
fn the_last_agreement_stands_with_its_time_while_nothing_is_compared() {
    let mut board = Board::new(account(), [relay(1), relay(2)]);
    let agreements = BTreeMap::from([
        agreed(&relay(1), UNIX - 50, Basis::Fingerprint),
        agreed(&relay(2), UNIX - 90, Basis::Pages),
    ]);
    board.stored(7, 7, &agreements);
    let status = board.status(now(), UNIX);
    assert!(status.complete);
    assert_eq!(
        (status.agreed_at, status.basis, status.safe),
        (Some(UNIX - 90), Some(Basis::Pages), 7)
    );
}

#[test]
fn a_message_that_no_agreement_covers_is_not_in_sync() {
    let mut board = Board::new(account(), [relay(1)]);
    let agreements = BTreeMap::from([agreed(&relay(1), UNIX - 50, Basis::Fingerprint)]);
    board.counted(Counts {
        messages: 8,
        ..Counts::default()
    });
    board.stored(7, 7, &agreements);
    assert!(!board.status(now(), UNIX).complete);
}

#[test]
fn facts_of_an_older_pass_change_nothing() {
    let mut board = Board::new(account(), [relay(1)]);
    board.pass(done(&relay(1), 5, true));
    board.pass(done(&relay(1), 4, false));
    assert!(board.status(now(), UNIX).complete);
}

#[test]
fn a_relay_says_what_it_is_doing() {
    let mut board = Board::new(account(), [relay(1)]);
    let state = |board: &Board| board.status(now(), UNIX).relays[0].state.clone();
    assert_eq!(state(&board), RelayState::Off);
    let begin = now();
    board.link(
        relay(1),
        LinkState::Waiting {
            until: begin + Duration::from_secs(30),
            why: "refused".into(),
        },
    );
    let waiting = board.status(begin, UNIX).relays[0].state.clone();
    assert_eq!(
        waiting,
        RelayState::Waiting {
            until: UNIX + 30,
            why: "refused".into()
        }
    );

    board.link(relay(1), LinkState::Connected { connection: 1 });
    let comparing = Phase::Comparing {
        round: 2,
        have: 3,
        need: 4,
    };
    board.pass(PassChanged {
        relay: relay(1),
        pass: 1,
        phase: comparing,
    });
    assert_eq!(
        state(&board),
        RelayState::Comparing {
            round: 2,
            have: 3,
            need: 4
        }
    );

    board.pass(PassChanged {
        relay: relay(1),
        pass: 1,
        phase: Phase::Transferring,
    });
    board.downloads(DownloadsChanged {
        relay: relay(1),
        live: true,
        done: 1,
        total: 4,
    });
    board.uploads(UploadsChanged {
        relay: relay(1),
        done: 0,
        total: 3,
    });
    assert_eq!(state(&board), RelayState::Fetching { done: 1, total: 4 });
    board.downloads(DownloadsChanged {
        relay: relay(1),
        live: true,
        done: 4,
        total: 4,
    });
    assert_eq!(state(&board), RelayState::Sending { done: 0, total: 3 });
    board.uploads(UploadsChanged {
        relay: relay(1),
        done: 3,
        total: 3,
    });
    board.pass(done(&relay(1), 1, true));
    assert_eq!(state(&board), RelayState::Live);
}

#[test]
fn the_account_says_why_it_is_not_ready() {
    let mut board = Board::new(account(), [relay(1)]);
    assert_eq!(board.status(now(), UNIX).account.state, AccountState::Loading);
    let keys = |state| KeysChanged {
        asking: false,
        closed: 0,
        account: account(),
        read: BTreeSet::new(),
        rumor_authors: BTreeSet::new(),
        write: None,
        state,
    };
    board.keys(keys(KeyState::Locked {
        why: "the signer refused".into(),
    }));
    assert_eq!(
        board.status(now(), UNIX).account.state,
        AccountState::Locked("the signer refused".into())
    );
    board.keys(keys(KeyState::Ready));
    assert_eq!(board.status(now(), UNIX).account.state.word(), "ready");
    board.failed("the uploader was given up".into());
    assert_eq!(
        board.status(now(), UNIX).account.state.why(),
        Some("the uploader was given up")
    );
}

#[test]
fn what_leaves_after_a_comparison_is_not_proven_until_the_next_one() {
    let mut board = Board::new(account(), [relay(1)]);
    board.pass(done(&relay(1), 1, true));
    board.counted(Counts {
        messages: 1,
        ..Counts::default()
    });
    assert!(!board.status(now(), UNIX).complete);
    board.stored(
        1,
        1,
        &BTreeMap::from([agreed(&relay(1), UNIX, Basis::Fingerprint)]),
    );
    assert!(board.status(now(), UNIX).complete);
}

#[test]
fn an_agreement_about_other_keys_says_nothing() {
    let mut board = Board::new(account(), [relay(1)]);
    let (url, agreement) = agreed(&relay(1), UNIX, Basis::Fingerprint);
    let authors = author_set(&[account()]);
    let agreement = Agreement { authors, ..agreement };
    board.stored(0, 0, &BTreeMap::from([(url, agreement)]));
    assert!(board.status(now(), UNIX).complete);
    let keys = |read: &[PublicKey]| KeysChanged {
        asking: false,
        closed: 0,
        account: account(),
        read: read.iter().copied().collect(),
        rumor_authors: BTreeSet::new(),
        write: None,
        state: KeyState::Ready,
    };
    board.keys(keys(&[account()]));
    let status = board.status(now(), UNIX);
    assert!(status.complete && status.agreed_at == Some(UNIX), "the same keys");
    for read in [
        vec![account(), Keys::generate().public_key()],
        vec![Keys::generate().public_key()],
    ] {
        board.keys(keys(&read));
        assert!(!board.status(now(), UNIX).complete, "{read:?} were not compared");
    }
}

#[test]
fn a_relay_that_does_not_keep_messages_is_named_and_too_few_that_do_are_warned_about() {
    let mut board = Board::new(account(), [relay(1), relay(2), relay(3)]);
    let parked = |n, parked| ParkedChanged {
        relay: relay(n),
        parked,
        why: Some("blocked: kind not allowed".to_owned()),
    };
    board.parked(parked(1, 2));
    let status = board.status(now(), UNIX);
    assert_eq!(
        status.relays[0].trouble.as_deref(),
        Some("does not keep 2 messages: blocked: kind not allowed")
    );
    assert_eq!(
        (status.relays[1].trouble.as_deref(), status.warning),
        (None, None)
    );
    board.parked(parked(2, 1));
    let warning = board.status(now(), UNIX).warning.unwrap();
    assert!(warning.starts_with("only 1 of 3 relays"), "{warning}");
    board.parked(parked(1, 0));
    board.parked(parked(2, 0));
    assert_eq!(board.status(now(), UNIX).warning, None);

    let mut only = Board::new(account(), [relay(1)]);
    assert_eq!(
        only.status(now(), UNIX).warning,
        None,
        "one relay is what the person chose"
    );
    only.parked(parked(1, 1));
    assert!(only.status(now(), UNIX).warning.is_some());
}

#[test]
fn an_account_is_offline_once_every_relay_was_tried_in_vain_and_online_with_the_first_that_answers() {
    let mut board = Board::new(account(), [relay(1), relay(2)]);
    board.keys(KeysChanged {
        asking: false,
        closed: 0,
        account: account(),
        read: BTreeSet::new(),
        rumor_authors: BTreeSet::new(),
        write: None,
        state: KeyState::Ready,
    });
    let state = |board: &Board| board.status(now(), UNIX).account.state;
    let fails = |board: &mut Board, n| {
        let waiting = LinkState::Waiting {
            until: now(),
            why: "no route".to_owned(),
        };
        board.link(relay(n), waiting);
    };
    board.link(relay(1), LinkState::Connecting);
    board.link(relay(2), LinkState::Connecting);
    assert_eq!(state(&board), AccountState::Ready, "nobody has failed yet");
    fails(&mut board, 1);
    assert_eq!(state(&board), AccountState::Ready);
    fails(&mut board, 2);
    let AccountState::Offline(why) = state(&board) else {
        panic!("{:?}", state(&board));
    };
    assert!(
        why.contains("none of 2 relays") && why.contains("no route"),
        "{why}"
    );
    board.link(relay(1), LinkState::Connecting);
    assert!(
        matches!(state(&board), AccountState::Offline(_)),
        "dialling is no answer"
    );
    board.link(relay(1), LinkState::Connected { connection: 1 });
    assert_eq!(state(&board), AccountState::Ready);
    for n in [1, 2] {
        fails(&mut board, n);
    }
    board.link(relay(1), LinkState::Resting);
    board.link(relay(2), LinkState::Resting);
    assert_eq!(state(&board), AccountState::Ready, "off is not offline");
}

#[test]
fn a_clock_that_is_wrong_is_warned_about() {
    let mut board = Board::new(account(), [relay(1)]);
    for (skew, said) in [
        (None, None),
        (Some(120), None),
        (Some(-300), Some("300 s ahead of the relays'")),
        (Some(7_200), Some("7200 s behind the relays'")),
    ] {
        board.clock_skew(skew);
        let status = board.status(now(), UNIX);
        assert_eq!(status.clock_skew, skew);
        let warning = status.warning.unwrap_or_default();
        assert!(
            said.map_or(warning.is_empty(), |said| warning.contains(said)),
            "{warning}"
        );
    }
}

#[test]
fn what_goes_over_a_connection_is_counted_and_work_has_a_speed() {
    let mut board = Board::new(account(), [relay(1)]);
    board.link(relay(1), LinkState::Connected { connection: 1 });
    let begin = now();
    for second in 0..=4_u64 {
        board.downloads(DownloadsChanged {
            relay: relay(1),
            live: false,
            done: second * 100,
            total: 1_000,
        });
        let traffic = Traffic {
            bytes_in: second * 50_000,
            bytes_out: 10,
            ..Traffic::default()
        };
        board.traffic(&relay(1), traffic, begin + Duration::from_secs(second));
    }
    assert!(board.working());
    let at = begin + Duration::from_secs(4);
    let line = board.status(at, UNIX).relays.remove(0);
    assert_eq!((line.traffic.bytes_in, line.traffic.bytes_out), (200_000, 10));
    let speed = line.speed.unwrap();
    assert!((speed.events_per_second - 100.0).abs() < 0.1, "{speed:?}");
    assert_eq!((speed.bytes_per_second, speed.seconds_left), (50_000, 6));

    let before = board.status(at, UNIX);
    board.traffic(&relay(1), Traffic::default(), at);
    let after = board.status(at, UNIX);
    assert!(
        after != before && !after.moved_since(&before),
        "bytes are no progress"
    );
    board.downloads(DownloadsChanged {
        relay: relay(1),
        live: true,
        done: 1_000,
        total: 1_000,
    });
    board.traffic(&relay(1), Traffic::default(), at);
    assert!(!board.working() && board.status(at, UNIX).moved_since(&before));
    assert_eq!(board.status(at, UNIX).relays[0].speed, None);
}

#[test]
fn seconds_too_full_for_a_page_are_counted_until_a_comparison_finds_none() {
    let mut board = Board::new(account(), [relay(1), relay(2)]);
    board.unproven(relay(2), 3);
    let mut overfull = done(&relay(1), 1, false);
    if let Phase::Done(report) = &mut overfull.phase {
        report.unproven_seconds = vec![UNIX, UNIX + 1];
    }
    board.pass(overfull);
    let status = board.status(now(), UNIX);
    assert_eq!((status.unproven, status.relays[0].unproven), (5, 2));
    board.pass(done(&relay(1), 2, true));
    assert_eq!(board.status(now(), UNIX).unproven, 3);
}

#[test]
fn without_a_live_subscription_a_relay_is_compared_and_not_live() {
    let mut board = Board::new(account(), [relay(1)]);
    board.link(relay(1), LinkState::Connected { connection: 1 });
    board.pass(done(&relay(1), 1, true));
    board.switches(Switches {
        live: false,
        ..Switches::ON
    });
    assert_eq!(board.status(now(), UNIX).relays[0].state, RelayState::Compared);
}
