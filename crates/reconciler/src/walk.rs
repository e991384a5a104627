//! Reading everything a relay holds page by page, for relays that do not speak NIP-77.
//!
//! A walk goes from the newest event down: each page is a REQ with an explicit `limit` and an inclusive `until`, the
//! next one starts at the oldest time of the page before, so that the second both share is read whole (P-9). Feed
//! frames and the time in, drain [`Walk::poll_output`], arm one timer for [`Walk::poll_timeout`].
//! The filter may name a stretch of time, which is then read whole.
//!
//! What a reader can rely on:
//! - A page counts as answered only after a clean EOSE: no NOTICE, no CLOSED, no silence before it (P-2, P-4, P-5).
//!   Anything else is asked again with a smaller limit, and its events are kept.
//! - The end is never guessed from a short page, because relays lower limits silently (P-7): it is a page that starts
//!   below the oldest event and brings nothing, or the hint `finish` (NIP-67).
//! - A second that holds more than one page can show is stepped over and named in
//!   [`WalkOutcome::unproven_seconds`] (P-10).
//! - Ids are hashed before they count; signatures are the receiver's to check.
//!
//! What it cannot see: a relay whose whole answer lies in one second, cut below the limit asked for, looks complete.

mod outcome;
mod page;

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use nostr::event::{Event, EventId};
use nostr::filter::{Filter, MatchEventOptions};
use nostr::types::Timestamp;
use relay_link::{ClientFrame, Refusal, RelayFrame, SubId};

pub use self::outcome::{WalkError, WalkOutcome};
use self::page::Page;
use crate::subs::SubIds;

/// Events asked for per page: what strfry, the commonest relay, gives at most (P-7).
pub const PAGE_EVENTS_MAX: usize = 500;
/// Smaller pages than this make a walk longer than a slow answer does (C-9).
const PAGE_EVENTS_MIN: usize = 20;
/// A page without a matching event for this long counts as unanswered (field guide 7).
pub const PAGE_SILENCE: Duration = Duration::from_secs(30);
/// An unanswered page is asked again this often before the walk gives up.
pub const REPEATS_MAX: u32 = 3;
/// Frames of one page that may bring nothing: a page thrice over, as seen in P-12, and some.
const USELESS_MAX: usize = 4 * PAGE_EVENTS_MAX;
/// Batches that may be with the receiver before another page is asked for: one in work, one ready (C-9).
const UNTAKEN_MAX: usize = 1;
/// How long the receiver may take over a batch; a commit of 500 events takes milliseconds.
const TAKING_MAX: Duration = Duration::from_secs(600);

/// What the caller carries out after each call, in order.
#[derive(Debug)]
pub enum Output {
    /// Send this frame.
    Send(ClientFrame),
    /// Events seen for the first time in this walk, at most [`PAGE_EVENTS_MAX`]. Answer with [`Walk::taken`] once
    /// the receiver has them.
    Events(Vec<Event>),
    /// The walk is over.
    Ended(WalkOutcome),
}

/// What is being asked: everything up to and with second `cursor`, or everything.
#[derive(Debug, Clone, Copy)]
struct Question {
    cursor: Option<u64>,
    /// An event at `cursor` was seen, so an answer without one shows that `until` is exclusive here.
    boundary_known: bool,
    repeats: u32,
}

/// One page-by-page reading of one relay.
pub struct Walk {
    filter: Filter,
    /// The filter without its stretch of time.
    anytime: Filter,
    /// The first second of the stretch.
    floor: u64,
    /// Its last one.
    top: Option<u64>,
    subs: SubIds,
    limit: usize,
    question: Question,
    page: Option<Page>,
    deadline: Option<Instant>,
    ended: bool,
    untaken: usize,
    fresh: Vec<Event>,
    seen: BTreeSet<EventId>,
    pages: u32,
    /// Whether `until` is inclusive here; most relays, but not all (P-9).
    inclusive: Option<bool>,
    /// An empty first page was asked again already (P-1).
    empty_confirmed: bool,
    /// The most distinct events in a page that proved to be cut short.
    cap: usize,
    /// The second just stepped over, with how many events its page showed and the limit that page had.
    stepped: Option<(u64, usize, usize)>,
    /// Events in the last answered page.
    last_count: usize,
    unproven: Vec<u64>,
    outputs: VecDeque<Output>,
}

