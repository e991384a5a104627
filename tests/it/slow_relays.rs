//! Relays that take little at a time, turn connections away, or were wiped: the pace is theirs.

use std::time::Duration;

use chat_sync::NewMessage;
use relay_lab::{Offer, Taking};

use crate::bench::{Device, simulate, write};
use crate::deliveries::{ONE, held, relay, reopened, start, start_later, started, wait};

fn refusals_in_an_hour(offers: &[Offer]) -> usize {
    let refused: Vec<_> = offers.iter().filter(|offer| !offer.taken).collect();
    let from = |first: &&Offer| {
        let within =
            |offer: &&&Offer| offer.at >= first.at && offer.at - first.at < Duration::from_secs(3_600);
        refused.iter().filter(within).count()
    };
    refused.iter().map(from).max().unwrap_or(0)
}

#[test]
fn f31_five_hundred_events_reach_a_relay_that_takes_six_a_minute_in_order() {
    let (relay, device) = (relay(), Device::new(&[ONE]));
    let slow = Taking::RefusesOverRate { per_minute: 6 };
    simulate(async {
        let engine = started(&device, 1, &[(ONE, &relay)]).await;
        relay.set(slow.clone());
        write(&engine, "groceries", 500).await;
        wait(1_800).await;
        engine.shutdown().await;
    });
    let restarted = reopened(&relay, slow);
    let mut written = Vec::new();
    simulate(async {
        // What was learned outlives the engine.
        let engine = start_later(&device, 2, 1_860, &[(ONE, &restarted)]).await;
        wait(600).await;
        let lately = restarted.offers();
        assert!(lately.len() >= 45, "{} in ten minutes", lately.len());
        assert!(lately.iter().all(|offer| offer.taken), "its limit is known");
        wait(2 * 3_600).await;
        assert_eq!(held(&restarted).len(), 500);
        assert_eq!(engine.status().counts.waiting, 0);
        let shown = engine.conversation("groceries").await.unwrap().branch;
        let texts: Vec<&str> = shown.iter().map(|message| message.content.as_str()).collect();
        assert_eq!(
            (texts[0], texts[499], texts.len()),
            ("groceries 0", "groceries 499", 500)
        );
        written = shown.iter().map(|message| message.id.to_string()).collect();
    });
    // Eight are allowed (field guide F31); half of that is what the pace promises.
    for offers in [relay.offers(), restarted.offers()] {
        let refusals = refusals_in_an_hour(&offers);
        assert!(refusals <= 4, "{refusals} refusals in an hour");
    }
    let offers = relay.offers().into_iter().chain(restarted.offers());
    let taken: Vec<String> = offers
        .filter(|offer| offer.taken && offer.kind == 1080)
        .map(|offer| offer.id.to_string())
        .collect();
    assert_eq!(
        taken, written,
        "each once, in the order in which they were written"
    );
}

#[test]
fn f32_a_relay_that_says_when_to_come_back_is_not_dialled_before() {
    for (status, retry_after) in [(429, Duration::from_secs(1_000)), (503, Duration::from_secs(400))] {
        simulate(async {
            let (relay, device) = (relay(), Device::new(&[ONE]));
            relay.set(Taking::TurnsAway {
                status,
                retry_after: Some(retry_after),
                times: 1,
            });
            let engine = start(&device, u64::from(status), &[(ONE, &relay)]).await;
            write(&engine, "groceries", 3).await;
            wait(1_800).await;
            let dials = relay.dials();
            assert_eq!(dials.len(), 2, "HTTP {status}");
            let pause = dials[1] - dials[0];
            assert!(pause >= retry_after, "{pause:?}");
            assert_eq!(held(&relay).len(), 3);
        });
    }
}

#[test]
fn f35_a_wiped_relay_is_filled_again_at_a_trickle_and_new_messages_do_not_wait_for_it() {
    simulate(async {
        let (relay, device) = (relay(), Device::new(&[ONE]));
        let engine = started(&device, 3, &[(ONE, &relay)]).await;
        write(&engine, "groceries", 300).await;
        wait(300).await;
        assert!(engine.sync().await.unwrap().complete);
        relay.relay().wipe();
        let before = relay.offers().len();
        let report = engine.sync().await.unwrap();
        assert!(!report.complete, "most of it is still missing there");
        wait(10).await;
        let burst = relay.offers().len() - before;
        assert!((5..=60).contains(&burst), "{burst} in the first seconds");

        engine.send(NewMessage::user("groceries", "milk")).await.unwrap();
        wait(5).await;
        let newest = relay.relay().events().into_iter().next().unwrap();
        let refilled = held(&relay).len();
        assert!(refilled < 150, "{refilled} are back so far");
        assert_eq!(
            relay
                .offers()
                .iter()
                .filter(|offer| offer.id == newest.id)
                .count(),
            1,
            "the new one is there already"
        );
        wait(600).await;
        assert_eq!(held(&relay).len(), 301);
        let sent = relay.offers().len() - before;
        assert!(sent <= 310, "{sent} were sent for 301");
    });
}
