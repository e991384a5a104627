//! Relays whose NIP-77 misbehaves: F01 to F05, F08, F09, F12, F13 of the relay field guide.

use std::time::Duration;

use reconciler::Method;
use relay_lab::{Fault, MemoryRelayConfig, Quirk};

use crate::bench::{Device, simulate};
use crate::fault_lab::{BAD, GOOD, Lab, assert_unaffected, report, seconds, shown, spread};

const HOUR: u64 = 3600;

#[test]
fn f01_a_relay_without_neg_is_paged_within_five_seconds_and_asked_again_after_a_day() {
    simulate(async {
        let lab = Lab::holding(1, spread(40)).await;
        lab.bad.set_fault(Fault::RefusesNeg);
        lab.bad.listen();
        let phone = lab.fresh(&[BAD]).await;
        seconds(5).await;
        assert_eq!(shown(&phone).await, 40);
        lab.assert_opened_once();
        let asked = lab.opens();
        assert_eq!(report(&phone.status(), BAD).method, Method::Paging);

        for _ in 0..23 {
            seconds(HOUR).await;
            let report = phone.sync().await.unwrap();
            assert!(report.complete, "{report:?}");
        }
        assert_eq!(lab.opens(), asked, "not asked again for a day");
        seconds(HOUR).await;
        phone.sync().await.unwrap();
        assert_eq!(lab.opens(), asked + 1, "and then once more");

        let laptop = lab.fresh(&[BAD, GOOD]).await;
        seconds(5).await;
        assert_unaffected(&laptop);
        lab.heals(&phone, &laptop).await;
    });
}

/// Everything is here 20 s after the start, and a tenth.
const UNPROVEN: Duration = Duration::from_millis(20_100);

#[test]
fn f02_a_relay_that_ignores_neg_open_is_paged_after_twenty_seconds() {
    simulate(async {
        let lab = Lab::holding(2, spread(40)).await;
        lab.bad.set_fault(Fault::IgnoresNeg);
        let phone = lab.fresh(&[BAD]).await;
        let laptop = lab.fresh(&[BAD, GOOD]).await;
        seconds(1).await;
        assert_eq!(
            shown(&laptop).await,
            40,
            "the other relay does not wait for this one"
        );
        tokio::time::sleep(UNPROVEN.saturating_sub(Duration::from_secs(1))).await;
        assert_eq!(shown(&phone).await, 40);
        assert_unaffected(&laptop);
        lab.heals(&phone, &laptop).await;
    });
}

#[test]
fn f03_chatter_every_second_does_not_keep_a_comparison_waiting() {
    simulate(async {
        let lab = Lab::holding(3, spread(40)).await;
        lab.bad.set_fault(Fault::IgnoresNeg);
        let bad = lab.bad.clone();
        let chatter = tokio::task::spawn(async move {
            for n in 0_u64.. {
                let frames = [
                    r#"["NOTICE","still thinking"]"#,
                    r#"["CLOSED","somebody-elses","error: shutting down idle subscription"]"#,
                    r#"["NOTICE","ERROR: bad req: uninteresting"]"#,
                ];
                bad.say(frames[(n % 3) as usize]);
                seconds(1).await;
            }
        });
        let phone = lab.fresh(&[BAD]).await;
        let laptop = lab.fresh(&[BAD, GOOD]).await;
        tokio::time::sleep(UNPROVEN).await;
        assert_eq!(shown(&phone).await, 40, "as if nothing had been said");
        assert_unaffected(&laptop);
        chatter.abort();
        lab.heals(&phone, &laptop).await;
    });
}

