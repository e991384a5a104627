//! The conversation with one remote signer, as a state machine that performs no I/O.
//!
//! Requests and answers go in with the time, outputs are drained with [`Session::poll_output`], and one timer is
//! armed for [`Session::poll_timeout`]. The first request is preceded by `connect` (once per client key) and
//! `get_public_key` (once per client key, and when an answer leaves a doubt). Spec: NIP-46; numbers: field guide S-1 to S-3.

mod in_flight;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use nostr::event::EventId;
use nostr::key::PublicKey;
use pns_keys::SignerError;
use zeroize::Zeroizing;

use crate::Patience;
use crate::envelope::Response;
use crate::refusal::{classify, shown};
use crate::request::{Answer, Request, bad};
use in_flight::{Asker, InFlight, Stage};

/// Relays that signers use refuse bursts, and then the answer is lost too (S-3).
const SPACING: Duration = Duration::from_millis(400);
const IN_FLIGHT_MAX: usize = 2;
/// The keeper asks one thing at a time, a relay's challenge asks another; more than this is a mistake.
const WAITING_MAX: usize = 32;
/// A login page's address; longer ones are not shown.
const AUTH_URL_BYTES_MAX: usize = 2048;

/// What the actor carries out after each call, in order.
#[derive(Debug)]
pub(crate) enum Output {
    /// Seal these bytes and send them to every relay, then call [`Session::sent`].
    Send { id: String, json: Zeroizing<String> },
    /// The signer allowed this client key, for good.
    Accepted,
    /// A person has to open this page.
    AuthUrl(String),
    /// The end of a request.
    Answer {
        ticket: u64,
        outcome: Result<Answer, SignerError>,
    },
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    /// The account it is meant for; `None` takes any.
    wanted: Option<PublicKey>,
    request: Request,
    since: Instant,
    /// Sent again after the signer was asked whose key it holds.
    checked: bool,
}

/// What a session starts with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) remote: PublicKey,
    pub(crate) secret: Option<Zeroizing<String>>,
    /// The signer allowed this client key before.
    pub(crate) accepted: bool,
    /// Fresh randomness: ids of requests start with it, so that an answer meant for an earlier session matches
    /// nothing.
    pub(crate) prefix: [u8; 8],
    pub(crate) patience: Patience,
    /// Who is asked, for errors.
    pub(crate) signer: String,
}

#[derive(Debug)]
pub(crate) struct Session {
    remote: PublicKey,
    signer: String,
    secret: Option<Zeroizing<String>>,
    patience: Patience,
    prefix: String,
    asked: u64,
    accepted: bool,
    account: Option<PublicKey>,
    /// An earlier session learned the account, so the first request need not wait for the question whose it is: a
    /// signature shows the account by itself, and any other answer that is not a plain yes has the question asked.
    trusting: bool,
    waiting: VecDeque<Waiting>,
    in_flight: BTreeMap<String, InFlight>,
    next_send: Option<Instant>,
    /// Since when, and why, there is no relay.
    offline: Option<(Instant, String)>,
    outputs: VecDeque<Output>,
}

impl Session {
    /// A session that has no relay yet.
    pub(crate) fn new(settings: Settings, now: Instant) -> Self {
        Self {
            remote: settings.remote,
            secret: settings.secret,
            patience: settings.patience,
            signer: settings.signer,
            prefix: format!("{:016x}", u64::from_be_bytes(settings.prefix)),
            asked: 0,
            accepted: settings.accepted,
            account: None,
            trusting: settings.accepted,
            waiting: VecDeque::new(),
            in_flight: BTreeMap::new(),
            next_send: None,
            offline: Some((now, "no connection to its relays yet".to_owned())),
            outputs: VecDeque::new(),
        }
    }

