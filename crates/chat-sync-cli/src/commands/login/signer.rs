//! A login with a remote signer: the key stays there.

use chat_sync::{BunkerUri, Login, Patience, RelayUrl, log_in_with_bunker, new_client_key};

use crate::context::Context;
use crate::exit::Failure;
use crate::output::Output;
use crate::progress;
use crate::secret_prompt;
use crate::signer_notice::page_words;

/// With the address that the signer hands out; `-` reads it from stdin.
pub(super) async fn by_address(context: &Context, address: &str) -> Result<Login, Failure> {
    let typed;
    let address = if address == "-" {
        typed = secret_prompt::read_stdin().await?;
        typed.as_str()
    } else {
        address
    };
    let uri: BunkerUri = address
        .parse()
        .map_err(|error: chat_sync::BunkerUriError| Failure::Usage(error.to_string()))?;
    let client = new_client_key(&**context.entropy());
    let met: Vec<&str> = uri.relays().iter().map(RelayUrl::as_str).collect();
    let wait = format!("asking the signer at {}; approve it there", met.join(", "));
    let waiting = context.output.moves().then(|| progress::spinner(0));
    match &waiting {
        Some(bar) => bar.set_message(wait),
        None => context.output.talk(&wait),
    }
    let asking = log_in_with_bunker(
        context.env().clone(),
        uri,
        client,
        Patience::default(),
        show_page(context.output),
    );
    let outcome = asking.await;
    if let Some(bar) = waiting {
        bar.finish_and_clear();
    }
    Ok(outcome?)
}

/// A page is worth interrupting anybody for: without it the signer does not answer.
fn show_page(output: Output) -> chat_sync::ShowPage {
    Box::new(move |url| {
        let _ = output.insist(&page_words(url));
    })
}

/// With a QR code that the signer scans.
pub(super) async fn by_scan(context: &Context, relays: &[RelayUrl]) -> Result<Login, Failure> {
    let _ = (context, relays);
    Err(Failure::Failed("not wired".to_owned()))
}
