use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_800_000_000;

fn knowing(lessons: impl IntoIterator<Item = Lesson>) -> RelayProfile {
    let mut profile = RelayProfile::default();
    for lesson in lessons {
        profile.learn(lesson, NOW);
    }
    profile
}

fn refused() -> Lesson {
    Lesson::NegRefused {
        why: "ERROR: bad msg: negentropy disabled".into(),
    }
}

fn said(info: RelayInfo) -> Lesson {
    Lesson::Info(info)
}

#[test]
fn nothing_is_known_of_a_new_relay() {
    let profile = RelayProfile::default();
    assert_eq!(profile.neg(NOW), NegChance::Unknown);
    assert_eq!((profile.neg_cap(NOW), profile.subs_max(NOW)), (None, None));
    assert_eq!(profile.page_limit(NOW), 500);
    assert!(!profile.one_author(NOW) && profile.wants_info(NOW) && profile.is_empty());
}

#[test]
fn a_refusal_of_neg_is_remembered_for_a_day() {
    let profile = knowing([Lesson::NegSpoken, refused()]);
    assert_eq!(profile.neg(NOW), NegChance::Unavailable);
    assert_eq!(profile.neg(NOW + 24 * 3600 - 1), NegChance::Unavailable);
    assert_eq!(profile.neg(NOW + 24 * 3600), NegChance::Unknown);
}

#[test]
fn a_relay_that_answers_after_all_is_proven() {
    let profile = knowing([refused(), Lesson::NegSpoken]);
    assert_eq!(profile.neg(NOW + 29 * DAY), NegChance::Proven);
    assert_eq!(profile.neg(NOW + 30 * DAY), NegChance::Unknown);
}

#[test]
fn every_fact_expires() {
    let profile = knowing([
        refused(),
        Lesson::NegCap(1_000),
        Lesson::PageCap(300),
        Lesson::OneAuthorPerFilter { why: "one".into() },
        Lesson::SubsMax(10),
        said(RelayInfo {
            max_limit: Some(100),
            max_subscriptions: Some(5),
            ..RelayInfo::default()
        }),
    ]);
    let late = NOW + 30 * DAY;
    assert_eq!(profile.neg(late), NegChance::Unknown);
    assert_eq!((profile.neg_cap(late), profile.subs_max(late)), (None, None));
    assert_eq!(profile.page_limit(late), 500);
    assert!(!profile.one_author(late) && profile.info(late).is_none());
}

#[test]
fn a_clock_set_back_makes_nothing_eternal() {
    let profile = knowing([
        refused(),
        Lesson::NegCap(9),
        Lesson::PageCap(3),
        Lesson::SubsMax(1),
    ]);
    let back = NOW - 1;
    assert_eq!(profile.neg(back), NegChance::Unknown);
    assert_eq!((profile.neg_cap(back), profile.subs_max(back)), (None, None));
    assert_eq!(profile.page_limit(back), 500);
    assert!(profile.wants_info(back));
}

#[test]
fn what_a_relay_says_about_neg_changes_nothing() {
    let without = RelayInfo {
        supported_nips: Some(vec![1, 11]),
        ..RelayInfo::default()
    };
    assert_eq!(knowing([said(without.clone())]).neg(NOW), NegChance::Unknown);
    assert_eq!(
        knowing([Lesson::NegSpoken, said(without)]).neg(NOW),
        NegChance::Proven
    );
    let with = RelayInfo {
        supported_nips: Some(vec![77]),
        ..RelayInfo::default()
    };
    assert_eq!(knowing([refused(), said(with)]).neg(NOW), NegChance::Unavailable);
}

#[test]
fn a_page_asks_for_no_more_than_anyone_allows() {
    let limit = |learned: Option<usize>, said: Option<u64>| {
        let info = said.map(|max_limit| {
            Lesson::Info(RelayInfo {
                max_limit: Some(max_limit),
                ..RelayInfo::default()
            })
        });
        knowing(learned.map(Lesson::PageCap).into_iter().chain(info)).page_limit(NOW)
    };
    assert_eq!(limit(None, Some(5_000)), 500);
    assert_eq!(limit(None, Some(u64::MAX)), 500);
    assert_eq!(limit(None, Some(100)), 100);
    assert_eq!(limit(None, Some(0)), 500, "0 means that it does not say");
    assert_eq!(limit(Some(300), Some(500)), 300, "what was seen counts more");
    assert_eq!(
        limit(Some(300), Some(100)),
        100,
        "a limit above its own may be refused"
    );
    assert_eq!(limit(Some(0), None), 1);
}

#[test]
fn a_document_is_fetched_again_after_a_day_and_believed_for_a_month() {
    let profile = knowing([said(RelayInfo::default())]);
    assert!(!profile.wants_info(NOW + DAY - 1));
    assert!(profile.wants_info(NOW + DAY) && profile.info(NOW + DAY).is_some());
    assert!(profile.info(NOW + 30 * DAY).is_none());
}

