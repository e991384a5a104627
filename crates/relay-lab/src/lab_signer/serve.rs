//! What runs on a signer's thread: lines to relays, answers that wait for their time, and scans.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nostr::event::Event;
use nostr::key::Keys;
use nostr::nips::nip46::{NostrConnectMessage, NostrConnectResponse, ResponseResult};
use nostr::types::url::RelayUrl;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Shared;
use super::connect_uri::ConnectUri;
use super::line::Line;
use super::memory::{Memory, Reply};
use crate::server_thread::Stop;

/// Requests on their way in and answers on their way out; a client has a few in flight. A relay is not read while
/// requests wait, and answers past this are lost like those of a relay that is away for long.
const QUEUE_MAX: usize = 256;
/// How long the answer to a scan may take to reach a relay: connecting, subscribing and an OK.
const SCAN_DEADLINE: Duration = Duration::from_secs(10);

/// Command: answer what a program shows. `done` is dropped when no relay took the answer.
pub(crate) struct Scan {
    pub(crate) uri: ConnectUri,
    pub(crate) done: oneshot::Sender<()>,
}

struct Lines {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Event>,
    answers: BTreeMap<RelayUrl, mpsc::Sender<Event>>,
    tasks: JoinSet<()>,
}

pub(crate) async fn serve(
    shared: Arc<Shared>,
    relays: Vec<RelayUrl>,
    mut scans: mpsc::Receiver<Scan>,
    mut stop: Stop,
) {
    let (requests, mut arrived) = mpsc::channel(QUEUE_MAX);
    let mut lines = Lines {
        shared: Arc::clone(&shared),
        requests,
        answers: BTreeMap::new(),
        tasks: JoinSet::new(),
    };
    lines.open(relays);
    let mut jobs = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.asked() => break,
            Some(_) = jobs.join_next() => {}
            Some(Scan { uri, done }) = scans.recv() => {
                lines.open(uri.relays.iter().cloned());
                jobs.spawn(answer_scan(Arc::clone(&shared), lines.answers.clone(), uri, done));
            }
            Some(event) = arrived.recv() => {
                for reply in shared.with(|memory| memory.hear(&event)) {
                    if reply.after.is_zero() {
                        say(&shared, &lines.answers, reply);
                        continue;
                    }
                    let (shared, answers) = (Arc::clone(&shared), lines.answers.clone());
                    jobs.spawn(async move {
                        sleep(reply.after).await;
                        say(&shared, &answers, reply);
                    });
                }
            }
        }
    }
}

impl Lines {
    /// Listens at these relays too.
    fn open(&mut self, relays: impl IntoIterator<Item = RelayUrl>) {
        for relay in relays {
            if self.answers.contains_key(&relay) {
                continue;
            }
            let (sender, answers) = mpsc::channel(QUEUE_MAX);
            let line = Line {
                relay: relay.clone(),
                shared: Arc::clone(&self.shared),
                requests: self.requests.clone(),
                answers,
            };
            self.tasks.spawn(line.keep());
            self.answers.insert(relay, sender);
        }
    }
}

fn say(shared: &Shared, answers: &BTreeMap<RelayUrl, mpsc::Sender<Event>>, reply: Reply) {
    let Reply { client, message, .. } = reply;
    if let Some(event) = shared.with(|memory| memory.seal_answer(client, message)) {
        for relay in answers.values() {
            // A relay that is away for long loses answers.
            let _ = relay.try_send(event.clone());
        }
    }
}

/// Lets the client in and repeats its secret, at all of its relays that are there.
async fn answer_scan(
    shared: Arc<Shared>,
    answers: BTreeMap<RelayUrl, mpsc::Sender<Event>>,
    uri: ConnectUri,
    done: oneshot::Sender<()>,
) {
    let ConnectUri {
        client,
        relays,
        secret,
    } = uri;
    let response = NostrConnectResponse::with_result(ResponseResult::ConnectSecret(secret.clone()));
    // Nobody asked, so any id will do.
    let message = NostrConnectMessage::response(Keys::generate().public_key().to_hex(), response);
    let event = shared.with(|memory| {
        memory.let_in(client, secret);
        let event = memory.seal(client, message)?;
        memory.offers.insert(event.id, false);
        Some(event)
    });
    // Nothing can be encrypted to a key that is no point on the curve.
    let Some(event) = event else { return };
    let is_taken = |memory: &Memory| memory.offers.get(&event.id) == Some(&true);
    let answering = async {
        shared
            .until(|memory| relays.iter().any(|relay| memory.listening.contains(relay)))
            .await;
        for relay in relays.iter().filter_map(|relay| answers.get(relay)) {
            // A relay that is away for long is not waited for.
            let _ = relay.try_send(event.clone());
        }
        shared.until(is_taken).await;
    };
    let in_time = timeout(SCAN_DEADLINE, answering).await.is_ok();
    shared.with(|memory| memory.offers.remove(&event.id));
    if in_time {
        // Whoever asked may be gone.
        let _ = done.send(());
    }
}
