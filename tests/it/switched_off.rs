//! What each switch takes away while it is off, turned while the engine runs, and that all of it comes once it is on.

use std::sync::Arc;
use std::time::Duration;

use chat_sync::{Config, Engine, EngineError, Handle, MessageState, NewMessage, RelayState, Switches};
use nostr::prelude::{EventBuilder, FinalizeEvent, Keys, Kind, Tag, Timestamp};
use reconciler::Method;
use relay_lab::{MemoryRelay, Quirk, WantsAuth};

use crate::bench::{Device, NOW, SECRET, everything, simulate, simulated, write};
use crate::fault_lab::{BAD, Lab, report, sealed, seconds, shown, spread};
use crate::keyring_lab::{keyrings, network, until};

/// The engine of a device with these switches at one relay.
async fn start(device: &Device, switches: Switches, relay: &MemoryRelay, seed: u64) -> Handle {
    let config = Config {
        switches,
        relays: vec![BAD.parse().unwrap()],
        reads_relay_list: true,
        ..device.config()
    };
    let env = simulated(seed, Arc::new(network(&[(BAD, relay)])));
    Engine::start_on_current(&config, env).await.unwrap()
}

fn without(name: &str) -> Switches {
    let mut switches = Switches::ON;
    assert!(switches.turn(name, false), "{name}");
    switches
}

/// The relay's state on this device.
fn state(device: &Handle) -> RelayState {
    device.status().relays[0].state.clone()
}

/// Frames of this label whose subscription begins like this. [`MemoryRelay::listen`] comes first.
fn heard(relay: &MemoryRelay, label: &str, sub: &str) -> Vec<String> {
    let begins = format!("[\"{label}\",\"{sub}");
    let frames = relay.heard().into_iter();
    frames.filter(|frame| frame.starts_with(&begins)).collect()
}

async fn compared(device: &Handle) {
    until(device, "compared", |status| status.complete).await;
}

#[test]
fn with_everything_off_chats_work_here_and_nothing_leaves_the_machine() {
    simulate(async {
        let relay = MemoryRelay::default();
        let device = Device::new(&[BAD]);
        let engine = start(&device, Switches::OFF, &relay, 1).await;
        write(&engine, "groceries", 3).await;
        write(&engine, "holidays", 2).await;
        assert_eq!(everything(&engine).await.len(), 5);
        let second = engine.conversation("holidays").await.unwrap();
        engine.delete("holidays").await.unwrap();
        assert_eq!(everything(&engine).await.len(), 3);
        assert_eq!(second.branch.len(), 2);
        let report = engine.sync().await.unwrap();
        assert!(report.offline() && !report.complete, "{report:?}");
        assert_eq!(
            report.relays[0].error.as_deref(),
            Some("synchronising is switched off")
        );
        // A day of timers.
        seconds(24 * 3600).await;
        assert_eq!(state(&engine), RelayState::Off);
        assert_eq!(engine.status().switches, Switches::OFF);
        assert_eq!((relay.dials(), relay.tally().up().frames), (0, 0));
        engine.shutdown().await;
    });
}

#[test]
fn sync_that_is_switched_off_hangs_up_at_once_and_on_again_comes_level() {
    simulate(async {
        let lab = Lab::holding(2, spread(20)).await;
        let device = Device::new(&[BAD]);
        let engine = start(&device, Switches::ON, &lab.bad, 2).await;
        compared(&engine).await;
        assert_eq!(lab.bad.connections(), 1);

        engine.set_switches(without("sync"));
        until(&engine, "off", |status| status.relays[0].state == RelayState::Off).await;
        assert_eq!(lab.bad.connections(), 0);
        let (dials, frames) = (lab.bad.dials(), lab.bad.tally().up().frames);
        write(&engine, "offline", 4).await;
        seconds(24 * 3600).await;
        assert_eq!((lab.bad.dials(), lab.bad.tally().up().frames), (dials, frames));
        assert_eq!(sealed(&lab.bad).len(), 20);

        engine.set_switches(Switches::ON);
        until(&engine, "sent", |status| {
            status.complete && status.counts.messages == 24
        })
        .await;
        assert_eq!(sealed(&lab.bad).len(), 24);
        engine.shutdown().await;
    });
}

