//! A device that keeps a recent window: what leaves it, that nothing else notices, and that all of it comes back.

use std::sync::Arc;

use chat_model::{Content, Message, Role};
use chat_sync::{Config, Days, Engine, Handle, NewMessage, Switches};
use event_index::Marks;
use nostr::prelude::{Event, EventId};
use relay_lab::MemoryRelay;

use crate::bench::{Device, NOW, everything, simulate, simulated, write};
use crate::fault_lab::{BAD, GOOD, Lab, report, sealed, seconds, shown};
use crate::keyring_lab::{network, texts, until, written_elsewhere};

const DAY: u64 = 24 * 3600;

/// One message every other day, the first of them two days old: 15 are at most 30 days old, and 15 are older.
fn every_other_day() -> impl Iterator<Item = u64> {
    (1..=30).map(|n| NOW - 2 * n * DAY)
}

fn keeping(days: u64) -> Switches {
    Switches {
        forget_after_days: Some(Days::new(days).unwrap()),
        ..Switches::ON
    }
}

/// The engine of a device with these switches at these relays.
async fn start(device: &Device, switches: Switches, relays: &[(&str, &MemoryRelay)], seed: u64) -> Handle {
    let config = Config {
        switches,
        relays: relays.iter().map(|(url, _)| url.parse().unwrap()).collect(),
        ..device.config()
    };
    Engine::start_on_current(&config, simulated(seed, Arc::new(network(relays))))
        .await
        .unwrap()
}

async fn forgot(device: &Handle, forgotten: u64) {
    until(device, &format!("{forgotten} forgotten"), |status| {
        status.complete && status.counts.forgotten == forgotten
    })
    .await;
}

/// Everything that the relay got to keep: what other devices could ever see of this one.
fn sent(relay: &MemoryRelay) -> u64 {
    relay.tally().up_of("EVENT").frames
}

/// The unread messages of all conversations.
async fn unread(device: &Handle) -> usize {
    let conversations = device.conversations().await.unwrap();
    conversations.iter().map(|line| line.unread).sum()
}

/// What is on a device's disk is what it says it is.
fn is_whole(device: &Device) {
    let store = device.cloned().store();
    let counts = store.counts().unwrap();
    assert_eq!(store.verify().unwrap(), counts.items - counts.forgotten);
    let mut damage = Vec::new();
    store
        .examine(&mut |_| std::ops::ControlFlow::Continue(true), &mut |found| {
            damage.push(found);
        })
        .unwrap();
    assert_eq!(damage, []);
}

#[test]
fn an_old_laptop_keeps_a_recent_window_and_everybody_else_keeps_everything() {
    simulate(async {
        let lab = Lab::holding(1, every_other_day()).await;
        let relays = [(BAD, &lab.bad)];
        let laptop = Device::new(&[BAD]);
        let engine = start(&laptop, keeping(30), &relays, 1).await;
        forgot(&engine, 15).await;
        assert_eq!(shown(&engine).await, 15);
        let status = engine.status();
        assert_eq!((status.counts.messages, status.counts.items), (15, 30));
        assert_eq!((status.safe, status.conversations), (15, 15));
        assert_eq!(status.switches.forget_after_days.map(Days::get), Some(30));
        assert!(engine.conversation("text 29").await.is_err());
        let found = engine.search("text", 99).await.unwrap();
        assert_eq!(found.hits.len(), 15, "search finds what is here");

        // No comparison notices: one round, nothing missing on either side.
        let before = lab.bad.tally();
        let compared = engine.sync().await.unwrap();
        let relay = &compared.relays[0];
        assert!(compared.complete, "{compared:?}");
        assert_eq!(
            (relay.rounds, relay.have, relay.need, relay.received),
            (1, 0, 0, 0)
        );
        let bytes = lab.bad.tally().up_of("NEG-OPEN").bytes - before.up_of("NEG-OPEN").bytes;
        assert!(bytes < 1_000, "{bytes} bytes");
        engine.shutdown().await;
        is_whole(&laptop);

        // Nor does the next start, and a day later one more is old.
        let fetched = lab.bad.tally().down_of("EVENT").frames;
        let laptop = laptop.cloned();
        let engine = start(&laptop, keeping(30), &relays, 2).await;
        until(&engine, "level", |status| status.complete).await;
        seconds(3600).await;
        assert_eq!(report(&engine.status(), BAD).need, 0);
        let fetched = lab.bad.tally().down_of("EVENT").frames - fetched;
        assert!(
            fetched <= 3,
            "a keyring and the newest event of the live subscription: {fetched}"
        );
        assert_eq!(engine.status().counts.forgotten, 15);
        seconds(2 * DAY).await;
        forgot(&engine, 16).await;
        engine.shutdown().await;

        assert_eq!(sent(&lab.bad), 0, "nothing left the machine");
        assert_eq!(sealed(&lab.bad).len(), 30);
        let other = lab.fresh(&[BAD]).await;
        until(&other, "level", |status| status.complete).await;
        assert_eq!(shown(&other).await, 30, "other devices lose nothing");
        other.shutdown().await;
    });
}

