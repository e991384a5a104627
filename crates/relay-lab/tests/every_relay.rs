//! What every relay of the bench promises: embedded in memory, embedded on disk, behind a proxy, and in memory.

mod bench;

use bench::{Client, deletion, envelope, history, ids, sign};
use nostr::prelude::{EventBuilder, Keys, Kind};
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig, Fault, MemoryRelay, Proxy};
use serde_json::{Value, json};

const NOON: u64 = 1_750_000_000;

/// A relay to test, with what must live as long as it does.
enum Relay {
    Embedded(EmbeddedRelay),
    OnDisk(
        EmbeddedRelay,
        #[expect(dead_code, reason = "removes the directory on drop")] tempfile::TempDir,
    ),
    Proxied(
        Proxy,
        #[expect(dead_code, reason = "the proxy's other end")] EmbeddedRelay,
    ),
    Memory(MemoryRelay),
}

impl Relay {
    fn each() -> Vec<Self> {
        let embedded = || EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let on_disk = EmbeddedRelayConfig {
            data: Some(dir.path().into()),
            ..EmbeddedRelayConfig::default()
        };
        let behind = embedded();
        vec![
            Self::Embedded(embedded()),
            Self::OnDisk(EmbeddedRelay::start(on_disk).unwrap(), dir),
            Self::Proxied(Proxy::start(&behind.url(), Fault::None).unwrap(), behind),
            Self::Memory(MemoryRelay::default()),
        ]
    }

    async fn client(&self) -> Client {
        match self {
            Self::Embedded(relay) | Self::OnDisk(relay, _) => Client::websocket(&relay.url()).await,
            Self::Proxied(proxy, _) => Client::websocket(&proxy.url()).await,
            Self::Memory(relay) => Client::memory(relay).await,
        }
        .unwrap()
    }
}

#[tokio::test]
async fn an_event_is_taken_once_and_found_again() {
    let keys = Keys::generate();
    for relay in Relay::each() {
        let mut client = relay.client().await;
        let event = envelope(&keys, NOON, "one");
        assert_eq!(client.publish(&event).await, (true, String::new()));
        let (accepted, reason) = client.publish(&event).await;
        assert!(accepted && reason.starts_with("duplicate:"), "{reason}");
        assert_eq!(
            client.query(json!({"ids": [event.id], "limit": 1})).await,
            [event.id]
        );
    }
}

#[tokio::test]
async fn a_page_is_newest_first_and_as_long_as_its_limit() {
    let keys = Keys::generate();
    let mut events: Vec<_> = [3, 1, 2, 2, 5]
        .map(|n| envelope(&keys, NOON + n, &n.to_string()))
        .into();
    events[3] = envelope(&keys, NOON + 2, "the same second");
    for relay in Relay::each() {
        let mut client = relay.client().await;
        for event in &events {
            assert!(client.publish(event).await.0);
        }
        // `Event` sorts newest first, and the lowest id first in one second: the order of NIP-01.
        let mut newest_first = events.clone();
        newest_first.sort();
        let newest_first = ids(&newest_first);
        let asked = |more: Value| {
            let mut filter = history(&keys);
            filter
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            filter
        };
        assert_eq!(client.query(asked(json!({"limit": 500}))).await, newest_first);
        assert_eq!(client.query(asked(json!({"limit": 2}))).await, newest_first[..2]);
        assert_eq!(
            client.query(asked(json!({"until": NOON + 3, "limit": 9}))).await,
            newest_first[1..]
        );
        assert_eq!(
            client.query(asked(json!({"since": NOON + 3, "limit": 9}))).await,
            newest_first[..2]
        );
        let others = json!({"kinds": [1081], "authors": [keys.public_key()], "limit": 9});
        assert!(client.query(others).await.is_empty());
    }
}

#[tokio::test]
async fn a_live_subscription_hears_what_another_client_publishes() {
    let keys = Keys::generate();
    for relay in Relay::each() {
        let (mut phone, mut laptop) = (relay.client().await, relay.client().await);
        let mut live = history(&keys);
        live["limit"] = json!(0);
        phone.say(json!(["REQ", "live", live])).await;
        assert_eq!(phone.hear().await.unwrap(), json!(["EOSE", "live"]));
        let other = envelope(&Keys::generate(), NOON, "by somebody else");
        let event = envelope(&keys, NOON, "hello");
        assert!(laptop.publish(&other).await.0);
        assert!(laptop.publish(&event).await.0);
        assert_eq!(phone.hear().await.unwrap(), json!(["EVENT", "live", event]));
    }
}

