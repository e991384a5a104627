//! What a relay is expected to hold, over a real store.

use event_index::{Arrival, Delivery, DeliveryState, Store};
use nostr::event::{Event, EventId, Kind, Tag, Tags};
use nostr::prelude::Signature;
use nostr::types::Timestamp;
use reconciler::Compare;

use super::bench::{Bench, FakeRelay, on_paused_time};
use crate::world::{author, events};

fn deletion(of: &[Event]) -> Event {
    let tags: Vec<Tag> = of.iter().map(|event| Tag::event(event.id)).collect();
    let (created_at, kind) = (Timestamp::from(1_750_000_000), Kind::EventDeletion);
    let id = EventId::compute(&author(), &created_at, &kind, &Tags::from_list(tags.clone()), "");
    let signature = Signature::from_byte_array([0; 64]);
    Event::new(id, author(), created_at, kind, tags, "", signature)
}

fn ingest(store: &Store, events: &[Event]) {
    let arrival = |event: &Event| Arrival {
        event: event.clone(),
        source: None,
    };
    store.ingest(events.iter().map(arrival).collect()).unwrap();
}

fn park(store: &Store, relay: &str, events: &[Event]) {
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    store.enqueue(relay, &ids).unwrap();
    let parked = |row: Delivery| Delivery {
        state: DeliveryState::Parked,
        next_try: u64::MAX,
        ..row
    };
    let rows = store.deliveries(relay, 0, usize::MAX).unwrap();
    store
        .set_deliveries(rows.into_iter().map(parked).collect())
        .unwrap();
}

/// 2,000 deleted events of which it kept 1,000, and 500 that it refused.
#[test]
fn a_no_op_with_a_relay_that_keeps_and_refuses_is_one_round_trip_below_1_kb() {
    on_paused_time(async {
        let all = events(4_000, 3);
        let (deleted, rest) = all.split_at(2_000);
        let deletions: Vec<Event> = deleted.chunks(500).map(deletion).collect();
        let (refused, shared) = rest.split_at(500);
        let relay = FakeRelay::holding(&[&deleted[..1_000], shared, &deletions].concat());
        let mut bench = Bench::new(&all, &relay);
        let store = bench.index.store().clone();
        ingest(&store, &deletions);
        park(&store, bench.url.as_str(), refused);
        bench.keys(true).await;
        bench.link();

        let (_, first) = bench.done().await;
        assert_eq!((first.have, first.need, first.received, first.sent), (0, 0, 0, 0));
        assert!(
            !first.complete && first.error.is_none(),
            "500 are not safe there: {first:?}"
        );
        let known = store.extra(bench.url.as_str()).unwrap().len();
        assert_eq!(known, 1_000, "it keeps these");
        let relays = [bench.url.to_string()];
        assert_eq!(store.proven(&relays).unwrap(), 1_500);
        let agreement = store.agreements().unwrap()[bench.url.as_str()];
        assert_eq!(agreement.count, 1_000 + 1_500 + 4);

        let opened = relay.shelf(|shelf| shelf.neg_opens);
        bench.reconciler.compare.send(Compare::default()).await.unwrap();
        let (_, second) = bench.done().await;
        assert_eq!((second.rounds, second.have, second.need), (1, 0, 0));
        assert_eq!(relay.shelf(|shelf| shelf.neg_opens), opened + 1);
        assert!(second.bytes_in < 1_024 && second.bytes_out < 1_024, "{second:?}");
        store.verify().unwrap();

        // It drops what it kept, and turns out to hold what it refused.
        relay.shelf(|shelf| shelf.events = [rest, &deletions].concat());
        bench.reconciler.compare.send(Compare::default()).await.unwrap();
        let (_, third) = bench.done().await;
        assert!(third.complete && third.have + third.need == 0, "{third:?}");
        assert!(store.extra(bench.url.as_str()).unwrap().is_empty());
        assert_eq!(store.proven(&relays).unwrap(), 2_000);
        assert_eq!(relay.shelf(|shelf| shelf.neg_opens), opened + 3, "confirmed once");
    });
}

#[test]
fn an_event_that_was_deleted_unseen_is_looked_for_once_and_placed() {
    on_paused_time(async {
        let all = events(300, 3);
        let deletions = [deletion(&all[..7])];
        let relay = FakeRelay::holding(&[&all[..], &deletions].concat());
        let mut bench = Bench::new(&all[7..], &relay);
        let store = bench.index.store().clone();
        ingest(&store, &deletions);
        bench.keys(true).await;
        bench.link();
        let (_, report) = bench.done().await;
        assert!(report.complete, "{report:?}");
        assert_eq!((report.need, report.received), (0, 0));
        assert_eq!(store.extra(bench.url.as_str()).unwrap().len(), 7);
        assert_eq!(store.counts().unwrap().items, 294);

        bench.reconciler.compare.send(Compare::default()).await.unwrap();
        let (_, report) = bench.done().await;
        assert!(report.complete && report.rounds == 1, "{report:?}");
        assert_eq!(relay.shelf(|shelf| shelf.neg_opens), 3);
    });
}

#[test]
fn a_no_op_right_after_a_burst_of_a_hundred_messages_is_one_round_trip_below_1_kb() {
    on_paused_time(async {
        // All of them in the seconds before the agreement.
        let all = events(400, 3);
        let now = 1_800_000_000;
        let burst: Vec<Event> = (0..100)
            .map(|n| crate::world::event(now - n / 10, &format!("burst {n}")))
            .collect();
        let relay = FakeRelay::holding(&all);
        let mut bench = Bench::running(&[&all[..], &burst].concat(), &relay).await;
        let (_, report) = bench.done().await;
        assert!(report.complete && report.sent == 100, "{report:?}");
        bench.reconciler.compare.send(Compare::default()).await.unwrap();
        let (_, report) = bench.done().await;
        assert_eq!((report.rounds, report.complete), (1, true));
        assert!(report.bytes_in < 1_024 && report.bytes_out < 1_024, "{report:?}");

        // Ten new ones of another device.
        let new: Vec<Event> = (0..10)
            .map(|n| crate::world::event(now + 1, &format!("new {n}")))
            .collect();
        relay.shelf(|shelf| shelf.events.extend(new));
        bench.reconciler.compare.send(Compare::default()).await.unwrap();
        let (_, report) = bench.done().await;
        assert_eq!((report.rounds, report.need, report.complete), (1, 10, true));
    });
}
