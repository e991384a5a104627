//! Sets that are too big, empty or short of what they name: F06, F07, F10, F11 and F19 of the relay field guide.

use std::collections::BTreeSet;

use event_index::Basis;
use nostr::prelude::Timestamp;
use reconciler::Method;
use relay_lab::{Fault, MemoryRelayConfig, Quirk};
use serde_json::Value;

use crate::bench::{Device, NOW, simulate};
use crate::fault_lab::{BAD, GOOD, Lab, assert_unaffected, report, seconds, shown, spread};

const CAP: usize = 100;

/// How many messages of the history lie in the window of a filter.
fn inside(lab: &Lab, filter: &str) -> usize {
    let filter: Value = serde_json::from_str(filter).unwrap();
    let since = filter["since"].as_u64().unwrap_or(0);
    let until = filter["until"].as_u64().unwrap_or(u64::MAX);
    let window = Timestamp::from(since)..=Timestamp::from(until);
    let events = lab.history.iter();
    events.filter(|event| window.contains(&event.created_at)).count()
}

#[test]
fn f06_a_set_over_the_cap_is_split_to_four_fifths_of_it_and_compared_whole() {
    for in_words in [false, true] {
        simulate(async move {
            // One of them lies in the future: the top window has no end.
            let lab = Lab::holding(6, spread(400).chain([NOW + 600])).await;
            if in_words {
                lab.bad.add_quirk(Quirk::NegCapInWords(CAP));
            } else {
                lab.bad.set_config(MemoryRelayConfig {
                    neg_items_max: Some(CAP),
                    ..MemoryRelayConfig::default()
                });
            }
            let phone = lab.fresh(&[BAD]).await;
            let first = phone.sync().await.unwrap();
            assert!(first.complete, "{first:?}");
            assert_eq!(shown(&phone).await, 401);

            lab.bad.listen();
            let again = phone.sync().await.unwrap();
            assert!(again.complete, "{again:?}");
            assert_eq!(again.relays[0].basis, Some(Basis::Fingerprint));
            assert!(lab.pages().is_empty(), "nothing is paged");
            let windows: Vec<usize> = lab.opened().iter().map(|filter| inside(&lab, filter)).collect();
            assert_eq!(windows.iter().sum::<usize>(), 401, "each once: {windows:?}");
            assert!(windows.iter().all(|count| *count <= CAP * 4 / 5), "{windows:?}");

            lab.bad.set_config(MemoryRelayConfig::default());
            let laptop = lab.fresh(&[BAD, GOOD]).await;
            lab.heals(&phone, &laptop).await;
            assert_unaffected(&laptop);
        });
    }
}

#[test]
fn f07_a_second_over_the_cap_is_paged_and_the_rest_compared() {
    simulate(async {
        const CROWDED: u64 = NOW - 2_345;
        let lab = Lab::holding(7, spread(100).chain((0..50).map(|_| CROWDED))).await;
        lab.bad.set_config(MemoryRelayConfig {
            neg_items_max: Some(10),
            ..MemoryRelayConfig::default()
        });
        lab.bad.listen();
        let phone = lab.fresh(&[BAD]).await;
        let report = phone.sync().await.unwrap();
        assert!(report.complete, "{report:?}");
        assert_eq!(shown(&phone).await, 150);
        assert!(!lab.pages().is_empty());
        for page in lab.pages() {
            let bounds = (page[2]["since"].as_u64(), page[2]["until"].as_u64());
            assert_eq!(bounds.0, Some(CROWDED), "only that second is paged: {page}");
            assert!(bounds.1.is_some_and(|until| until <= CROWDED + 1), "{page}");
        }
        lab.bad.set_config(MemoryRelayConfig::default());
        let laptop = lab.fresh(&[BAD, GOOD]).await;
        lab.heals(&phone, &laptop).await;
        assert_unaffected(&laptop);
    });
}

#[test]
fn f10_ids_that_never_come_are_given_up_with_a_reason_and_another_relay_supplies_them() {
    simulate(async {
        let lab = Lab::holding(10, spread(40)).await;
        let withheld: BTreeSet<_> = lab.history.iter().take(3).map(|event| event.id).collect();
        lab.bad.add_quirk(Quirk::Withholds(withheld));
        let phone = lab.fresh(&[BAD]).await;
        let ended = phone.sync().await.unwrap();
        assert_eq!(shown(&phone).await, 37, "the others do not wait");
        assert!(!ended.complete, "{ended:?}");
        let why = ended.relays[0].error.clone().unwrap_or_default();
        assert!(why.contains("3 "), "it says how many: {ended:?}");

        let laptop = lab.fresh(&[BAD, GOOD]).await;
        seconds(60).await;
        assert_eq!(shown(&laptop).await, 40, "the other relay supplies them");
        assert_unaffected(&laptop);
        lab.heals(&phone, &laptop).await;
    });
}

#[test]
fn f11_a_set_that_looks_empty_is_asked_by_id_before_anything_is_sent_again() {
    let lab = Lab::beforehand(11, spread(40));
    let device = Device::new(&[BAD]);
    simulate(async {
        let phone = lab.start(&device, &[BAD]).await;
        assert!(phone.sync().await.unwrap().complete);
    });
    lab.bad.add_quirk(Quirk::NegEmpty);
    let sent = lab.bad.tally().up_of("EVENT").frames;
    simulate(async {
        let phone = lab.start_later(&device, &[BAD], 3_600).await;
        seconds(60).await;
        phone.sync().await.unwrap();
        assert_eq!(
            lab.bad.tally().up_of("EVENT").frames,
            sent,
            "nothing is sent again"
        );
        assert_eq!(shown(&phone).await, 40, "and nothing deleted");
        let laptop = lab.fresh(&[BAD, GOOD]).await;
        lab.heals(&phone, &laptop).await;
        assert_unaffected(&laptop);
    });
}

#[test]
fn f19_a_second_that_no_page_can_show_is_compared_or_named_as_unproven() {
    for fault in [Fault::None, Fault::RefusesNeg] {
        simulate(async move {
            const CROWDED: u64 = NOW - 2_345;
            let lab = Lab::holding(19, (0..1_200).map(|_| CROWDED)).await;
            lab.bad.set_fault(fault);
            let phone = lab.fresh(&[BAD]).await;
            let ended = phone.sync().await.unwrap();
            let pass = report(&phone.status(), BAD);
            if fault == Fault::None {
                assert!(ended.complete && pass.method == Method::Negentropy, "{ended:?}");
                assert_eq!(shown(&phone).await, 1_200);
            } else {
                assert!(!ended.complete && !phone.status().complete, "{ended:?}");
                assert_eq!(pass.unproven_seconds, [CROWDED], "{pass:?}");
                assert!(shown(&phone).await >= 500, "what was shown is kept");
            }
        });
    }
}
