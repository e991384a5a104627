//! Long messages, F48: they leave in pieces that relays take, and are one message again wherever all of them arrived.

use chat_sync::{Handle, NewMessage};
use nostr::prelude::{Event, EventId};
use relay_lab::Taking;

use crate::bench::{Device, simulate};
use crate::deliveries::{ONE, TWO, held, line, relay, start, started, wait};

/// A default strfry takes so much.
const USUAL: usize = 65_536;
/// Less than a piece.
const SMALL: usize = 16_384;

/// A text of about so many bytes that is not the same twice in a row.
fn text(bytes: usize) -> String {
    let lines = (0_u64..).map(|number| format!("line {number} über «ß» \"quoted\"\n"));
    let mut left = bytes;
    lines
        .take_while(|line| {
            let more = left > 0;
            left = left.saturating_sub(line.len());
            more
        })
        .collect()
}

async fn say(device: &Handle, text: &str) {
    device.send(NewMessage::user("talk", text)).await.unwrap();
}

async fn shown(device: &Handle) -> Vec<String> {
    let view = device.conversation("talk").await.unwrap();
    view.branch.into_iter().map(|message| message.content).collect()
}

#[test]
fn f48_long_messages_leave_in_pieces_and_are_one_message_elsewhere() {
    simulate(async {
        let usual = relay();
        let phone = started(&Device::new(&[ONE]), 481, &[(ONE, &usual)]).await;
        usual.set(Taking::NoticesOverSize { bytes: USUAL });
        let (medium, long) = (text(40_000), text(200_000));
        let said = vec![medium, long, "and a reply".to_owned()];
        for text in &said {
            say(&phone, text).await;
        }
        wait(120).await;
        assert_eq!(shown(&phone).await, said);
        let status = phone.status();
        assert_eq!(
            (status.counts.waiting, status.counts.parked),
            (0, 0),
            "{status:?}"
        );
        let pieces = held(&usual).len();
        assert!((8..=12).contains(&pieces), "{pieces} envelopes");
        assert!(
            usual.offers().iter().all(|offer| offer.taken),
            "none was too large"
        );

        let laptop = start(&Device::new(&[ONE]), 482, &[(ONE, &usual)]).await;
        assert!(laptop.sync().await.unwrap().complete);
        assert_eq!(shown(&laptop).await, said);
        let listed = laptop.conversations().await.unwrap();
        assert_eq!(listed[0].messages, 3, "each counts once");
    });
}

#[test]
fn f48_a_relay_that_takes_less_than_a_piece_is_passed_over_and_named() {
    simulate(async {
        let (usual, small) = (relay(), relay());
        let relays = [(ONE, &usual), (TWO, &small)];
        let phone = started(&Device::new(&[ONE, TWO]), 483, &relays).await;
        usual.set(Taking::NoticesOverSize { bytes: USUAL });
        small.set(Taking::NoticesOverSize { bytes: SMALL });
        let long = text(200_000);
        say(&phone, &long).await;
        say(&phone, "short").await;
        wait(600).await;
        assert_eq!(held(&small).len(), 1, "the short one");
        let pieces = held(&usual).len() - 1;
        let refusing = line(&phone, TWO);
        assert_eq!(refusing.parked, pieces as u64, "{refusing:?}");
        assert!(refusing.trouble.is_some() && line(&phone, ONE).trouble.is_none());
        let status = phone.status();
        assert_eq!(status.counts.waiting, 0);
        assert_eq!(status.safe, 1, "the long one is on one relay of two");
        let refused = small.offers().iter().filter(|offer| !offer.taken).count();
        assert!(refused <= pieces, "{refused} refusals: one was offered again");

        let laptop = start(&Device::new(&[ONE]), 484, &[(ONE, &usual)]).await;
        assert!(laptop.sync().await.unwrap().complete);
        assert_eq!(shown(&laptop).await, [long, "short".to_owned()]);
    });
}

#[test]
fn f48_a_message_of_which_a_piece_is_missing_shows_its_pieces_until_that_one_comes() {
    simulate(async {
        let usual = relay();
        let phone = started(&Device::new(&[ONE]), 485, &[(ONE, &usual)]).await;
        let long = text(150_000);
        say(&phone, &long).await;
        wait(60).await;
        let pieces: Vec<EventId> = held(&usual).into_iter().collect();
        let count = pieces.len();
        for missing in pieces {
            let relay = usual.relay();
            let of = |event: &Event| event.id == missing;
            let event = relay.events().into_iter().find(of).unwrap();
            assert!(relay.remove(&missing));
            let laptop = start(&Device::new(&[ONE]), 486, &[(ONE, &usual)]).await;
            laptop.sync().await.unwrap();
            let listed = laptop.conversations().await.unwrap();
            assert_eq!(listed[0].messages, count - 1, "what is there counts by itself");
            let part = shown(&laptop).await;
            assert!(
                part.iter()
                    .all(|piece| long.contains(piece.as_str()) && *piece != long)
            );

            assert!(relay.put(event));
            wait(5).await;
            assert_eq!(
                shown(&laptop).await,
                std::slice::from_ref(&long),
                "whole once it is there"
            );
            laptop.shutdown().await;
        }
    });
}

#[test]
fn f48_a_long_message_that_was_deleted_is_gone_with_all_its_pieces() {
    simulate(async {
        let usual = relay();
        let relays = [(ONE, &usual)];
        let phone = started(&Device::new(&[ONE]), 487, &relays).await;
        say(&phone, "first").await;
        say(&phone, &text(150_000)).await;
        say(&phone, "last").await;
        wait(60).await;
        let laptop = start(&Device::new(&[ONE]), 488, &relays).await;
        assert!(laptop.sync().await.unwrap().complete);
        let view = laptop.conversation("talk").await.unwrap();
        let long = view.branch[1].id.to_string();
        let report = laptop.delete(&long).await.unwrap();
        assert_eq!(report.took.messages, 1, "{report:?}");
        wait(60).await;
        for device in [&laptop, &phone] {
            assert_eq!(shown(device).await, ["first", "last"]);
        }
        assert_eq!(held(&usual).len(), 2, "the relay dropped every piece");
    });
}
