//! Who is let in. A web page in the same browser reaches 127.0.0.1 as well as we do; it knows no token, it cannot hide its
//! origin, and one that made its own name point here (DNS rebinding) says that name in `Host`.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};
use subtle::ConstantTimeEq;

use super::KEYS_HEADER;
use super::page;
use super::refusal::refusal;
use super::state::State;

/// Nothing but what the page itself brings, and nobody around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Why a request goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// It names another host than this one.
    Host,
    /// A page of somebody else sent it.
    Origin,
    /// It does not know the token.
    Token,
    /// It may have everything but keys.
    Keys,
}

/// Lets a request through, or answers it.
pub(super) async fn gate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let guarded = is_guarded(request.path());
    let stop = match request.app_data::<web::Data<State>>() {
        Some(state) => check(request.headers(), request.uri().host(), state.port(), || {
            !guarded || knows_token(request.headers(), state.token())
        }),
        None => Some(Stop::Token),
    };
    let mut response = match stop {
        Some(stop) => request.into_response(answer(stop)),
        None => next.call(request).await?.map_into_boxed_body(),
    };
    let headers = response.headers_mut();
    let mut say = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
    say(CONTENT_SECURITY_POLICY, POLICY);
    say(X_CONTENT_TYPE_OPTIONS, "nosniff");
    say(REFERRER_POLICY, "no-referrer");
    if guarded {
        say(CACHE_CONTROL, "no-store");
    }
    Ok(response)
}

/// What holds anything of the person: everything but the files of the page, by their exact names. The router takes
/// `/%61pi` for `/api`, and this must not depend on how it reads a path.
fn is_guarded(path: &str) -> bool {
    !page::is_file(path)
}

/// The answer to a request for keys that is not to have them, though it was let in.
pub(super) fn keys_refused(headers: &HeaderMap, key_token: &str) -> Option<HttpResponse> {
    (!may_have_keys(headers, key_token)).then(|| answer(Stop::Keys))
}

/// Whether whoever asks can read `daemon.json`, and is no web page: the page has the token, and a script that got into it
/// is to get no further.
fn may_have_keys(headers: &HeaderMap, key_token: &str) -> bool {
    let given = headers.get(KEYS_HEADER).map(HeaderValue::as_bytes);
    let knows = given.is_some_and(|given| given.ct_eq(key_token.as_bytes()).into());
    knows && !key_token.is_empty() && !headers.contains_key(ORIGIN)
}

fn check(
    headers: &HeaderMap,
    target: Option<&str>,
    port: u16,
    knows_token: impl FnOnce() -> bool,
) -> Option<Stop> {
    let mut hosts = headers.get_all(HOST);
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    };
    let Some(host) = host.filter(|host| is_ours(host, port)) else {
        return Some(Stop::Host);
    };
    // A request line may name a host as well, and servers are to believe that one (RFC 9112, 3.2.2).
    if target.is_some_and(|target| !["127.0.0.1", "localhost", "[::1]"].contains(&target)) {
        return Some(Stop::Host);
    }
    let mut origins = headers.get_all(ORIGIN);
    if origins.any(|origin| origin.as_bytes() != format!("http://{host}").as_bytes()) {
        return Some(Stop::Origin);
    }
    (!knows_token()).then_some(Stop::Token)
}

fn is_ours(host: &str, port: u16) -> bool {
    ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|name| host.eq_ignore_ascii_case(&format!("{name}:{port}")))
}

/// How long the comparison takes tells nothing about the token but its length, which is no secret.
fn knows_token(headers: &HeaderMap, token: &str) -> bool {
    let given = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    given.is_some_and(|given| given.ct_eq(token.as_bytes()).into())
}