impl Walk {
    /// Starts reading what matches `filter`, which names authors and kinds (P-3), and may name a stretch of time.
    /// `limit` is at most [`PAGE_EVENTS_MAX`]; relays that state a lower bound are asked for no more.
    pub fn start(filter: Filter, limit: usize, subs: SubIds, now: Instant) -> Self {
        let top = filter.until.map(|until| until.as_secs());
        let mut walk = Self {
            floor: filter.since.map_or(0, |since| since.as_secs()),
            top,
            anytime: filter.clone().remove_since().remove_until(),
            filter,
            subs,
            limit: limit.clamp(PAGE_EVENTS_MIN, PAGE_EVENTS_MAX),
            question: Question {
                cursor: top,
                // An empty stretch is asked for again in the other way before it is believed (P-1, P-9).
                boundary_known: top.is_some(),
                repeats: 0,
            },
            page: None,
            deadline: None,
            ended: false,
            untaken: 0,
            fresh: Vec::new(),
            seen: BTreeSet::new(),
            pages: 0,
            inclusive: None,
            empty_confirmed: false,
            cap: 0,
            stepped: None,
            last_count: 0,
            unproven: Vec::new(),
            outputs: VecDeque::new(),
        };
        walk.ask(now);
        walk
    }

    /// Takes a frame of the relay. Frames of other subscriptions change nothing (P-17).
    pub fn handle_frame(&mut self, frame: RelayFrame, now: Instant) {
        let Some(page) = &mut self.page else { return };
        match frame {
            RelayFrame::Event { sub, event } if sub == page.sub => self.event(*event, now),
            RelayFrame::Eose { sub, hints } if sub == page.sub => match page.notice.take() {
                Some(notice) => self.unanswered(format!("it said: {notice}"), now),
                None => self.answered(&hints, now),
            },
            RelayFrame::Closed { sub, reason } if sub == page.sub => match Refusal::classify(&reason, None) {
                Refusal::AuthRequired => self.fail(WalkError::AuthRequired),
                Refusal::RateLimited => self.fail(WalkError::RateLimited { why: reason }),
                Refusal::FilterTooWide => self.fail(WalkError::FilterTooWide { why: reason }),
                _ => self.unanswered(format!("the relay closed it: {reason}"), now),
            },
            // No EOSE follows it.
            RelayFrame::Notice { message } if Refusal::classify(&message, None) == Refusal::FilterTooWide => {
                self.fail(WalkError::FilterTooWide { why: message });
            }
            // A complaint about a NEG-OPEN or NEG-CLOSE sent earlier says nothing about this page.
            RelayFrame::Notice { message }
                if Refusal::classify(&message, None) != Refusal::NegUnavailable =>
            {
                page.notice = Some(message);
            }
            _ => {}
        }
    }

    /// The receiver has one more batch of [`Output::Events`].
    pub fn taken(&mut self, now: Instant) {
        self.untaken = self.untaken.saturating_sub(1);
        if self.page.is_none() && !self.ended && self.untaken <= UNTAKEN_MAX {
            self.ask(now);
        }
    }

