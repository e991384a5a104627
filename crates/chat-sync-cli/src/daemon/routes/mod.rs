//! Every path and method of the API. The handlers only pass on; docs/API.md says what they answer.

mod account;
mod conversations;
mod import;
mod login;
mod machine;
mod queue;
mod relays;
mod store;
mod switches;

use actix_web::http::StatusCode;
use actix_web::web::{JsonConfig, PathConfig, PayloadConfig, QueryConfig, ServiceConfig};
use actix_web::{HttpResponse, Route, web};

use super::events::events;
use super::openapi::describe;
use super::refusal::{Refused, refusal};
use super::{API, CARD_PATH};
use crate::exit::Failure;
use crate::service::blocking;

/// Of a request: far more than the longest message.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What a handler answers.
type Answer = Result<HttpResponse, Refused>;

/// Method, path under [`API`], and who answers.
fn table() -> Vec<(&'static str, &'static str, Route)> {
    vec![
        ("GET", "/openapi.json", web::get().to(describe)),
        ("GET", "/daemon", web::get().to(machine::daemon)),
        ("POST", "/shutdown", web::post().to(machine::shutdown)),
        ("GET", "/status", web::get().to(machine::status)),
        ("GET", "/events", web::get().to(events)),
        ("POST", "/sync", web::post().to(machine::sync)),
        ("GET", "/relays", web::get().to(relays::list)),
        ("POST", "/relays", web::post().to(relays::add)),
        ("DELETE", "/relays", web::delete().to(relays::remove)),
        ("POST", "/relays/test", web::post().to(relays::test)),
        ("POST", "/relays/follow", web::post().to(relays::follow)),
        ("GET", "/switches", web::get().to(switches::list)),
        ("PATCH", "/switches", web::patch().to(switches::turn)),
        ("GET", "/keyrings", web::get().to(account::keyrings)),
        ("POST", CARD_PATH, web::post().to(account::card)),
        ("GET", "/account", web::get().to(account::account)),
        ("POST", "/account", web::post().to(account::open)),
        ("POST", "/login/qr", web::post().to(login::qr)),
        ("POST", "/login/extension", web::post().to(login::extension)),
        ("POST", "/signer/{request}", web::post().to(login::answer)),
        ("GET", "/conversations", web::get().to(conversations::list)),
        (
            "GET",
            "/conversations/{selector}",
            web::get().to(conversations::show),
        ),
        (
            "DELETE",
            "/conversations/{selector}",
            web::delete().to(conversations::delete),
        ),
        (
            "POST",
            "/conversations/{selector}/messages",
            web::post().to(conversations::send),
        ),
        (
            "GET",
            "/messages/{id}/receipts",
            web::get().to(conversations::receipts),
        ),
        (
            "POST",
            "/conversations/{selector}/pick",
            web::post().to(conversations::pick),
        ),
        (
            "POST",
            "/conversations/{selector}/read",
            web::post().to(conversations::read),
        ),
        (
            "PUT",
            "/conversations/{selector}/active",
            web::put().to(conversations::look),
        ),
        (
            "DELETE",
            "/conversations/{selector}/active",
            web::delete().to(conversations::look_away),
        ),
        ("POST", "/import", web::post().to(import::import)),
        ("GET", "/store", web::get().to(store::stats)),
        ("GET", "/store/verify", web::get().to(store::verify)),
        ("POST", "/store/compact", web::post().to(store::compact)),
        ("POST", "/store/rebuild", web::post().to(store::rebuild)),
        ("GET", "/search", web::get().to(conversations::search)),
        ("GET", "/queue", web::get().to(queue::list)),
        ("POST", "/queue/retry", web::post().to(queue::retry)),
        ("POST", "/queue/drop", web::post().to(queue::give_up)),
    ]
}

/// Method and path of everything that is served.
#[cfg(test)]
pub(super) fn served() -> impl Iterator<Item = (&'static str, &'static str)> {
    table().into_iter().map(|(method, path, _)| (method, path))
}

pub(super) fn serve_api(config: &mut ServiceConfig) {
    for (_, path, route) in table() {
        config.route(&format!("{API}{path}"), route);
    }
}

/// What a request may be, and how one that is more is answered.
pub(super) fn limits(config: &mut ServiceConfig) {
    let said = |error: &dyn std::fmt::Display| Refused(Failure::Usage(error.to_string()));
    config
        .app_data(PayloadConfig::new(BODY_BYTES_MAX))
        .app_data(
            JsonConfig::default()
                .limit(BODY_BYTES_MAX)
                .error_handler(move |error, _| said(&error).into()),
        )
        .app_data(QueryConfig::default().error_handler(move |error, _| said(&error).into()))
        .app_data(PathConfig::default().error_handler(move |error, _| said(&error).into()));
}

/// Outside the API, where Prometheus looks for it.
pub(super) fn serve_metrics(config: &mut ServiceConfig) {
    config.route("/metrics", web::get().to(machine::metrics));
}

/// For paths that lead nowhere.
pub(super) async fn nothing() -> HttpResponse {
    refusal(
        StatusCode::NOT_FOUND,
        "not-found",
        1,
        "there is nothing here; docs/API.md lists every path",
    )
}
