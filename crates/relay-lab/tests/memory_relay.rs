//! The relay in memory: what it promises beyond what every relay does.

mod bench;

use std::collections::BTreeSet;

use bench::{Client, deletion, envelope, hex, history, ids};
use futures_util::{SinkExt, StreamExt};
use nostr::prelude::{Event, EventId, Keys, Kind, PublicKey, Signature, Timestamp};
use proptest::prelude::*;
use relay_lab::{MemoryNetwork, MemoryRelay, MemoryRelayConfig};
use relay_link::{ConnectionError, Dial, DialError, Incoming, Outgoing};
use serde_json::json;

const NOON: u64 = 1_750_000_000;

type Item = (u64, [u8; 32]);

/// Few seconds and few first bytes, so that bounds are decided late in an id. An id decides its second: an event is
/// written once. Eight random bytes, because a fingerprint adds ids up: with two, other sets have the same sum.
fn items() -> impl Strategy<Value = BTreeSet<Item>> {
    let item = (0_u8..4, any::<u64>()).prop_map(|(first, rest)| {
        let mut id = [first; 32];
        id[24..].copy_from_slice(&rest.to_be_bytes());
        (rest % 6, id)
    });
    prop::collection::btree_set(item, 0..600)
}

/// An event that no client would take; the relay's back door does.
fn unsigned((time, id): Item, author: PublicKey) -> Event {
    Event::new(
        EventId::from_byte_array(id),
        author,
        Timestamp::from(time),
        Kind::Custom(1080),
        [],
        "",
        Signature::from_byte_array([0; 64]),
    )
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever each side holds and however small the frames, one session names exactly the difference.
    #[test]
    fn a_session_finds_exactly_the_difference(
        both in items(), ours in items(), theirs in items(),
        our_frames in prop::sample::select(vec![0, 4_096, 60_000]),
        their_frames in prop::sample::select(vec![0, 4_096, 60_000]),
    ) {
        let ours: BTreeSet<Item> = both.union(&ours).copied().collect();
        let theirs: BTreeSet<Item> = both.union(&theirs).copied().collect();
        let author = Keys::generate().public_key();
        let relay = MemoryRelay::new(MemoryRelayConfig { neg_frame_bytes: their_frames, ..Default::default() });
        for item in &theirs {
            assert!(relay.put(unsigned(*item, author)));
        }
        let named: Vec<_> = ours.iter().map(|(time, id)| (*time, EventId::from_byte_array(*id))).collect();
        let (have, need) = block_on(async {
            let mut client = Client::memory(&relay).await.unwrap();
            client.compare(json!({"kinds": [1080], "authors": [author]}), &named, our_frames).await
        });
        let only = |these: &BTreeSet<Item>, those: &BTreeSet<Item>| -> BTreeSet<EventId> {
            these.difference(those).map(|(_, id)| EventId::from_byte_array(*id)).collect()
        };
        prop_assert_eq!(have, only(&ours, &theirs));
        prop_assert_eq!(need, only(&theirs, &ours));
    }
}

#[tokio::test]
async fn a_page_is_capped_whatever_is_asked() {
    let relay = MemoryRelay::new(MemoryRelayConfig {
        page_max: 3,
        ..Default::default()
    });
    let keys = Keys::generate();
    let events: Vec<_> = (0..5).map(|n| envelope(&keys, NOON + n, "")).collect();
    for event in &events {
        assert!(relay.put(event.clone()));
    }
    let mut client = Client::memory(&relay).await.unwrap();
    let newest = ids(events.iter().rev().take(3));
    assert_eq!(client.query(history(&keys)).await, newest);
    assert_eq!(
        client.query(json!({"ids": ids(&events), "limit": 100})).await,
        newest
    );
    assert_eq!(ids(&relay.events()), ids(events.iter().rev()));
}

#[tokio::test]
async fn a_set_over_the_cap_is_refused_with_the_cap() {
    let relay = MemoryRelay::new(MemoryRelayConfig {
        neg_items_max: Some(2),
        ..Default::default()
    });
    let keys = Keys::generate();
    (0..3).for_each(|n| assert!(relay.put(envelope(&keys, NOON + n, ""))));
    let mut client = Client::memory(&relay).await.unwrap();
    client.say(json!(["NEG-OPEN", "n", history(&keys), "61"])).await;
    let refusal = json!(["NEG-ERR", "n", "blocked: too many query results", 2]);
    assert_eq!(client.hear().await.unwrap(), refusal);
    let recent = json!({"kinds": [1080], "authors": [keys.public_key()], "since": NOON + 1});
    assert_eq!(client.compare(recent, &[], 0).await.1.len(), 2);
}

