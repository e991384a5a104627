//! The engine's own task: what needs its clock or its store on behalf of a handle.

use std::sync::Arc;
use std::time::Duration;

use chat_model::{Doomed, MessageId};
use event_index::{Buried, Counts, EventIndex, ForgottenMessage, IndexError, LocalId, Store};
use nostr::event::EventId;
use pns_keys::keeper::{Keeper, SIGNER_WAIT, Unlock};
use realtime::Realtime;
use reconciler::{Compare, Reconciler, StartOver, Teach};
use relay_link::{RelayProfile, RelayUrl};
use status::{AccountState, RelayState, RelayStatus, Status};
use supervision::{Switchboard, Undelivered};
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::deletion::{DeletionPreview, DroppedHere, RelayDeletion};
use crate::forgetting::Window;
use crate::receipts::{MessageReceipt, receipts};
use crate::relay_list::RelayList;
use crate::report::{SyncOptions, SyncReport};
use crate::roster::Roster;
use crate::waking::doubt_connections;
use crate::wiring::Wiring;

/// Requests that wait at once: one a caller, and callers wait for their answers.
pub(crate) const REQUESTS_MAX: usize = 64;
/// How long a sync waits for a history key while relays still may have one: their answers twice, 2 s apart, a slow
/// one (8 s, F42) included. After that it reports what is missing.
const KEY_PATIENCE: Duration = Duration::from_secs(25);
/// How long a part takes to be started again, as a rule.
const BREATH: Duration = Duration::from_millis(100);
/// Tries before a part that does not come back is an error: longer than the guardian takes for its restarts.
const TRIES_MAX: usize = 30;
/// Quiet before a comparison proves what happened; within the minute of field guide U-3.
const QUIET_FIRST: Duration = Duration::from_secs(30);
/// A relay that never agrees is compared with this often at most.
const QUIET_MAX: Duration = Duration::from_secs(3600);
/// How long a keeper takes to say that it asks the signer.
const ASKED_SEEN: Duration = Duration::from_millis(500);
/// How long a link takes to say that it dials.
const REDIAL_SEEN: Duration = Duration::from_millis(500);
/// No relay made any progress for this long: the sync ends and says so. Longer than every wait inside a pass.
const PROGRESS_PATIENCE: Duration = Duration::from_secs(150);

/// What a handle asks.
pub(crate) enum Request {
    Sync(SyncOptions, oneshot::Sender<Result<SyncReport, IndexError>>),
    /// Answers when nothing waits to be sent, no relay can be reached, or the time is over.
    Sent(Duration, oneshot::Sender<()>),
    Receipts(
        Vec<MessageId>,
        oneshot::Sender<Result<Vec<MessageReceipt>, IndexError>>,
    ),
    Resolve(LocalId, oneshot::Sender<Result<Option<EventId>, IndexError>>),
    Preview(Box<Doomed>, oneshot::Sender<Result<DeletionPreview, IndexError>>),
    /// Answers when relays that can be reached were told, and asked what they still serve.
    Deleted(
        Buried,
        Vec<EventId>,
        oneshot::Sender<Result<Vec<RelayDeletion>, IndexError>>,
    ),
    DropHere(Box<Doomed>, oneshot::Sender<Result<DroppedHere, IndexError>>),
    /// The messages of a conversation that are forgotten here.
    Forgotten(String, oneshot::Sender<Result<Vec<ForgottenMessage>, IndexError>>),
    /// Answers when these relays are used and no others.
    UseRelays(Vec<RelayUrl>, oneshot::Sender<()>),
    /// Answers when the account's relay list is read, or is not.
    ReadRelayList(bool, oneshot::Sender<()>),
    Teach(Teach, oneshot::Sender<Result<RelayProfile, IndexError>>),
    /// Answers after a moment.
    Breathe(oneshot::Sender<()>),
    Shutdown(oneshot::Sender<()>),
}

