//! What arrives late, back-dated, out of order, twice or before its key ends in the right place, and what arrives together
//! is one commit and one update.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chat_sync::{ChatUpdate, Config, ConversationSummary, ConversationView, Engine, Handle};
use futures_util::{FutureExt, StreamExt};
use nostr::prelude::{Event, EventId};
use pns_keys::{Keyring, Profile, seal, sign_deletion};
use relay_lab::{Fault, MemoryRelay, Quirk};
use supervision::{Entropy, SeededEntropy};

use crate::bench::{Device, NOW, SECRET, draw_below, over_seeds, simulate, simulated};
use crate::fault_lab::seconds;
use crate::keyring_lab::{made_elsewhere, network, written_elsewhere};
use crate::signers::local;

const ONE: &str = "ws://127.0.0.1:7";
const DAY: u64 = 24 * 3600;

/// Seals messages as another device does.
struct Writer<'a> {
    keyring: &'a Keyring,
    entropy: SeededEntropy,
}

impl Writer<'_> {
    /// A message of second `at`, sealed at `sealed`.
    fn write(&self, talk: &str, parent: Option<EventId>, src: &str, (at, sealed): (u64, u64)) -> Event {
        let account = pns_keys::Signer::public_key(&local(SECRET, 0)).to_hex();
        let role = if at.is_multiple_of(2) { "user" } else { "assistant" };
        let parent = parent.map_or_else(|| "0".repeat(64), |id| id.to_hex());
        let rumor = serde_json::json!({
            "kind": 20001, "pubkey": account, "created_at": at,
            "tags": [["d", talk], ["role", role], ["client", "elsewhere"], ["e", parent], ["src", src]],
            "content": format!("{talk}: {src}"),
        });
        let key = self.keyring.key(Profile::Routstr);
        let (nonce, aux) = (self.entropy.draw_32(), self.entropy.draw_32());
        seal(key, rumor.to_string().as_bytes(), sealed, nonce, aux).unwrap()
    }

    fn delete(&self, ids: &[EventId], at: u64) -> Event {
        let key = self.keyring.key(Profile::Routstr);
        sign_deletion(key, ids, at, self.entropy.draw_32()).unwrap()
    }
}

/// Two keyrings, and conversations with everything that can be out of order.
async fn everything(seed: u64) -> Vec<Event> {
    let (old_event, old) = made_elsewhere(9, NOW - 90 * DAY).await;
    let (new_event, new) = made_elsewhere(8, NOW - 1_000).await;
    let mut all = vec![old_event, new_event];
    let writer = |keyring, n| Writer {
        keyring,
        entropy: SeededEntropy::new(1_000 * seed + n),
    };
    let draw = SeededEntropy::new(seed);
    // Sealed at any time, and in no order: devices that were offline, clocks that are wrong.
    let sealed = || NOW - draw_below(&draw, 30 * 24 * 3600) as u64;

    let first = writer(&old, 1);
    let mut parent = None;
    let mut chain = Vec::new();
    for n in 0..8 {
        let event = first.write(
            "chain",
            parent,
            &format!("chain {n}"),
            (NOW - 5_000 + n, sealed()),
        );
        parent = Some(event.id);
        chain.push(event);
    }
    // Versions of an answer, and what follows one of them.
    for version in 0..3 {
        let at = (NOW - 4_000 + version, sealed());
        let event = first.write("chain", Some(chain[2].id), &format!("version {version}"), at);
        let below = first.write(
            "chain",
            Some(event.id),
            &format!("below {version}"),
            (at.0 + 10, sealed()),
        );
        chain.extend([event, below]);
    }
    // One in the middle of the chain is deleted; one was sealed by two devices.
    chain.push(first.delete(&[chain[5].id], NOW - 100));
    let again = first.write("chain", Some(chain[0].id), "chain 1", (NOW - 4_999, sealed()));
    chain.push(again);
    all.extend(chain);

    // Another device wrote with another keyring, within one second.
    let second = writer(&new, 2);
    let mut parent = None;
    for n in 0..5 {
        let event = second.write(
            "second",
            parent,
            &format!("second {n}"),
            (NOW - 900, NOW - 800 + n % 2),
        );
        parent = Some(event.id);
        all.push(event);
    }
    for n in 0..4 {
        all.push(second.write("flat", None, &format!("flat {n}"), (NOW - 700, sealed())));
    }
    all
}

