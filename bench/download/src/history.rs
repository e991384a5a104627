//! The history that is downloaded: envelopes of about 1 KB as a chat program seals them, two thirds of them small.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use chat_model::{Content, Message, Role};
use futures_executor::block_on;
use nostr::prelude::Event;
use pns_keys::{DeviceSecret, LocalSigner, NewKeyring, Profile, seal};
use supervision::{Entropy, SeededEntropy};

use crate::Outcome;

/// The account of every run.
const SECRET: &str = "0101010101010101010101010101010101010101010101010101010101010101";
/// Messages of one conversation.
const CONVERSATION: u64 = 50;
/// Seconds between two envelopes.
const APART: u64 = 30;

/// The account's signer.
pub fn signer() -> Outcome<LocalSigner> {
    Ok(LocalSigner::parse(SECRET, || SeededEntropy::new(2).draw_32())?)
}

/// Writes the account's keyring and `count` envelopes, an event a line, the oldest first.
pub fn write(file: &Path, count: u64) -> Outcome<()> {
    let entropy = SeededEntropy::new(1);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let begin = now - 3_600 - count * APART;
    let device = DeviceSecret::from_bytes(&entropy.draw_32())?;
    let (event, keyring) = block_on(NewKeyring::new(device).create(&signer()?, begin))?;
    let key = Arc::clone(keyring.key(Profile::Routstr));
    let author = event.pubkey.to_hex();
    let mut out = BufWriter::new(std::fs::File::create(file)?);
    writeln!(out, "{}", event.as_json())?;
    for n in 0..count {
        let sealed_at = begin + n * APART;
        let rumor = message(n, sealed_at).to_rumor(&author)?;
        let envelope = seal(&key, &rumor, sealed_at, entropy.draw_32(), entropy.draw_32())?;
        writeln!(out, "{}", envelope.as_json())?;
    }
    Ok(out.flush()?)
}

/// Every event of the file.
pub fn read(file: &Path) -> Outcome<Vec<Event>> {
    let text = std::fs::read_to_string(file)?;
    Ok(text.lines().map(Event::from_json).collect::<Result<_, _>>()?)
}

/// Whose words the `n`-th message is, and the words: a question of a line or two, another, and an answer of some paragraphs.
pub fn text(n: u64) -> (Role, String) {
    let (role, characters) = match n % 3 {
        0 => (Role::User, 60 + n % 140),
        1 => (Role::User, 20 + n % 200),
        _ => (Role::Assistant, 300 + n * 7 % 1_500),
    };
    let text: String = "the quick brown fox asks a language model about set reconciliation "
        .chars()
        .cycle()
        .take(characters as usize)
        .collect();
    (role, format!("{n}: {text}"))
}

fn message(n: u64, second: u64) -> Message {
    let (role, text) = text(n);
    let mut message = Message::new(
        format!("chat-{}", n / CONVERSATION),
        role,
        Content::new(text),
        second,
    );
    message.source = Some(format!("bench:{n}"));
    message
}
