//! A login with the secret key itself: nsec, hex, words, or encrypted.

use std::io::IsTerminal;
use std::sync::Arc;

use chat_sync::{Login, LoginMethod};
use pns_keys::{AccountKey, DeviceSecret, EncryptedKey, PassphraseError};
use supervision::Entropy;
use zeroize::Zeroizing;

use super::recognise;
use crate::cli;
use crate::exit::Failure;
use crate::secret_prompt;

/// A fresh account's key.
pub(super) fn draw(entropy: &Arc<dyn Entropy>) -> DeviceSecret {
    loop {
        let bytes = Zeroizing::new(entropy.draw_32());
        // One in 2^128 draws is no secret key.
        if let Ok(secret) = DeviceSecret::from_bytes(&bytes) {
            return secret;
        }
    }
}

/// Reads the key from where the arguments say: a file, the terminal, or stdin.
pub(super) async fn by_key(args: &cli::Login) -> Result<Login, Failure> {
    let given = match &args.key_file {
        Some(path) => secret_prompt::read_file(path, "key file")?,
        None if std::io::stdin().is_terminal() => {
            secret_prompt::ask("Secret key (nsec, hex, ncryptsec, or words): ").await?
        }
        None => secret_prompt::read_stdin().await?,
    };
    // What is piped in may bring the passphrase along, on the second line.
    let (first, rest) = given.split_once('\n').unwrap_or((&given, ""));
    let key = match recognise(first) {
        Ok(AccountKey::Encrypted(key)) => {
            let passphrase = secret_prompt::passphrase(args.passphrase_file.as_deref(), rest).await?;
            let secret = open(key, passphrase).await?;
            return Ok(Login::with_key(secret, LoginMethod::EncryptedKey));
        }
        // Words may stand on several lines.
        _ => recognise(&given)?,
    };
    match key {
        AccountKey::Raw(secret) => Ok(Login::with_key(secret, LoginMethod::RawKey)),
        AccountKey::Mnemonic(secret) => Ok(Login::with_key(secret, LoginMethod::Mnemonic)),
        AccountKey::Encrypted(_) => Err(Failure::Usage(
            "the encrypted key is followed by something that is not its passphrase; put the passphrase alone on the \
             second line"
                .to_owned(),
        )),
    }
}

/// Opens an encrypted key in a thread of its own: it is made to take long.
async fn open(key: EncryptedKey, passphrase: Zeroizing<String>) -> Result<DeviceSecret, Failure> {
    let opening = tokio::task::spawn_blocking(move || key.open(&passphrase));
    match opening.await {
        Ok(Ok(secret)) => Ok(secret),
        Ok(Err(error @ PassphraseError::Wrong)) => Err(Failure::WrongKey(error.to_string())),
        Ok(Err(error @ PassphraseError::TooCostly { .. })) => Err(Failure::Failed(error.to_string())),
        Err(_) => Err(Failure::Failed(
            "the encrypted key could not be opened".to_owned(),
        )),
    }
}