#[test]
fn uploads_that_are_switched_off_keep_drafts_and_make_no_keyring_until_they_are_on() {
    simulate(async {
        let relay = MemoryRelay::default();
        let device = Device::new(&[BAD]);
        let engine = start(&device, without("uploads"), &relay, 3).await;
        let sent = engine.send(NewMessage::user("groceries", "Milk")).await.unwrap();
        seconds(24 * 3600).await;
        assert_eq!(relay.tally().up_of("EVENT").frames, 0);
        assert_eq!(engine.states(vec![sent.id]).await.unwrap(), [MessageState::Draft]);

        engine.set_switches(Switches::ON);
        compared(&engine).await;
        assert_eq!(sealed(&relay).len(), 1);
        assert_eq!(keyrings(&[&relay]).len(), 1);

        engine.set_switches(without("uploads"));
        write(&engine, "groceries", 2).await;
        seconds(3600).await;
        assert_eq!(sealed(&relay).len(), 1, "turned while it runs");
        engine.set_switches(Switches::ON);
        compared(&engine).await;
        assert_eq!(sealed(&relay).len(), 3);
        engine.shutdown().await;
    });
}

#[test]
fn downloads_that_are_switched_off_fetch_nothing_until_they_are_on() {
    simulate(async {
        let lab = Lab::holding(4, spread(30)).await;
        let device = Device::new(&[BAD]);
        let engine = start(&device, without("downloads"), &lab.bad, 4).await;
        let report = engine.sync().await.unwrap();
        assert_eq!((report.relays[0].need, report.relays[0].received), (30, 0));
        seconds(3600).await;
        assert_eq!(shown(&engine).await, 0);
        assert_eq!(state(&engine), RelayState::Compared);
        write(&engine, "from here", 2).await;
        until(&engine, "sent", |status| status.counts.waiting == 0).await;
        assert_eq!(sealed(&lab.bad).len(), 32, "sending goes on");

        engine.set_switches(Switches::ON);
        compared(&engine).await;
        assert_eq!(shown(&engine).await, 32);
        engine.set_switches(without("downloads"));
        let other = lab.fresh(&[BAD]).await;
        write(&other, "from there", 1).await;
        until(&other, "sent", |status| status.complete).await;
        seconds(3600).await;
        assert_eq!(shown(&engine).await, 32, "turned while it runs");
        engine.set_switches(Switches::ON);
        until(&engine, "fetched", |status| status.counts.messages == 33).await;
        engine.shutdown().await;
        other.shutdown().await;
    });
}

#[test]
fn without_live_updates_messages_come_with_the_next_comparison() {
    simulate(async {
        let lab = Lab::holding(5, spread(10)).await;
        lab.bad.listen();
        let device = Device::new(&[BAD]);
        let engine = start(&device, without("live"), &lab.bad, 5).await;
        compared(&engine).await;
        assert_eq!(state(&engine), RelayState::Compared);
        assert_eq!(heard(&lab.bad, "REQ", "live"), [""; 0]);

        let other = lab.fresh(&[BAD]).await;
        write(&other, "first", 1).await;
        until(&other, "sent", |status| status.complete).await;
        seconds(10).await;
        assert_eq!(shown(&engine).await, 10, "nothing comes by itself");
        seconds(300).await;
        assert_eq!(shown(&engine).await, 11);

        engine.set_switches(Switches::ON);
        until(&engine, "live", |status| {
            status.relays[0].state == RelayState::Live
        })
        .await;
        write(&other, "second", 1).await;
        seconds(2).await;
        assert_eq!(shown(&engine).await, 12);

        engine.set_switches(without("live"));
        until(&engine, "no longer live", |status| {
            status.relays[0].state == RelayState::Compared
        })
        .await;
        write(&other, "third", 1).await;
        seconds(10).await;
        assert_eq!(shown(&engine).await, 12);
        engine.shutdown().await;
        other.shutdown().await;
    });
}

#[test]
fn without_negentropy_sets_are_compared_page_by_page() {
    simulate(async {
        let lab = Lab::holding(6, spread(40)).await;
        let device = Device::new(&[BAD]);
        let engine = start(&device, without("negentropy"), &lab.bad, 6).await;
        write(&engine, "from here", 2).await;
        until(&engine, "level", |status| {
            status.complete && status.counts.messages == 42
        })
        .await;
        assert_eq!(report(&engine.status(), BAD).method, Method::Paging);
        assert_eq!(lab.opens(), 0);
        assert_eq!((sealed(&lab.bad).len(), shown(&engine).await), (42, 42));

        engine.set_switches(Switches::ON);
        until(&engine, "by fingerprints", |status| {
            let report = status.relays[0].report.as_ref();
            report.is_some_and(|report| report.method == Method::Negentropy)
        })
        .await;
        assert!(lab.opens() > 0);
        engine.shutdown().await;
    });
}