/// Everything that a device shows.
async fn shown(engine: &Handle) -> Vec<(ConversationSummary, ConversationView)> {
    let mut all = Vec::new();
    for mut summary in engine.conversations().await.unwrap() {
        let mut view = engine.conversation(&summary.id).await.unwrap();
        // What is unread is a matter of what landed while this device was looking elsewhere.
        (summary.unread, view.summary.unread) = (0, 0);
        all.push((summary, view));
    }
    all
}

async fn start(config: &Config, seed: u64, relay: &MemoryRelay) -> Handle {
    let env = simulated(seed, Arc::new(network(&[(ONE, relay)])));
    Engine::start_on_current(config, env).await.unwrap()
}

/// Numbers below `count`, in an order that follows from `entropy`.
fn shuffled(count: usize, entropy: &SeededEntropy) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        order.swap(last, draw_below(entropy, last + 1));
    }
    order
}

#[test]
fn whatever_the_order_and_the_way_of_arrival_the_conversations_are_the_same() {
    over_seeds(|seed| {
        simulate(async move {
            let events = everything(seed % 4).await;
            let whole = MemoryRelay::default();
            // So that what is deleted can still arrive, and after its deletion.
            whole.keep_deleted();
            for event in &events {
                whole.put(event.clone());
            }
            let whole_disk = Device::new(&[ONE]);
            let reference = start(&whole_disk.config(), seed, &whole).await;
            assert!(reference.sync().await.unwrap().complete);
            let expected = shown(&reference).await;
            assert_eq!(expected.len(), 3, "{expected:?}");

            let relay = MemoryRelay::default();
            relay.keep_deleted();
            if seed.is_multiple_of(2) {
                relay.set_fault(Fault::RefusesNeg);
            }
            let entropy = SeededEntropy::new(77 * seed);
            let order = shuffled(events.len(), &entropy);
            let (before, rest) = order.split_at(order.len() / 4);
            for n in before {
                relay.put(events[*n].clone());
            }
            // One store, opened once: an engine that stops leaves it open as long as the simulation runs.
            let config = Device::new(&[ONE]).config();
            let mut engine = start(&config, 100 + seed, &relay).await;
            for (round, part) in rest.chunks(5).enumerate() {
                let live = entropy.draw_fraction() < 0.6;
                if !live {
                    relay.add_quirk(Quirk::AnnouncesNothing);
                }
                for n in part {
                    relay.put(events[*n].clone());
                    if entropy.draw_fraction() < 0.3 {
                        tokio::time::sleep(Duration::from_millis(30)).await;
                    }
                }
                if !live {
                    // Found by a comparison, or by the pages of one.
                    let fault = if seed.is_multiple_of(2) {
                        Fault::RefusesNeg
                    } else {
                        Fault::None
                    };
                    relay.heal();
                    relay.set_fault(fault);
                    engine.sync().await.unwrap();
                }
                if round == 2 && seed.is_multiple_of(3) {
                    engine.shutdown().await;
                    engine = start(&config, 200 + seed, &relay).await;
                }
            }
            engine.sync().await.unwrap();
            assert!(engine.sync().await.unwrap().complete);
            assert_eq!(shown(&engine).await, expected, "as it arrived");
            engine.shutdown().await;
            let again = start(&config, 300 + seed, &relay).await;
            again.sync().await.unwrap();
            assert_eq!(shown(&again).await, expected, "and read from disk");
        });
    });
}

/// A device that is live, and a keyring it reads.
async fn live_device(device: &Device, relay: &MemoryRelay) -> (Handle, Keyring) {
    let (event, keyring) = made_elsewhere(9, NOW - 90 * DAY).await;
    relay.put(event);
    let engine = start(&device.config(), 5, relay).await;
    assert!(engine.sync().await.unwrap().complete);
    seconds(60).await;
    (engine, keyring)
}

