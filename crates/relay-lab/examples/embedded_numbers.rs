//! Prints what the embedded relay costs on this machine: `cargo run -p relay-lab --example embedded_numbers [DIR]`.
//! With a directory it measures the relay that keeps its events there.

use std::error::Error;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use negentropy::{Id, Negentropy, NegentropyStorageVector};
use nostr::prelude::{Event, EventBuilder, FinalizeEvent, Keys, Kind, Timestamp};
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// Large enough that a scan of everything shows.
const EVENTS: usize = 10_000;
const IN_FLIGHT: usize = 32;
const ROUNDS: u32 = 50;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let data = std::env::args_os().nth(1).map(Into::into);
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig {
        data,
        ..EmbeddedRelayConfig::default()
    })?;
    let keys = Keys::generate();
    let events = (0..EVENTS)
        .map(|n| {
            EventBuilder::new(Kind::Custom(1080), "x".repeat(600))
                .custom_created_at(Timestamp::from(1_700_000_000 + n as u64))
                .finalize(&keys)
        })
        .collect::<Result<Vec<Event>, _>>()?;
    let (mut socket, _) = connect_async_with_config(relay.url(), None, true).await?;

    let start = Instant::now();
    publish(&mut socket, &events).await?;
    let took = start.elapsed();
    println!(
        "EVENT/OK, {IN_FLIGHT} in flight: {:.0} events/s",
        EVENTS as f64 / took.as_secs_f64()
    );

    let author = keys.public_key().to_hex();
    let ids = |from: usize| {
        events[from..from + 100]
            .iter()
            .map(|e| e.id.to_hex())
            .collect::<Vec<_>>()
    };
    let mut took = Duration::ZERO;
    for round in 0..ROUNDS {
        let filter = serde_json::json!({"ids": ids(round as usize * 150), "kinds": [1080, 5], "authors": [author], "limit": 100});
        let start = Instant::now();
        let found = ask(
            &mut socket,
            serde_json::json!(["REQ", format!("r{round}"), filter]),
        )
        .await?;
        took += start.elapsed();
        assert_eq!(found, 100);
    }
    println!("REQ of 100 ids at {EVENTS}: {:?}", took / ROUNDS);

    let filter = serde_json::json!({"kinds": [1080, 5], "authors": [author], "limit": 500});
    let start = Instant::now();
    for round in 0..ROUNDS {
        assert_eq!(
            ask(
                &mut socket,
                serde_json::json!(["REQ", format!("p{round}"), filter])
            )
            .await?,
            500
        );
    }
    println!(
        "REQ of the newest 500 at {EVENTS}: {:?}",
        start.elapsed() / ROUNDS
    );

    let mut storage = NegentropyStorageVector::new();
    for event in &events {
        storage.insert(
            event.created_at.as_secs(),
            Id::from_byte_array(event.id.to_bytes()),
        )?;
    }
    storage.seal()?;
    let opening = Negentropy::owned(storage, 60_000)?.initiate()?;
    let hex = opening
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let filter = serde_json::json!({"kinds": [1080, 5], "authors": [author]});
    let start = Instant::now();
    for round in 0..ROUNDS {
        ask(
            &mut socket,
            serde_json::json!(["NEG-OPEN", format!("n{round}"), filter, hex]),
        )
        .await?;
    }
    println!("NEG-OPEN at {EVENTS}: {:?}", start.elapsed() / ROUNDS);
    relay.shutdown().await;
    Ok(())
}

async fn publish(socket: &mut Socket, events: &[Event]) -> Result<(), Box<dyn Error>> {
    let (mut sent, mut accepted) = (0, 0);
    while accepted < events.len() {
        while sent < events.len() && sent - accepted < IN_FLIGHT {
            socket
                .send(Message::text(format!("[\"EVENT\",{}]", events[sent].as_json())))
                .await?;
            sent += 1;
        }
        let answer = socket.next().await.ok_or("the relay left")??.into_text()?;
        assert!(answer.contains("true"), "{answer}");
        accepted += 1;
    }
    Ok(())
}

/// Sends a request and counts the events up to its last frame.
async fn ask(socket: &mut Socket, request: serde_json::Value) -> Result<usize, Box<dyn Error>> {
    socket.send(Message::text(request.to_string())).await?;
    let mut events = 0;
    loop {
        let answer = socket.next().await.ok_or("the relay left")??.into_text()?;
        if answer.starts_with("[\"EVENT\"") {
            events += 1;
        } else if answer.starts_with("[\"EOSE\"") || answer.starts_with("[\"NEG-MSG\"") {
            return Ok(events);
        } else if !answer.starts_with("[\"CLOSED\"") {
            return Err(answer.to_string().into());
        }
    }
}