#[test]
fn a_longer_window_and_none_bring_back_what_was_forgotten() {
    simulate(async {
        let lab = Lab::holding(2, every_other_day()).await;
        let relays = [(BAD, &lab.bad), (GOOD, &lab.good)];
        let laptop = Device::new(&[BAD, GOOD]);
        let engine = start(&laptop, keeping(10), &relays, 3).await;
        forgot(&engine, 25).await;
        assert_eq!(shown(&engine).await, 5);
        for (days, left) in [(20, 20), (40, 10), (30, 15)] {
            engine.set_switches(keeping(days));
            forgot(&engine, left).await;
            let here = 30 - usize::try_from(left).unwrap();
            until(&engine, "they are here", |status| {
                status.counts.messages == here as u64
            })
            .await;
            assert_eq!(shown(&engine).await, here, "{days} days");
            assert_eq!(unread(&engine).await, 0, "history is no news");
        }
        engine.set_switches(Switches::ON);
        until(&engine, "everything is here", |status| {
            status.complete && status.counts.messages == 30
        })
        .await;
        assert_eq!(engine.status().counts.forgotten, 0);
        assert_eq!((shown(&engine).await, unread(&engine).await), (30, 0));
        assert_eq!((sent(&lab.bad), sent(&lab.good)), (0, 0));
        engine.shutdown().await;
        is_whole(&laptop);
    });
}

#[test]
fn without_the_switch_the_next_start_brings_everything_back() {
    simulate(async {
        let lab = Lab::holding(3, every_other_day()).await;
        let relays = [(BAD, &lab.bad)];
        let laptop = Device::new(&[BAD]);
        let engine = start(&laptop, keeping(1), &relays, 5).await;
        forgot(&engine, 30).await;
        assert_eq!(engine.conversations().await.unwrap(), []);
        engine.shutdown().await;
        // One that only looks brings nothing back, and forgets nothing.
        for switches in [keeping(60), Switches::ON] {
            let looks = Switches {
                uploads: false,
                downloads: false,
                ..switches
            };
            let laptop = laptop.cloned();
            let engine = start(&laptop, looks, &relays, 6).await;
            assert!(engine.sync().await.unwrap().complete);
            seconds(2 * 3600).await;
            assert_eq!(engine.status().counts.forgotten, 30);
            engine.shutdown().await;
        }
        let engine = start(&laptop.cloned(), Switches::ON, &relays, 7).await;
        until(&engine, "everything is here", |status| {
            status.complete && status.counts.messages == 30
        })
        .await;
        assert_eq!(shown(&engine).await, 30);
        engine.shutdown().await;
    });
}

#[test]
fn nothing_is_forgotten_that_two_relays_are_not_known_to_hold() {
    simulate(async {
        let lab = Lab::holding(4, every_other_day()).await;
        lab.good.down();
        let relays = [(BAD, &lab.bad), (GOOD, &lab.good)];
        let engine = start(&Device::new(&[BAD, GOOD]), keeping(30), &relays, 8).await;
        until(&engine, "fetched", |status| status.counts.messages == 30).await;
        seconds(2 * 3600).await;
        let counts = engine.status().counts;
        assert_eq!((counts.messages, counts.forgotten), (30, 0));
        lab.good.up();
        forgot(&engine, 15).await;
        engine.shutdown().await;
    });
}

#[test]
fn drafts_and_what_is_new_stay_until_they_are_safe_and_old() {
    simulate(async {
        let lab = Lab::holding(5, []).await;
        let relays = [(BAD, &lab.bad)];
        let quiet = Switches {
            uploads: false,
            ..keeping(1)
        };
        let laptop = Device::new(&[BAD]);
        let engine = start(&laptop, quiet, &relays, 9).await;
        write(&engine, "diary", 4).await;
        seconds(3 * DAY).await;
        assert_eq!(everything(&engine).await.len(), 4, "a draft is nowhere else");
        engine.set_switches(keeping(1));
        until(&engine, "safe", |status| status.complete && status.safe == 4).await;
        let from = [Message::new(
            "old export",
            Role::User,
            Content::new("imported"),
            1_700_000_000,
        )];
        let from = from.map(|mut message| {
            message.source = Some("export:1".to_owned());
            message
        });
        assert_eq!(engine.import(from.to_vec(), |_| ()).await.unwrap().added, 1);
        seconds(20 * 3600).await;
        assert_eq!(everything(&engine).await.len(), 5, "it was sealed today");
        seconds(2 * DAY).await;
        forgot(&engine, 5).await;
        assert_eq!(engine.conversations().await.unwrap(), []);

        let again = engine.import(from.to_vec(), |_| ()).await.unwrap();
        assert_eq!((again.added, again.known), (0, 1), "it is no second message");
        // Somebody goes on where nothing is left.
        engine.send(NewMessage::user("diary", "fifth")).await.unwrap();
        until(&engine, "sent", |status| {
            status.complete && status.counts.messages == 1
        })
        .await;
        assert_eq!(texts(&engine, "diary").await, ["fifth"]);
        let other = lab.fresh(&[BAD]).await;
        until(&other, "level", |status| status.complete).await;
        assert_eq!(
            texts(&other, "diary").await,
            ["diary 0", "diary 1", "diary 2", "diary 3", "fifth"]
        );
        assert_eq!(shown(&other).await, 6);
        other.shutdown().await;
        engine.shutdown().await;
        is_whole(&laptop);
    });
}

