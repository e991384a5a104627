//! The proxy counts, misbehaves by name, and can be cut.

mod bench;

use bench::{Client, envelope, history, sign};
use nostr::prelude::{EventBuilder, Keys, Kind};
use relay_lab::{Count, EmbeddedRelay, EmbeddedRelayConfig, Fault, LabError, MemoryRelay, Proxy};
use serde_json::{Value, json};

const NOON: u64 = 1_750_000_000;

fn relay() -> EmbeddedRelay {
    EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap()
}

#[tokio::test]
async fn what_passes_is_counted_by_label() {
    let relay = relay();
    let proxy = Proxy::start(&relay.url(), Fault::None).unwrap();
    let keys = Keys::generate();
    let event = envelope(&keys, NOON, "counted");
    let mut client = Client::websocket(&proxy.url()).await.unwrap();
    client.publish(&event).await;
    client.query(json!({"ids": [event.id], "limit": 1})).await;
    client.compare(history(&keys), &[(NOON, event.id)], 0).await;

    // The OK of one more event shows that everything before it has passed.
    client.publish(&envelope(&keys, NOON, "last")).await;
    let tally = proxy.tally();
    for (label, frames) in [
        ("EVENT", 2),
        ("REQ", 1),
        ("CLOSE", 1),
        ("NEG-OPEN", 1),
        ("NEG-CLOSE", 1),
    ] {
        assert_eq!(tally.up_of(label).frames, frames, "up {label}");
    }
    for (label, frames) in [
        ("OK", 2),
        ("EVENT", 1),
        ("EOSE", 1),
        ("NEG-MSG", 1),
        ("NEG-ERR", 0),
    ] {
        assert_eq!(tally.down_of(label).frames, frames, "down {label}");
    }
    assert_eq!(
        tally.up_of("NEG-CLOSE").bytes,
        r#"["NEG-CLOSE","n"]"#.len() as u64
    );
    assert_eq!(tally.up().frames, 6);
    let sent = json!(["EVENT", event]).to_string().len() as u64;
    assert!(tally.up().bytes > 2 * sent - 10, "{tally:?}");
    assert_ne!(tally.down(), Count::default());
}

/// What a client hears after a NEG-OPEN and a REQ: the answer to both, or to the REQ alone.
fn told(fault: Fault) -> Vec<Value> {
    let eose = json!(["EOSE", "r"]);
    match fault {
        Fault::None => vec![json!(["NEG-MSG", "n", "61"]), eose],
        Fault::RefusesNeg => vec![json!(["NOTICE", "ERROR: bad msg: negentropy disabled"]), eose],
        Fault::IgnoresNeg => vec![eose],
    }
}

async fn hears(client: &mut Client, fault: Fault) {
    // One fingerprint over everything, zero: equal to an empty relay's, which answers with nothing but the version.
    let opening = format!("61000001{}", empty_fingerprint());
    client
        .say(json!(["NEG-OPEN", "n", {"kinds": [1080]}, opening]))
        .await;
    let expected = told(fault);
    if fault != Fault::IgnoresNeg {
        assert_eq!(client.hear().await.unwrap(), expected[0], "{fault}");
    }
    client
        .say(json!(["REQ", "r", {"kinds": [1080], "limit": 1}]))
        .await;
    assert_eq!(client.hear().await.as_ref(), expected.last(), "{fault}");
    client.say(json!(["CLOSE", "r"])).await;
}

/// SHA-256 of 33 zero bytes (the sum and the count of nothing), cut to 16 bytes (NIP-77 appendix).
fn empty_fingerprint() -> &'static str {
    "7f9c9e31ac8256ca2f258583df262dbc"
}

#[tokio::test]
async fn every_fault_does_what_its_name_says() {
    let relay = relay();
    let proxy = Proxy::start(&relay.url(), Fault::None).unwrap();
    let memory = MemoryRelay::default();
    // The connections stay: a fault may change while clients are connected.
    let mut through_proxy = Client::websocket(&proxy.url()).await.unwrap();
    let mut to_memory = Client::memory(&memory).await.unwrap();
    for fault in [Fault::RefusesNeg, Fault::IgnoresNeg, Fault::None] {
        proxy.set_fault(fault);
        memory.set_fault(fault);
        hears(&mut through_proxy, fault).await;
        hears(&mut to_memory, fault).await;
    }
    for tally in [proxy.tally(), memory.tally()] {
        assert_eq!(
            tally.up_of("NEG-OPEN").frames,
            3,
            "counted although it never arrived"
        );
        assert_eq!(tally.down_of("NOTICE").frames, 1);
        assert_eq!(tally.down_of("NEG-MSG").frames, 1);
    }
}

#[tokio::test]
async fn a_cut_ends_every_connection_until_it_is_healed() {
    let relay = relay();
    let proxy = Proxy::start(&relay.url(), Fault::None).unwrap();
    let keys = Keys::generate();
    let mut client = Client::websocket(&proxy.url()).await.unwrap();
    assert!(client.publish(&envelope(&keys, NOON, "before")).await.0);
    assert_eq!(proxy.connections(), 1);

    proxy.cut();
    assert_eq!(client.hear().await, None);
    proxy.idle().await;
    assert_eq!(proxy.connections(), 0);
    assert!(Client::websocket(&proxy.url()).await.is_err(), "still cut");

    proxy.heal();
    let mut client = Client::websocket(&proxy.url()).await.unwrap();
    assert!(client.publish(&envelope(&keys, NOON, "after")).await.0);
    assert_eq!(relay.count_events(&[], &[keys.public_key()]).await.unwrap(), 2);
}

#[tokio::test]
async fn a_relay_that_is_away_cannot_be_reached_through_it() {
    let relay = relay();
    let proxy = Proxy::start(&relay.url(), Fault::None).unwrap();
    let mut client = Client::websocket(&proxy.url()).await.unwrap();
    client.query(json!({"kinds": [1080], "limit": 1})).await;
    relay.shutdown().await;
    assert_eq!(client.hear().await, None);
    assert!(Client::websocket(&proxy.url()).await.is_err());
}

#[tokio::test]
async fn a_frame_of_a_megabyte_passes_unchanged() {
    let relay = relay();
    let proxy = Proxy::start(&relay.url(), Fault::None).unwrap();
    let event = sign(
        &Keys::generate(),
        EventBuilder::new(Kind::Custom(1080), "x".repeat(1 << 20)),
        NOON,
    );
    let mut client = Client::websocket(&proxy.url()).await.unwrap();
    assert!(client.publish(&event).await.0);
    assert_eq!(
        client.query(json!({"ids": [event.id], "limit": 1})).await,
        [event.id]
    );
}

#[test]
fn only_a_websocket_can_stand_behind_it() {
    let error = Proxy::start("https://relay.example", Fault::None).unwrap_err();
    assert!(matches!(error, LabError::Upstream { .. }));
    assert!(error.to_string().contains("ws://"));
}
