//! The daemon itself, the status, comparisons.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Query};
use serde::Deserialize;
use serde_json::json;
use status::metrics_text;

use super::Answer;
use crate::daemon::state::State;
use crate::exit::Failure;
use crate::service::Comparing;
use crate::shapes;

/// Whether everything behind the shape is wanted, by a program of the same version.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Whole {
    pub(super) whole: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are what the command line takes"
)]
pub(super) struct Compared {
    whole: bool,
    dry_run: bool,
    up: bool,
    down: bool,
    full: bool,
}

pub(super) async fn daemon(state: Data<State>) -> Answer {
    let record = state.record();
    Ok(HttpResponse::Ok().json(json!({
        "pid": record.pid,
        "port": record.port,
        "version": record.version,
        "started_at": record.started_at,
    })))
}

pub(super) async fn shutdown(state: Data<State>) -> Answer {
    state.stop();
    Ok(HttpResponse::Accepted().json(json!({ "stopping": true })))
}

pub(super) async fn status(state: Data<State>, query: Query<Whole>) -> Answer {
    let known = state.here()?.status().await?;
    Ok(if query.whole {
        HttpResponse::Ok().json(&known)
    } else {
        HttpResponse::Ok().json(known.shape())
    })
}

pub(super) async fn sync(state: Data<State>, body: Json<Compared>) -> Answer {
    let Compared {
        whole: _,
        dry_run,
        up,
        down,
        full,
    } = *body;
    if up && (down || dry_run) || down && dry_run {
        return Err(Failure::Usage("of `dry_run`, `up` and `down` one is meant".to_owned()).into());
    }
    let comparing = Comparing {
        dry_run,
        up,
        down,
        full,
    };
    let report = state.here()?.sync(comparing).await?;
    Ok(if body.whole {
        HttpResponse::Ok().json(&report)
    } else {
        HttpResponse::Ok().json(shapes::Sync::from(&report))
    })
}

/// The status as Prometheus reads it.
pub(super) async fn metrics(state: Data<State>) -> Answer {
    let status = state.here()?.engine()?.status();
    Ok(HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4")
        .body(metrics_text(&status)))
}
