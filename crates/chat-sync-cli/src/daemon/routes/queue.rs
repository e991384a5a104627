//! What is still to reach relays.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Query};
use chat_sync::RelayUrl;
use serde::Deserialize;

use super::{Answer, blocking};
use crate::daemon::state::State;
use crate::exit::Failure;
use crate::service::Chosen;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Listed {
    all: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Retry {
    id: Option<String>,
    relay: Option<RelayUrl>,
    relays: Vec<RelayUrl>,
    all: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct GiveUp {
    id: Option<String>,
    relay: Option<RelayUrl>,
    relays: Vec<RelayUrl>,
    force: bool,
    dry_run: bool,
}

fn chosen(id: Option<String>, relay: Option<RelayUrl>, mut relays: Vec<RelayUrl>) -> Chosen {
    relays.extend(relay);
    Chosen { id, relays }
}

pub(super) async fn list(state: Data<State>, query: Query<Listed>) -> Answer {
    let (here, all) = (state.here()?, query.all);
    Ok(HttpResponse::Ok().json(blocking(move || here.queue(all)).await?))
}

pub(super) async fn retry(state: Data<State>, body: Json<Retry>) -> Answer {
    let Retry {
        id,
        relay,
        relays,
        all,
    } = body.into_inner();
    let chosen = chosen(id, relay, relays);
    if chosen.id.is_none() && chosen.relays.is_empty() && !all {
        return Err(Failure::Usage("say what to retry: `id`, `relay`, or `all`".to_owned()).into());
    }
    let here = state.here()?;
    let looked = Arc::clone(&here);
    let retried = blocking(move || looked.retry(&chosen)).await?;
    here.engine()?.look_at_queue().await;
    Ok(HttpResponse::Ok().json(retried))
}

pub(super) async fn give_up(state: Data<State>, body: Json<GiveUp>) -> Answer {
    let GiveUp {
        id,
        relay,
        relays,
        force,
        dry_run,
    } = body.into_inner();
    let chosen = chosen(id, relay, relays);
    if chosen.id.is_none() && chosen.relays.is_empty() {
        return Err(Failure::Usage("say what to give up: `id` or `relay`".to_owned()).into());
    }
    let here = state.here()?;
    if dry_run {
        return Ok(HttpResponse::Ok().json(blocking(move || here.give_up_preview(&chosen)).await?));
    }
    let looked = Arc::clone(&here);
    let dropped = blocking(move || looked.give_up(&chosen, force)).await?;
    here.engine()?.look_at_queue().await;
    Ok(HttpResponse::Ok().json(dropped))
}