    /// Queues a request of `ticket`, which is answered by exactly one [`Output::Answer`]. With a `wanted` account
    /// it is only sent to a signer that holds that account.
    pub(crate) fn ask(&mut self, ticket: u64, wanted: Option<PublicKey>, request: Request, now: Instant) {
        if self.waiting.len() >= WAITING_MAX {
            let reason = format!("{WAITING_MAX} requests to it wait already");
            return self.answer(ticket, Err(self.unreachable(reason)));
        }
        self.waiting.push_back(Waiting {
            ticket,
            wanted,
            request,
            since: now,
            checked: false,
        });
        self.match_account();
        self.dispatch(now);
    }

    /// Nobody waits for this ticket any more.
    pub(crate) fn cancel(&mut self, ticket: u64) {
        self.waiting.retain(|waiting| waiting.ticket != ticket);
        self.in_flight
            .retain(|_, request| request.asker != Asker::Ticket(ticket));
    }

    /// A relay was connected. What no relay has taken goes out again.
    pub(crate) fn connected(&mut self, now: Instant) {
        self.offline = None;
        for request in self.in_flight.values_mut().filter(|request| !request.taken) {
            request.resend_at = Some(now);
        }
        self.dispatch(now);
    }

    /// The last relay is gone. A request waits for another as long as for an answer.
    pub(crate) fn disconnected(&mut self, why: &str, now: Instant) {
        let since = self.offline.as_ref().map_or(now, |(since, _)| *since);
        self.offline = Some((since, shown(why)));
    }

    /// The request `id` went out in `event` to this many relays.
    pub(crate) fn sent(&mut self, id: &str, event: EventId, copies: usize, now: Instant) {
        if let Some(request) = self.in_flight.get_mut(id) {
            request.event = Some(event);
            request.copies = copies;
            if copies == 0 {
                request.cool_down("no relay took it".to_owned(), now);
            }
        }
    }

    /// A relay took `event` or refused it.
    pub(crate) fn handle_verdict(&mut self, event: &EventId, accepted: bool, reason: &str, now: Instant) {
        let Some(request) = self
            .in_flight
            .values_mut()
            .find(|request| request.event.as_ref() == Some(event))
        else {
            return;
        };
        if accepted {
            request.taken = true;
        } else {
            request.copies = request.copies.saturating_sub(1);
            if request.copies == 0 && !request.taken {
                request.cool_down(shown(reason), now);
            }
        }
    }

    /// The signer said something; the caller has checked that it was the signer.
    pub(crate) fn handle_response(&mut self, response: Response, now: Instant) {
        let Response { id, result, error } = response;
        // Answered already, given up, or of another session.
        let Some(request) = self.in_flight.get_mut(&id) else {
            return;
        };
        let error = error.filter(|error| !error.is_empty());
        if let (Some("auth_url"), Some(url)) = (result.as_deref(), &error) {
            return match check_auth_url(url) {
                Err(error) => self.settle(&id, Err(error), now),
                // Said again, it neither shows the page twice nor buys time.
                Ok(()) if request.stage == Stage::Page => {}
                Ok(()) => {
                    request.stage = Stage::Page;
                    request.taken = true;
                    request.resend_at = None;
                    request.deadline = now + self.patience.page;
                    self.outputs.push_back(Output::AuthUrl(url.clone()));
                }
            };
        }
        let outcome = match (error, result) {
            (Some(error), _) => Err(classify(&request.request, &error)),
            (None, result) => request.request.read(result),
        };
        self.settle(&id, outcome, now);
    }

