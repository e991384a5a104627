//! What the queue of one relay promises.

use std::time::{Duration, Instant};

use event_index::{Delivery, DeliveryState};
use nostr::event::EventId;
use relay_link::OkClass;
use uploader::{IN_FLIGHT_MAX, Next, OK_DEADLINE, Outbox, Pace, WINDOW, Window};

const UNIX: u64 = 1_789_000_000;

fn id(n: u64) -> EventId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    EventId::from_byte_array(bytes)
}

fn row(seq: u64) -> Delivery {
    let relay = "wss://relay.example".to_owned();
    Delivery {
        relay,
        seq,
        id: id(seq),
        state: DeliveryState::Waiting,
        at: 0,
        attempts: 0,
        next_try: 0,
        reason: None,
        absent: 0,
    }
}

/// What a reading behind `after` came to.
fn window(after: u64, rows: Vec<Delivery>) -> Window {
    Window {
        read_to: rows.last().map_or(after, |row| row.seq),
        last: rows.len() < WINDOW,
        rows,
        ..Window::default()
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// An outbox of a relay on this machine over rows on "disk".
struct Bench {
    outbox: Outbox,
    disk: Vec<Delivery>,
    now: Instant,
    unix: u64,
}

impl Bench {
    fn new(rows: u64) -> Self {
        let now = now();
        Self {
            outbox: Outbox::new(Pace::unlimited(now)),
            disk: (1..=rows).map(row).collect(),
            now,
            unix: UNIX,
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.unix += seconds;
    }

    /// Sends what may be sent now, reading from the disk as asked.
    fn pump(&mut self) -> Vec<u64> {
        let mut sent = Vec::new();
        loop {
            match self.outbox.next(self.now, self.unix) {
                Next::Send(row) => sent.push(row.seq),
                Next::Load { after, read } => {
                    let rows = self.disk.iter().filter(|row| row.seq > after);
                    let rows: Vec<Delivery> = rows.take(WINDOW).cloned().collect();
                    self.outbox.load(read, window(after, rows), self.unix);
                }
                Next::Wait(_) | Next::Idle => return sent,
            }
        }
    }

    fn answer(&mut self, seq: u64, class: OkClass, reason: &str) -> Option<Delivery> {
        let row = self
            .outbox
            .answered(&id(seq), class, reason, (self.now, self.unix), 0.0)?;
        self.write(row.clone());
        Some(row)
    }

    fn write(&mut self, row: Delivery) {
        let place = self.disk.iter().position(|held| held.seq == row.seq).unwrap();
        self.disk[place] = row;
    }

    fn states(&self, state: DeliveryState) -> usize {
        self.disk.iter().filter(|row| row.state == state).count()
    }
}

#[test]
fn everything_leaves_in_order_and_few_at_a_time() {
    let mut bench = Bench::new(1_000);
    let mut sent = Vec::new();
    loop {
        let flight = bench.pump();
        assert!(flight.len() <= IN_FLIGHT_MAX);
        if flight.is_empty() {
            break;
        }
        for seq in &flight {
            bench.answer(*seq, OkClass::Stored, "");
        }
        sent.extend(flight);
    }
    assert_eq!(sent, (1..=1_000).collect::<Vec<u64>>());
    assert_eq!(bench.states(DeliveryState::Accepted), 1_000);
    assert_eq!(
        (bench.outbox.settled(bench.now), bench.outbox.take_accepted()),
        (Some(0), 1_000)
    );
}

#[test]
fn a_missing_ok_is_tried_again_with_the_same_event_and_stops_no_other() {
    let mut bench = Bench::new(3);
    assert_eq!(bench.pump(), [1, 2, 3]);
    bench.answer(1, OkClass::Stored, "");
    bench.answer(3, OkClass::Stored, "");
    assert_eq!(bench.outbox.settled(bench.now), None, "one is on the wire");
    bench.pass(OK_DEADLINE.as_secs());
    let overdue = bench.outbox.expire(bench.now, bench.unix, 0.0);
    assert_eq!((overdue.len(), overdue[0].seq, overdue[0].attempts), (1, 2, 1));
    assert!(overdue[0].reason.as_ref().unwrap().contains("no OK"));
    bench.write(overdue[0].clone());
    assert!(bench.pump().is_empty(), "not at once");
    bench.pass(5);
    assert_eq!(bench.pump(), [2]);
}

#[test]
fn a_late_ok_settles_its_event() {
    let mut bench = Bench::new(1);
    bench.pump();
    bench.pass(OK_DEADLINE.as_secs());
    for row in bench.outbox.expire(bench.now, bench.unix, 0.0) {
        bench.write(row);
    }
    bench.pass(1);
    let settled = bench.answer(1, OkClass::Stored, "").expect("it changes the row");
    assert_eq!(settled.state, DeliveryState::Accepted);
    bench.pass(3_600);
    assert!(bench.pump().is_empty(), "it is not sent again");
}

#[test]
fn a_refused_event_is_parked_with_its_reason_and_tested_again_after_a_day() {
    let mut bench = Bench::new(2);
    bench.pump();
    let refused = bench
        .answer(1, OkClass::PermanentHere, "blocked: kind 1080")
        .unwrap();
    assert_eq!(
        (refused.state, refused.reason.as_deref()),
        (DeliveryState::Parked, Some("blocked: kind 1080"))
    );
    bench.answer(2, OkClass::Stored, "");
    assert_eq!(
        bench.outbox.settled(bench.now),
        Some(0),
        "a parked one blocks nobody"
    );
    bench.pass(23 * 3_600);
    assert!(bench.pump().is_empty());
    bench.pass(2 * 3_600);
    assert_eq!(bench.pump(), [1]);
}

#[test]
fn our_own_mistake_is_not_sent_again_until_a_person_says_so() {
    let mut bench = Bench::new(1);
    bench.pump();
    bench.answer(1, OkClass::OurBug, "invalid: bad event id");
    bench.pass(365 * 24 * 3_600);
    assert!(bench.pump().is_empty());
}

#[test]
fn a_relay_that_wants_less_gets_less_and_in_order() {
    let mut bench = Bench::new(40);
    let flight = bench.pump();
    assert_eq!(flight.len(), IN_FLIGHT_MAX);
    for seq in &flight {
        let row = bench
            .answer(*seq, OkClass::Pause, "rate-limited: slow down")
            .expect("its words are kept");
        assert_eq!(
            (row.state, row.attempts),
            (DeliveryState::Waiting, 0),
            "it is no try"
        );
    }
    assert!(bench.pump().is_empty(), "it pauses");
    assert_eq!(
        bench.outbox.settled(bench.now),
        Some(40),
        "they wait, and the relay has settled for now"
    );
    bench.pass(10);
    assert_eq!(bench.pump().first(), Some(&1), "the first one goes first again");
}

#[test]
fn a_lost_connection_sends_again_what_had_no_answer() {
    let mut bench = Bench::new(100);
    let flight = bench.pump();
    for seq in &flight[..10] {
        bench.answer(*seq, OkClass::Stored, "");
    }
    assert!(bench.outbox.disconnected(UNIX).is_empty());
    // One at a time, because one of them may be what ended the connection.
    for seq in 11..=32 {
        assert_eq!(bench.pump(), [seq]);
        bench.answer(seq, OkClass::Stored, "");
    }
    assert_eq!(bench.pump().len(), IN_FLIGHT_MAX, "none of them was");
}

#[test]
fn failing_again_and_again_slows_down_to_once_an_hour_and_never_ends() {
    let mut bench = Bench::new(1);
    let mut pauses = Vec::new();
    for _ in 0..15 {
        let mut waited = 0;
        while bench.pump().is_empty() {
            bench.pass(1);
            waited += 1;
        }
        pauses.push(waited);
        bench.answer(1, OkClass::Temporary, "error: database").unwrap();
    }
    assert!(pauses.is_sorted(), "{pauses:?}");
    assert_eq!((pauses[0], pauses[14]), (0, 3_600));
}

#[test]
fn rows_that_were_read_before_the_queue_changed_do_not_hide_the_change() {
    let mut bench = Bench::new(1);
    let Next::Load { after, read } = bench.outbox.next(bench.now, bench.unix) else {
        panic!("it reads first")
    };
    assert_eq!(after, 0);
    let rows = bench.disk.clone();
    bench.disk.push(row(2));
    bench.outbox.appended();
    bench.outbox.load(read, window(after, rows), bench.unix);
    assert_eq!(bench.pump(), [1, 2], "the second one is found");

    let mut bench = Bench::new(2);
    let Next::Load { read, .. } = bench.outbox.next(bench.now, bench.unix) else {
        panic!("it reads first")
    };
    bench.outbox.rewind();
    bench.outbox.load(read, window(0, Vec::new()), bench.unix);
    assert_eq!(
        bench.pump(),
        [1, 2],
        "an older reading says nothing about the queue"
    );
}

#[test]
fn a_reading_of_which_nothing_is_left_goes_on_behind_it() {
    let mut bench = Bench::new(2 * WINDOW as u64);
    let Next::Load { after, read } = bench.outbox.next(bench.now, bench.unix) else {
        panic!("it reads first")
    };
    // All of them were accepted a moment ago, which is not on disk yet.
    let read_to = WINDOW as u64;
    let passed = Window {
        rows: Vec::new(),
        read_to,
        last: false,
        ..Window::default()
    };
    bench.outbox.load(read, passed, bench.unix);
    assert_eq!(after, 0);
    assert!(matches!(bench.outbox.next(bench.now, bench.unix), Next::Load { after, .. } if after == read_to));
    assert_eq!(bench.pump().first(), Some(&(read_to + 1)));
}

const TOO_LARGE: &str = "message too large (140000 > 131072)";

#[test]
fn a_notice_is_about_the_one_event_in_flight() {
    let mut bench = Bench::new(1);
    bench.pump();
    bench.outbox.noticed(TOO_LARGE, bench.now);
    assert!(
        bench.outbox.expire(bench.now, bench.unix, 0.0).is_empty(),
        "its OK may still come"
    );
    bench.pass(2);
    let rows = bench.outbox.expire(bench.now, bench.unix, 0.0);
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].state, rows[0].reason.as_deref()),
        (DeliveryState::Parked, Some(TOO_LARGE))
    );
}