#[test]
fn a_burst_is_one_commit_and_one_update_after_its_first_event() {
    simulate(async {
        let (relay, device) = (MemoryRelay::default(), Device::new(&[ONE]));
        let (engine, keyring) = live_device(&device, &relay).await;
        let mut updates = Box::pin(engine.updates());
        let mut landed = || {
            let mut sizes = Vec::new();
            while let Some(Some(update)) = updates.next().now_or_never() {
                if let ChatUpdate::Landed(messages) = update {
                    sizes.push(messages.len());
                }
            }
            sizes
        };
        let disk = device.disk();
        let put = |n: u64| {
            assert!(relay.put(written_elsewhere(
                &keyring,
                "talk",
                &format!("{n}"),
                NOW + 100 + n
            )));
        };
        let before = disk.syncs();
        put(0);
        seconds(1).await;
        let alone = disk.syncs() - before;
        assert_eq!(landed(), [1]);

        let before = disk.syncs();
        (1..=40).for_each(put);
        seconds(1).await;
        assert_eq!(landed(), [1, 39], "all at once");
        let syncs = disk.syncs() - before;
        // Two of the events, what the read model writes of its own in that second, and one when the file grows.
        assert!(syncs <= 4 * alone + 1, "{syncs} syncs, {alone} for one event");

        let before = disk.syncs();
        for n in 41..=50 {
            put(n);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        seconds(1).await;
        assert_eq!(landed(), [1, 9], "one after the other, within 50 ms");
        let syncs = disk.syncs() - before;
        // Two of the events, what the read model writes of its own in that second, and one when the file grows.
        assert!(syncs <= 4 * alone + 1, "{syncs} syncs, {alone} for one event");
        assert_eq!(engine.conversation("talk").await.unwrap().summary.messages, 51);
    });
}

#[test]
fn messages_that_happen_to_come_close_to_each_other_do_not_wait_for_a_burst_to_end() {
    simulate(async {
        let (relay, device) = (MemoryRelay::default(), Device::new(&[ONE]));
        let (engine, keyring) = live_device(&device, &relay).await;
        let mut updates = Box::pin(engine.updates());
        for n in 0..20 {
            relay.put(written_elsewhere(
                &keyring,
                "talk",
                &format!("{n}"),
                NOW + 100 + n,
            ));
            let waited = tokio::time::Instant::now();
            while !matches!(updates.next().await, Some(ChatUpdate::Landed(_))) {}
            assert!(
                waited.elapsed() <= Duration::from_millis(5),
                "{n}: {:?}",
                waited.elapsed()
            );
            tokio::time::sleep(Duration::from_millis(9)).await;
        }
    });
}

#[test]
fn live_subscriptions_are_open_before_a_comparison_begins_and_stay_open() {
    simulate(async {
        let (relay, device) = (MemoryRelay::default(), Device::new(&[ONE]));
        let (event, _) = made_elsewhere(9, NOW - 90 * DAY).await;
        relay.put(event);
        relay.listen();
        let mut config = device.config();
        config.reads_relay_list = true;
        let engine = start(&config, 6, &relay).await;
        engine.sync().await.unwrap();
        relay.down();
        seconds(1).await;
        relay.up();
        seconds(120).await;

        // Per connection: what was asked, in order, and what was closed again.
        let frames: Vec<serde_json::Value> = relay
            .heard()
            .iter()
            .map(|frame| serde_json::from_str(frame).unwrap())
            .collect();
        let second = frames
            .iter()
            .rposition(|frame| frame[0] == "REQ" && frame[2]["kinds"] == serde_json::json!([1081]))
            .unwrap();
        let kinds_before_comparison: BTreeSet<String> = frames[second..]
            .iter()
            .take_while(|frame| frame[0] != "NEG-OPEN")
            .filter(|frame| frame[0] == "REQ")
            .map(|frame| frame[2]["kinds"].to_string())
            .collect();
        let wanted = ["[1081]", "[10002]", "[1080,5]"].map(|kinds| {
            let found = kinds_before_comparison.iter().any(|seen| {
                let (mut seen, mut kinds): (Vec<u16>, Vec<u16>) = (
                    serde_json::from_str(seen).unwrap(),
                    serde_json::from_str(kinds).unwrap(),
                );
                seen.sort_unstable();
                kinds.sort_unstable();
                seen == kinds
            });
            (kinds, found)
        });
        assert!(
            wanted.iter().all(|(_, found)| *found),
            "{wanted:?} of {kinds_before_comparison:?}"
        );
        let closed: BTreeSet<&str> = frames[second..]
            .iter()
            .filter(|frame| frame[0] == "CLOSE")
            .filter_map(|frame| frame[1].as_str())
            .collect();
        let live = frames[second..]
            .iter()
            .filter(|frame| frame[0] == "REQ" && frame[2].get("ids").is_none())
            .filter(|frame| !closed.contains(frame[1].as_str().unwrap()));
        assert_eq!(live.count(), 3, "history, keyrings and the relay list");
        assert!(engine.status().complete);
    });
}
