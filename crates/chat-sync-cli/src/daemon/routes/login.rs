//! Logging in over the page, and what its extension answers.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use chat_sync::RelayUrl;
use nostr::key::PublicKey;
use qrcode::QrCode;
use qrcode::render::svg;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use crate::commands::meeting_points;
use crate::daemon::login::{by_extension, by_offer};
use crate::daemon::refusal::Refused;
use crate::daemon::state::State;
use crate::exit::Failure;

/// Pixels of the drawing; it is scaled anyhow.
const SIDE_MIN: u32 = 256;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Offer {
    /// Where the signer is met.
    relay: Option<RelayUrl>,
    /// Where the history is kept.
    relays: Vec<RelayUrl>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Browser {
    pubkey: String,
    #[serde(default)]
    relays: Vec<RelayUrl>,
}

/// It has no `Debug`: a keyring's secret may be in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answered {
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    error: Option<String>,
}

pub(super) async fn qr(state: Data<State>, body: Json<Offer>) -> Answer {
    let Offer { relay, relays } = body.into_inner();
    let meeting = relay.map_or_else(meeting_points, |relay| vec![relay]);
    let uri = by_offer(&state, meeting, relays)?;
    let code = QrCode::new(uri.as_bytes())
        .map_err(|error| Failure::Failed(format!("the offer has no code: {error}")))?;
    let drawn = code
        .render::<svg::Color>()
        .min_dimensions(SIDE_MIN, SIDE_MIN)
        .build();
    Ok(HttpResponse::Ok().json(json!({ "uri": uri.as_str(), "svg": drawn })))
}

pub(super) async fn extension(state: Data<State>, body: Json<Browser>) -> Answer {
    let Browser { pubkey, relays } = body.into_inner();
    let account = PublicKey::from_hex(&pubkey)
        .map_err(|_| Failure::Usage("`pubkey` is 64 hexadecimal digits".to_owned()))?;
    by_extension(&state, account, relays)?;
    Ok(HttpResponse::Accepted().json(json!({ "state": "waiting" })))
}

pub(super) async fn answer(state: Data<State>, id: Path<String>, body: Json<Answered>) -> Answer {
    let answer = match body.into_inner() {
        Answered {
            error: Some(error), ..
        } => Err(error),
        Answered {
            result: Some(result), ..
        } => Ok(result),
        Answered { .. } => {
            return Err(Failure::Usage("there is neither `result` nor `error`".to_owned()).into());
        }
    };
    let taken = state
        .extension()
        .is_some_and(|extension| extension.answer(&id, answer));
    if taken {
        return Ok(HttpResponse::NoContent().finish());
    }
    Err(Refused(Failure::Gone(
        "nobody waits for this answer any more".to_owned(),
    )))
}
