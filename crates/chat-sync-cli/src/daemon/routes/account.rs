//! Who is logged in, and the keys of the history.

use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use pns_keys::NONCE_BYTES;

use super::{Answer, blocking};
use crate::daemon::gate::keys_refused;
use crate::daemon::state::State;
use crate::shapes::keys::CardWanted;

pub(super) async fn account(state: Data<State>) -> Answer {
    Ok(HttpResponse::Ok().json(state.here()?.identity().await?))
}

/// Takes up an account that a command logged in while nobody was.
pub(super) async fn open(state: Data<State>) -> Answer {
    state.open_current()?;
    account(state).await
}

pub(super) async fn keyrings(state: Data<State>) -> Answer {
    let here = state.here()?;
    Ok(HttpResponse::Ok().json(blocking(move || here.keys()).await?))
}

/// A card of the history keys, sealed under a key that whoever asks made of a passphrase: the passphrase stays there.
pub(super) async fn card(state: Data<State>, request: HttpRequest, body: Json<CardWanted>) -> Answer {
    if let Some(refused) = keys_refused(request.headers(), state.key_token()) {
        return Ok(refused);
    }
    let (here, entropy) = (state.here()?, &state.env.runtime.entropy);
    let mut nonce = [0; NONCE_BYTES];
    nonce.copy_from_slice(&entropy.draw_32()[..NONCE_BYTES]);
    let card = blocking(move || here.key_card(&body.key()?, nonce)).await?;
    tracing::info!(keyrings = card.keyrings, "a card of the history keys was made");
    Ok(HttpResponse::Ok().json(card))
}