/// Answers requests, each in a task of its own.
pub(crate) struct Desk {
    pub(crate) env: supervision::Env,
    pub(crate) store: Arc<Store>,
    pub(crate) index: EventIndex,
    pub(crate) realtime: Realtime,
    pub(crate) roster: Roster,
    pub(crate) reconciler: Reconciler,
    pub(crate) wiring: Arc<Wiring>,
    pub(crate) keeper: Keeper,
    /// Whether anything leaves; what is only read needs no key that is proven to be on a relay.
    pub(crate) switches: Switchboard,
    pub(crate) status: watch::Receiver<Status>,
    /// What was forgotten so far.
    pub(crate) window: Mutex<Window>,
}

impl Desk {
    /// `list` is the account's relay list as it was before anything ran. Serves until a shutdown is asked for, or every handle is gone.
    pub(crate) async fn serve(
        self,
        list: RelayList,
        mut requests: mpsc::Receiver<Request>,
    ) -> Option<oneshot::Sender<()>> {
        let desk = Arc::new(self);
        actix::spawn(Arc::clone(&desk).keep_proven());
        let doubts = actix::spawn(doubt_connections(
            desk.env.clone(),
            Arc::clone(&desk.wiring.env.dial),
            desk.roster.clone(),
        ));
        let following = actix::spawn(Arc::clone(&desk).follow_list(list));
        let forgetting = actix::spawn(Arc::clone(&desk).keep_window());
        let mut shutdown = None;
        while let Some(request) = requests.recv().await {
            if let Request::Shutdown(done) = request {
                shutdown = Some(done);
                break;
            }
            let desk = Arc::clone(&desk);
            actix::spawn(async move { desk.answer(request).await });
        }
        doubts.abort();
        following.abort();
        forgetting.abort();
        shutdown
    }

    // Whoever asked may have gone; then nobody misses the answer.
    async fn answer(&self, request: Request) {
        match request {
            Request::Sync(options, mut answer) => {
                let report = tokio::select! {
                    biased;
                    report = self.sync(options) => report,
                    // Nobody waits any more for whom something is to be left out.
                    () = answer.closed() => return,
                };
                let _ = answer.send(report);
            }
            Request::Sent(patience, answer) => {
                let _ = actix::clock::timeout(patience, self.sent()).await;
                let _ = answer.send(());
            }
            Request::Receipts(ids, answer) => {
                let (store, relays) = (Arc::clone(&self.store), self.roster.names());
                let read = move || receipts(&store, &ids, &relays);
                let _ = answer.send(self.env.workers.run(read).await);
            }
            Request::Resolve(local, answer) => {
                let store = Arc::clone(&self.store);
                let _ = answer.send(self.env.workers.run(move || store.resolve(&local)).await);
            }
            Request::Preview(doomed, answer) => {
                let _ = answer.send(self.preview(*doomed).await);
            }
            Request::Deleted(buried, ids, answer) => {
                let _ = answer.send(self.follow_up(&buried, ids).await);
            }
            Request::DropHere(doomed, answer) => {
                let _ = answer.send(self.drop_here(*doomed).await);
            }
            Request::Forgotten(conversation, answer) => {
                let store = Arc::clone(&self.store);
                let read = move || store.forgotten_of(&conversation);
                let _ = answer.send(self.env.workers.run(read).await);
            }
            Request::UseRelays(relays, answer) => {
                self.use_relays(&relays).await;
                let _ = answer.send(());
            }
            Request::ReadRelayList(reads, answer) => {
                self.wiring.lists.read(reads).await;
                let _ = answer.send(());
            }
            Request::Teach(teach, answer) => {
                let taught = self.patiently(|| self.reconciler.teach.send(teach.clone())).await;
                let _ = answer.send(taught);
            }
            Request::Breathe(answer) => {
                actix::clock::sleep(BREATH).await;
                let _ = answer.send(());
            }
            Request::Shutdown(_) => {}
        }
    }