#[test]
fn a_notice_about_something_else_costs_nothing() {
    let mut bench = Bench::new(2);
    bench.pump();
    for text in [
        "ERROR: bad msg: negentropy disabled",
        "too many concurrent REQs",
        "welcome",
    ] {
        bench.outbox.noticed(text, bench.now);
    }
    bench.answer(1, OkClass::Stored, "");
    bench.outbox.noticed(TOO_LARGE, bench.now);
    let settled = bench.answer(2, OkClass::Stored, "").unwrap();
    assert_eq!(
        settled.state,
        DeliveryState::Accepted,
        "a yes counts more than a NOTICE"
    );
}

#[test]
fn a_notice_while_several_are_in_flight_is_attributed_one_at_a_time() {
    let mut bench = Bench::new(50);
    let flight = bench.pump();
    assert_eq!(flight.len(), IN_FLIGHT_MAX);
    // The third is too large; the others get their OK.
    bench.outbox.noticed(TOO_LARGE, bench.now);
    for seq in flight.iter().filter(|seq| **seq != 3) {
        bench.answer(*seq, OkClass::Stored, "");
    }
    assert!(bench.pump().is_empty(), "what is on its way is waited for");
    bench.pass(OK_DEADLINE.as_secs());
    assert_eq!(bench.pump(), [3], "it is alone");
    bench.outbox.noticed(TOO_LARGE, bench.now);
    bench.pass(2);
    let parked = bench.outbox.expire(bench.now, bench.unix, 0.0);
    assert_eq!(
        (parked.len(), parked[0].seq, parked[0].state),
        (1, 3, DeliveryState::Parked)
    );
    bench.write(parked[0].clone());
    assert_eq!(
        bench.pump(),
        (33..=50).collect::<Vec<u64>>(),
        "nothing was skipped"
    );
}

