use nostr::key::Keys;

use super::*;

const PATIENCE: Duration = Duration::from_secs(300);
const SECRET: &str = "0f6b0f6b0f6b0f6b0f6b0f6b0f6b0f6b";

#[expect(clippy::disallowed_methods, reason = "any instant is a beginning")]
fn start() -> Instant {
    Instant::now()
}

fn relays() -> [RelayUrl; 2] {
    ["wss://a.example", "wss://b.example"].map(|url| url.parse().unwrap())
}

fn vigil(since: Instant) -> Vigil {
    Vigil::new(SECRET.to_owned().into(), &relays(), PATIENCE, since)
}

fn response(result: Option<&str>, error: Option<&str>) -> Response {
    Response {
        id: "1".into(),
        result: result.map(str::to_owned),
        error: error.map(str::to_owned),
    }
}

#[test]
fn only_the_secret_logs_in() {
    let (mut vigil, author) = (vigil(start()), Keys::generate().public_key());
    let longer = format!("{SECRET}0");
    let zero_padded = format!("{SECRET}\0");
    for wrong in [
        "",
        "ack",
        "auth_url",
        &SECRET[1..],
        &longer,
        &zero_padded,
        &SECRET.to_uppercase(),
    ] {
        vigil.handle_response(author, response(Some(wrong), None));
        assert!(vigil.poll_outcome().is_none(), "{wrong}");
    }
    vigil.handle_response(author, response(None, Some("denied")));
    vigil.handle_response(author, response(Some(SECRET), Some("denied")));
    assert!(vigil.poll_outcome().is_none());
    vigil.handle_response(author, response(Some(SECRET), Some("")));
    assert_eq!(vigil.poll_outcome(), Some(Ok(author)));
}

#[test]
fn the_first_who_knows_the_secret_is_the_signer() {
    let now = start();
    let mut vigil = vigil(now);
    let (first, second) = (Keys::generate().public_key(), Keys::generate().public_key());
    vigil.handle_response(first, response(Some(SECRET), None));
    vigil.handle_response(second, response(Some(SECRET), None));
    vigil.handle_timeout(now + PATIENCE);
    assert_eq!(vigil.poll_outcome(), Some(Ok(first)));
    assert_eq!(vigil.poll_outcome(), None);
    assert_eq!(vigil.poll_timeout(), None);
}

#[test]
fn a_secret_that_comes_too_late_logs_nobody_in() {
    let now = start();
    let mut vigil = vigil(now);
    let due = vigil.poll_timeout().unwrap();
    assert_eq!(due, now + PATIENCE);
    vigil.handle_timeout(now + Duration::from_secs(299));
    assert_eq!(vigil.poll_outcome(), None);
    vigil.handle_timeout(due);
    assert!(vigil.poll_outcome().unwrap().is_err());
    vigil.handle_response(Keys::generate().public_key(), response(Some(SECRET), None));
    assert_eq!(vigil.poll_outcome(), None);
}

#[test]
fn an_error_tells_every_relay() {
    let now = start();
    let [a, b] = relays();
    let outcome = |vigil: &mut Vigil| {
        vigil.handle_timeout(now + PATIENCE);
        vigil.poll_outcome().unwrap().unwrap_err()
    };

    let mut nowhere = vigil(now);
    nowhere.relay_is(&b, Some("connection\nrefused"));
    let relays = "wss://a.example (no connection yet), wss://b.example (connection refused)".to_owned();
    let error = outcome(&mut nowhere);
    assert!(error.to_string().contains(&relays), "{error}");
    let waited = PATIENCE;
    assert_eq!(error, OfferError::Unreachable { waited, relays });

    let mut somewhere = vigil(now);
    somewhere.relay_is(&b, Some("connection refused"));
    somewhere.relay_is(&a, None);
    let relays = "wss://a.example, wss://b.example (connection refused)".to_owned();
    let error = outcome(&mut somewhere);
    assert!(
        error.to_string().contains("in 300 s at wss://a.example, "),
        "{error}"
    );
    assert_eq!(error, OfferError::NoSigner { waited, relays });
}