    /// Compares again once things are quiet, so that what came or left since the last comparison is proven (field
    /// guide U-3). Comparisons that prove nothing make the next one come later.
    pub(crate) async fn keep_proven(self: Arc<Self>) {
        let mut pause = QUIET_FIRST;
        let mut status = self.status.clone();
        loop {
            let unproven = |status: &Status| !status.complete && settled_and_live(status);
            if status.wait_for(unproven).await.is_err() {
                return;
            }
            actix::clock::sleep(pause).await;
            if !unproven(&status.borrow_and_update()) {
                pause = QUIET_FIRST;
                continue;
            }
            let _ = self.reconciler.compare.send(Compare { relay: None }).await;
            pause = (pause * 2).min(QUIET_MAX);
        }
    }

    /// Waits until `holds`, or for `patience`. Returns whether it held.
    async fn until(&self, patience: Duration, holds: impl Fn(&Status) -> bool) -> bool {
        let mut status = self.status.clone();
        let waited = actix::clock::timeout(patience, status.wait_for(|status| holds(status))).await;
        matches!(waited, Ok(Ok(_)))
    }

    /// Tries relays again whose next try is later: a person asked now.
    async fn redial(&self) {
        let before = self.status.borrow().clone();
        let waiting = |status: &Status| -> Vec<RelayStatus> {
            let waits = |relay: &&RelayStatus| matches!(relay.state, RelayState::Waiting { .. });
            status.relays.iter().filter(waits).cloned().collect()
        };
        let asked = waiting(&before);
        if asked.is_empty() {
            return;
        }
        for link in self
            .roster
            .links()
            .iter()
            .filter(|link| asked.iter().any(|relay| relay.url == *link.url()))
        {
            // A link that is being restarted dials by itself.
            let _ = link.redial();
        }
        // A refusal can come back within the second that the same words are shown for.
        self.until(REDIAL_SEEN, |status| {
            waiting(status).iter().all(|relay| !asked.contains(relay))
        })
        .await;
    }

    /// Waits until nothing waits to be sent or no relay can be reached.
    async fn sent(&self) {
        let mut status = self.status.clone();
        loop {
            // The store knows at once what the status tells a moment later.
            let waiting = self.counts().await.map_or(u64::MAX, |counts| counts.waiting);
            if waiting == 0 || nobody_to_send_to(&status.borrow_and_update()) {
                return;
            }
            let _ = actix::clock::timeout(BREATH, status.changed()).await;
        }
    }

    /// Has a signer that refused asked again, since a person is here now, and waits for a history key: for relays that
    /// may have one, and for the signer as long as it takes to answer.
    async fn settle_keys(&self) {
        let shut = |status: &Status| {
            let account = &status.account;
            !account.asking && (account.closed > 0 || matches!(account.state, AccountState::Locked(_)))
        };
        let refused = shut(&self.status.borrow());
        if refused {
            // One that is being restarted asks by itself.
            let _ = self.keeper.unlock.send(Unlock).await;
            self.until(ASKED_SEEN, |status| status.account.asking || !shut(status))
                .await;
        }
        let asking = |status: &Status| status.account.asking;
        loop {
            self.until(KEY_PATIENCE, |status| {
                asking(status)
                    || nobody_to_send_to(status)
                    || keys_settled(status, self.switches.now().uploads)
            })
            .await;
            if !asking(&self.status.borrow()) {
                return;
            }
            if !self.until(SIGNER_WAIT, |status| !asking(status)).await {
                return;
            }
        }
    }

    /// Waits until every relay is connected or known to be out of reach, and until there are keys, as far as there are
    /// any to be had.
    pub(crate) async fn reach(&self) {
        self.redial().await;
        self.until(KEY_PATIENCE, |status| {
            status.relays.iter().all(|relay| !connecting(relay))
        })
        .await;
        self.settle_keys().await;
    }

    async fn counts(&self) -> Result<Counts, IndexError> {
        let store = Arc::clone(&self.store);
        self.env.workers.run(move || store.counts()).await
    }

    /// Asks a part again while it is being started again, for as long as that takes.
    async fn patiently<T, F>(&self, question: impl Fn() -> F) -> Result<T, IndexError>
    where
        F: Future<Output = Result<Result<T, IndexError>, Undelivered>>,
    {
        for _ in 0..TRIES_MAX {
            match question().await {
                Ok(answer) => return answer,
                Err(_) => actix::clock::sleep(BREATH).await,
            }
        }
        Err(IndexError::Unavailable)
    }

