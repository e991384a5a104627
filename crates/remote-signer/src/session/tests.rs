use nostr::key::Keys;

use super::*;

const ANSWER_DEADLINE: Duration = Duration::from_secs(65);
const ACCOUNT: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

fn session(now: Instant) -> Session {
    let remote = Keys::parse("0000000000000000000000000000000000000000000000000000000000000002").unwrap();
    let settings = Settings {
        remote: remote.public_key(),
        secret: None,
        accepted: true,
        prefix: [7; 8],
        patience: Patience::default(),
        signer: "the signer".to_owned(),
    };
    Session::new(settings, now)
}

fn account() -> PublicKey {
    PublicKey::from_hex(ACCOUNT).unwrap()
}

fn decrypt() -> Request {
    Request::Decrypt {
        account: account(),
        payload: "payload".into(),
    }
}

fn outputs(session: &mut Session) -> Vec<Output> {
    std::iter::from_fn(|| session.poll_output()).collect()
}

/// The id of the one request that goes out.
fn sent(session: &mut Session) -> String {
    match outputs(session).as_slice() {
        [Output::Send { id, .. }] => id.clone(),
        other => panic!("expected one request, found {other:?}"),
    }
}

fn result(id: &str, text: &str) -> Response {
    Response {
        id: id.into(),
        result: Some(text.into()),
        error: None,
    }
}

#[expect(clippy::disallowed_methods, reason = "any instant is a beginning")]
fn start() -> Instant {
    Instant::now()
}

/// A session that knows its account, and the time at which it may send again.
fn ready() -> (Session, Instant) {
    let now = start();
    let mut session = session(now);
    session.connected(now);
    session.ask(0, None, Request::GetPublicKey, now);
    let id = sent(&mut session);
    session.handle_response(result(&id, ACCOUNT), now);
    assert!(matches!(
        outputs(&mut session)[..],
        [Output::Answer {
            ticket: 0,
            outcome: Ok(Answer::Account(_))
        }]
    ));
    (session, now + SPACING)
}

#[test]
fn a_request_without_a_relay_ends_after_its_deadline() {
    let now = start();
    let mut session = session(now);
    session.disconnected("refused", now);
    session.ask(1, Some(account()), decrypt(), now);
    let due = session.poll_timeout().unwrap();
    assert_eq!(due, now + ANSWER_DEADLINE);
    session.handle_timeout(due);
    assert!(matches!(
        &outputs(&mut session)[..],
        [Output::Answer { ticket: 1, outcome: Err(SignerError::Unreachable { reason, .. }) }] if reason == "refused"
    ));
    assert_eq!(session.poll_timeout(), None);
}

#[test]
fn the_deadline_starts_when_the_request_goes_out() {
    let (mut session, now) = ready();
    session.disconnected("gone", now);
    session.ask(1, Some(account()), decrypt(), now);
    let back = now + Duration::from_secs(60);
    session.connected(back);
    sent(&mut session);
    assert_eq!(session.poll_timeout(), Some(back + ANSWER_DEADLINE));
}

#[test]
fn a_cancelled_request_frees_its_place() {
    let (mut session, now) = ready();
    (1..=3).for_each(|ticket| session.ask(ticket, Some(account()), decrypt(), now));
    sent(&mut session);
    session.handle_timeout(now + SPACING);
    sent(&mut session);
    session.handle_timeout(now + 3 * SPACING);
    assert!(outputs(&mut session).is_empty(), "two are in flight");
    session.cancel(1);
    session.handle_timeout(now + 4 * SPACING);
    sent(&mut session);
}

#[test]
fn a_timer_always_brings_something_about() {
    let (mut session, mut now) = ready();
    (1..=4).for_each(|ticket| session.ask(ticket, Some(account()), decrypt(), now));
    let mut ended = 0;
    for _ in 0..100 {
        let Some(due) = session.poll_timeout() else { break };
        assert!(due >= now, "timers do not run backwards");
        now = due;
        session.handle_timeout(now);
        let brought = outputs(&mut session);
        ended += brought
            .iter()
            .filter(|output| matches!(output, Output::Answer { .. }))
            .count();
    }
    assert_eq!(ended, 4);
    assert_eq!(session.poll_timeout(), None);
}

