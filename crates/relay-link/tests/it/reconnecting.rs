//! When a link dials, and when it gives a connection up.

use std::sync::atomic::Ordering;
use std::time::Duration;

use relay_link::{ConnectionError, DialError, LinkState, SendFailed};
use tokio::time::{Instant, sleep, timeout};

use crate::common::{Seen, link_to};
use crate::memory::{FAR, Switchboard, req, run, start};

#[test]
fn a_dead_relay_is_dialled_ever_more_rarely() {
    run(async {
        let ((board, _ends), link, mut seen) = (Switchboard::new(), link_to(FAR), Seen::start());
        *board.failing.lock().unwrap() = Some(DialError::Refused);
        start(&link, &board, &seen);
        let (until, why) = seen.waiting().await;
        assert_eq!(why, "connection refused; the relay is down or the port is wrong");
        assert!(until > Instant::now().into_std());
        assert_eq!(
            link.try_send(req("a-1"), seen.answers.clone()),
            Err(SendFailed::NotConnected)
        );
        sleep(Duration::from_secs(3600)).await;
        let dials = board.dials();
        let gaps: Vec<f64> = dials
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).as_secs_f64())
            .collect();
        for (gap, full) in gaps.iter().zip(
            [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]
                .into_iter()
                .chain([300.0; 90]),
        ) {
            // A timer fires up to a millisecond late.
            assert!(
                (full / 2.0..=full + 0.002).contains(gap),
                "{gap} s of {full} s in {gaps:?}"
            );
        }
        assert!(gaps.len() > 15, "it never gives up: {gaps:?}");
    });
}

#[test]
fn a_relay_on_this_machine_is_back_within_two_seconds() {
    run(async {
        let ((board, _ends), link, mut seen) =
            (Switchboard::new(), link_to("ws://127.0.0.1:7777"), Seen::start());
        *board.failing.lock().unwrap() = Some(DialError::Refused);
        start(&link, &board, &seen);
        sleep(Duration::from_secs(600)).await;
        *board.failing.lock().unwrap() = None;
        let healed = Instant::now();
        seen.connected().await;
        assert!(
            healed.elapsed() <= Duration::from_millis(2002),
            "{:?}",
            healed.elapsed()
        );
    });
}

#[test]
fn f36_a_relay_that_accepts_and_resets_is_dialled_at_most_20_times_in_40_minutes() {
    run(async {
        let ((board, mut ends), link, mut seen) = (Switchboard::new(), link_to(FAR), Seen::start());
        start(&link, &board, &seen);
        let flapping = async {
            for _ in 0..100 {
                let relay = ends.recv().await.unwrap();
                let _ = relay.outgoing.send(Err(ConnectionError::Closed)).await;
            }
        };
        assert!(
            timeout(Duration::from_secs(40 * 60), flapping).await.is_err(),
            "100 dials take longer"
        );
        let dials = board.dials().len();
        assert!((10..=20).contains(&dials), "{dials}");
        let healthy = Instant::now();
        let _relay = ends.recv().await.unwrap();
        assert!(healthy.elapsed() <= Duration::from_secs(300));
        while seen.connected().await < dials as u64 + 1 {}
    });
}

#[test]
fn a_connection_that_lasted_is_replaced_within_a_second() {
    run(async {
        let ((board, mut ends), link, mut seen) = (Switchboard::new(), link_to(FAR), Seen::start());
        start(&link, &board, &seen);
        for connection in 1..10 {
            assert_eq!(seen.connected().await, connection);
            let mut relay = ends.recv().await.unwrap();
            // Answers pings until it leaves.
            assert!(timeout(Duration::from_secs(61), relay.hear()).await.is_err());
            let left = Instant::now();
            drop(relay);
            let (until, why) = seen.waiting().await;
            assert!(until - left.into_std() <= Duration::from_millis(1001));
            assert_eq!(why, "the relay closed the connection");
        }
    });
}

#[test]
fn f37_a_black_holed_socket_is_found_within_45_seconds() {
    run(async {
        let ((board, mut ends), link, mut seen) = (Switchboard::new(), link_to(FAR), Seen::start());
        start(&link, &board, &seen);
        seen.connected().await;
        let mut relay = ends.recv().await.unwrap();
        // Alive for ten minutes, then a hole: it takes everything and answers nothing.
        assert!(timeout(Duration::from_secs(600), relay.hear()).await.is_err());
        let hole = Instant::now();
        let (_, why) = seen.waiting().await;
        assert!(hole.elapsed() <= Duration::from_secs(45), "{:?}", hole.elapsed());
        assert_eq!(why, "the relay gave no sign of life");
        assert_eq!(
            link.try_send(req("a-1"), seen.answers.clone()),
            Err(SendFailed::NotConnected)
        );
        assert_eq!(seen.connected().await, 2);
    });
}

#[test]
fn f37_after_a_wake_a_dead_socket_is_found_within_five_seconds() {
    run(async {
        let ((board, mut ends), link, mut seen) = (Switchboard::new(), link_to(FAR), Seen::start());
        start(&link, &board, &seen);
        seen.connected().await;
        let _hole = ends.recv().await.unwrap();
        let woke = Instant::now();
        link.redial().unwrap();
        seen.waiting().await;
        assert!(
            woke.elapsed() <= Duration::from_millis(5002),
            "{:?}",
            woke.elapsed()
        );
    });
}

#[test]
fn a_dial_that_hangs_is_given_up_after_15_seconds() {
    run(async {
        let ((board, _ends), link, mut seen) = (Switchboard::new(), link_to(FAR), Seen::start());
        board.silent.store(true, Ordering::Relaxed);
        let began = Instant::now();
        start(&link, &board, &seen);
        assert_eq!(seen.state().await, LinkState::Connecting);
        let (_, why) = seen.waiting().await;
        assert!(
            began.elapsed() <= Duration::from_millis(15_002),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(why, "no answer within 15 s");
    });
}

#[test]
fn f32_a_retry_after_is_honoured_and_a_person_can_overrule_it() {
    run(async {
        let ((board, _ends), link, mut seen) = (Switchboard::new(), link_to(FAR), Seen::start());
        let (after, just_before) = (Duration::from_secs(900), Duration::from_secs(899));
        *board.failing.lock().unwrap() = Some(DialError::Http {
            status: 503,
            retry_after: Some(after),
        });
        start(&link, &board, &seen);
        let (until, why) = seen.waiting().await;
        assert!(until >= (Instant::now() + after - Duration::from_millis(10)).into_std());
        assert!(why.contains("too busy"), "{why}");
        sleep(just_before).await;
        assert_eq!(board.dials().len(), 1);
        *board.failing.lock().unwrap() = None;
        link.redial().unwrap();
        let asked = Instant::now();
        seen.connected().await;
        assert!(asked.elapsed() < Duration::from_millis(5));
    });
}

#[test]
fn fifty_unreadable_frames_drop_the_connection_for_long() {
    run(async {
        let ((board, mut ends), link, mut seen) = (Switchboard::new(), link_to(FAR), Seen::start());
        start(&link, &board, &seen);
        seen.connected().await;
        let relay = ends.recv().await.unwrap();
        for _ in 0..49 {
            relay.say("<html>").await;
        }
        sleep(Duration::from_secs(1)).await;
        assert!(seen.states.try_recv().is_err(), "49 are borne");
        relay.say("<html>").await;
        let (until, why) = seen.waiting().await;
        assert!(until >= (Instant::now() + Duration::from_secs(149)).into_std());
        assert!(why.contains("not Nostr"), "{why}");
    });
}