    /// Acts on a deadline that has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        if self.page.is_some() {
            self.unanswered(format!("nothing came for {} s", PAGE_SILENCE.as_secs()), now);
        } else {
            self.fail(WalkError::NotTaken);
        }
    }

    /// Stops without an outcome, closing what is open.
    pub fn close(&mut self) {
        self.ended = true;
        self.deadline = None;
        self.close_page();
    }

    /// The next thing to carry out.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Walk::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// REQs sent so far.
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// Different matching events seen so far.
    pub fn seen(&self) -> usize {
        self.seen.len()
    }

    fn ask(&mut self, now: Instant) {
        if self.untaken > UNTAKEN_MAX {
            self.deadline = Some(now + TAKING_MAX);
            return;
        }
        let sub = self.subs.fresh();
        let exclusive = self.inclusive == Some(false);
        let until = self
            .question
            .cursor
            .map(|cursor| cursor.saturating_add(u64::from(exclusive)));
        let mut filter = self.filter.clone().limit(self.limit);
        if let Some(until) = until {
            filter = filter.until(Timestamp::from(until));
        }
        self.pages += 1;
        self.outputs.push_back(Output::Send(ClientFrame::Req {
            sub: sub.clone(),
            filters: vec![filter],
        }));
        self.page = Some(Page::new(sub, until, self.limit));
        self.deadline = Some(now + PAGE_SILENCE);
    }

    fn event(&mut self, event: Event, now: Instant) {
        let Some(page) = &mut self.page else { return };
        let second = event.created_at.as_secs();
        let genuine = self.anytime.match_event(&event, MatchEventOptions::new()) && event.verify_id();
        let matches = genuine && second >= self.floor && self.top.is_none_or(|top| second <= top);
        if genuine && !matches && page.until.is_some_and(|until| second > until) {
            // Whoever shows it ignores `until` (P-11).
            page.newer_seen += 1;
        }
        let fresh = matches && self.seen.insert(event.id);
        if matches && page.count(event.id, event.created_at.as_secs(), fresh) {
            self.deadline = Some(now + PAGE_SILENCE);
        } else {
            page.useless += 1;
        }
        if page.useless > USELESS_MAX {
            return self.unanswered(format!("more than {USELESS_MAX} events that bring nothing"), now);
        }
        if fresh {
            self.fresh.push(event);
            if self.fresh.len() == PAGE_EVENTS_MAX {
                self.flush();
            }
        }
    }

    /// The page ended with a clean EOSE.
    fn answered(&mut self, hints: &[String], now: Instant) {
        self.flush();
        let Some(page) = self.close_page() else { return };
        self.question.repeats = 0;
        if hints.iter().any(|hint| hint == "finish") {
            return self.finish();
        }
        if page.reached_until {
            self.inclusive = Some(true);
        } else if self.inclusive.is_none() && self.question.boundary_known {
            // The second asked for exists and was not shown: ask for it in this relay's way.
            self.inclusive = Some(false);
            return self.ask(now);
        }
        match page.oldest {
            Some(oldest) => self.below(oldest, &page, now),
            None if page.newer_seen > 0 => self.fail(WalkError::Unpageable),
            // Live events came instead of an answer; or it ignores `until`, which asking again will show.
            None if page.newer_fresh > 0 => {
                self.unanswered("only events newer than asked for".to_owned(), now);
            }
            None if self.question.cursor.is_none() && !self.empty_confirmed => {
                self.empty_confirmed = true;
                self.ask(now);
            }
            None => {
                if let Some((second, shown, limit)) = self.stepped
                    && (shown >= limit || (self.cap > 0 && shown >= self.cap))
                {
                    self.unproven.push(second);
                }
                self.finish();
            }
        }
    }

    /// The page was answered and showed events down to `oldest`: ask for what is below.
    fn below(&mut self, oldest: u64, page: &Page, now: Instant) {
        if let Some((second, shown, _)) = self.stepped.take() {
            // Had the page of that second not been full, these events would have been on it.
            self.unproven.push(second);
            self.cap = self.cap.max(shown);
        }
        let (next, boundary_known) = match self.question.cursor {
            // An exclusive relay that turned out inclusive showed the second above only.
            Some(cursor) if oldest > cursor => (cursor, true),
            Some(cursor) if oldest == cursor => {
                self.stepped = Some((cursor, page.ids.len(), page.limit));
                let Some(next) = cursor.checked_sub(1).filter(|next| *next >= self.floor) else {
                    return self.finish_at_floor();
                };
                (next, false)
            }
            _ => {
                self.cap = self.cap.max(if self.question.cursor.is_some() {
                    self.last_count
                } else {
                    0
                });
                (oldest, true)
            }
        };
        self.last_count = page.ids.len();
        self.question = Question {
            cursor: Some(next),
            boundary_known,
            repeats: 0,
        };
        self.ask(now);
    }

    /// The lowest second was read: nothing is asked for below, and no negative `until` is ever sent.
    fn finish_at_floor(&mut self) {
        if let Some((second, shown, limit)) = self.stepped.take()
            && (shown >= limit || (self.cap > 0 && shown >= self.cap))
        {
            self.unproven.push(second);
        }
        self.finish();
    }

    /// The page ended some other way: keep its events, ask again for less.
    fn unanswered(&mut self, why: String, now: Instant) {
        self.flush();
        self.close_page();
        if self.question.repeats >= REPEATS_MAX {
            return self.fail(WalkError::Unanswered { why });
        }
        self.question.repeats += 1;
        self.limit = (self.limit / 2).max(PAGE_EVENTS_MIN);
        self.ask(now);
    }

    fn flush(&mut self) {
        if !self.fresh.is_empty() {
            self.untaken += 1;
            self.outputs
                .push_back(Output::Events(std::mem::take(&mut self.fresh)));
        }
    }

    fn close_page(&mut self) -> Option<Page> {
        let page = self.page.take()?;
        self.outputs.push_back(Output::Send(ClientFrame::Close {
            sub: page.sub.clone(),
        }));
        Some(page)
    }

    fn finish(&mut self) {
        self.end(None);
    }

    fn fail(&mut self, error: WalkError) {
        self.flush();
        self.close_page();
        self.end(Some(error));
    }

    fn end(&mut self, error: Option<WalkError>) {
        self.ended = true;
        self.deadline = None;
        self.outputs.push_back(Output::Ended(WalkOutcome {
            seen: std::mem::take(&mut self.seen),
            proven: error.is_none(),
            unproven_seconds: std::mem::take(&mut self.unproven),
            pages: self.pages,
            page_cap: Some(self.cap).filter(|cap| (1..self.limit).contains(cap)),
            error,
        }));
    }

    /// The subscription of the open page.
    pub fn sub(&self) -> Option<&SubId> {
        self.page.as_ref().map(|page| &page.sub)
    }
}
