//! `whoami`: the account, and the key it writes with.

use chat_sync::{Account, npub};
use nostr::key::PublicKey;
use pns_keys::Profile;

use crate::context::{Context, settled_status};
use crate::exit::Failure;
use crate::shapes::Identity;

pub(crate) async fn run(context: &Context) -> Result<(), Failure> {
    let account = context.account()?;
    show(context, account).await
}

/// Prints who `account` is, from what is on disk.
pub(crate) async fn show(context: &Context, account: Account) -> Result<(), Failure> {
    let engine = context.engine(&account, false)?;
    let status = settled_status(&engine).await;
    let identity = Identity {
        npub: npub(&account.public_key),
        pubkey: account.public_key.to_hex(),
        method: account.method.word(),
        write_key: status.account.write_key.as_ref().map(PublicKey::to_hex),
        profile: account.profile.name(),
        relays: account.relays.iter().map(ToString::to_string).collect(),
    };
    let output = context.output;
    if output.is_json() {
        return output.json(&identity);
    }
    output.line(&identity.npub)?;
    output.line(&format!("public key  {}", identity.pubkey))?;
    output.line(&format!("login       {}", identity.method))?;
    output.line(&format!(
        "writes as   {}",
        identity
            .write_key
            .as_deref()
            .unwrap_or("(known after the first sync)")
    ))?;
    if account.profile != Profile::Routstr {
        output.line(&format!("profile     {}", identity.profile))?;
    }
    for relay in &identity.relays {
        output.line(&format!("relay       {relay}"))?;
    }
    let others = context.data_dir.accounts().unwrap_or_default();
    for other in others.iter().filter(|other| **other != account.public_key) {
        output.line(&format!("also here   {}", npub(other)))?;
    }
    Ok(())
}
