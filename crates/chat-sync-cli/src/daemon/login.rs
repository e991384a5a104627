//! Logging in over the page, while nobody is logged in.

use std::sync::{Arc, PoisonError};

use actix_web::web::Data;
use chat_sync::{
    ConnectOffer, DataDirError, Extension, Login, Patience, RelayUrl, SignerLoginError, log_in_with_offer,
};
use nostr::key::PublicKey;
use serde_json::json;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::hub::Event;
use super::pump;
use super::state::State;
use crate::exit::Failure;

/// A login that is under way, if one is.
#[derive(Default)]
pub(super) struct Pending {
    task: Option<JoinHandle<()>>,
    /// Whose key the page is asked about.
    pub(super) extension: Option<Extension>,
}

impl Pending {
    /// Gives it up: there is one login at a time, and the newest is meant.
    pub(super) fn end(&mut self) {
        self.extension = None;
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// Offers this device to a remote signer. Returns the address to show; the login goes on by itself.
pub(super) fn by_offer(
    state: &Data<State>,
    meeting: Vec<RelayUrl>,
    relays: Vec<RelayUrl>,
) -> Result<Zeroizing<String>, Failure> {
    nobody_is_here(state)?;
    let offer = ConnectOffer::draw(meeting, &*state.env.runtime.entropy)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let text = Zeroizing::new(offer.to_text().as_str().to_owned());
    let (env, hub) = (state.env.clone(), Arc::clone(&state.hub));
    let show = Box::new(move |page: &str| {
        let why = format!("the signer wants this page opened: {page}");
        hub.push(Event::Login(
            json!({ "state": "waiting", "page": page, "why": why }).to_string(),
        ));
    });
    let asking = async move { log_in_with_offer(env, offer, Patience::default(), show).await };
    begin(state, None, asking, relays);
    Ok(text)
}

/// Has an extension in the browser log in; the page is asked whether it encrypts as it must.
pub(super) fn by_extension(
    state: &Data<State>,
    account: PublicKey,
    relays: Vec<RelayUrl>,
) -> Result<(), Failure> {
    nobody_is_here(state)?;
    let extension = Extension::new(account, Arc::clone(&state.env.runtime.entropy));
    let trying = extension.clone();
    let asking = async move {
        trying.try_out().await?;
        Ok(Login::with_extension(account))
    };
    begin(state, Some(extension), asking, relays);
    Ok(())
}

fn begin(
    state: &Data<State>,
    extension: Option<Extension>,
    asking: impl Future<Output = Result<Login, SignerLoginError>> + Send + 'static,
    relays: Vec<RelayUrl>,
) {
    let mut pending = state.login.lock().unwrap_or_else(PoisonError::into_inner);
    pending.end();
    pending.extension.clone_from(&extension);
    let (carried, told) = (state.clone(), extension);
    let login = async move {
        let questions = told
            .as_ref()
            .map(|extension| pump::questions(extension, &carried.hub));
        // Pages that listen already learn that there is something to sign with.
        let pages = told.as_ref().map(Extension::open_page);
        carried.hub.push(Event::Signer);
        let logged_in = match asking.await {
            Ok(login) => keep(&carried, &login, &relays),
            Err(error) => Err(error.into()),
        };
        drop(pages);
        if let Some(questions) = questions {
            questions.abort();
        }
        let line = match &logged_in {
            Ok(()) => json!({ "state": "done" }),
            Err(failure) => json!({ "state": "failed", "why": failure.line() }),
        };
        carried.hub.push(Event::Login(line.to_string()));
        // The extension of the account takes the place of that of the login.
        let mut pending = carried.login.lock().unwrap_or_else(PoisonError::into_inner);
        pending.extension = None;
        drop(pending);
        carried.hub.push(Event::Signer);
    };
    pending.task = Some(tokio::spawn(login));
    state
        .hub
        .push(Event::Login(json!({ "state": "waiting" }).to_string()));
}

fn keep(state: &State, login: &Login, relays: &[RelayUrl]) -> Result<(), Failure> {
    let account = state.data_dir.login(login, relays, &state.env.runtime.entropy)?;
    state.open(account)
}

fn nobody_is_here(state: &State) -> Result<(), Failure> {
    match state.here() {
        Err(Failure::Account(DataDirError::NotLoggedIn)) => Ok(()),
        // It comes back in a moment.
        Err(resting) => Err(resting),
        Ok(here) => Err(Failure::InUse(format!(
            "{} is logged in; run `chat-sync daemon stop` and `chat-sync logout` before another account logs in here",
            chat_sync::npub(&here.account.public_key)
        ))),
    }
}
