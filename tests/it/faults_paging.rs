//! Relays whose pages misbehave: F14 to F18, F20, F21, F23 of the relay field guide.

use chat_sync::Handle;
use event_index::Basis;
use reconciler::Method;
use relay_lab::{Fault, MemoryRelayConfig, Quirk};

use crate::bench::{NOW, simulate};
use crate::fault_lab::{BAD, GOOD, Lab, assert_unaffected, report, seconds, shown, spread};

/// A phone that pages the bad relay, has its keyring, and was level when `count` messages appeared there.
async fn before_its_history(seed: u64, count: u64) -> (Lab, Handle) {
    let lab = Lab::empty(seed, spread(count)).await;
    lab.bad.set_fault(Fault::RefusesNeg);
    let phone = lab.fresh(&[BAD]).await;
    assert!(phone.sync().await.unwrap().complete);
    lab.history_appears();
    lab.bad.listen();
    (lab, phone)
}

/// A laptop with both relays ends level with the phone.
async fn heals(lab: &Lab, phone: &Handle) {
    let laptop = lab.fresh(&[BAD, GOOD]).await;
    seconds(5).await;
    assert_eq!(shown(&laptop).await, lab.history.len());
    assert_unaffected(&laptop);
    lab.heals(phone, &laptop).await;
}

#[test]
fn f14_an_empty_answer_makes_no_keyring() {
    simulate(async {
        let lab = Lab::holding(14, spread(40)).await;
        lab.bad.set_fault(Fault::RefusesNeg);
        lab.bad.add_quirk_times(Quirk::EmptyPage, 1);
        let phone = lab.fresh(&[BAD]).await;
        seconds(60).await;
        assert_eq!(shown(&phone).await, 40, "the keyring was found");
        assert_eq!(lab.bad.len(), 41, "and no other made");
        heals(&lab, &phone).await;
    });
}

#[test]
fn f14_what_empty_pages_hid_is_found_by_the_next_pass() {
    simulate(async {
        let (lab, phone) = before_its_history(140, 40).await;
        lab.bad.add_quirk_times(Quirk::EmptyPage, 2);
        let claimed = phone.sync().await.unwrap();
        assert_eq!(shown(&phone).await, 0);
        assert_ne!(
            claimed.relays[0].basis,
            Some(Basis::Fingerprint),
            "nothing is proven"
        );
        let found = phone.sync().await.unwrap();
        assert!(found.complete, "{found:?}");
        assert_eq!(shown(&phone).await, 40);
        heals(&lab, &phone).await;
    });
}

#[test]
fn f15_a_notice_before_eose_leaves_a_page_unproven_and_it_is_asked_again() {
    simulate(async {
        let (lab, phone) = before_its_history(15, 40).await;
        lab.bad.add_quirk(Quirk::NoticeMidPage("failed to query events"));
        let report = phone.sync().await.unwrap();
        let line = &report.relays[0];
        assert!(!report.complete && line.basis.is_none(), "{report:?}");
        assert!(
            line.error.as_ref().unwrap().contains("failed to query events"),
            "{line:?}"
        );
        assert_eq!(shown(&phone).await, 20, "what came is kept");
        assert!(lab.pages().len() > 1, "the page was repeated");

        lab.bad.heal();
        lab.bad.set_fault(Fault::RefusesNeg);
        lab.bad
            .add_quirk_times(Quirk::NoticeMidPage("failed to query events"), 1);
        let report = phone.sync().await.unwrap();
        assert!(report.complete, "repeated within the pass: {report:?}");
        assert_eq!(shown(&phone).await, 40);
        heals(&lab, &phone).await;
    });
}

#[test]
fn f16_a_page_without_eose_is_asked_again_for_less_and_nothing_is_skipped() {
    simulate(async {
        let (lab, phone) = before_its_history(16, 40).await;
        lab.bad.add_quirk(Quirk::SilentMidPage);
        let report = phone.sync().await.unwrap();
        assert!(!report.complete && report.relays[0].error.is_some(), "{report:?}");
        assert_eq!(shown(&phone).await, 16, "what came is kept");
        let limits: Vec<u64> = lab
            .pages()
            .iter()
            .map(|page| page[2]["limit"].as_u64().unwrap())
            .collect();
        assert!(
            limits.len() > 1 && limits.is_sorted_by(|before, after| before > after),
            "{limits:?}"
        );
        assert!(
            lab.pages().iter().all(|page| page[2].get("until").is_none()),
            "the cursor stays above what was not shown"
        );

        lab.bad.heal();
        lab.bad.set_fault(Fault::RefusesNeg);
        let report = phone.sync().await.unwrap();
        assert!(report.complete, "{report:?}");
        assert_eq!(shown(&phone).await, 40);
        heals(&lab, &phone).await;
    });
}

