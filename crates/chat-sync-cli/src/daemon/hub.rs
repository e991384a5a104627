//! What happened, numbered, so that a reader that was cut off goes on where it was.
//!
//! - Numbers only grow, over the life of the daemon and from one daemon to the next: the first one is the time it started
//!   at, in microseconds.
//! - There is one list for all readers and no queue for any of them. A reader that is slower than the list is long is told
//!   to read everything anew.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use chat_sync::{ChatUpdate, ConversationSummary};
use tokio::sync::watch;

use super::followed::Scope;

/// Events that are kept.
const EVENTS_MAX: usize = 4096;
/// And their size: a burst of long messages is not to fill the memory.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// Around the words of a message.
const MESSAGE_BYTES: usize = 256;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    /// The status changed; what it is now is asked when it is shown.
    Status,
    /// Lines of the list changed; none are named when there were more than could be told.
    Counts(Vec<ConversationSummary>),
    /// Messages changed that somebody follows. Following begins with [`ChatUpdate::Reloaded`].
    Chats(Scope, ChatUpdate),
    /// How a login goes: one line of JSON.
    Login(String),
    /// The signer in the browser is asked. What it is asked is not kept here: there are secrets in it.
    Signer,
    /// Another account: nothing that was shown holds.
    Reload,
}

impl Event {
    fn bytes(&self) -> usize {
        match self {
            Self::Login(line) => MESSAGE_BYTES + line.len(),
            Self::Counts(lines) => lines
                .iter()
                .map(|line| MESSAGE_BYTES + line.id.len() + line.title.len())
                .sum::<usize>()
                .max(MESSAGE_BYTES),
            Self::Chats(_, ChatUpdate::Landed(messages)) => messages
                .iter()
                .map(|message| MESSAGE_BYTES + message.content.len())
                .sum(),
            Self::Chats(..) | Self::Status | Self::Reload | Self::Signer => MESSAGE_BYTES,
        }
    }
}

/// The list.
#[derive(Debug)]
struct Kept {
    events: VecDeque<(u64, Arc<Event>)>,
    bytes: usize,
    /// The number of the newest event.
    last: u64,
    /// Numbers up to this one are not in the list any more. A status that a later one replaced is not missed.
    forgotten: u64,
}

impl Kept {
    fn new(first: u64) -> Self {
        Self {
            events: VecDeque::new(),
            bytes: 0,
            last: first,
            forgotten: first,
        }
    }

    fn push(&mut self, event: Event) -> u64 {
        if event == Event::Status {
            // Only the newest status is worth anything.
            let before = self.events.len();
            self.events.retain(|(_, event)| **event != Event::Status);
            self.bytes -= (before - self.events.len()) * MESSAGE_BYTES;
        }
        self.last += 1;
        self.bytes += event.bytes();
        self.events.push_back((self.last, Arc::new(event)));
        while self.events.len() > EVENTS_MAX || (self.bytes > BYTES_MAX && self.events.len() > 1) {
            if let Some((number, event)) = self.events.pop_front() {
                self.bytes -= event.bytes();
                self.forgotten = number;
            }
        }
        self.last
    }

    /// Up to `most` events after number `after`; `None` when some of them are not kept any more, or it names none of
    /// ours.
    fn after(&self, after: u64, most: usize) -> Option<Vec<(u64, Arc<Event>)>> {
        if after < self.forgotten || after > self.last {
            return None;
        }
        let start = self.events.partition_point(|(number, _)| *number <= after);
        Some(self.events.range(start..).take(most).cloned().collect())
    }
}

/// The list, for all who write and read it.
#[derive(Debug)]
pub(super) struct Hub {
    kept: Mutex<Kept>,
    last: watch::Sender<u64>,
}

impl Hub {
    pub(super) fn new(started_at_micros: u64) -> Self {
        Self {
            kept: Mutex::new(Kept::new(started_at_micros)),
            last: watch::Sender::new(started_at_micros),
        }
    }

    pub(super) fn push(&self, event: Event) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let last = kept.push(event);
        // Under the lock, so that numbers arrive in order.
        self.last.send_replace(last);
    }

    /// The number of the newest event.
    pub(super) fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// Changes with every event.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// As [`Kept::after`].
    pub(super) fn after(&self, after: u64, most: usize) -> Option<Vec<(u64, Arc<Event>)>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.after(after, most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(n: usize) -> Event {
        Event::Login(n.to_string())
    }

    fn numbers(kept: &Kept, after: u64) -> Option<Vec<u64>> {
        let events = kept.after(after, usize::MAX)?;
        Some(events.iter().map(|(number, _)| *number).collect())
    }

    #[test]
    fn a_reader_goes_on_where_it_was() {
        let mut kept = Kept::new(100);
        assert_eq!(numbers(&kept, 100), Some(vec![]));
        for n in 0..3 {
            kept.push(page(n));
        }
        assert_eq!(numbers(&kept, 100), Some(vec![101, 102, 103]));
        assert_eq!(numbers(&kept, 102), Some(vec![103]));
        assert_eq!(kept.after(100, 2).unwrap().len(), 2);
    }

    #[test]
    fn a_number_of_another_daemon_means_to_read_anew() {
        let kept = Kept::new(100);
        assert_eq!(numbers(&kept, 99), None, "one that ran before");
        assert_eq!(numbers(&kept, 101), None, "a clock that was set back");
    }

    #[test]
    fn a_reader_that_is_too_slow_reads_anew() {
        let mut kept = Kept::new(0);
        for n in 0..=EVENTS_MAX {
            kept.push(page(n));
        }
        assert_eq!(numbers(&kept, 0), None);
        assert_eq!(numbers(&kept, 1).unwrap().len(), EVENTS_MAX);
    }

    #[test]
    fn long_messages_do_not_fill_the_memory() {
        let mut kept = Kept::new(0);
        for _ in 0..20 {
            kept.push(Event::Login("x".repeat(BYTES_MAX / 4)));
        }
        assert!(kept.events.len() < 4 && kept.bytes <= BYTES_MAX);
        let bytes: usize = kept.events.iter().map(|(_, event)| event.bytes()).sum();
        assert_eq!(bytes, kept.bytes);
    }

    #[test]
    fn of_many_statuses_one_is_kept_and_nothing_is_missed_by_that() {
        let mut kept = Kept::new(0);
        kept.push(page(1));
        for _ in 0..10_000 {
            kept.push(Event::Status);
        }
        kept.push(page(2));
        assert_eq!(numbers(&kept, 0), Some(vec![1, 10_001, 10_002]));
        assert_eq!(numbers(&kept, 5_000), Some(vec![10_001, 10_002]));
    }
}
