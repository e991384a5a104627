//! The alternative: a websocket and nothing else. It subscribes to what the devices send, and then sends as much itself.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use nostr::prelude::{EventBuilder, FinalizeEvent, Keys, Kind};
use relay_link::{Connection, Dial, Incoming, Outgoing, WebSocketDialer};

use crate::Outcome;
use crate::telling::{self, Plain, Run};

/// Nothing came for this long after the last event that is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn run(url: &str, run: &str) -> Outcome<()> {
    let run: Run = serde_json::from_str(run)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let told = runtime.block_on(async {
        let dialer = WebSocketDialer;
        let url = url.parse()?;
        let Connection {
            mut outgoing,
            incoming,
            ..
        } = dialer.dial(&url).await?;
        let mut incoming = Box::pin(incoming.filter_map(|message| async {
            match message {
                Ok(Incoming::Text(text)) => Some((text, telling::now())),
                _ => None,
            }
        }));
        let request = r#"["REQ","plain",{"kinds":[1080],"limit":1}]"#.to_owned();
        outgoing.send(Outgoing::Text(request)).await?;
        while let Some((text, _)) = incoming.next().await {
            if text.starts_with(r#"["EOSE""#) {
                break;
            }
        }
        telling::say("ready")?;
        let mut go = tokio::task::spawn_blocking(|| telling::wait().map_err(|error| error.to_string()));
        let mut seen = Vec::new();
        loop {
            tokio::select! {
                biased;
                message = incoming.next() => {
                    let (text, at) = message.ok_or("the relay hung up")?;
                    seen.extend(id_of(&text).map(|id| (id, at)));
                }
                told = &mut go => {
                    told??;
                    break;
                }
            }
        }

        let keys = Keys::generate();
        let Connection {
            outgoing: mut sending,
            incoming: mut answers,
            ..
        } = dialer.dial(&url).await?;
        // An OK that nobody reads would fill the socket.
        let reading = tokio::spawn(async move { while answers.next().await.is_some() {} });
        let mut own = Vec::new();
        for (n, pause) in (0..2 * run.each).zip(telling::pauses(&run, 0).chain(telling::pauses(&run, 1))) {
            // Half the pause: two devices send into the relay as often as this one does.
            let due = tokio::time::Instant::now() + pause / 2;
            let event = EventBuilder::new(Kind::Custom(1080), telling::text("plain", n)).finalize(&keys)?;
            let (id, json) = (event.id.to_hex(), format!(r#"["EVENT",{}]"#, event.as_json()));
            tokio::time::sleep_until(due).await;
            sending.send(Outgoing::Text(json)).await?;
            let written = telling::now();
            let wait = async {
                loop {
                    let (text, at) = incoming.next().await?;
                    if id_of(&text).as_deref() == Some(&*id) {
                        return Some(at);
                    }
                }
            };
            let at = tokio::time::timeout(PATIENCE, wait)
                .await?
                .ok_or("the relay hung up")?;
            own.push((id, written, at));
        }
        reading.abort();
        Ok::<_, Box<dyn std::error::Error>>(Plain { seen, own })
    })?;
    telling::say(&serde_json::to_string(&told)?)
}

/// The id of the event in an EVENT frame.
fn id_of(text: &str) -> Option<String> {
    let frame: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(frame.get(2)?.get("id")?.as_str()?.to_owned())
}
