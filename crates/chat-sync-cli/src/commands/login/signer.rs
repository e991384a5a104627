//! A login with a remote signer: the key stays there.

use std::io::IsTerminal;

use chat_sync::{
    BunkerUri, ConnectOffer, Login, Patience, RelayUrl, SignerLoginError, log_in_with_bunker,
    log_in_with_offer, new_client_key,
};
use pns_keys::SignerError;

use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Output, qr};
use crate::progress;
use crate::secret_prompt;
use crate::signer_notice::page_words;

/// Where a signer is met when nobody named a relay: the one most signers use, and a second for when it is away.
const MEETING_POINTS: [&str; 2] = ["wss://relay.nsec.app", "wss://nos.lol"];

/// With the address that the signer hands out; `-` asks for it, or reads it from stdin.
pub(super) async fn by_address(context: &Context, address: &str) -> Result<Login, Failure> {
    let typed;
    let address = if address == "-" {
        typed = if std::io::stdin().is_terminal() {
            secret_prompt::ask("Signer's address (bunker://…): ").await?
        } else {
            secret_prompt::read_stdin().await?
        };
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
    outcome.map_err(at_login)
}

/// A page is worth interrupting anybody for: without it the signer does not answer.
fn show_page(output: Output) -> chat_sync::ShowPage {
    Box::new(move |url| {
        let _ = output.insist(&page_words(url));
    })
}

/// With a code that the signer scans.
pub(super) async fn by_scan(context: &Context, relays: &[RelayUrl]) -> Result<Login, Failure> {
    let relays = match relays {
        [] => meeting_points(),
        given => given.to_vec(),
    };
    let offer = ConnectOffer::draw(relays, &**context.entropy())
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let text = offer.to_text();
    // It is for the eyes of whoever holds the signer, not for a pipe; and it is of no use after this login.
    if let Some(code) = qr(&text).filter(|_| std::io::stderr().is_terminal()) {
        context.output.insist(&code)?;
    }
    context.output.insist(&format!(
        "Scan this with your signer, or paste it there: {}",
        text.as_str()
    ))?;
    let waiting = context.output.moves().then(|| progress::spinner(0));
    if let Some(bar) = &waiting {
        bar.set_message("waiting for the signer, five minutes at most");
    }
    let patience = Patience::default();
    let login = log_in_with_offer(context.env().clone(), offer, patience, show_page(context.output)).await;
    if let Some(bar) = waiting {
        bar.finish_and_clear();
    }
    login.map_err(at_login)
}

/// A signer that is away is usually answered with a sync; but nobody is logged in who could sync.
fn at_login(error: SignerLoginError) -> Failure {
    match error {
        SignerLoginError::Signer(SignerError::NoAnswer { signer, waited }) => Failure::Locked(format!(
            "{signer} did not answer in {} s; log in again and approve the request there",
            waited.as_secs()
        )),
        SignerLoginError::Signer(SignerError::Unreachable { signer, reason }) => Failure::Locked(format!(
            "{signer} cannot be reached: {reason}; check the connection and that the signer is running, then log in \
             again"
        )),
        other => other.into(),
    }
}

/// Where a signer is met when nobody named a relay.
pub(crate) fn meeting_points() -> Vec<RelayUrl> {
    MEETING_POINTS.iter().filter_map(|url| url.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_meeting_point_is_an_address() {
        assert_eq!(meeting_points().len(), MEETING_POINTS.len());
    }
    #[test]
    fn who_is_not_logged_in_is_told_to_log_in_and_not_to_sync() {
        let signer = || "the signer at wss://one".to_owned();
        let waited = std::time::Duration::from_secs(65);
        for error in [
            SignerError::NoAnswer {
                signer: signer(),
                waited,
            },
            SignerError::Unreachable {
                signer: signer(),
                reason: "refused".to_owned(),
            },
        ] {
            let failure = at_login(error.into());
            let said = failure.to_string();
            assert!(
                said.contains("log in again") && !said.contains("chat-sync sync"),
                "{said}"
            );
            assert_eq!(failure.code(), 5);
        }
    }
}
