//! Logging in with a remote signer: before there is an account, there is no engine to ask it through.

use std::sync::Arc;

use actix::prelude::*;
use nostr::prelude::PublicKey;
use pns_keys::SignerError;
use relay_link::{RelayLink, RelayLinkActor};
use remote_signer::{AuthUrl, Bunker, BunkerParts, BunkerUri, ClientKey, Patience};
use supervision::{Lifeline, Outlet, Role};
use tokio::sync::oneshot;

use crate::{Env, Login};

/// Shows a person the page that a signer wants opened.
pub type ShowPage = Box<dyn FnMut(&str) + Send>;

/// Connects to the signer at `uri` as `client` and asks for its account. Returns the login to hand to
/// [`DataDir::login`](crate::DataDir::login); nothing is kept before that.
///
/// Takes as long as the signer: each of its two requests has `patience` (65 s, asked twice; five minutes once a page
/// was shown). Runs on a thread of its own, so any async runtime may wait for it; dropping the future ends it.
pub async fn log_in_with_bunker(
    env: Env,
    uri: BunkerUri,
    client: ClientKey,
    patience: Patience,
    show: ShowPage,
) -> Result<Login, SignerError> {
    on_a_thread(move || async move {
        let bunker = Bunker::new(false);
        introduce(&env, &bunker, uri, client, patience, show).await
    })
    .await
}

/// Starts `bunker` and its connections, and learns whose signer it is.
async fn introduce(
    env: &Env,
    bunker: &Bunker,
    uri: BunkerUri,
    client: ClientKey,
    patience: Patience,
    show: ShowPage,
) -> Result<Login, SignerError> {
    let page: Outlet<AuthUrl> = Outlet::empty();
    page.fill(Pages { show }.start().recipient());
    let parts = BunkerParts {
        uri: uri.clone(),
        client: client.clone(),
        auth_urls: vec![page],
        patience,
    };
    bunker.start(env.runtime.clone(), Lifeline::unwatched(Role::Signer), parts);
    let mut links = Vec::new();
    for relay in uri.relays() {
        let link = RelayLink::new(relay.clone());
        let lifeline = Lifeline::unwatched(Role::SignerLink(relay.to_string()));
        let watchers = vec![bunker.links.clone()];
        RelayLinkActor::new(
            env.runtime.clone(),
            lifeline,
            &link,
            Arc::clone(&env.dial),
            watchers,
        )
        .start();
        links.push(link);
    }
    let account: PublicKey = {
        use pns_keys::Signer;
        bunker.log_in().await?.public_key()
    };
    let moved: Option<Vec<relay_link::RelayUrl>> = None;
    let uri = match moved {
        // An address is never kept without a relay.
        Some(relays) => BunkerUri::new(uri.remote(), relays, None).unwrap_or(uri),
        None => uri,
    };
    for link in links {
        let _ = link.close();
    }
    Ok(Login::with_remote(account, &uri, client))
}

/// Runs `work` on an actix system of its own.
async fn on_a_thread<T, F>(work: impl FnOnce() -> F + Send + 'static) -> Result<T, SignerError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, SignerError>>,
{
    let stopped = || SignerError::Unreachable {
        signer: "the signer".to_owned(),
        reason: "the part of this program that speaks with it has stopped".to_owned(),
    };
    let (answer, mut answered) = oneshot::channel();
    let run = move || {
        System::new().block_on(async move {
            let mut answer = answer;
            let outcome = {
                let work = std::pin::pin!(work());
                let gone = std::pin::pin!(answer.closed());
                match futures_util::future::select(work, gone).await {
                    futures_util::future::Either::Left((outcome, _)) => Some(outcome),
                    // Nobody waits any more.
                    futures_util::future::Either::Right(_) => None,
                }
            };
            if let Some(outcome) = outcome {
                let _ = answer.send(outcome);
            }
        });
    };
    std::thread::Builder::new()
        .name("signer-login".to_owned())
        .spawn(run)
        .map_err(|_| stopped())?;
    (&mut answered).await.unwrap_or_else(|_| Err(stopped()))
}

/// Hands pages to whoever shows them.
struct Pages {
    show: ShowPage,
}

impl Actor for Pages {
    type Context = Context<Self>;
}

impl Handler<AuthUrl> for Pages {
    type Result = ();

    fn handle(&mut self, AuthUrl { url, .. }: AuthUrl, _: &mut Self::Context) {
        (self.show)(&url);
    }
}