    async fn sync(&self, SyncOptions { most, afresh }: SyncOptions) -> Result<SyncReport, IndexError> {
        // Until this is over: passes that begin from here on go by it.
        let _limit = self.switches.limit(most);
        // Passes that were over before this call do not answer it.
        let mut before = self.reconciler.last_pass();
        let mut stale = self
            .status
            .borrow()
            .relays
            .iter()
            .any(|relay| relay.report.is_some());
        if afresh {
            self.patiently(|| self.reconciler.start_over.send(StartOver))
                .await?;
        }

        self.reach().await;
        if self.recall_due().await {
            // What comes again is named by comparisons that begin now.
            (before, stale) = (self.reconciler.last_pass(), true);
        }
        if stale {
            // A pass that began meanwhile, because a key appeared, answers this call; starting it over would lose its
            // account of what it moved.
            let begun = self.status.borrow().clone();
            for relay in begun.relays.iter().filter(|relay| relay.pass <= before) {
                let _ = self
                    .reconciler
                    .compare
                    .send(Compare {
                        relay: Some(relay.url.clone()),
                    })
                    .await;
            }
        }
        let over = |status: &Status| {
            status
                .relays
                .iter()
                .all(|relay| pass_over(relay, status, before, stale))
        };
        loop {
            let seen = self.status.borrow().clone();
            if over(&seen) {
                break;
            }
            // Anything that changes is progress; a status that stays the same is not.
            if !self
                .until(PROGRESS_PATIENCE, |status| {
                    over(status) || status.moved_since(&seen)
                })
                .await
            {
                break;
            }
        }
        let status = self.status.borrow().clone();
        self.forget_due().await;
        let counts = self.counts().await.unwrap_or(status.counts);
        Ok(SyncReport::of(&status, counts, missing_key(&status)))
    }
}

/// Nothing is on its way, and at least one relay can be asked.
fn settled_and_live(status: &Status) -> bool {
    let live = |relay: &RelayStatus| matches!(relay.state, RelayState::Live | RelayState::Compared);
    status.counts.waiting == 0
        && status.relays.iter().any(live)
        && status
            .relays
            .iter()
            .all(|relay| live(relay) || unreachable(relay))
}

fn connecting(relay: &RelayStatus) -> bool {
    relay.state == RelayState::Connecting
}

pub(crate) fn unreachable(relay: &RelayStatus) -> bool {
    matches!(relay.state, RelayState::Waiting { .. } | RelayState::Off)
        || relay.report.is_none() && matches!(relay.state, RelayState::Refused { .. })
}

fn nobody_to_send_to(status: &Status) -> bool {
    status.relays.iter().all(unreachable)
}

/// A key to write with is known and may be used, or it is certain that there is none for now.
fn keys_settled(status: &Status, uploads: bool) -> bool {
    match status.account.state {
        AccountState::Ready => status.account.write_ready || !uploads,
        AccountState::Locked(_) => !status.account.asking,
        AccountState::Failed(_) => true,
        AccountState::Loading | AccountState::Offline(_) => false,
    }
}

fn missing_key(status: &Status) -> Option<String> {
    match &status.account.state {
        AccountState::Locked(why) | AccountState::Offline(why) | AccountState::Failed(why) => {
            Some(why.clone())
        }
        AccountState::Ready if status.account.closed > 0 => Some(format!(
            "{} of the account's history keys was not opened by the signer; approve it there and run `chat-sync sync`",
            status.account.closed
        )),
        AccountState::Ready | AccountState::Loading => None,
    }
}

/// The newest pass with this relay is over and compared every key that is read, or the relay can't be reached.
fn pass_over(relay: &RelayStatus, status: &Status, before: u64, stale: bool) -> bool {
    if unreachable(relay) {
        return true;
    }
    let Some(report) = &relay.report else {
        // Without any key there is nothing to compare.
        return status.account.read_keys == 0 && !connecting(relay);
    };
    (relay.pass > before || !stale) && (report.error.is_some() || report.authors == status.account.read_keys)
}