#[tokio::test]
async fn an_ephemeral_event_is_passed_on_and_not_kept() {
    let keys = Keys::generate();
    for relay in Relay::each() {
        let (mut signer, mut client) = (relay.client().await, relay.client().await);
        let requests = json!({"kinds": [24133], "#p": [keys.public_key()], "limit": 1});
        signer.say(json!(["REQ", "requests", requests])).await;
        assert_eq!(signer.hear().await.unwrap(), json!(["EOSE", "requests"]));
        let request = EventBuilder::new(Kind::Custom(24133), "?")
            .tag(nostr::prelude::Tag::parse(["p", &keys.public_key().to_hex()]).unwrap());
        let request = sign(&Keys::generate(), request, NOON);
        assert!(client.publish(&request).await.0);
        assert_eq!(
            signer.hear().await.unwrap(),
            json!(["EVENT", "requests", request])
        );
        assert!(client.query(requests).await.is_empty());
    }
}

#[tokio::test]
async fn a_deleted_event_is_hidden_and_refused() {
    let keys = Keys::generate();
    for relay in Relay::each() {
        let mut client = relay.client().await;
        let (gone, kept) = (envelope(&keys, NOON, "gone"), envelope(&keys, NOON, "kept"));
        for event in [&gone, &kept] {
            assert!(client.publish(event).await.0);
        }
        let deletion = deletion(&keys, NOON + 1, &[gone.id]);
        assert!(client.publish(&deletion).await.0);

        let mut filter = history(&keys);
        filter["limit"] = json!(10);
        assert_eq!(client.query(filter).await, [deletion.id, kept.id]);
        assert!(
            client
                .query(json!({"ids": [gone.id], "limit": 1}))
                .await
                .is_empty()
        );
        let held = [(NOON, gone.id), (NOON, kept.id), (NOON + 1, deletion.id)];
        let (only_ours, only_theirs) = client.compare(history(&keys), &held, 0).await;
        assert_eq!((only_ours, only_theirs), ([gone.id].into(), [].into()));
        let (accepted, reason) = client.publish(&gone).await;
        assert!(!accepted && reason.starts_with("blocked:"), "{reason}");
    }
}

#[tokio::test]
async fn a_stranger_deletes_nothing() {
    let keys = Keys::generate();
    for relay in Relay::each() {
        let mut client = relay.client().await;
        let event = envelope(&keys, NOON, "mine");
        assert!(client.publish(&event).await.0);
        client
            .publish(&deletion(&Keys::generate(), NOON + 1, &[event.id]))
            .await;
        assert_eq!(
            client.query(json!({"ids": [event.id], "limit": 1})).await,
            [event.id]
        );
    }
}

#[tokio::test]
async fn a_forged_event_is_refused() {
    let keys = Keys::generate();
    for relay in Relay::each() {
        let mut client = relay.client().await;
        let mut event = envelope(&keys, NOON, "true");
        event.content = "false".into();
        let (accepted, reason) = client.publish(&event).await;
        assert!(!accepted && reason.starts_with("invalid:"), "{reason}");
        let mut event = envelope(&keys, NOON, "true");
        event.sig = envelope(&keys, NOON, "another").sig;
        let (accepted, reason) = client.publish(&event).await;
        assert!(!accepted && reason.starts_with("invalid:"), "{reason}");
    }
}

#[tokio::test]
async fn a_comparison_names_the_difference() {
    let keys = Keys::generate();
    let events: Vec<_> = (0..120)
        .map(|n| envelope(&keys, NOON + n / 3, &n.to_string()))
        .collect();
    for relay in Relay::each() {
        let mut client = relay.client().await;
        for event in &events[..110] {
            assert!(client.publish(event).await.0);
        }
        let ours: Vec<_> = events[10..]
            .iter()
            .map(|event| (event.created_at.as_secs(), event.id))
            .collect();
        let (have, need) = client.compare(history(&keys), &ours, 0).await;
        assert_eq!(have, ids(&events[110..]).into_iter().collect());
        assert_eq!(need, ids(&events[..10]).into_iter().collect());
    }
}

#[tokio::test]
async fn a_session_nobody_opened_is_an_error() {
    for relay in Relay::each() {
        let mut client = relay.client().await;
        client.say(json!(["NEG-MSG", "nobody", "61"])).await;
        assert_eq!(client.hear().await.unwrap()[0], "NEG-ERR");
    }
}
