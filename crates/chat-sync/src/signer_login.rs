//! Logging in with a remote signer: before there is an account, there is no engine to ask it through.

use std::sync::Arc;

use actix::prelude::*;
use futures_util::future::{Either, select};
use pns_keys::{Signer, SignerError};
use relay_link::{LinkChanged, RelayLink, RelayLinkActor, RelayUrl};
use remote_signer::{
    AuthUrl, Bunker, BunkerParts, BunkerUri, ClientKey, ConnectOffer, OfferError, Patience, Reception,
};
use supervision::{Lifeline, Outlet, Role};
use tokio::sync::oneshot;

use crate::{Env, Login};

/// Shows a person the page that a signer wants opened.
pub type ShowPage = Box<dyn FnMut(&str) + Send>;

/// Why a login with a remote signer did not come about. Nothing was kept.
#[derive(Debug, thiserror::Error)]
pub enum SignerLoginError {
    /// The signer did not do its part.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// No signer took up what was shown.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// The thread that speaks with the signer could not be started, or died.
    #[error("the part of this program that speaks with the signer is not running; log in again")]
    NotRunning,
}

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
) -> Result<Login, SignerLoginError> {
    on_a_thread(move || async move {
        let bunker = Bunker::new(false);
        introduce(&env, &bunker, uri, client, patience, show).await
    })
    .await
}

/// Waits for a signer that takes up `offer`, which a person was shown as text or code, and asks it for its account; see
/// [`log_in_with_bunker`]. The offer stands for [`Patience::page`], five minutes by default.
pub async fn log_in_with_offer(
    env: Env,
    offer: ConnectOffer,
    patience: Patience,
    show: ShowPage,
) -> Result<Login, SignerLoginError> {
    on_a_thread(move || async move {
        let client = offer.client().clone();
        let reception = Reception::new(offer.clone(), patience);
        reception.start(env.runtime.clone(), Lifeline::unwatched(Role::Signer));
        let links = connect(&env, offer.relays(), &reception.links);
        let uri = reception.signer().await;
        hang_up(links);
        let bunker = Bunker::new(true);
        introduce(&env, &bunker, uri?, client, patience, show).await
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
) -> Result<Login, SignerLoginError> {
    let page: Outlet<AuthUrl> = Outlet::empty();
    page.fill(Pages { show }.start().recipient());
    let parts = BunkerParts {
        uri: uri.clone(),
        client: client.clone(),
        auth_urls: vec![page],
        patience,
    };
    bunker.start(env.runtime.clone(), Lifeline::unwatched(Role::Signer), parts);
    let links = connect(env, uri.relays(), &bunker.links);
    let account = bunker.log_in().await?.public_key();
    let uri = match bunker.switch_relays().await {
        // An address is never kept without a relay.
        Ok(Some(relays)) => BunkerUri::new(uri.remote(), relays, None).unwrap_or(uri),
        // It answered where it was asked, so there it can be reached.
        Ok(None) | Err(_) => uri,
    };
    hang_up(links);
    Ok(Login::with_remote(account, &uri, client))
}

fn connect(env: &Env, relays: &[RelayUrl], watcher: &Outlet<LinkChanged>) -> Vec<RelayLink> {
    let connect = |relay: &RelayUrl| {
        let link = RelayLink::new(relay.clone());
        let lifeline = Lifeline::unwatched(Role::SignerLink(relay.to_string()));
        let (dial, watchers) = (Arc::clone(&env.dial), vec![watcher.clone()]);
        RelayLinkActor::new(env.runtime.clone(), lifeline, &link, dial, watchers).start();
        link
    };
    relays.iter().map(connect).collect()
}

fn hang_up(links: Vec<RelayLink>) {
    for link in links {
        // One that has ended already is hung up.
        let _ = link.close();
    }
}

/// Runs `work` on an actix system of its own, until it is done or nobody waits for it.
async fn on_a_thread<T, F>(work: impl FnOnce() -> F + Send + 'static) -> Result<T, SignerLoginError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, SignerLoginError>>,
{
    let (mut answer, answered) = oneshot::channel();
    let run = move || {
        System::new().block_on(async move {
            let outcome = {
                let (work, gone) = (std::pin::pin!(work()), std::pin::pin!(answer.closed()));
                match select(work, gone).await {
                    Either::Left((outcome, _)) => outcome,
                    Either::Right(_) => return,
                }
            };
            // Whoever asked may have gone at this very moment.
            let _ = answer.send(outcome);
        });
    };
    std::thread::Builder::new()
        .name("signer-login".to_owned())
        .spawn(run)
        .map_err(|_| SignerLoginError::NotRunning)?;
    answered.await.unwrap_or(Err(SignerLoginError::NotRunning))
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