fn answer(stop: Stop) -> HttpResponse {
    match stop {
        Stop::Host => refusal(
            StatusCode::MISDIRECTED_REQUEST,
            "host",
            1,
            "this is chat-sync on this machine; ask for 127.0.0.1 or localhost with its port",
        ),
        Stop::Origin => refusal(
            StatusCode::FORBIDDEN,
            "origin",
            1,
            "only chat-sync's own page may ask this",
        ),
        Stop::Token => refusal(
            StatusCode::UNAUTHORIZED,
            "token",
            1,
            "the token is missing or wrong; `chat-sync ui` opens the page with it",
        ),
        Stop::Keys => refusal(
            StatusCode::FORBIDDEN,
            "keys",
            1,
            "keys are handed out to programs that send `key_token` of daemon.json, and to no page; `chat-sync key backup` \
             does",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: u16 = 7447;

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn stop(lines: &[(HeaderName, &str)]) -> Option<Stop> {
        check(&headers(lines), None, PORT, || true)
    }

    #[test]
    fn only_the_names_of_this_machine_are_answered() {
        for host in ["127.0.0.1:7447", "localhost:7447", "LOCALHOST:7447", "[::1]:7447"] {
            assert_eq!(stop(&[(HOST, host)]), None, "{host}");
        }
        for host in [
            "evil.example:7447",
            "evil.example",
            "127.0.0.1",
            "127.0.0.1:7448",
            "127.0.0.1.evil.example:7447",
            "localhost:7447.evil.example",
            "",
        ] {
            assert_eq!(stop(&[(HOST, host)]), Some(Stop::Host), "{host}");
        }
        assert_eq!(stop(&[]), Some(Stop::Host));
        let two = [(HOST, "127.0.0.1:7447"), (HOST, "evil.example:7447")];
        assert_eq!(stop(&two), Some(Stop::Host));
        let one = headers(&two[..1]);
        assert_eq!(check(&one, Some("evil.example"), PORT, || true), Some(Stop::Host));
    }

    #[test]
    fn a_page_of_another_origin_is_turned_away_whatever_it_knows() {
        let from = |origin| stop(&[(HOST, "localhost:7447"), (ORIGIN, origin)]);
        assert_eq!(from("http://localhost:7447"), None);
        for origin in [
            "http://127.0.0.1:7447",
            "https://localhost:7447",
            "http://localhost:7448",
            "http://evil.example",
            "null",
            "",
        ] {
            assert_eq!(from(origin), Some(Stop::Origin), "{origin}");
        }
    }

    #[test]
    fn the_token_is_needed_whole_and_exact() {
        let token = "ab".repeat(32);
        let knows = |value: &str| knows_token(&headers(&[(AUTHORIZATION, value)]), &token);
        assert!(knows(&format!("Bearer {token}")));
        for wrong in [
            String::new(),
            token.clone(),
            "Bearer ".to_owned(),
            format!("Bearer {}", &token[1..]),
            format!("Bearer {token}0"),
            format!("Bearer {}", "cd".repeat(32)),
            format!("Basic {token}"),
        ] {
            assert!(!knows(&wrong), "{wrong}");
        }
        assert!(!knows_token(&HeaderMap::new(), &token));
    }

    #[test]
    fn keys_are_for_programs_that_read_the_record_and_for_no_page() {
        let (token, keys) = ("ab".repeat(32), HeaderName::from_static(KEYS_HEADER));
        let may = |lines: &[(HeaderName, &str)], token: &str| may_have_keys(&headers(lines), token);
        assert!(may(&[(keys.clone(), &token)], &token));
        assert!(!may(&[], &token));
        assert!(!may(&[(keys.clone(), &token[1..])], &token));
        assert!(!may(&[(keys.clone(), "")], ""), "a record of an older version");
        let page = [(keys, token.as_str()), (ORIGIN, "http://127.0.0.1:7447")];
        assert!(!may(&page, &token), "whatever a page knows");
    }

    #[test]
    fn everything_of_a_person_is_guarded() {
        for path in [
            "/api/v1/status",
            "/api",
            "/api/v2/x",
            "/metrics",
            "/%61pi/v1/status",
            "/%6Detrics",
            "//api/v1/status",
            "/app.js/../api/v1/status",
            "/app.js/",
            "",
        ] {
            assert!(is_guarded(path), "{path}");
        }
        for path in ["/", "/app.js", "/icon.svg"] {
            assert!(!is_guarded(path), "{path}");
        }
    }
}