#[test]
fn what_a_relay_said_is_kept_as_one_short_line() {
    let why = format!("blocked:\n\u{1b}[2J{}", "x".repeat(100_000));
    let profile = knowing([
        Lesson::NegRefused { why: why.clone() },
        Lesson::OneAuthorPerFilter { why },
    ]);
    assert!(profile.to_json().len() < 1_000);
    let kept = &profile.one_author_known(NOW).unwrap().what;
    assert!(!kept.contains(char::is_control), "{kept}");
}

#[test]
fn one_damaged_fact_loses_only_itself() {
    let profile = knowing([Lesson::NegSpoken, Lesson::PageCap(300)]);
    let mut kept: Value = serde_json::from_str(&profile.to_json()).unwrap();
    kept["profile"]["page_cap"] = "many".into();
    kept["profile"]["added_later"] = 1.into();
    let read = RelayProfile::from_json(&kept.to_string());
    assert_eq!((read.neg(NOW), read.page_limit(NOW)), (NegChance::Proven, 500));
}

#[test]
fn another_format_is_not_guessed_at() {
    let mut kept: Value = serde_json::from_str(&knowing([Lesson::NegSpoken]).to_json()).unwrap();
    kept["format"] = 2.into();
    assert!(RelayProfile::from_json(&kept.to_string()).is_empty());
    assert!(RelayProfile::from_json("").is_empty());
}

#[test]
fn the_same_again_is_worth_a_write_once_an_hour() {
    let mut profile = RelayProfile::default();
    assert!(profile.learn(Lesson::NegSpoken, NOW));
    assert!(!profile.learn(Lesson::NegSpoken, NOW + 3_599));
    assert!(profile.learn(Lesson::NegSpoken, NOW + 3_600));
    assert!(profile.learn(refused(), NOW + 3_601), "news");
    assert!(profile.learn(refused(), NOW), "the clock was set back");
    assert_eq!(profile.neg(NOW), NegChance::Unavailable);
}

fn lesson() -> impl Strategy<Value = Lesson> {
    let info = (
        any::<Option<u64>>(),
        any::<Option<bool>>(),
        proptest::option::of(".{0,20}"),
    )
        .prop_map(|(max_limit, auth_required, name)| RelayInfo {
            name,
            supported_nips: max_limit.map(|nip| vec![u16::try_from(nip % 100).unwrap()]),
            max_limit,
            auth_required,
            ..RelayInfo::default()
        });
    prop_oneof![
        Just(Lesson::NegSpoken),
        ".{0,300}".prop_map(|why| Lesson::NegRefused { why }),
        any::<u64>().prop_map(Lesson::NegCap),
        any::<usize>().prop_map(Lesson::PageCap),
        ".{0,300}".prop_map(|why| Lesson::OneAuthorPerFilter { why }),
        any::<usize>().prop_map(Lesson::SubsMax),
        info.prop_map(Lesson::Info),
    ]
}

proptest! {
    #[test]
    fn what_is_kept_is_what_was_learned(lessons in proptest::collection::vec((lesson(), any::<u64>()), 0..20)) {
        let mut profile = RelayProfile::default();
        for (lesson, at) in lessons {
            profile.learn(lesson, at);
        }
        prop_assert_eq!(RelayProfile::from_json(&profile.to_json()), profile);
    }

    #[test]
    fn damaged_text_is_read_as_less_and_never_panic(
        lessons in proptest::collection::vec(lesson(), 1..8),
        at: proptest::sample::Index,
        byte: u8,
    ) {
        let mut bytes = knowing(lessons).to_json().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let read = RelayProfile::from_json(&String::from_utf8_lossy(&bytes));
        prop_assert!((1..=500).contains(&read.page_limit(NOW)));
        prop_assert_eq!(RelayProfile::from_json(&read.to_json()), read);
    }
}

#[test]
fn what_a_relay_takes_is_believed_for_a_week() {
    let profile = knowing([Lesson::EventsPerHour(324), Lesson::TooLargeFrom(65_973)]);
    let hour = Duration::from_secs(3600);
    assert_eq!(profile.events_per_hour(NOW + 3600), Some((324, hour)));
    assert_eq!(profile.too_large_from(NOW), Some(65_973));
    let late = NOW + 7 * DAY;
    assert_eq!(
        (profile.events_per_hour(late), profile.too_large_from(late)),
        (None, None)
    );
    assert_eq!(RelayProfile::from_json(&profile.to_json()), profile);
}

#[test]
fn the_smaller_of_what_was_seen_and_what_is_said_is_what_a_relay_takes() {
    let says = |max| {
        said(RelayInfo {
            max_message_length: Some(max),
            ..RelayInfo::default()
        })
    };
    assert_eq!(
        knowing([says(16_384)]).too_large_from(NOW),
        Some(16_385),
        "as much is taken"
    );
    assert_eq!(knowing([says(0)]).too_large_from(NOW), None, "0 is no limit");
    let both = knowing([says(131_072), Lesson::TooLargeFrom(65_973)]);
    assert_eq!(both.too_large_from(NOW), Some(65_973));
}
