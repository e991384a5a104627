//! A page of somebody else in the same browser: it reads nothing, and changes nothing.

use serde_json::json;

use super::api::{Answer, Api, daemon};
use super::schema::described;
use crate::program::Home;
use crate::{NOBODY, SECRET};

/// Every method and path with these headers, and a body that would do something.
fn everything(api: &Api, headers: &[(&str, &str)]) -> Vec<Answer> {
    let body = json!({ "text": "from a stranger", "all": true, "url": "ws://stranger.example" }).to_string();
    let mut headers = headers.to_vec();
    headers.push(("Content-Type", "application/json"));
    let mut paths = described();
    paths.push(("GET".to_owned(), "/metrics".to_owned()));
    // The same in a spelling that a router may take for the same.
    let spelled = |(method, path): &(String, String)| {
        let path = path.replacen("/a", "/%61", 1).replacen("/m", "/%6D", 1);
        (method.clone(), path)
    };
    let spelled: Vec<_> = paths.iter().map(spelled).collect();
    paths.extend(spelled);
    paths
        .iter()
        .map(|(method, path)| api.raw(method, path, &headers, &body))
        .collect()
}

#[test]
fn a_foreign_page_reads_and_changes_nothing() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let (running, api) = daemon(&home);
    home.run(&["chats", "send", "talk", "a secret word"]).succeeded();
    let before = [api.get("/conversations/talk"), api.get("/queue?all=true")];

    let (host, bearer) = (api.host(), api.bearer());
    let (host, bearer) = (("Host", host.as_str()), ("Authorization", bearer.as_str()));
    let wrong = format!("Bearer {}", "0".repeat(64));
    let rebound = format!("evil.example:{}", api.port);
    for (headers, status) in [
        // Whoever does not know the token.
        (vec![host], 401),
        (vec![host, ("Authorization", wrong.as_str())], 401),
        (vec![host, ("Authorization", &api.token)], 401),
        // A page elsewhere, even if it did.
        (vec![host, bearer, ("Origin", "https://evil.example")], 403),
        (vec![host, bearer, ("Origin", "null")], 403),
        (vec![host, bearer, ("Origin", "http://127.0.0.1:1")], 403),
        // A name that was made to point here (DNS rebinding), whose page is of the same origin then.
        (vec![("Host", rebound.as_str()), bearer], 421),
        (vec![("Host", "127.0.0.1"), bearer], 421),
        (vec![bearer], 421),
    ] {
        for answer in everything(&api, &headers) {
            // A request without Host is none at all, whoever looks at it first.
            assert!(
                answer.status == status || answer.status == 400 && status == 421,
                "{headers:?}: {answer:?}"
            );
            assert!(!answer.body.contains("secret"), "{answer:?}");
            assert!(!answer.head.contains("access-control"), "{answer:?}");
        }
    }
    let after = [api.get("/conversations/talk"), api.get("/queue?all=true")];
    assert_eq!(before, after);
    // Nobody was able to stop it either.
    drop(running);
}

#[test]
fn looking_changes_nothing() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let (_running, api) = daemon(&home);
    home.run(&["chats", "send", "talk", "hello"]).succeeded();
    let look = |api: &Api| {
        let conversations = api.get("/conversations?limit=all");
        (conversations, api.get("/queue?all=true"), api.get("/account"))
    };
    let before = look(&api);
    for (method, path) in described() {
        if method == "GET" && path != "/api/v1/events" {
            // Something to look for, where that is needed.
            let path = format!(
                "{path}{}",
                if path.ends_with("/search") { "?q=hello" } else { "" }
            );
            let answer = api.raw(
                "GET",
                &path,
                &[("Host", &api.host()), ("Authorization", &api.bearer())],
                "",
            );
            assert!(answer.status == 200 || answer.status == 404, "{path}: {answer:?}");
        }
    }
    assert_eq!(look(&api), before);
}

#[test]
fn the_page_needs_no_token_and_runs_nothing_but_itself() {
    let home = Home::new();
    let (_running, api) = daemon(&home);
    let page = api.raw("GET", "/", &[("Host", &api.host())], "");
    assert_eq!(page.status, 200);
    assert!(page.body.starts_with("<!doctype html>"), "{page:?}");
    let nothing = api.raw("GET", "/../../etc/passwd", &[("Host", &api.host())], "");
    assert_eq!(
        nothing.status, 401,
        "whoever knows no token learns nothing of paths"
    );
    let stranger = api.raw("GET", "/", &[("Host", "evil.example")], "");
    assert_eq!(stranger.status, 421);
    for answer in [page, nothing, stranger] {
        for line in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
        ] {
            assert!(answer.head.contains(line), "{line}: {answer:?}");
        }
    }
    let kept = api.raw(
        "GET",
        "/api/v1/daemon",
        &[("Host", &api.host()), ("Authorization", &api.bearer())],
        "",
    );
    assert!(kept.head.contains("cache-control: no-store"), "{kept:?}");
}

#[test]
fn a_body_beyond_the_bound_is_turned_away() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let (_running, api) = daemon(&home);
    let text = "x".repeat(9 * 1024 * 1024);
    let answer = api.post("/conversations/talk/messages", json!({ "text": text }));
    assert_eq!(answer.status, 400, "{}", answer.head);
    for body in ["{", "[]", r#"{"text":1}"#, r#"{"text":"a","and":"b"}"#] {
        let answer = api.raw(
            "POST",
            "/api/v1/conversations/talk/messages",
            &[
                ("Host", &api.host()),
                ("Authorization", &api.bearer()),
                ("Content-Type", "application/json"),
            ],
            body,
        );
        assert_eq!(
            (answer.status, &answer.json()["exit"]),
            (400, &json!(2)),
            "{answer:?}"
        );
    }
    assert_eq!(api.get("/conversations")["total"], 0);
}

#[cfg(unix)]
#[test]
fn the_token_is_for_its_owner_alone_and_in_no_log() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let started = home
        .run(&["daemon", "start", "-vvv", "--json"])
        .succeeded()
        .json();
    let api = Api::of(&super::api::record(&home));
    let mode = |name: &str| {
        let metadata = std::fs::metadata(home.data().join(name)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode("daemon.json"), 0o600);
    let opened = home.run(&["ui", "--no-open"]).succeeded();
    assert!(
        opened.stdout.contains(&format!("#token={}", api.token)),
        "{opened:?}"
    );
    home.run(&["chats", "list"]).succeeded();
    let args = std::fs::read_to_string(format!("/proc/{}/cmdline", started["pid"]));
    if let Ok(args) = args {
        assert!(args.contains("daemon") && !args.contains(&api.token), "{args:?}");
    }
    home.run(&["daemon", "stop"]).succeeded();
    for (path, bytes) in home.snapshot() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&api.token), "{}", path.display());
    }
}
