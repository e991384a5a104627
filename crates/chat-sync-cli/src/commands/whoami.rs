//! `whoami`: the account, and the key it writes with.

use chat_sync::{Account, npub};
use pns_keys::Profile;

use crate::context::Context;
use crate::exit::Failure;
use crate::shapes::Identity;

pub(crate) async fn run(context: &Context) -> Result<(), Failure> {
    let identity = context.service(false).await?.identity().await?;
    print(context, &identity)
}

/// Prints who `account` is, from what is on disk.
pub(crate) async fn show(context: &Context, account: Account) -> Result<(), Failure> {
    let identity = context.here(account, false).identity().await?;
    print(context, &identity)
}

pub(crate) fn print(context: &Context, identity: &Identity) -> Result<(), Failure> {
    let output = context.output;
    if output.is_json() {
        return output.json(identity);
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
    if identity.profile != Profile::Routstr.name() {
        output.line(&format!("profile     {}", identity.profile))?;
    }
    for relay in &identity.relays {
        output.line(&format!("relay       {relay}"))?;
    }
    let others = context.data_dir.accounts().unwrap_or_default();
    for other in others.iter().filter(|other| other.to_hex() != identity.pubkey) {
        output.line(&format!("also here   {}", npub(other)))?;
    }
    Ok(())
}