#[test]
fn a_page_that_no_browser_opens_is_not_shown() {
    let (mut session, now) = ready();
    session.ask(1, Some(account()), decrypt(), now);
    let id = sent(&mut session);
    let mut response = result(&id, "auth_url");
    response.error = Some("file:///etc/passwd".into());
    session.handle_response(response, now);
    assert!(matches!(
        outputs(&mut session)[..],
        [Output::Answer {
            ticket: 1,
            outcome: Err(SignerError::BadAnswer { .. })
        }]
    ));
}

#[test]
fn a_page_during_a_login_is_shown_once_and_waited_for() {
    let now = start();
    let mut session = session(now);
    session.accepted = false;
    session.connected(now);
    session.ask(1, None, Request::GetPublicKey, now);
    let id = sent(&mut session);
    let page = |url: &str| Response {
        error: Some(url.to_owned()),
        ..result(&id, "auth_url")
    };
    session.handle_response(page("https://signer.example/1"), now);
    assert!(matches!(
        &outputs(&mut session)[..],
        [Output::AuthUrl(url)] if url == "https://signer.example/1"
    ));
    let later = now + Duration::from_secs(200);
    for url in ["https://signer.example/1", "https://signer.example/2"] {
        session.handle_response(page(url), later);
    }
    assert!(outputs(&mut session).is_empty(), "one page for a request");
    assert_eq!(session.poll_timeout(), Some(now + Duration::from_secs(300)));
    session.handle_response(result(&id, "ack"), later);
    assert!(matches!(
        outputs(&mut session)[..],
        [Output::Accepted, Output::Send { .. }]
    ));
}

/// A signer that let this client in earlier is asked at once, and says that it cannot decrypt.
fn doubted(wanted: PublicKey) -> (Session, Instant, String) {
    let now = start();
    let mut session = session(now);
    session.connected(now);
    session.ask(1, Some(wanted), decrypt(), now);
    let asked = sent(&mut session);
    let error = Response {
        id: asked,
        result: None,
        error: Some("invalid MAC".into()),
    };
    session.handle_response(error, now);
    assert!(
        outputs(&mut session).is_empty(),
        "no answer before it is known whose key that was"
    );
    let now = now + SPACING;
    session.handle_timeout(now);
    let question = sent(&mut session);
    (session, now, question)
}

#[test]
fn a_signer_that_changed_its_account_is_found_out_before_a_payload_is_given_up() {
    let wanted = Keys::parse("0000000000000000000000000000000000000000000000000000000000000003").unwrap();
    let wanted = wanted.public_key();
    let (mut session, now, question) = doubted(wanted);
    session.handle_response(result(&question, ACCOUNT), now);
    let wrong = SignerError::WrongAccount {
        wanted,
        found: account(),
    };
    assert!(matches!(
        &outputs(&mut session)[..],
        [Output::Answer { ticket: 1, outcome: Err(error) }] if *error == wrong
    ));
}

#[test]
fn a_payload_that_the_right_key_cannot_decrypt_is_asked_about_twice_and_no_more() {
    let (mut session, now, question) = doubted(account());
    session.handle_response(result(&question, ACCOUNT), now);
    let now = now + SPACING;
    session.handle_timeout(now);
    let again = sent(&mut session);
    let error = Response {
        id: again,
        result: None,
        error: Some("invalid MAC".into()),
    };
    session.handle_response(error, now);
    assert!(matches!(
        outputs(&mut session)[..],
        [Output::Answer {
            ticket: 1,
            outcome: Err(SignerError::Undecryptable)
        }]
    ));
}