#[test]
fn f04_a_refusal_that_begins_like_one_about_size_is_asked_once_and_not_split() {
    simulate(async {
        let lab = Lab::holding(4, spread(40)).await;
        lab.bad.listen();
        lab.bad
            .add_quirk(Quirk::NegErr("blocked: Negentropy sync is disabled"));
        let phone = lab.fresh(&[BAD]).await;
        let report = phone.sync().await.unwrap();
        assert!(report.complete, "{report:?}");
        assert_eq!(report.relays[0].method, Some(Method::Paging));
        assert_eq!(shown(&phone).await, 40);
        lab.assert_opened_once();
        let windows = |filter: &String| filter.contains("since") || filter.contains("until");
        assert!(!lab.opened().iter().any(windows), "{:?}", lab.opened());

        let laptop = lab.fresh(&[BAD, GOOD]).await;
        lab.heals(&phone, &laptop).await;
        assert_unaffected(&laptop);
    });
}

#[test]
fn f05_a_relay_that_limits_the_rate_is_left_alone_and_asked_at_most_three_times_a_minute() {
    simulate(async {
        let lab = Lab::holding(5, spread(40)).await;
        lab.bad
            .add_quirk(Quirk::NegErr("rate-limited: too many requests"));
        let phone = lab.fresh(&[BAD]).await;
        let mut before = 0;
        for minute in 0..30 {
            seconds(60).await;
            let opens = lab.opens();
            assert!(opens - before <= 3, "{} in minute {minute}", opens - before);
            before = opens;
        }
        assert!(before > 1, "it is asked again by itself");
        let paused = report(&phone.status(), BAD);
        assert!(!paused.complete && paused.error.is_some_and(|error| error.contains("rate")));

        let laptop = lab.fresh(&[BAD, GOOD]).await;
        seconds(5).await;
        assert_eq!(shown(&laptop).await, 40);
        assert_unaffected(&laptop);

        lab.bad.heal();
        seconds(HOUR).await;
        assert_eq!(shown(&phone).await, 40, "it comes back by itself");
        lab.heals(&phone, &laptop).await;
    });
}

/// A device that knows every other one of `count` messages, from the good relay. The bad one holds the others.
fn half_of(seed: u64, count: u64) -> (Lab, Device) {
    let lab = Lab::beforehand(seed, spread(count));
    lab.part();
    // Frames so small that no comparison ends in one round.
    lab.bad.set_config(MemoryRelayConfig {
        neg_frame_bytes: 4_096,
        ..MemoryRelayConfig::default()
    });
    let device = Device::new(&[GOOD]);
    simulate(async {
        let engine = lab.start(&device, &[GOOD]).await;
        assert!(engine.sync().await.unwrap().complete);
        assert_eq!(shown(&engine).await as u64, count / 2);
    });
    (lab, device)
}

#[test]
fn f08_a_session_closed_between_rounds_is_opened_three_times_again_then_paged() {
    let forgetful = [
        Quirk::NegForgets("CLOSED"),
        Quirk::NegForgets("closed: unknown subscription handle"),
        Quirk::NegCloses("closed: you took too long to respond!"),
    ];
    for quirk in forgetful {
        let (lab, device) = half_of(8, 400);
        simulate(async move {
            lab.bad.add_quirk(quirk.clone());
            let phone = lab.start(&device, &[BAD]).await;
            seconds(10).await;
            assert_eq!(lab.opens(), 4, "{quirk:?}: three times again");
            let paged = report(&phone.status(), BAD);
            assert!(paged.complete, "{paged:?}");
            assert_eq!(paged.method, Method::Paging);
            assert_eq!(shown(&phone).await, 400);

            let laptop = lab.fresh(&[BAD, GOOD]).await;
            lab.heals(&phone, &laptop).await;
            assert_unaffected(&laptop);
        });
    }
}

#[test]
fn f08_a_session_closed_once_is_opened_again_and_ends_by_fingerprint() {
    let (lab, device) = half_of(80, 400);
    simulate(async {
        lab.bad
            .add_quirk_times(Quirk::NegForgets("closed: unknown subscription handle"), 1);
        let phone = lab.start(&device, &[BAD]).await;
        seconds(10).await;
        let compared = report(&phone.status(), BAD);
        assert!(
            compared.complete && compared.method == Method::Negentropy,
            "{compared:?}"
        );
        assert_eq!(shown(&phone).await, 400);
        assert_eq!(lab.opens(), 3, "once again, and once to confirm");
    });
}

