//! The embedded relay as `chat-sync relay` runs it.

mod bench;

use bench::{Client, envelope, ids};
use nostr::prelude::{Keys, Kind};
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig, LabError};
use serde_json::json;

const NOON: u64 = 1_750_000_000;

#[tokio::test]
async fn events_survive_a_restart_on_the_same_port() {
    let dir = tempfile::tempdir().unwrap();
    let config = EmbeddedRelayConfig {
        data: Some(dir.path().join("relay")),
        ..EmbeddedRelayConfig::default()
    };
    let keys = Keys::generate();
    let events: Vec<_> = (0..10).map(|n| envelope(&keys, NOON + n, "kept")).collect();

    let relay = EmbeddedRelay::start(config.clone()).unwrap();
    let (url, port) = (relay.url(), relay.port());
    let mut client = Client::websocket(&url).await.unwrap();
    for event in &events {
        assert!(client.publish(event).await.0);
    }
    relay.shutdown().await;
    assert_eq!(client.hear().await, None, "a shut-down relay hangs up");

    let relay = EmbeddedRelay::start(EmbeddedRelayConfig { port, ..config }).unwrap();
    assert_eq!(relay.url(), url);
    let mut client = Client::websocket(&url).await.unwrap();
    let found = client.query(bench::history(&keys)).await;
    assert_eq!(found, ids(events.iter().rev()));
    assert_eq!(
        relay
            .count_events(&[Kind::Custom(1080)], &[keys.public_key()])
            .await
            .unwrap(),
        10
    );
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_way_out() {
    let first = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let port = first.port();
    let again = EmbeddedRelayConfig {
        port,
        ..EmbeddedRelayConfig::default()
    };
    let error = EmbeddedRelay::start(again.clone()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("port {port} is in use; choose another with --port")
    );
    first.shutdown().await;
    EmbeddedRelay::start(again).unwrap();
}

#[tokio::test]
async fn a_data_directory_that_is_a_file_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = EmbeddedRelayConfig {
        data: Some(file.path().into()),
        ..EmbeddedRelayConfig::default()
    };
    let error = EmbeddedRelay::start(config).unwrap_err();
    assert!(matches!(error, LabError::Open { .. }), "{error}");
}

#[tokio::test]
async fn no_default_limit_gets_in_the_way() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let keys = Keys::generate();
    let mut client = Client::websocket(&relay.url()).await.unwrap();
    // By default the crate takes 60 events a minute.
    for n in 0..700 {
        assert_eq!(
            client.publish(&envelope(&keys, NOON + n, "")).await,
            (true, String::new())
        );
    }
    let mut filter = bench::history(&keys);
    filter["limit"] = 700.into();
    assert_eq!(client.query(filter).await.len(), 700);
}

#[tokio::test]
async fn a_device_that_listens_misses_nothing_of_a_large_upload() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let keys = Keys::generate();
    // More than the 1,024 new events that the crate holds back for a session.
    let events: Vec<_> = (0..3_000).map(|n| envelope(&keys, NOON + n, "")).collect();
    let mut phone = Client::websocket(&relay.url()).await.unwrap();
    phone.say(json!(["REQ", "live", bench::history(&keys)])).await;
    assert_eq!(phone.hear().await.unwrap(), json!(["EOSE", "live"]));
    let mut laptop = Client::websocket(&relay.url()).await.unwrap();
    let upload = async {
        // Thirty-two in flight, as our uploader.
        for some in events.chunks(32) {
            for event in some {
                laptop.say(json!(["EVENT", event])).await;
            }
            for event in some {
                assert_eq!(laptop.hear().await.unwrap(), json!(["OK", event.id, true, ""]));
            }
        }
    };
    let listen = async {
        for event in &events {
            assert_eq!(phone.hear().await.unwrap(), json!(["EVENT", "live", event]));
        }
    };
    tokio::join!(upload, listen);
}

#[tokio::test]
async fn events_can_be_put_and_listed_without_a_socket() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let (mine, other) = (Keys::generate(), Keys::generate());
    let events = [
        envelope(&mine, NOON + 1, "new"),
        envelope(&mine, NOON, "old"),
        envelope(&other, NOON, "x"),
    ];
    relay.put(&events).await.unwrap();
    assert_eq!(
        relay.events(&[], &[mine.public_key()]).await.unwrap(),
        events[..2]
    );
    assert_eq!(relay.events(&[], &[]).await.unwrap().len(), 3);
    assert!(relay.events(&[Kind::TextNote], &[]).await.unwrap().is_empty());
}
