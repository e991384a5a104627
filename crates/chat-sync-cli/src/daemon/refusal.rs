//! What the API says when it does not do what it was asked: a sentence, a word for programs, and the exit code that a
//! command would end with.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use chat_model::FindError;
use chat_sync::{DataDirError, EngineError};
use serde_json::json;

use crate::exit::Failure;

/// A refusal on its way out.
#[derive(Debug)]
pub(super) struct Refused(pub(super) Failure);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: Into<Failure>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        kind(&self.0).0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, code) = kind(&self.0);
        let text = self.0.line().unwrap_or_else(|| self.0.to_string());
        refusal(status, code, self.0.code(), &text)
    }
}

/// The answer itself.
pub(super) fn refusal(status: StatusCode, code: &str, exit: u8, text: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({ "error": text, "code": code, "exit": exit }))
}

/// The HTTP status, and the word.
fn kind(failure: &Failure) -> (StatusCode, &'static str) {
    match failure {
        Failure::Gone(_)
        | Failure::Engine(EngineError::Find(FindError::NotFound) | EngineError::NoSuchParent(_)) => {
            (StatusCode::NOT_FOUND, "not-found")
        }
        Failure::Engine(EngineError::Find(FindError::Ambiguous { .. })) => {
            (StatusCode::CONFLICT, "ambiguous")
        }
        Failure::Engine(EngineError::TooLong(_)) => (StatusCode::PAYLOAD_TOO_LARGE, "too-long"),
        Failure::Account(DataDirError::NotLoggedIn) => (StatusCode::NOT_FOUND, "not-logged-in"),
        _ => match failure.code() {
            2 => (StatusCode::BAD_REQUEST, "usage"),
            3 => (StatusCode::CONFLICT, "partly"),
            4 => (StatusCode::SERVICE_UNAVAILABLE, "offline"),
            5 => (StatusCode::LOCKED, "locked"),
            10 => (StatusCode::CONFLICT, "not-logged-in"),
            11 => (StatusCode::CONFLICT, "in-use"),
            12 => (StatusCode::CONFLICT, "wrong-key"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        },
    }
}