#[test]
fn a_rate_limit_by_notice_keeps_the_order() {
    let mut bench = Bench::new(5);
    bench.pump();
    bench.answer(1, OkClass::Stored, "");
    bench.outbox.noticed("rate limited", bench.now);
    assert!(bench.pump().is_empty());
    bench.answer(2, OkClass::Stored, "");
    bench.pass(10);
    assert_eq!(
        bench.pump().first(),
        Some(&3),
        "the late OK settled the second one"
    );
}

#[test]
fn an_event_that_closes_the_connection_twice_is_put_aside_and_the_others_continue() {
    let mut bench = Bench::new(5);
    assert_eq!(bench.pump(), [1, 2, 3, 4, 5]);
    bench.answer(1, OkClass::Stored, "");
    assert!(bench.outbox.disconnected(bench.unix).is_empty());
    assert!(
        bench.outbox.disconnected(bench.unix).is_empty(),
        "the next connection stands"
    );
    // One at a time now: the second is fine, the third closes it again.
    assert_eq!(bench.pump(), [2]);
    bench.answer(2, OkClass::Stored, "");
    assert_eq!(bench.pump(), [3]);
    assert!(bench.outbox.sized(&id(3), 70_000, bench.unix).is_none());
    let quarantined = bench.outbox.disconnected(bench.unix);
    assert_eq!((quarantined.len(), quarantined[0].seq), (1, 3));
    assert_eq!(quarantined[0].state, DeliveryState::Parked);
    assert_eq!(bench.outbox.size_lesson(), Some(70_000));
    bench.write(quarantined[0].clone());
    assert_eq!(bench.pump(), [4]);
    bench.answer(4, OkClass::Stored, "");
    assert_eq!(bench.pump(), [5]);
    assert!(
        bench.outbox.sized(&id(5), 70_000, bench.unix).is_some(),
        "one as large is not sent any more"
    );
}