#[tokio::test]
async fn bad_neg_bytes_end_the_session() {
    let relay = MemoryRelay::default();
    let mut client = Client::memory(&relay).await.unwrap();
    // A fingerprint that stops halfway.
    client
        .say(json!(["NEG-OPEN", "n", {"kinds": [1080]}, hex(&[0x61, 0, 0, 1, 9])]))
        .await;
    assert_eq!(
        client.hear().await.unwrap(),
        json!(["NEG-ERR", "n", "PROTOCOL-ERROR"])
    );
    client.say(json!(["NEG-MSG", "n", "61"])).await;
    let gone = json!(["NEG-ERR", "n", "closed: unknown subscription handle"]);
    assert_eq!(client.hear().await.unwrap(), gone);
    // Another version is answered with ours (NIP-77 appendix).
    client
        .say(json!(["NEG-OPEN", "n", {"kinds": [1080]}, "62"]))
        .await;
    assert_eq!(client.hear().await.unwrap(), json!(["NEG-MSG", "n", "61"]));
}

#[tokio::test]
async fn a_deletion_that_comes_first_keeps_its_target_out() {
    let (relay, keys) = (MemoryRelay::default(), Keys::generate());
    let late = envelope(&keys, NOON, "late");
    assert!(relay.put(deletion(&keys, NOON + 1, &[late.id])));
    let mut client = Client::memory(&relay).await.unwrap();
    assert!(!client.publish(&late).await.0);
    relay.wipe();
    assert!(
        client.publish(&late).await.0,
        "a relay set up anew knows of no deletion"
    );
    assert!(relay.remove(&late.id));
    assert!(client.publish(&late).await.0, "a pruned event may come back");
    assert_eq!(relay.len(), 1);
}

#[tokio::test]
async fn a_relay_that_is_down_hangs_up_and_refuses() {
    let (relay, url) = (MemoryRelay::default(), "wss://relay.example".parse().unwrap());
    let mut connection = relay.dial(&url).await.unwrap();
    connection.outgoing.send(Outgoing::Ping).await.unwrap();
    assert_eq!(connection.incoming.next().await, Some(Ok(Incoming::Pong)));
    assert_eq!(relay.connections(), 1);

    relay.down();
    assert_eq!(connection.incoming.next().await, None);
    assert_eq!(
        connection.outgoing.send(Outgoing::Ping).await,
        Err(ConnectionError::Closed)
    );
    assert_eq!(relay.dial(&url).await.unwrap_err(), DialError::Refused);
    assert_eq!(relay.connections(), 0);

    relay.up();
    let mut connection = relay.dial(&url).await.unwrap();
    connection.outgoing.send(Outgoing::Ping).await.unwrap();
    assert_eq!(connection.incoming.next().await, Some(Ok(Incoming::Pong)));
}

#[tokio::test]
async fn dropping_both_halves_hangs_up() {
    let relay = MemoryRelay::default();
    let connection = relay.dial(&"wss://relay.example".parse().unwrap()).await.unwrap();
    drop(connection.outgoing);
    assert_eq!(relay.connections(), 1);
    drop(connection.incoming);
    assert_eq!(relay.connections(), 0);
}

#[tokio::test]
async fn a_reader_is_woken_by_another_clients_event() {
    let (relay, keys) = (MemoryRelay::default(), Keys::generate());
    let mut phone = Client::memory(&relay).await.unwrap();
    phone.say(json!(["REQ", "live", history(&keys)])).await;
    assert_eq!(phone.hear().await.unwrap(), json!(["EOSE", "live"]));
    let event = envelope(&keys, NOON, "hello");
    let mut laptop = Client::memory(&relay).await.unwrap();
    // The phone waits first, then the laptop speaks.
    let (heard, published) = tokio::join!(biased; phone.hear(), laptop.publish(&event));
    assert_eq!(heard.unwrap(), json!(["EVENT", "live", event]));
    assert!(published.0);
}

#[tokio::test]
async fn a_network_leads_each_address_to_its_relay() {
    let network = MemoryNetwork::default();
    let relay = MemoryRelay::default();
    network.put("wss://one.example".parse().unwrap(), relay.clone());
    let _open = network
        .dial(&"wss://ONE.example/".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(relay.connections(), 1);
    let error = network
        .dial(&"wss://two.example".parse().unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, DialError::NoAddress { .. }));
}