#[test]
fn f09_answers_that_are_no_answers_are_paged_around_and_not_provoked_again() {
    let answers = [
        Quirk::NegReply("62"),
        Quirk::NegReply("no hex at all"),
        Quirk::NegReply("61ffffffffffffffffffff"),
        Quirk::NegErr("PROTOCOL-ERROR"),
    ];
    for quirk in answers {
        simulate(async move {
            let lab = Lab::holding(9, spread(40)).await;
            lab.bad.add_quirk(quirk.clone());
            lab.bad.listen();
            let phone = lab.fresh(&[BAD]).await;
            tokio::time::sleep(UNPROVEN).await;
            assert_eq!(shown(&phone).await, 40, "{quirk:?}");
            lab.assert_opened_once();
            seconds(HOUR).await;
            // Once for each pass, and those come ever more rarely.
            assert!(lab.opens() <= 4, "{quirk:?}: {} opens in an hour", lab.opens());
            assert_eq!(report(&phone.status(), BAD).method, Method::Paging);

            let laptop = lab.fresh(&[BAD, GOOD]).await;
            lab.heals(&phone, &laptop).await;
            assert_unaffected(&laptop);
        });
    }
}

#[test]
fn f12_frames_of_4096_bytes_transfer_every_event_once() {
    let (lab, device) = half_of(12, 900);
    simulate(async {
        let phone = lab.start(&device, &[BAD]).await;
        seconds(60).await;
        let compared = report(&phone.status(), BAD);
        assert!(
            compared.complete && compared.method == Method::Negentropy,
            "{compared:?}"
        );
        assert!(compared.rounds > 1, "more than one frame");
        assert_eq!((compared.have, compared.need), (450, 450), "every id named once");
        assert_eq!((compared.sent, compared.received), (450, 450));
        let tally = lab.bad.tally();
        assert_eq!(tally.up_of("EVENT").frames, 450, "every event sent once");
        // The keyring, the one stored event a live subscription asks for, and the sample that is read back.
        let came = tally.down_of("EVENT").frames;
        assert!((450..=463).contains(&came), "every event fetched once: {came}");

        let laptop = lab.fresh(&[BAD, GOOD]).await;
        lab.heals(&phone, &laptop).await;
    });
}

#[test]
fn f12_a_relay_that_says_everything_twice_is_sent_and_asked_for_everything_once() {
    let (lab, device) = half_of(12, 900);
    simulate(async {
        lab.bad.add_quirk(Quirk::NegRepeats);
        let phone = lab.start(&device, &[BAD]).await;
        seconds(60).await;
        let compared = report(&phone.status(), BAD);
        assert!(
            compared.complete && compared.method == Method::Negentropy,
            "{compared:?}"
        );
        assert_eq!((compared.have, compared.need), (450, 450), "every id named once");
        assert_eq!((compared.sent, compared.received), (450, 450));
        assert_eq!(
            lab.bad.tally().up_of("EVENT").frames,
            450,
            "every event sent once"
        );
        let came = lab.bad.tally().down_of("EVENT").frames;
        assert!((450..=463).contains(&came), "every event fetched once: {came}");

        let laptop = lab.fresh(&[BAD, GOOD]).await;
        lab.heals(&phone, &laptop).await;
    });
}

#[test]
fn f13_endless_rounds_end_after_64() {
    let (lab, device) = half_of(13, 400);
    simulate(async {
        lab.bad.add_quirk(Quirk::NegEndless);
        let phone = lab.start(&device, &[BAD]).await;
        seconds(60).await;
        let rounds = lab.bad.tally().up_of("NEG-MSG").frames + lab.opens();
        assert!((2..=64).contains(&rounds), "{rounds} rounds");
        let paged = report(&phone.status(), BAD);
        assert!(paged.complete && paged.method == Method::Paging, "{paged:?}");
        assert_eq!(shown(&phone).await, 400);

        let laptop = lab.fresh(&[BAD, GOOD]).await;
        lab.heals(&phone, &laptop).await;
        assert_unaffected(&laptop);
    });
}
