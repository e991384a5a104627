//! A request that went out and has no answer yet.

use std::time::{Duration, Instant};

use nostr::event::EventId;
use nostr::key::PublicKey;
use zeroize::Zeroizing;

use crate::request::Request;

/// A method that a signer may lack is answered soon, or not at all (S-4).
const OPTIONAL_DEADLINE: Duration = Duration::from_secs(5);
/// The pause after a relay refused a request doubles from the first to the second of these (S-3).
const COOLDOWN_FIRST: Duration = Duration::from_secs(2);
const COOLDOWN_MAX: Duration = Duration::from_secs(30);

/// Who waits for the end of a request in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// Everyone: `connect` or `get_public_key` before the first request.
    Everyone,
    Ticket(u64),
}

/// What happens when the deadline passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is asked once more.
    First,
    /// Once more, as soon as spacing allows; its deadline starts then.
    RetryDue,
    /// It is given up.
    Retried,
    /// It is given up: the signer had a person open a page.
    Page,
}

#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) request: Request,
    pub(crate) asker: Asker,
    /// The same for every sending of it.
    pub(crate) json: Zeroizing<String>,
    pub(crate) first_sent: Instant,
    pub(crate) deadline: Instant,
    pub(crate) resend_at: Option<Instant>,
    pub(crate) stage: Stage,
    /// The event it went out in last, and how many relays have not refused it.
    pub(crate) event: Option<EventId>,
    pub(crate) copies: usize,
    /// A relay took it, or why none did.
    pub(crate) taken: bool,
    pub(crate) refusal: Option<String>,
    /// The account it is meant for.
    pub(crate) wanted: Option<PublicKey>,
    /// The signer named that account just before it was sent.
    pub(crate) checked: bool,
    cooldown: Duration,
}

impl InFlight {
    /// Goes out at `now` and is answered `within` a while, or sooner when it is optional.
    pub(crate) fn new(
        request: Request,
        asker: Asker,
        json: Zeroizing<String>,
        within: Duration,
        now: Instant,
    ) -> Self {
        let (within, stage) = if request.is_optional() {
            (within.min(OPTIONAL_DEADLINE), Stage::Retried)
        } else {
            (within, Stage::First)
        };
        Self {
            request,
            asker,
            json,
            first_sent: now,
            deadline: now + within,
            resend_at: None,
            stage,
            event: None,
            copies: 0,
            taken: false,
            refusal: None,
            wanted: None,
            checked: false,
            cooldown: COOLDOWN_FIRST,
        }
    }

    /// Every relay refused it: tried again after a pause, for as long as the deadline allows.
    pub(crate) fn cool_down(&mut self, refusal: String, now: Instant) {
        self.refusal = Some(refusal);
        self.resend_at = Some(now + self.cooldown);
        self.cooldown = (2 * self.cooldown).min(COOLDOWN_MAX);
    }
}
