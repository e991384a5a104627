//! `key`: the history keys, their backup, and reading a history with nothing but the backup.

use std::io::{IsTerminal, Write};
use std::path::Path;

use pns_keys::{CardKey, KEY_CARD_LOG_N, KEY_CARD_PREFIX, KeyCard, KeyCardError, NONCE_BYTES};
use serde_json::json;
use zeroize::Zeroizing;

use super::whoami;
use crate::cli;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Table, plural, qr, short_id, utc};
use crate::secret_prompt;
use crate::shapes::keys::{KeyLine, SealedCard};

pub(crate) async fn run(context: &Context, command: cli::Key) -> Result<(), Failure> {
    match command {
        cli::Key::List => list(context).await,
        cli::Key::Backup(args) => backup(context, &args).await,
        cli::Key::Restore(args) => restore(context, &args).await,
    }
}

async fn list(context: &Context) -> Result<(), Failure> {
    let known = context.service(false).await?.keys().await?;
    let output = context.output;
    if output.is_json() {
        return output.json(&known);
    }
    if known.keys.is_empty() {
        output.line("no history key yet; the first sync finds or makes one")?;
    } else {
        let mut table = Table::new(&["keyring", "made (UTC)", "use", ">messages", "seen on a relay"]);
        for key in &known.keys {
            table.row(vec![
                short_id(&key.keyring),
                utc(key.created_at),
                use_of(key).to_owned(),
                key.messages.to_string(),
                if key.on_a_relay { "yes" } else { "not yet" }.to_owned(),
            ]);
        }
        table.lines().iter().try_for_each(|line| output.line(line))?;
    }
    output.line(&format!("the key of this device's store is {}", known.store_key))
}

fn use_of(key: &KeyLine) -> &'static str {
    match (&key.public_key, key.writes) {
        (None, _) => "closed: only the signer can open it",
        (Some(_), true) => "reads and writes",
        (Some(_), false) => "reads",
    }
}

async fn backup(context: &Context, args: &cli::Backup) -> Result<(), Failure> {
    let service = context.service(false).await?;
    if !service.has_history_key().await? {
        // Nobody is asked for a passphrase for nothing.
        return Err(no_keys());
    }
    let passphrase = new_passphrase(args.passphrase_file.as_deref()).await?;
    let entropy = context.entropy();
    let (salt, nonce) = (entropy.draw_16(), first_24(entropy.draw_32()));
    let making =
        tokio::task::spawn_blocking(move || CardKey::of_passphrase(&passphrase, KEY_CARD_LOG_N, salt));
    let key = making
        .await
        .map_err(|_| Failure::Failed("the key card could not be made".to_owned()))??;
    let SealedCard { keyrings, card: text } = service.key_card(&key, nonce).await?;
    let account = service.npub().await?;
    if let Some(path) = &args.output {
        write_new(path, &text)?;
    }
    let output = context.output;
    if std::io::stderr().is_terminal()
        && let Some(code) = qr(&text.to_ascii_uppercase())
    {
        output.talk(&code);
    }
    if output.is_json() {
        return output.json(&json!({ "keyrings": keyrings, "card": text }));
    }
    if args.output.is_none() {
        output.line(&text)?;
    }
    output.talk(&format!(
        "{} of {} on one card. With it and its passphrase anybody reads and writes this history, and nobody can act as \
         the account. Keep the passphrase elsewhere; `chat-sync key restore` takes both.",
        plural(keyrings as u64, "history key"),
        account
    ));
    Ok(())
}

/// Why there is no card.
pub(crate) fn no_keys() -> Failure {
    Failure::Failed("there is no history key to back up yet; run `chat-sync sync` first".to_owned())
}

async fn restore(context: &Context, args: &cli::Restore) -> Result<(), Failure> {
    let given = match &args.card {
        Some(path) => secret_prompt::read_long_file(path, "key card")?,
        None if std::io::stdin().is_terminal() => secret_prompt::ask("Key card (chatkeys1…): ").await?,
        None => secret_prompt::read_stdin().await?,
    };
    // What is piped in may bring the passphrase along, on the second line.
    let (text, rest) = match &args.card {
        Some(_) => (given.as_str(), ""),
        None => given.split_once('\n').unwrap_or((&given, "")),
    };
    let text = Zeroizing::new(text.trim().to_owned());
    if !text.to_ascii_lowercase().starts_with(KEY_CARD_PREFIX) {
        // Nobody is asked for the passphrase of something else.
        KeyCard::open(&text, "")?;
    }
    let file = args.passphrase_file.as_deref();
    let piped = if args.card.is_some() && file.is_none() && !std::io::stdin().is_terminal() {
        secret_prompt::read_stdin().await?
    } else {
        Zeroizing::new(rest.to_owned())
    };
    let passphrase = secret_prompt::passphrase(file, &piped).await?;
    let opening = tokio::task::spawn_blocking(move || KeyCard::open(&text, &passphrase));
    let card = opening
        .await
        .map_err(|_| Failure::Failed("the key card could not be opened".to_owned()))??;
    let account = context
        .data_dir
        .restore(&card, &context.relays, context.entropy())
        .map_err(|error| context.explained(error))?;
    context.output.talk(&format!(
        "{} taken in; run `chat-sync sync` to fetch what is sealed with them",
        plural(card.keyrings.len() as u64, "history key")
    ));
    whoami::show(context, account).await
}

impl From<KeyCardError> for Failure {
    fn from(error: KeyCardError) -> Self {
        match error {
            KeyCardError::WrongPassphrase => Self::WrongKey(error.to_string()),
            KeyCardError::Unreadable(_)
            | KeyCardError::ForeignKeyring { .. }
            | KeyCardError::TooLarge { .. } => Self::Failed(error.to_string()),
            other => Self::Usage(other.to_string()),
        }
    }
}

/// A passphrase that is typed is typed twice: nobody could open the card otherwise.
async fn new_passphrase(file: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    if file.is_some() || !std::io::stdin().is_terminal() {
        let piped = match file {
            Some(_) => Zeroizing::default(),
            None => secret_prompt::read_stdin().await?,
        };
        return secret_prompt::passphrase(file, &piped).await;
    }
    let first = secret_prompt::passphrase(None, "").await?;
    let second = secret_prompt::ask("The same again: ").await?;
    if *first == *secret_prompt::without_line_end(&second) {
        Ok(first)
    } else {
        Err(Failure::Usage(
            "the two passphrases differ; run it again".to_owned(),
        ))
    }
}

fn first_24(bytes: [u8; 32]) -> [u8; NONCE_BYTES] {
    let mut first = [0; NONCE_BYTES];
    first.copy_from_slice(&bytes[..NONCE_BYTES]);
    first
}

/// Writes a file that only its owner reads; one that exists is not overwritten.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options
        .open(path)
        .and_then(|mut file| writeln!(file, "{text}").and_then(|()| file.sync_all()));
    written.map_err(|error| {
        Failure::Failed(format!(
            "{} could not be written: {error}; give another path",
            path.display()
        ))
    })
}
