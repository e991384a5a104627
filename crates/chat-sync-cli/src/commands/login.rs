//! `login`: whose history it is.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::Path;

use chat_sync::npub;
use pns_keys::DeviceSecret;
use zeroize::Zeroizing;

use super::whoami;
use crate::cli::Login;
use crate::context::Context;
use crate::exit::Failure;
use crate::secret_prompt;

/// More than any secret key with spaces around it.
const KEY_FILE_BYTES_MAX: u64 = 4096;

pub(crate) async fn run(context: &Context, args: Login) -> Result<(), Failure> {
    if !args.misplaced.is_empty() {
        return Err(Failure::Usage(
            "a secret key does not go on the command line, where other programs can see it; run `chat-sync login` and \
             paste it, or pipe it in"
                .to_owned(),
        ));
    }
    // Nothing is opened or made before the key is known to be one.
    let secret = match &args.key_file {
        _ if args.new => new_secret(context),
        Some(path) => parse(&read_key_file(path)?)?,
        None if std::io::stdin().is_terminal() => {
            parse(&secret_prompt::ask("Secret key (nsec or hex): ").await?)?
        }
        None => parse(&secret_prompt::read_stdin().await?)?,
    };
    let before = context.data_dir.current().ok().flatten();
    let account = context
        .data_dir
        .login(&secret, &context.relays, context.entropy())?;
    if args.new {
        context.output.insist(&format!(
            "Your secret key, shown this once: {}  (keep it in a password manager; it is the only way to log in \
             elsewhere, and whoever has it can read everything)",
            secret.to_nsec().as_str()
        ))?;
    }
    if let Some(before) = before.filter(|before| *before != account.public_key) {
        context.output.talk(&format!(
            "{} was logged in before; its history stays here",
            npub(&before)
        ));
    }
    context.output.talk("logged in");
    whoami::show(context, account).await
}

fn new_secret(context: &Context) -> DeviceSecret {
    loop {
        let bytes = Zeroizing::new(context.entropy().draw_32());
        // One in 2^128 draws is no secret key.
        if let Ok(secret) = DeviceSecret::from_bytes(&bytes) {
            return secret;
        }
    }
}

fn parse(text: &str) -> Result<DeviceSecret, Failure> {
    DeviceSecret::parse(text).map_err(|error| Failure::Usage(error.to_string()))
}

fn read_key_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::with_capacity(KEY_FILE_BYTES_MAX as usize));
    let read = File::open(path).and_then(|file| file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(text),
        // The path is left out: somebody may have given the key itself.
        Err(error) => Err(Failure::Usage(format!(
            "the key file could not be read: {error}; check its path"
        ))),
    }
}