#[test]
fn a_refusal_that_comes_late_leaves_the_retry_to_say_so() {
    let mut bench = Bench::new(1);
    bench.pump();
    bench.pass(OK_DEADLINE.as_secs());
    let rows = bench.outbox.expire(bench.now, bench.unix, 0.0);
    bench.write(rows[0].clone());
    assert!(bench.answer(1, OkClass::PermanentHere, "blocked: kind").is_none());
    assert!(
        bench.answer(1, OkClass::Stored, "").is_some(),
        "and a yes after that counts"
    );
}

#[test]
fn a_long_queue_is_not_read_again_for_every_event_that_falls_due() {
    let mut bench = Bench::new(0);
    let Next::Load { after, read } = bench.outbox.next(bench.now, bench.unix) else {
        panic!("it reads first")
    };
    assert_eq!(after, 0);
    let mut long = window(0, Vec::new());
    (long.read_to, long.passed, long.last) = (100_000, 100_000, true);
    long.deferred.earliest = Some(bench.unix + 1);
    bench.outbox.load(read, long.clone(), bench.unix);
    let mut readings = 0;
    for _ in 0..60 {
        bench.pass(1);
        long.deferred.earliest = Some(bench.unix + 1);
        while let Next::Load { read, .. } = bench.outbox.next(bench.now, bench.unix) {
            readings += 1;
            bench.outbox.load(read, long.clone(), bench.unix);
        }
    }
    assert!(
        (1..=6).contains(&readings),
        "{readings} readings of 100,000 rows in a minute"
    );
}

#[test]
fn what_a_relay_says_about_its_pace_is_kept_beside_the_row_that_keeps_its_place() {
    let mut bench = Bench::new(1);
    assert_eq!(bench.pump(), [1]);
    let row = bench
        .answer(1, OkClass::Pause, "rate-limited: slow down")
        .expect("its words are written");
    assert_eq!(
        (row.state, row.attempts, row.reason.as_deref()),
        (DeliveryState::Waiting, 0, Some("rate-limited: slow down"))
    );
    assert!(bench.outbox.keeps(&row), "it is next to go");
}

#[test]
fn an_event_that_a_relay_knows_as_deleted_is_not_called_accepted() {
    let mut bench = Bench::new(1);
    bench.pump();
    let row = bench
        .answer(1, OkClass::Settled, "deleted: user requested deletion")
        .unwrap();
    assert_eq!((row.state, row.next_try), (DeliveryState::Parked, u64::MAX));
    assert_eq!(row.reason.as_deref(), Some("deleted: user requested deletion"));
}

#[test]
fn an_event_without_an_answer_is_sent_since_its_first_try() {
    let mut bench = Bench::new(1);
    bench.pump();
    let mut since = Vec::new();
    for _ in 0..2 {
        bench.pass(OK_DEADLINE.as_secs());
        for row in bench.outbox.expire(bench.now, bench.unix, 0.0) {
            assert_eq!(row.state, DeliveryState::Sent);
            since.push(row.at);
            bench.write(row);
        }
        bench.pass(10);
        assert_eq!(bench.pump(), [1]);
    }
    assert_eq!(since.len(), 2);
    assert_eq!(since[0], since[1]);
}

#[test]
fn of_two_answers_that_contradict_each_other_the_yes_counts() {
    let mut bench = Bench::new(3);
    assert_eq!(bench.pump(), [1, 2, 3]);
    for (seq, class) in [
        (1, OkClass::PermanentHere),
        (2, OkClass::Temporary),
        (3, OkClass::OurBug),
    ] {
        let refused = bench.answer(seq, class, "no").unwrap();
        assert_ne!(refused.state, DeliveryState::Accepted);
        let taken = bench.answer(seq, OkClass::Stored, "").expect("a yes after a no");
        assert_eq!((taken.state, taken.reason), (DeliveryState::Accepted, None));
        assert!(
            bench.answer(seq, class, "no").is_none(),
            "a no after a yes: reading back tells"
        );
    }
    assert_eq!(bench.outbox.parked(), Some((0, None)), "nothing is put aside");
    bench.pass(25 * 3_600);
    assert!(bench.pump().is_empty(), "nothing is sent again");
}
