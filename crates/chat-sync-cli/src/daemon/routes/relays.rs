//! The account's relays.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Query};
use chat_sync::RelayUrl;
use serde::Deserialize;

use super::machine::Whole;
use super::{Answer, blocking};
use crate::daemon::state::State;
use crate::exit::Failure;
use crate::shapes::relays::{KnownShape, KnownShapes, TestShape, TestShapes};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Named {
    url: Option<RelayUrl>,
    urls: Vec<RelayUrl>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Removed {
    /// One address, or several with a blank between them.
    url: String,
    #[serde(default)]
    force: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Followed {
    on: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tested {
    urls: Vec<RelayUrl>,
    whole: bool,
}

pub(super) async fn list(state: Data<State>, query: Query<Whole>) -> Answer {
    let here = state.here()?;
    let known = blocking(move || here.known_relays()).await?;
    if query.whole {
        return Ok(HttpResponse::Ok().json(&known));
    }
    let now = state.env.runtime.clock.unix();
    let relays = known.iter().map(|relay| KnownShape::new(relay, now)).collect();
    Ok(HttpResponse::Ok().json(KnownShapes { relays }))
}

pub(super) async fn add(state: Data<State>, body: Json<Named>) -> Answer {
    let Named { url, mut urls } = body.into_inner();
    urls.extend(url);
    if urls.is_empty() {
        return Err(Failure::Usage("say which relay: `url`".to_owned()).into());
    }
    Ok(HttpResponse::Ok().json(state.here()?.add_relays(&urls).await?))
}

pub(super) async fn remove(state: Data<State>, query: Query<Removed>) -> Answer {
    let urls: Result<Vec<RelayUrl>, _> = query.url.split_whitespace().map(str::parse).collect();
    let urls = urls.map_err(|error| Failure::Usage(format!("`url`: {error}")))?;
    if urls.is_empty() {
        return Err(Failure::Usage("say which relay: `url`".to_owned()).into());
    }
    let here = state.here()?;
    Ok(HttpResponse::Ok().json(here.remove_relays(&urls, query.force).await?))
}

/// Follows the account's own relay list, or no longer.
pub(super) async fn follow(state: Data<State>, body: Json<Followed>) -> Answer {
    Ok(HttpResponse::Ok().json(state.here()?.follow_relay_list(body.on).await?))
}

pub(super) async fn test(state: Data<State>, body: Json<Tested>) -> Answer {
    let tests = state.here()?.test_relays(&body.urls).await?;
    if body.whole {
        return Ok(HttpResponse::Ok().json(&tests));
    }
    let now = state.env.runtime.clock.unix();
    let relays = tests.iter().map(|test| TestShape::new(test, now)).collect();
    Ok(HttpResponse::Ok().json(TestShapes { relays }))
}