/// Bytes of the next NEG-OPEN that this device sends.
async fn opening(engine: &Handle, relay: &MemoryRelay) -> u64 {
    let before = relay.tally().up_of("NEG-OPEN");
    engine.sync().await.unwrap();
    let after = relay.tally().up_of("NEG-OPEN");
    assert_eq!(after.frames, before.frames + 1, "one comparison");
    after.bytes - before.bytes
}

#[test]
fn without_recent_first_a_comparison_begins_with_all_of_the_set() {
    simulate(async {
        let lab = Lab::holding(7, spread(2_000)).await;
        let device = Device::new(&[BAD]);
        let engine = start(&device, Switches::ON, &lab.bad, 7).await;
        compared(&engine).await;
        engine.sync().await.unwrap();
        let recent = opening(&engine, &lab.bad).await;
        engine.set_switches(without("recent_first"));
        seconds(5).await;
        let all = opening(&engine, &lab.bad).await;
        // Sixteen fingerprints of sixteen bytes, as hex.
        assert!(all > recent && all - recent > 14 * 32, "{recent} and {all} bytes");
        assert!(engine.status().complete);
        engine.shutdown().await;
    });
}

#[test]
fn without_parts_a_long_text_is_refused_with_the_reason() {
    simulate(async {
        let relay = MemoryRelay::default();
        let device = Device::new(&[BAD]);
        let engine = start(&device, without("parts"), &relay, 8).await;
        let long = || NewMessage::user("essay", "word ".repeat(20_000));
        let refused = engine.send(long()).await.unwrap_err();
        assert!(matches!(refused, EngineError::TooLong(_)), "{refused:?}");
        assert!(refused.to_string().contains("`parts`"), "{refused}");
        write(&engine, "short", 1).await;
        assert_eq!(everything(&engine).await.len(), 1, "nothing of it is kept");
        engine.set_switches(Switches::ON);
        engine.send(long()).await.unwrap();
        assert_eq!(everything(&engine).await.len(), 2);
        engine.shutdown().await;
    });
}

#[test]
fn without_auth_no_relay_learns_who_asks() {
    simulate(async {
        let lab = Lab::holding(9, spread(5)).await;
        lab.bad.add_quirk(Quirk::WantsAuth(WantsAuth::default()));
        let device = Device::new(&[BAD]);
        let engine = start(&device, without("auth"), &lab.bad, 9).await;
        let report = engine.sync().await.unwrap();
        assert!(!report.complete, "{report:?}");
        seconds(3600).await;
        assert_eq!(lab.bad.identities(), []);
        assert_eq!(lab.bad.tally().up_of("AUTH").frames, 0);

        engine.set_switches(Switches::ON);
        compared(&engine).await;
        assert_eq!(shown(&engine).await, 5);
        assert!(!lab.bad.identities().is_empty());
        engine.shutdown().await;
    });
}

#[test]
fn without_nip65_relays_the_list_is_neither_read_nor_used() {
    simulate(async {
        let lab = Lab::holding(10, spread(5)).await;
        let list = EventBuilder::new(Kind::Custom(10002), "")
            .tag(Tag::parse(["r", "wss://listed.example"]).unwrap())
            .custom_created_at(Timestamp::from_secs(NOW - 10))
            .finalize(&Keys::parse(SECRET).unwrap())
            .unwrap();
        lab.bad.put(list);
        lab.bad.listen();
        let device = Device::new(&[BAD]);
        let engine = start(&device, without("nip65_relays"), &lab.bad, 10).await;
        compared(&engine).await;
        seconds(3600).await;
        let asked = |frame: &String| frame.contains("10002");
        assert!(!lab.bad.heard().iter().any(asked));
        engine.set_switches(Switches::ON);
        seconds(5).await;
        assert!(lab.bad.heard().iter().any(asked), "read once it may be");
        engine.shutdown().await;
    });
}

#[test]
fn switches_say_how_they_stand_and_a_watcher_sees_them_turn() {
    simulate(async {
        let relay = MemoryRelay::default();
        let device = Device::new(&[BAD]);
        let engine = start(&device, Switches::ON, &relay, 11).await;
        assert_eq!(engine.switches(), Switches::ON);
        let off = without("live");
        engine.set_switches(off);
        assert_eq!(engine.switches(), off, "at once");
        let seen = until(&engine, "seen", |status| status.switches == off);
        assert!(tokio::time::timeout(Duration::from_secs(1), seen).await.is_ok());
        engine.shutdown().await;
    });
}
