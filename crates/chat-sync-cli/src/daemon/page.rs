//! The page: files that are compiled in. Nothing of the person is in them.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};

/// Path, content type, and what is there.
const FILES: &[(&str, &str, &[u8])] = &[(
    "/",
    "text/html; charset=utf-8",
    include_bytes!("../../page/index.html"),
)];

pub(super) fn serve_files(config: &mut web::ServiceConfig) {
    for (path, kind, bytes) in FILES {
        let answer = move || async move {
            HttpResponse::Ok()
                .insert_header((CONTENT_TYPE, *kind))
                // A page of an older daemon would not understand this one.
                .insert_header((CACHE_CONTROL, "no-cache"))
                .body(*bytes)
        };
        config.route(path, web::get().to(answer));
    }
}