#[test]
fn a_relay_that_lost_what_is_forgotten_gets_it_from_the_other_one() {
    simulate(async {
        let lab = Lab::holding(6, every_other_day()).await;
        let relays = [(BAD, &lab.bad), (GOOD, &lab.good)];
        let laptop = Device::new(&[BAD, GOOD]);
        let engine = start(&laptop, keeping(30), &relays, 10).await;
        forgot(&engine, 15).await;
        let lost: Vec<EventId> = lab.history[20..24].iter().map(|event| event.id).collect();
        for id in &lost {
            assert!(lab.bad.remove(id));
        }
        engine.sync().await.unwrap();
        until(&engine, "filled", |_| sealed(&lab.bad).len() == 30).await;
        forgot(&engine, 15).await;
        assert_eq!(sealed(&lab.bad), sealed(&lab.good));
        assert_eq!((shown(&engine).await, unread(&engine).await), (15, 0));
        engine.shutdown().await;
        is_whole(&laptop);
    });
}

/// One conversation, half of which is old, as another device wrote it.
fn partly_old(lab: &Lab) -> Vec<Event> {
    let at = |n: u64| {
        if n < 4 {
            NOW - (50 - n) * DAY
        } else {
            NOW - (10 - n) * DAY
        }
    };
    let events: Vec<Event> = (0..8)
        .map(|n| written_elsewhere(&lab.keyring, "trip", &format!("step {n}"), at(n)))
        .collect();
    for event in &events {
        lab.bad.put(event.clone());
    }
    events
}

#[test]
fn a_conversation_that_is_partly_forgotten_is_deleted_as_a_whole() {
    simulate(async {
        let lab = Lab::holding(7, [NOW - 3 * DAY]).await;
        partly_old(&lab);
        let relays = [(BAD, &lab.bad)];
        let laptop = Device::new(&[BAD]);
        let engine = start(&laptop, keeping(30), &relays, 11).await;
        forgot(&engine, 4).await;
        let preview = engine.delete_preview("trip").await.unwrap();
        assert_eq!((preview.messages, preview.events), (8, 8));
        assert_eq!(preview.relays[0].1, 8, "the relay is known to hold all of them");
        let deleted = engine.delete("trip").await.unwrap();
        assert!(deleted.complete(), "{deleted:?}");
        until(&engine, "level", |status| status.complete).await;
        assert_eq!(engine.status().counts.forgotten, 0);
        assert_eq!(sealed(&lab.bad).len(), 1);
        let other = lab.fresh(&[BAD]).await;
        until(&other, "level", |status| status.complete).await;
        assert_eq!(shown(&other).await, 1);
        other.shutdown().await;
        // Of another one nothing is left here at all.
        engine.set_switches(keeping(1));
        forgot(&engine, 1).await;
        engine.delete("talk 0").await.unwrap();
        until(&engine, "gone", |_| sealed(&lab.bad).is_empty()).await;
        engine.shutdown().await;
        is_whole(&laptop);
    });
}

#[test]
fn what_another_device_deletes_is_gone_although_it_was_forgotten() {
    simulate(async {
        let lab = Lab::holding(8, []).await;
        let events = partly_old(&lab);
        let relays = [(BAD, &lab.bad)];
        let laptop = Device::new(&[BAD]);
        let engine = start(&laptop, keeping(30), &relays, 12).await;
        forgot(&engine, 4).await;
        let other = lab.fresh(&[BAD]).await;
        until(&other, "level", |status| status.complete).await;
        let gone = events[1].id.to_hex();
        assert!(other.delete(&gone).await.unwrap().complete());
        until(&engine, "told", |status| {
            status.complete && status.counts.forgotten == 3
        })
        .await;
        engine.set_switches(Switches::ON);
        until(&engine, "back", |status| {
            status.complete && status.counts.messages == 7
        })
        .await;
        engine.shutdown().await;
        other.shutdown().await;
        is_whole(&laptop);
        let store = laptop.cloned().store();
        assert!(!store.contains(&events[1].id).unwrap());
        let tag = store.conversation_tag("trip");
        let open = store.open_conversation(tag, Marks::END).unwrap();
        assert_eq!(open.summary().unwrap().messages, 7);
    });
}
