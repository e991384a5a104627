//! What the status says for which facts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use event_index::{Agreement, Basis, Counts};
use nostr::prelude::{Keys, PublicKey};
use pns_keys::keeper::{KeyState, KeysChanged};
use realtime::DownloadsChanged;
use reconciler::{Method, PassChanged, PassReport, Phase, author_set};
use relay_link::{LinkState, RelayUrl};
use status::{AccountState, Board, RelayState};
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