#[test]
fn f17_a_page_closed_in_the_middle_is_asked_again() {
    simulate(async {
        let (lab, phone) = before_its_history(17, 40).await;
        lab.bad
            .add_quirk_times(Quirk::ClosedMidPage("get event error: timeout"), 1);
        let report = phone.sync().await.unwrap();
        assert!(report.complete, "{report:?}");
        assert_eq!(shown(&phone).await, 40);

        lab.bad
            .add_quirk(Quirk::ClosedMidPage("get event error: timeout"));
        let report = phone.sync().await.unwrap();
        assert!(!report.complete, "never answered, never complete: {report:?}");
        heals(&lab, &phone).await;
    });
}

#[test]
fn f17_closed_after_eose_is_fine() {
    simulate(async {
        let (lab, phone) = before_its_history(170, 40).await;
        lab.bad.add_quirk(Quirk::ClosedAfterEose);
        let report = phone.sync().await.unwrap();
        assert!(report.complete && report.relays[0].error.is_none(), "{report:?}");
        assert_eq!(shown(&phone).await, 40);
        let asked: Vec<_> = lab.pages().iter().map(|page| page[2].to_string()).collect();
        let mut different = asked.clone();
        different.dedup();
        assert_eq!(asked, different, "no page is asked for twice");
        heals(&lab, &phone).await;
    });
}

#[test]
fn f18_a_relay_that_shows_37_at_a_time_is_read_whole() {
    for fault in [Fault::RefusesNeg, Fault::None] {
        simulate(async move {
            let lab = Lab::holding(18, spread(300)).await;
            lab.bad.set_fault(fault);
            lab.bad.set_config(MemoryRelayConfig {
                page_max: 37,
                ..MemoryRelayConfig::default()
            });
            let phone = lab.fresh(&[BAD]).await;
            let report = phone.sync().await.unwrap();
            assert!(report.complete, "{report:?}");
            assert_eq!(shown(&phone).await, 300, "{fault}");
            heals(&lab, &phone).await;
        });
    }
}

#[test]
fn f20_an_exclusive_until_any_order_and_duplicates_bring_everything_once() {
    let oddities = [
        vec![Quirk::ExclusiveUntil],
        vec![Quirk::Shuffles],
        vec![Quirk::Repeats(3)],
        vec![Quirk::ExclusiveUntil, Quirk::Shuffles, Quirk::Repeats(3)],
    ];
    for quirks in oddities {
        simulate(async move {
            // Three in a second, and pages that end in the middle of one.
            let lab = Lab::holding(20, (0..120).map(|n| NOW - 2_000 - n / 3)).await;
            lab.bad.set_fault(Fault::RefusesNeg);
            lab.bad.set_config(MemoryRelayConfig {
                page_max: 50,
                ..MemoryRelayConfig::default()
            });
            for quirk in &quirks {
                lab.bad.add_quirk(quirk.clone());
            }
            let phone = lab.fresh(&[BAD]).await;
            let report = phone.sync().await.unwrap();
            assert!(report.complete, "{quirks:?}: {report:?}");
            assert_eq!(shown(&phone).await, 120, "{quirks:?}");
            heals(&lab, &phone).await;
        });
    }
}

#[test]
fn f21_a_relay_that_ignores_until_is_given_up_after_three_pages() {
    simulate(async {
        let lab = Lab::holding(21, spread(600)).await;
        lab.bad.set_fault(Fault::RefusesNeg);
        lab.bad.add_quirk(Quirk::IgnoresUntil);
        lab.bad.listen();
        let phone = lab.fresh(&[BAD]).await;
        seconds(5).await;
        let line = report(&phone.status(), BAD);
        assert!(lab.pages().len() <= 3, "{} pages", lab.pages().len());
        assert_eq!(line.method, Method::Paging);
        assert!(!line.complete && line.error.unwrap().contains("ignores `until`"));
        assert_eq!(shown(&phone).await, 500, "its newest page is kept");
        heals(&lab, &phone).await;
    });
}

#[test]
fn f23_with_three_subscriptions_and_no_id_used_twice_all_requests_finish() {
    for fault in [Fault::None, Fault::RefusesNeg] {
        simulate(async move {
            let lab = Lab::holding(23, spread(450)).await;
            lab.bad.set_fault(fault);
            lab.bad.add_quirk(Quirk::IgnoresReusedSubs);
            lab.bad.add_quirk(Quirk::SubCap(3));
            let phone = lab.fresh(&[BAD]).await;
            let report = phone.sync().await.unwrap();
            assert!(report.complete, "{fault}: {report:?}");
            assert_eq!(shown(&phone).await, 450);
            // What a person writes elsewhere still arrives live, beside all that.
            let laptop = lab.fresh(&[BAD, GOOD]).await;
            assert!(laptop.sync().await.unwrap().complete, "{fault}");
            assert_unaffected(&laptop);
            lab.heals(&phone, &laptop).await;
        });
    }
}
