//! Who is logged in.

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::Answer;
use crate::daemon::state::State;

pub(super) async fn account(state: Data<State>) -> Answer {
    Ok(HttpResponse::Ok().json(state.here()?.identity().await?))
}

/// Takes up an account that a command logged in while nobody was.
pub(super) async fn open(state: Data<State>) -> Answer {
    state.open_current()?;
    account(state).await
}

pub(super) async fn keyrings(state: Data<State>) -> Answer {
    Ok(HttpResponse::Ok().json(state.here()?.keys()?))
}
