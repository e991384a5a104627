//! Waiting for the signer that knows the secret, as a state machine that performs no I/O.
//!
//! Responses and the state of relays go in; the outcome is taken with [`Vigil::poll_outcome`], and one timer is armed
//! for [`Vigil::poll_timeout`]. Spec: NIP-46, "Direct connection initiated by the client".

use std::hint::black_box;
use std::time::{Duration, Instant};

use nostr::key::PublicKey;
use relay_link::RelayUrl;
use zeroize::Zeroizing;

use super::OfferError;
use crate::envelope::Response;
use crate::refusal::shown;

/// What is wrong at a relay before its link said anything.
const NOT_YET: &str = "no connection yet";

pub(crate) struct Vigil {
    secret: Zeroizing<String>,
    /// Every relay of the offer in its order, with what is wrong there.
    relays: Vec<(RelayUrl, Option<String>)>,
    waited: Duration,
    deadline: Instant,
    /// Over: nothing changes the outcome any more.
    ended: bool,
    outcome: Option<Result<PublicKey, OfferError>>,
}

impl Vigil {
    /// Waits at `relays` for whoever knows `secret`, this long from `since`.
    pub(crate) fn new(
        secret: Zeroizing<String>,
        relays: &[RelayUrl],
        patience: Duration,
        since: Instant,
    ) -> Self {
        let unheard = |relay: &RelayUrl| (relay.clone(), Some(NOT_YET.to_owned()));
        Self {
            secret,
            relays: relays.iter().map(unheard).collect(),
            waited: patience,
            deadline: since + patience,
            ended: false,
            outcome: None,
        }
    }

    /// Whether the offer names `relay`.
    pub(crate) fn waits_at(&self, relay: &RelayUrl) -> bool {
        self.relays.iter().any(|(url, _)| url == relay)
    }

    /// `relay` passes messages on, or this is why not.
    pub(crate) fn relay_is(&mut self, relay: &RelayUrl, wrong: Option<&str>) {
        for (_, known) in self.relays.iter_mut().filter(|(url, _)| url == relay) {
            *known = wrong.map(shown);
        }
    }

    /// `author` said something; the caller has checked that it did. Only the secret counts, whoever repeats it: an
    /// "ack", an error or another secret may come from anybody who saw the client key at a relay.
    pub(crate) fn handle_response(&mut self, author: PublicKey, response: Response) {
        let result = Zeroizing::new(response.result.unwrap_or_default());
        let failed = response.error.is_some_and(|error| !error.is_empty());
        if !self.ended && !failed && same(result.as_bytes(), self.secret.as_bytes()) {
            self.end(Ok(author));
        }
    }

    /// Gives up when the time is over.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.ended || now < self.deadline {
            return;
        }
        let texts = self.relays.iter().map(|(relay, wrong)| match wrong {
            Some(wrong) => format!("{relay} ({wrong})"),
            None => relay.to_string(),
        });
        let relays = texts.collect::<Vec<_>>().join(", ");
        let waited = self.waited;
        let unreachable = self.relays.iter().all(|(_, wrong)| wrong.is_some());
        self.end(Err(if unreachable {
            OfferError::Unreachable { waited, relays }
        } else {
            OfferError::NoSigner { waited, relays }
        }));
    }

    /// The signer's key, or why there is none. Told once.
    pub(crate) fn poll_outcome(&mut self) -> Option<Result<PublicKey, OfferError>> {
        self.outcome.take()
    }

    /// When to call [`Vigil::handle_timeout`].
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        (!self.ended).then_some(self.deadline)
    }

    fn end(&mut self, outcome: Result<PublicKey, OfferError>) {
        self.ended = true;
        self.outcome = Some(outcome);
    }
}

/// Compares in a time that depends on the lengths only, so that guesses learn nothing from it.
fn same(guess: &[u8], secret: &[u8]) -> bool {
    let pairs = guess.iter().zip(secret);
    let differing = pairs.fold(0, |bits, (a, b)| black_box(bits | (a ^ b)));
    guess.len() == secret.len() && differing == 0
}

#[cfg(test)]
mod tests;
