//! What the engine may do.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};

use super::Answer;
use crate::daemon::state::State;
use crate::exit::Failure;

pub(super) async fn list(state: Data<State>) -> Answer {
    Ok(HttpResponse::Ok().json(state.here()?.engine()?.switches()))
}

/// Turns those that are named: all of them, or none when one is unknown. They stand until the daemon ends.
pub(super) async fn turn(state: Data<State>, body: Json<BTreeMap<String, bool>>) -> Answer {
    let engine = state.here()?.engine()?;
    let mut switches = engine.switches();
    for (name, on) in body.into_inner() {
        if !switches.turn(&name, on) {
            let known = supervision::Switches::NAMES.join(", ");
            return Err(Failure::Usage(format!("there is no switch of that name; there are {known}")).into());
        }
    }
    engine.set_switches(switches);
    Ok(HttpResponse::Ok().json(switches))
}