#[test]
fn a_relay_that_refuses_is_asked_again_after_a_pause_until_the_deadline() {
    let (mut session, now) = ready();
    session.ask(1, Some(account()), decrypt(), now);
    let id = sent(&mut session);
    let deadline = now + ANSWER_DEADLINE;
    let (mut at, mut sendings) = (now, 1_u8);
    loop {
        let event = EventId::from_byte_array([sendings; 32]);
        session.sent(&id, event, 1, at);
        session.handle_verdict(&event, false, "rate-limited: slow down", at);
        at = session.poll_timeout().unwrap();
        session.handle_timeout(at);
        match outputs(&mut session).pop() {
            Some(Output::Send { id: again, .. }) => assert_eq!(again, id),
            Some(Output::Answer { outcome, .. }) => {
                let unreachable = matches!(&outcome, Err(SignerError::Unreachable { reason, .. })
                    if reason.contains("slow down"));
                assert!(unreachable, "{outcome:?}");
                break;
            }
            other => panic!("{other:?}"),
        }
        sendings += 1;
    }
    assert_eq!((at, sendings), (deadline, 6), "after 2, 4, 8, 16 and 30 s");
}

/// A session whose account was once in doubt and was confirmed; the time at which it may send again.
fn confirmed() -> (Session, Instant) {
    let now = start();
    let mut session = session(now);
    session.connected(now);
    session.ask(1, Some(account()), decrypt(), now);
    let id = sent(&mut session);
    // A person said no: the next request has the account asked for first, and then it is allowed.
    let no = Response {
        id,
        result: None,
        error: Some("rejected by the user".into()),
    };
    session.handle_response(no, now);
    outputs(&mut session);
    let now = now + SPACING;
    session.handle_timeout(now);
    session.ask(2, Some(account()), decrypt(), now);
    let id = sent(&mut session);
    session.handle_response(result(&id, ACCOUNT), now);
    let now = now + SPACING;
    session.handle_timeout(now);
    let id = sent(&mut session);
    session.handle_response(result(&id, "a keyring"), now);
    assert!(matches!(
        outputs(&mut session)[..],
        [Output::Answer {
            ticket: 2,
            outcome: Ok(Answer::Text(_))
        }]
    ));
    (session, now + SPACING)
}

#[test]
fn a_payload_is_not_given_up_before_the_account_is_asked_for_in_a_later_doubt_either() {
    let (mut session, now) = confirmed();
    session.handle_timeout(now);
    session.ask(3, Some(account()), decrypt(), now);
    let id = sent(&mut session);
    // Meanwhile the person switched the signer to another account, whose key cannot open the payload.
    let junk = Response {
        id,
        result: None,
        error: Some("invalid MAC".into()),
    };
    session.handle_response(junk, now);
    let now = now + SPACING;
    session.handle_timeout(now);
    let out = outputs(&mut session);
    assert!(
        !out.iter().any(|output| matches!(
            output,
            Output::Answer {
                ticket: 3,
                outcome: Err(SignerError::Undecryptable)
            }
        )),
        "the payload was given up unasked: {out:?}"
    );
}

#[test]
fn of_two_requests_in_flight_the_second_is_not_given_up_once_the_first_raised_a_doubt() {
    let now = start();
    let mut session = session(now);
    session.connected(now);
    session.ask(1, Some(account()), decrypt(), now);
    session.ask(2, Some(account()), decrypt(), now);
    let first = sent(&mut session);
    let now = now + SPACING;
    session.handle_timeout(now);
    let second = sent(&mut session);
    for id in [first, second] {
        let junk = Response {
            id,
            result: None,
            error: Some("invalid MAC".into()),
        };
        session.handle_response(junk, now);
    }
    let out = outputs(&mut session);
    assert!(
        !out.iter().any(|output| matches!(output, Output::Answer { .. })),
        "a payload was given up before the account was asked for: {out:?}"
    );
}