    /// Gives up, asks again and sends what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let late = |(id, request): (&String, &InFlight)| (request.deadline <= now).then(|| id.clone());
        let late: Vec<String> = self.in_flight.iter().filter_map(late).collect();
        for id in late {
            self.overdue(&id, now);
        }
        if let Some((offline, why)) = &self.offline {
            let (offline, reason) = (*offline, why.clone());
            while let Some(first) = self.waiting.front()
                && first.since.max(offline) + self.patience.answer <= now
            {
                let ticket = first.ticket;
                self.waiting.pop_front();
                self.answer(ticket, Err(self.unreachable(reason.clone())));
            }
        }
        self.dispatch(now);
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Session::handle_timeout`] at the latest.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = self.in_flight.values().map(|request| request.deadline);
        let waiting = self
            .offline
            .as_ref()
            .zip(self.waiting.front())
            .map(|((offline, _), first)| first.since.max(*offline) + self.patience.answer);
        let resends = self.in_flight.values().filter_map(|request| request.resend_at);
        let sends = resends.chain(self.can_send_next().then_some(self.next_send).flatten());
        // Without a relay nothing is sent, so nothing is due.
        let sends = sends
            .filter(|_| self.offline.is_none())
            .map(|at| self.next_send.map_or(at, |next| next.max(at)));
        deadlines.chain(waiting).chain(sends).min()
    }

    /// Out of time: asked once more under the same id, or given up.
    fn overdue(&mut self, id: &str, now: Instant) {
        let Some(request) = self.in_flight.get_mut(id) else {
            return;
        };
        let waited = now.duration_since(request.first_sent);
        let signer = self.signer.clone();
        let error = if let Some((_, why)) = &self.offline {
            let reason = why.clone();
            SignerError::Unreachable { signer, reason }
        } else if let Some(refusal) = request.refusal.take().filter(|_| !request.taken) {
            let reason = format!("its relays refuse the request: {refusal}");
            SignerError::Unreachable { signer, reason }
        } else if request.stage != Stage::First {
            SignerError::NoAnswer { signer, waited }
        } else {
            request.stage = Stage::RetryDue;
            request.resend_at = Some(now);
            request.deadline = now + self.patience.answer;
            return;
        };
        self.settle(id, Err(error), now);
    }

    /// The end of the request `id`.
    fn settle(&mut self, id: &str, outcome: Result<Answer, SignerError>, now: Instant) {
        let Some(request) = self.in_flight.remove(id) else {
            return;
        };
        match (request.asker, request.request.forgive(outcome)) {
            (Asker::Ticket(ticket), Err(SignerError::Undecryptable))
                if !request.checked && request.wanted.is_some() =>
            {
                // The key of another account gives this answer too.
                self.doubt();
                self.waiting.push_front(Waiting {
                    ticket,
                    wanted: request.wanted,
                    request: request.request,
                    since: now,
                    checked: true,
                });
            }
            (Asker::Ticket(ticket), outcome) => {
                if outcome.is_err() {
                    // The person may have switched the account, or switch it back.
                    self.doubt();
                }
                self.answer(ticket, outcome);
            }
            (Asker::Everyone, Ok(Answer::Account(account))) => {
                self.trusting = false;
                self.account = Some(account);
                self.match_account();
            }
            (Asker::Everyone, Ok(_)) => {
                self.accepted = true;
                self.outputs.push_back(Output::Accepted);
            }
            (Asker::Everyone, Err(error)) => {
                // A signer that forgot this client has to be asked for permission again (S-6).
                self.accepted &= !matches!(error, SignerError::Denied { .. });
                while let Some(waiting) = self.waiting.pop_front() {
                    self.answer(waiting.ticket, Err(error.clone()));
                }
            }
        }
        self.dispatch(now);
    }

    /// Has the signer asked whose key it holds before anything else.
    fn doubt(&mut self) {
        self.trusting = false;
        self.account = None;
    }

    /// Takes the signer for the one that let this client in earlier, for a request whose answer shows whose key it is.
    /// What a wrong account encrypts does not show it.
    fn trust(&mut self) -> bool {
        let shows = |waiting: &&Waiting| !matches!(waiting.request, Request::Encrypt { .. });
        if self.trusting {
            self.account = self
                .waiting
                .front()
                .filter(shows)
                .and_then(|waiting| waiting.wanted);
        }
        self.account.is_some()
    }

    /// With the account known: answers who asked for it, and who wants another one.
    fn match_account(&mut self) {
        let Some(found) = self.account else { return };
        for waiting in std::mem::take(&mut self.waiting) {
            let wanted = waiting.wanted.unwrap_or(found);
            if wanted != found {
                // Asked for anew next time: the person may have switched back.
                self.account = None;
                self.answer(waiting.ticket, Err(SignerError::WrongAccount { wanted, found }));
            } else if matches!(waiting.request, Request::GetPublicKey) {
                self.answer(waiting.ticket, Ok(Answer::Account(found)));
            } else {
                self.waiting.push_back(waiting);
            }
        }
    }

    /// Sends what is due, one request at a time.
    fn dispatch(&mut self, now: Instant) {
        if self.offline.is_some() || self.next_send.is_some_and(|next| now < next) {
            return;
        }
        let resend = self
            .in_flight
            .iter_mut()
            .filter(|(_, request)| request.resend_at.is_some_and(|at| at <= now))
            .min_by_key(|(_, request)| request.first_sent);
        if let Some((id, request)) = resend {
            request.resend_at = None;
            if request.stage == Stage::RetryDue {
                request.stage = Stage::Retried;
                request.deadline = now + self.patience.answer;
            }
            let (id, json) = (id.clone(), request.json.clone());
            self.outputs.push_back(Output::Send { id, json });
        } else if !self.can_send_next() || !self.send_next(now) {
            return;
        }
        self.next_send = Some(now + SPACING);
    }

    fn is_ready(&self) -> bool {
        self.accepted && self.account.is_some()
    }

    fn can_send_next(&self) -> bool {
        let introducing = || {
            self.in_flight
                .values()
                .any(|request| request.asker == Asker::Everyone)
        };
        !self.waiting.is_empty()
            && self.in_flight.len() < IN_FLIGHT_MAX
            && (self.is_ready() || !introducing())
    }

    /// Sends the next new request; `false` when there was none that could be sent.
    fn send_next(&mut self, now: Instant) -> bool {
        self.asked += 1;
        let id = format!("{}-{}", self.prefix, self.asked);
        let (mut wanted, mut checked) = (None, false);
        let (asker, request) = if !self.accepted {
            let secret = self.secret.clone();
            let remote = self.remote;
            (Asker::Everyone, Request::Connect { remote, secret })
        } else if self.account.is_none() && !self.trust() {
            (Asker::Everyone, Request::GetPublicKey)
        } else {
            let Some(waiting) = self.waiting.pop_front() else {
                return false;
            };
            (wanted, checked) = (waiting.wanted, waiting.checked);
            (Asker::Ticket(waiting.ticket), waiting.request)
        };
        let json = match (request.encode(&id), asker) {
            (Ok(json), _) => json,
            (Err(error), Asker::Ticket(ticket)) => {
                self.answer(ticket, Err(error));
                // The next one may be sent at once.
                return self.can_send_next() && self.send_next(now);
            }
            (Err(_), Asker::Everyone) => unreachable!("a secret is at most 512 bytes"),
        };
        let output = Output::Send {
            id: id.clone(),
            json: json.clone(),
        };
        self.outputs.push_back(output);
        let mut in_flight = InFlight::new(request, asker, json, self.patience.answer, now);
        (in_flight.wanted, in_flight.checked) = (wanted, checked);
        self.in_flight.insert(id, in_flight);
        true
    }

    fn unreachable(&self, reason: String) -> SignerError {
        let signer = self.signer.clone();
        SignerError::Unreachable { signer, reason }
    }

    fn answer(&mut self, ticket: u64, outcome: Result<Answer, SignerError>) {
        self.outputs.push_back(Output::Answer { ticket, outcome });
    }
}

/// Only pages a browser opens are shown: the text comes from afar.
fn check_auth_url(url: &str) -> Result<(), SignerError> {
    let web = url.starts_with("https://") || url.starts_with("http://");
    if web && url.len() <= AUTH_URL_BYTES_MAX && !url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        Ok(())
    } else {
        Err(bad("it asks to open something that is not a web page"))
    }
}

#[cfg(test)]
mod tests;
