//! What is still to reach relays, and a person's word about it. Works on the store alone, without an engine.

use event_index::{Delivery, DeliveryState, IndexError, Standing, Store};
use nostr::event::EventId;
use relay_link::RelayUrl;

/// Rows read at once: at most 500 KB of reasons.
const PAGE: usize = 1000;
/// Why a delivery that a person gave up is not tried; it stands where a relay's answer stands.
pub const GIVEN_UP: &str = "given up here with `chat-sync queue drop`";

/// Calls `each` with every delivery to these relays that is not done: to be sent, on its way, or parked; relay by relay,
/// in sealing order. Cost: one pass over the relays' rows, a page in memory.
pub fn each_open(
    store: &Store,
    relays: &[RelayUrl],
    mut each: impl FnMut(Delivery),
) -> Result<(), IndexError> {
    for relay in relays {
        pages(store, relay, |rows| {
            rows.into_iter().filter(is_open).for_each(&mut each);
            Ok(())
        })?;
    }
    Ok(())
}

/// Makes deliveries that `chosen` names due now: parked ones, and those whose next try is later. One commit for each
/// thousand. Returns how many.
pub fn retry_now(
    store: &Store,
    relays: &[RelayUrl],
    chosen: impl Fn(&Delivery) -> bool,
) -> Result<u64, IndexError> {
    change(store, relays, |row| {
        let later = row.state == DeliveryState::Parked || row.next_try > 0;
        (later && chosen(&row)).then_some(Delivery {
            state: DeliveryState::Waiting,
            at: 0,
            next_try: 0,
            // What was said before is no reason for what is tried now.
            reason: None,
            ..row
        })
    })
}

/// Gives up deliveries that `chosen` names, each at its relay only: they are parked and never due. The messages stay
/// here, and [`retry_now`] takes it back. One commit for each thousand. Returns how many.
pub fn give_up(
    store: &Store,
    relays: &[RelayUrl],
    chosen: impl Fn(&Delivery) -> bool,
) -> Result<u64, IndexError> {
    change(store, relays, |row| {
        (!is_given_up(&row) && chosen(&row)).then(|| Delivery {
            state: DeliveryState::Parked,
            at: 0,
            next_try: u64::MAX,
            reason: Some(GIVEN_UP.to_owned()),
            ..row
        })
    })
}

/// Whether a person gave this delivery up.
pub fn is_given_up(row: &Delivery) -> bool {
    row.state == DeliveryState::Parked && row.reason.as_deref() == Some(GIVEN_UP)
}

/// How many of these events none of `relays` is known to hold. Cost: a lookup per event and relay.
pub fn nowhere_else(store: &Store, ids: &[EventId], relays: &[RelayUrl]) -> Result<u64, IndexError> {
    let relays: Vec<String> = relays.iter().map(|relay| relay.as_str().to_owned()).collect();
    let held = |standings: &Vec<Standing>| standings.iter().any(|one| *one >= Standing::Accepted);
    let standings = store.standings(ids, &relays)?;
    Ok(standings.iter().filter(|one| !held(one)).count() as u64)
}

fn is_open(row: &Delivery) -> bool {
    !row.state.is_settled()
}

fn change(
    store: &Store,
    relays: &[RelayUrl],
    changed: impl Fn(Delivery) -> Option<Delivery>,
) -> Result<u64, IndexError> {
    let mut count = 0;
    for relay in relays {
        pages(store, relay, |rows| {
            let rows: Vec<Delivery> = rows.into_iter().filter(is_open).filter_map(&changed).collect();
            count += rows.len() as u64;
            if rows.is_empty() {
                return Ok(());
            }
            store.set_deliveries(rows)
        })?;
    }
    Ok(count)
}

fn pages(
    store: &Store,
    relay: &RelayUrl,
    mut each: impl FnMut(Vec<Delivery>) -> Result<(), IndexError>,
) -> Result<(), IndexError> {
    let mut after = 0;
    loop {
        let rows = store.deliveries(relay.as_str(), after, PAGE)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.seq;
        each(rows)?;
    }
}
