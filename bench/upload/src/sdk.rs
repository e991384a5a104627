//! `nostr-sdk`'s part: an event, its OK, and the next one, over a connection without Nagle's delay like ours.

use std::io::BufRead;
use std::path::Path;
use std::time::{Duration, Instant};

use bench_download::Outcome;
use bench_download::transport::NoDelay;
use nostr_sdk::prelude::{Client, Event, JsonUtil, Kind};

use crate::queue::Left;

pub(crate) fn send(url: &str, file: &Path) -> Outcome<Left> {
    let lines = std::io::BufReader::new(std::fs::File::open(file)?).lines();
    let mut events = Vec::new();
    for line in lines {
        let event = Event::from_json(line?)?;
        if event.kind == Kind::Custom(1080) {
            events.push(event);
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::builder().websocket_transport(NoDelay).build();
        let begin = Instant::now();
        client.add_relay(url).await?;
        client.try_connect(Duration::from_secs(10)).await;
        for event in &events {
            let output = client.send_event(event).await?;
            if output.success.is_empty() {
                return Err(format!("nostr-sdk: not sent: {:?}", output.failed).into());
            }
        }
        let seconds = begin.elapsed().as_secs_f64();
        client.shutdown().await;
        Ok(Left {
            sealed_per_second: 0.0,
            left_per_second: events.len() as f64 / seconds,
        })
    })
}
