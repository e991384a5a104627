//! What the engine may do.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Query};
use serde::Deserialize;
use serde_json::Value;

use super::{Answer, blocking};
use crate::daemon::state::State;
use crate::exit::Failure;
use crate::settings::Turn;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Turning {
    /// Until the daemon ends, and not in the configuration file.
    for_now: bool,
}

pub(super) async fn list(state: Data<State>) -> Answer {
    Ok(HttpResponse::Ok().json(state.here()?.engine()?.switches()))
}

/// Turns those that are named: all of them, or none when one is unknown or they cannot be kept.
pub(super) async fn turn(
    state: Data<State>,
    body: Json<BTreeMap<String, Value>>,
    query: Query<Turning>,
) -> Answer {
    let engine = state.here()?.engine()?;
    let named = body.into_inner();
    let turns: Result<Vec<Turn>, String> = named
        .iter()
        .map(|(name, value)| Turn::json(name, value))
        .collect();
    let (turns, keep) = (turns.map_err(Failure::Usage)?, !query.for_now);
    let kept = state.clone();
    let switches = blocking(move || kept.switches.turn(&turns, keep)).await?;
    engine.set_switches(switches);
    Ok(HttpResponse::Ok().json(switches))
}
