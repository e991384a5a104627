//! A chat program in a few lines: log in, write, keep level with relays, and show what lands from other devices.
//!
//! ```text
//! cargo run --bin chat-sync -- relay --port 7000 &
//! cargo run -p chat-sync --example embedder -- /tmp/laptop ws://127.0.0.1:7000 < secret-key.txt
//! ```

use std::error::Error;
use std::sync::Arc;

use chat_sync::{ChatUpdate, DataDir, Engine, Login, LoginMethod, NewMessage, RelayUrl};
use futures_executor::block_on;
use futures_util::StreamExt;
use pns_keys::DeviceSecret;
use supervision::{Entropy, SystemEntropy};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments
        .next()
        .ok_or("usage: embedder FOLDER RELAY…  (the secret key comes on stdin)")?;
    let relays = arguments
        .map(|url| url.parse())
        .collect::<Result<Vec<RelayUrl>, _>>()?;

    let mut secret = String::new();
    std::io::stdin().read_line(&mut secret)?;
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let login = Login::with_key(DeviceSecret::parse(&secret)?, LoginMethod::RawKey);
    let account = DataDir::new(folder).login(&login, &relays, &entropy)?;

    let engine = Engine::start(account.config(true))?;

    block_on(async {
        // On disk when this returns; it leaves as soon as a relay takes it.
        engine
            .send(NewMessage::user("diary", "Hello from an embedder"))
            .await?;
        let report = engine.sync().await?;
        println!(
            "complete: {}, messages: {}",
            report.complete, report.counts.messages
        );

        let mut updates = Box::pin(engine.updates());
        while let Some(update) = updates.next().await {
            if let ChatUpdate::Landed(messages) = update {
                for message in messages {
                    println!("{} · {}: {}", message.conversation, message.role, message.content);
                }
            }
        }
        Ok(())
    })
}
