//! Who gets which frame, and how much may wait.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use relay_link::{ClientFrame, Incoming, LinkState, Outgoing, RelayFrame, RelayLinkActor, SendFailed, SubId};
use supervision::{Env, Guard, Guardian, Outlet, Restarted, Role, Tripwire};
use tokio::time::{advance, sleep, timeout};

use crate::common::{Seen, link_to};
use crate::memory::{FAR, Switchboard, env, eose, req, run, start};
use crate::notary::{Notary, history};

#[test]
fn an_answer_reaches_who_asked() {
    run(async {
        let ((board, mut ends), link) = (Switchboard::new(), link_to(FAR));
        let (mut one, mut two) = (Seen::start(), Seen::start());
        start(&link, &board, &one);
        assert_eq!(one.connected().await, 1);
        let mut relay = ends.recv().await.unwrap();
        link.try_send(req("a-1"), one.answers.clone()).unwrap();
        link.try_send(req("b-1"), two.answers.clone()).unwrap();
        assert_eq!(relay.hear().await.unwrap(), req("a-1").encode());
        assert_eq!(relay.hear().await.unwrap(), req("b-1").encode());
        relay.say(eose("nobody").encode()).await;
        relay.say(eose("b-1").encode()).await;
        relay.say(eose("a-1").encode()).await;
        relay.say(r#"["NOTICE","for all"]"#).await;
        assert_eq!(two.frame().await, eose("b-1"));
        assert_eq!(one.frame().await, eose("a-1"));
        let notice = RelayFrame::Notice {
            message: "for all".into(),
        };
        assert_eq!((one.frame().await, two.frame().await), (notice.clone(), notice));
    });
}

#[test]
fn a_link_that_may_be_nobody_hands_on_every_refusal() {
    run(async {
        let ((board, mut ends), link, mut seen) = (Switchboard::new(), link_to(FAR), Seen::start());
        start(&link, &board, &seen);
        seen.connected().await;
        let relay = ends.recv().await.unwrap();
        link.try_send(req("a-1"), seen.answers.clone()).unwrap();
        sleep(Duration::from_millis(1)).await;
        relay.say(r#"["AUTH","prove it"]"#).await;
        relay.say(r#"["CLOSED","a-1","auth-required: prove it"]"#).await;
        assert!(matches!(seen.frame().await, RelayFrame::Auth { .. }));
        assert!(matches!(seen.frame().await, RelayFrame::Closed { .. }));
    });
}

#[test]
fn a_refusal_is_held_back_while_somebody_can_prove_who_asks() {
    run(async {
        let ((board, mut ends), link, mut seen) = (Switchboard::new(), link_to(FAR), Seen::start());
        let mut notary = Notary::start(&link, &board, &seen);
        seen.connected().await;
        assert_eq!(notary.told.recv().await.unwrap(), None, "a new connection");
        let mut relay = ends.recv().await.unwrap();
        let asked = history("a-1");
        link.try_send(asked.clone(), seen.answers.clone()).unwrap();
        assert_eq!(relay.hear().await.unwrap(), asked.encode());
        relay.say(r#"["CLOSED","a-1","auth-required: prove it"]"#).await;
        // No challenge comes.
        let before = tokio::time::Instant::now();
        assert!(matches!(seen.frame().await, RelayFrame::Closed { .. }));
        assert_eq!(before.elapsed().as_secs(), 5);

        let asked = history("a-2");
        link.try_send(asked.clone(), seen.answers.clone()).unwrap();
        relay.hear().await.unwrap();
        relay.say(r#"["AUTH","c"]"#).await;
        relay.say(r#"["CLOSED","a-2","auth-required: prove it"]"#).await;
        let auth = relay.hear().await.unwrap();
        let ClientFrame::Auth(proof) = ClientFrame::parse(&auth).unwrap() else {
            panic!("{auth}");
        };
        let ok = format!(r#"["OK","{}",true,""]"#, proof.id);
        relay.say(&ok).await;
        assert_eq!(relay.hear().await.unwrap(), asked.encode(), "once more");
        relay.say(eose("a-2").encode()).await;
        assert_eq!(seen.frame().await, eose("a-2"), "and nothing of the refusal");
        assert_eq!(notary.asked(), 1);

        // Another connection begins with nothing proven.
        drop(relay);
        seen.connected().await;
        let mut relay = ends.recv().await.unwrap();
        link.try_send(history("a-3"), seen.answers.clone()).unwrap();
        relay.hear().await.unwrap();
        relay.say(r#"["AUTH","c"]"#).await;
        relay.say(r#"["CLOSED","a-3","auth-required: prove it"]"#).await;
        assert!(relay.hear().await.unwrap().starts_with(r#"["AUTH""#));
        // An answer that does not come.
        assert!(matches!(seen.frame().await, RelayFrame::Closed { .. }));
        let told = std::iter::from_fn(|| notary.told.try_recv().ok()).last();
        assert!(told.flatten().unwrap().contains("did not answer"));
    });
}

#[test]
fn a_slow_part_of_ours_is_not_taken_for_a_dead_relay() {
    run(async {
        let ((board, mut ends), link) = (Switchboard::new(), link_to(FAR));
        let (mut seen, mut slow) = (Seen::start(), Seen::gated(0));
        start(&link, &board, &seen);
        seen.connected().await;
        let relay = ends.recv().await.unwrap();
        link.try_send(req("a-1"), slow.answers.clone()).unwrap();
        sleep(Duration::from_millis(1)).await;
        relay.say(eose("a-1").encode()).await;
        sleep(Duration::from_secs(55)).await;
        slow.gate.add_permits(1);
        assert_eq!(slow.frame().await, eose("a-1"));
        assert!(seen.states.try_recv().is_err(), "still the same connection");
        // A minute is a deadlock, and everyone starts over.
        relay.say(eose("a-1").encode()).await;
        let (_, why) = seen.waiting().await;
        assert!(why.contains("too busy"), "{why}");
    });
}

#[test]
fn a_slow_receiver_slows_the_relay() {
    run(async {
        let ((board, mut ends), link, mut seen) = (Switchboard::new(), link_to(FAR), Seen::gated(0));
        start(&link, &board, &seen);
        seen.connected().await;
        let relay = ends.recv().await.unwrap();
        link.try_send(req("a-1"), seen.answers.clone()).unwrap();
        sleep(Duration::from_millis(1)).await;
        let mut said = 0;
        while timeout(Duration::from_secs(1), relay.say(eose("a-1").encode()))
            .await
            .is_ok()
        {
            said += 1;
            assert!(said < 1000, "memory fills");
        }
        assert_eq!(
            link.traffic().frames_in,
            1,
            "the second is read when the first was handled"
        );
        seen.gate.add_permits(2000);
        for _ in 0..said {
            assert_eq!(seen.frame().await, eose("a-1"));
        }
    });
}

#[test]
fn what_waits_to_be_written_is_bounded() {
    run(async {
        let ((board, mut ends), link, mut seen) = (Switchboard::new(), link_to(FAR), Seen::start());
        start(&link, &board, &seen);
        seen.connected().await;
        // A relay that reads nothing: the connection takes a few frames, the queue the rest.
        let mut relay = ends.recv().await.unwrap();
        let send = |message: usize| {
            let sub = "neg-1".parse().unwrap();
            link.try_send(
                ClientFrame::NegMsg {
                    sub,
                    message: vec![0; message],
                },
                Outlet::empty(),
            )
        };
        let mut burst = 0_usize;
        while send(1).is_ok() {
            burst += 1;
        }
        assert_eq!(
            burst, 4096,
            "a burst far over 32 EVENT fits, without end it does not"
        );
        assert_eq!(send(1), Err(SendFailed::QueueFull));
        for _ in 0..burst {
            relay.hear().await.unwrap();
        }
        let mut bytes = 0;
        while send(50_000).is_ok() {
            bytes += 100_000;
        }
        assert!((8_000_000..8 * 1024 * 1024).contains(&bytes), "{bytes}");
        assert_eq!(send(1), Ok(()), "a small one still fits");
        // The connection ends, and all of it is free again.
        drop(relay);
        seen.waiting().await;
        seen.connected().await;
        let _relay = ends.recv().await.unwrap();
        assert_eq!((0..80).filter(|_| send(50_000).is_ok()).count(), 80);
    });
}

#[test]
fn a_closed_link_says_what_is_queued_and_stays_closed() {
    run(async {
        let ((board, mut ends), link, mut seen) = (Switchboard::new(), link_to(FAR), Seen::start());
        start(&link, &board, &seen);
        seen.connected().await;
        let mut relay = ends.recv().await.unwrap();
        link.try_send(req("a-1"), seen.answers.clone()).unwrap();
        link.close().unwrap();
        assert_eq!(seen.state().await, LinkState::Stopped);
        assert_eq!(relay.hear().await.unwrap(), req("a-1").encode());
        assert_eq!(relay.hear().await, None);
        assert_eq!(
            link.try_send(req("a-2"), seen.answers.clone()),
            Err(SendFailed::NotConnected)
        );
        sleep(Duration::from_secs(600)).await;
        assert!(link.redial().is_err(), "the actor is gone");
        // A guardian that was not told brings back an actor that does nothing.
        start(&link, &board, &seen);
        assert_eq!(seen.state().await, LinkState::Stopped);
        advance(Duration::from_secs(600)).await;
        assert_eq!(board.dials().len(), 1);
    });
}

#[test]
fn the_state_is_told_again_when_asked_and_after_a_restart_of_anyone() {
    run(async {
        let ((board, mut ends), link, mut seen) = (Switchboard::new(), link_to(FAR), Seen::start());
        start(&link, &board, &seen);
        let connected = LinkState::Connected {
            connection: seen.connected().await,
        };
        let _relay = ends.recv().await.unwrap();
        link.announce().unwrap();
        assert_eq!(seen.state().await, connected);
        link.restarted().try_send(Restarted(Role::Uploader)).unwrap();
        assert_eq!(seen.state().await, connected);
    });
}

#[test]
fn a_link_that_panicked_comes_back_under_the_same_handle() {
    run(async {
        let ((board, mut ends), link, mut seen) = (Switchboard::new(), link_to(FAR), Seen::start());
        let role = Role::Link(link.url().to_string());
        // Dies while it handles the second frame of the relay (its first step is our REQ).
        let env = Env {
            tripwire: Tripwire::armed([(role.clone(), 3)]),
            ..env()
        };
        let guardian = Guardian::new(env.clone(), vec![link.restarted()], Outlet::empty()).start();
        let constructor = RelayLinkActor::constructor(
            env.clone(),
            link.clone(),
            Arc::new(board.clone()),
            vec![seen.changes.clone()],
        );
        guardian.send(Guard { role, constructor }).await.unwrap();
        assert_eq!(seen.connected().await, 1);
        let relay = ends.recv().await.unwrap();
        link.try_send(req("a-1"), seen.answers.clone()).unwrap();
        sleep(Duration::from_millis(1)).await;
        relay.say(eose("a-1").encode()).await;
        assert_eq!(seen.frame().await, eose("a-1"));
        relay.say(eose("a-1").encode()).await;
        assert_eq!(seen.connected().await, 2);
        assert!(env.tripwire.untouched().is_empty());
        let mut relay = ends.recv().await.unwrap();
        link.try_send(req("a-2"), seen.answers.clone()).unwrap();
        assert_eq!(relay.hear().await.unwrap(), req("a-2").encode());
        relay.say(eose("a-2").encode()).await;
        assert_eq!(seen.frame().await, eose("a-2"));
    });
}

#[test]
fn pings_overtake_a_long_queue() {
    run(async {
        let ((board, mut ends), link, mut seen) = (Switchboard::new(), link_to(FAR), Seen::start());
        start(&link, &board, &seen);
        seen.connected().await;
        let mut relay = ends.recv().await.unwrap();
        // A slow uplink: one frame a second, far more queued than fits into the time a ping may take.
        let sub: SubId = "neg-1".parse().unwrap();
        for _ in 0..1000 {
            link.try_send(
                ClientFrame::NegMsg {
                    sub: sub.clone(),
                    message: vec![1],
                },
                Outlet::empty(),
            )
            .unwrap();
        }
        let mut pings = 0;
        for _ in 0..300 {
            sleep(Duration::from_millis(250)).await;
            if let Outgoing::Ping = relay.incoming.recv().await.unwrap() {
                pings += 1;
                relay.outgoing.send(Ok(Incoming::Pong)).await.unwrap();
            }
        }
        assert!(pings >= 2, "{pings}");
        assert!(seen.states.try_recv().is_err(), "still connected");
    });
}
