//! From facts to the one value: a state machine without I/O.

use std::collections::BTreeMap;
use std::time::Instant;

use event_index::{Agreement, Basis, Counts};
use nostr::prelude::PublicKey;
use pns_keys::keeper::{KeyState, KeysChanged};
use realtime::DownloadsChanged;
use reconciler::author_set;
use reconciler::messages::{PassChanged, Phase};
use relay_link::{AuthChanged, CLOCK_SKEW_MAX, LinkState, RelayUrl, Traffic, clock_words};
use supervision::Switches;
use uploader::{ParkedChanged, UploadsChanged};

use crate::meter::Meter;
use crate::state::{AccountState, AccountStatus, RelayState, RelayStatus, Status};

/// Collects facts; [`Board::status`] says what they come to.
#[derive(Debug)]
pub struct Board {
    account: PublicKey,
    keys: Option<KeysChanged>,
    page: Option<String>,
    counts: Counts,
    conversations: u64,
    safe: u64,
    proven: u64,
    held: Option<String>,
    failed: Vec<String>,
    switches: Switches,
    clock_skew: Option<i64>,
    relays: BTreeMap<RelayUrl, Line>,
}

#[derive(Debug, Default)]
struct Line {
    link: Option<LinkState>,
    /// Why the relay does not let this device in.
    shut: Option<String>,
    pass: u64,
    phase: Option<Phase>,
    uploads: (u64, u64),
    parked: Option<ParkedChanged>,
    downloads: (u64, u64),
    live: bool,
    agreement: Option<Agreement>,
    traffic: Traffic,
    meter: Meter,
    /// Seconds too full for a page, of the newest pass that ended, or as the store has it.
    unproven: u64,
    /// The last thing that happened to its connection was that it could not be made, or ended, for this reason.
    down: Option<String>,
}

impl Board {
    /// A board for these relays that has heard nothing yet.
    pub fn new(account: PublicKey, relays: impl IntoIterator<Item = RelayUrl>) -> Self {
        Self {
            account,
            keys: None,
            page: None,
            counts: Counts::default(),
            conversations: 0,
            safe: 0,
            proven: 0,
            held: None,
            failed: Vec::new(),
            switches: Switches::ON,
            clock_skew: None,
            relays: relays.into_iter().map(|url| (url, Line::default())).collect(),
        }
    }

    /// The relays in use from now on. Of one that is not, nothing stays, and facts that are still on their way to here
    /// change nothing; one that was not used before is as `link` says.
    pub fn use_relays(&mut self, relays: &[RelayUrl], link: Option<&LinkState>) {
        self.relays.retain(|url, _| relays.contains(url));
        for url in relays {
            self.relays.entry(url.clone()).or_insert_with(|| Line {
                link: link.cloned(),
                ..Line::default()
            });
        }
    }

    /// What the store says: how many messages are safe and how many are proven to be on every relay, and each relay's
    /// last agreement.
    pub fn stored(&mut self, safe: u64, proven: u64, agreements: &BTreeMap<String, Agreement>) {
        self.safe = safe;
        self.proven = proven;
        for (url, line) in &mut self.relays {
            line.agreement = agreements.get(url.as_str()).copied();
        }
    }

    /// How much there is of everything.
    pub fn counted(&mut self, counts: Counts) {
        self.counts = counts;
    }

    /// How many conversations there are.
    pub fn conversations(&mut self, conversations: u64) {
        self.conversations = conversations;
    }

    /// Which keys there are.
    pub fn keys(&mut self, keys: KeysChanged) {
        let asking = self.asking();
        self.keys = Some(keys);
        if asking && !self.asking() {
            // Opened, or too late for it.
            self.page = None;
        }
    }

    /// The signer wants a person to open this page before it answers.
    pub fn page(&mut self, url: String) {
        self.page = Some(url);
    }

    /// How a connection is.
    pub fn link(&mut self, url: RelayUrl, state: LinkState) {
        let Some(line) = self.relays.get_mut(&url) else {
            return;
        };
        if state == LinkState::Stopped {
            // Nothing more is heard of it, so what it said last must not stand for now.
            line.phase = None;
        }
        match &state {
            LinkState::Waiting { why, .. } => line.down = Some(why.clone()),
            // Dialling again says nothing yet.
            LinkState::Connecting => {}
            LinkState::Connected { .. } | LinkState::Resting | LinkState::Stopped => line.down = None,
        }
        line.link = Some(state);
    }

    /// How a relay takes us that wants to know who asks.
    pub fn auth(&mut self, fact: AuthChanged) {
        if let Some(line) = self.relays.get_mut(&fact.relay) {
            line.shut = fact.refused;
        }
    }

    /// How far a comparison is. Facts of an older pass change nothing.
    pub fn pass(&mut self, fact: PassChanged) {
        if let Some(line) = self.relays.get_mut(&fact.relay)
            && fact.pass >= line.pass
        {
            line.pass = fact.pass;
            if let Phase::Done(report) = &fact.phase
                && report.error.is_none()
            {
                line.unproven = report.unproven_seconds.len() as u64;
            }
            line.phase = Some(fact.phase);
        }
    }

    /// How far uploads are.
    pub fn uploads(&mut self, fact: UploadsChanged) {
        if let Some(line) = self.relays.get_mut(&fact.relay) {
            line.uploads = (fact.done, fact.total);
        }
    }

    /// What a relay does not take.
    pub fn parked(&mut self, fact: ParkedChanged) {
        if let Some(line) = self.relays.get_mut(&fact.relay) {
            line.parked = Some(fact);
        }
    }

    /// How far downloads are.
    pub fn downloads(&mut self, fact: DownloadsChanged) {
        if let Some(line) = self.relays.get_mut(&fact.relay) {
            line.downloads = (fact.done, fact.total);
            line.live = fact.live;
        }
    }

    /// What keeps drafts.
    pub fn held(&mut self, why: Option<String>) {
        self.held = why;
    }

    /// Seconds of this relay that were too full for a page when it was compared last.
    pub fn unproven(&mut self, url: RelayUrl, seconds: u64) {
        if let Some(line) = self.relays.get_mut(&url) {
            line.unproven = seconds;
        }
    }

    /// What went over a relay's connections so far, at `now`.
    pub fn traffic(&mut self, url: &RelayUrl, traffic: Traffic, now: Instant) {
        if let Some(line) = self.relays.get_mut(url) {
            line.traffic = traffic;
            line.measure(now);
        }
    }

    /// How far the clocks of relays are ahead of this machine's, in seconds.
    pub fn clock_skew(&mut self, seconds: Option<i64>) {
        self.clock_skew = seconds;
    }

    /// Whether anything is being fetched or sent, so that its speed is worth showing.
    pub fn working(&self) -> bool {
        self.relays.values().any(|line| line.work().is_some())
    }

    /// How the switches stand.
    pub fn switches(&mut self, switches: Switches) {
        self.switches = switches;
    }

    /// A part was given up.
    pub fn failed(&mut self, why: String) {
        self.failed.push(why);
    }

    /// What the facts come to at `now` (wall clock `unix`).
    pub fn status(&self, now: Instant, unix: u64) -> Status {
        let read = self.keys.as_ref().map(|keys| author_set(&keys.read));
        let relays: Vec<RelayStatus> = self
            .relays
            .iter()
            .map(|(url, line)| line.status(self, url.clone(), read, now, unix))
            .collect();
        let agreed_at = relays.iter().map(|relay| relay.agreed_at).min().flatten();
        let basis = match relays.iter().map(|relay| relay.basis).collect::<Option<Vec<_>>>() {
            Some(all) if all.contains(&Basis::Pages) => Some(Basis::Pages),
            Some(all) if !all.is_empty() => Some(Basis::Fingerprint),
            _ => None,
        };
        let passed = |relay: &RelayStatus| match &relay.report {
            Some(report) => report.complete,
            // Nothing was compared in this run: the last agreement is what is known, with its time beside it.
            None => relay.pass == 0 && relay.agreed_at.is_some(),
        };
        // What came or left after the last comparison is not known to be everywhere.
        let proven = self.proven >= self.counts.messages;
        let closed = self.keys.as_ref().map_or(0, |keys| keys.closed);
        let level = relays.iter().all(passed) && proven && self.counts.waiting == 0 && closed == 0;
        let complete = !relays.is_empty() && level;
        let write = self.keys.as_ref().and_then(|keys| keys.write);
        Status {
            account: AccountStatus {
                account: self.account,
                state: self.account_state(),
                write_key: write.map(|write| write.public),
                write_ready: write.is_some_and(|write| write.ready),
                asking: self.asking(),
                closed,
                page: self.page.clone().filter(|_| self.asking()),
                read_keys: self.keys.as_ref().map_or(0, |keys| keys.read.len()),
            },
            complete,
            basis,
            agreed_at,
            counts: self.counts,
            conversations: self.conversations,
            safe: self.safe,
            unproven: relays.iter().map(|relay| relay.unproven).sum(),
            clock_skew: self.clock_skew,
            held: self.held.clone(),
            warning: clock_warning(self.clock_skew).or_else(|| warning(&relays)),
            failed: self.failed.clone(),
            switches: self.switches,
            relays,
        }
    }

    /// Why no relay can be reached, when every one was tried and none is.
    fn offline(&self) -> Option<String> {
        let mut reasons = self.relays.values().map(|line| line.down.as_ref());
        let first = reasons.next()??;
        let rest: Option<Vec<_>> = reasons.collect();
        Some(match rest?.len() {
            0 => format!("the relay cannot be reached: {first}"),
            more => format!("none of {} relays can be reached: {first}", more + 1),
        })
    }

    fn asking(&self) -> bool {
        self.keys.as_ref().is_some_and(|keys| keys.asking)
    }

    fn account_state(&self) -> AccountState {
        if let Some(why) = self.failed.first() {
            return AccountState::Failed(why.clone());
        }
        match self.keys.as_ref().map(|keys| &keys.state) {
            None | Some(KeyState::Loading) => AccountState::Loading,
            Some(KeyState::Searching { why }) => AccountState::Offline(why.clone()),
            Some(KeyState::Ready) => self.offline().map_or(AccountState::Ready, AccountState::Offline),
            Some(KeyState::Asking { why } | KeyState::Locked { why }) => AccountState::Locked(why.clone()),
        }
    }
}

/// Two copies beside this device's are what makes a message safe (field guide 7).
const COPIES: usize = 2;

fn clock_warning(skew: Option<i64>) -> Option<String> {
    let skew = skew.filter(|skew| skew.unsigned_abs() > CLOCK_SKEW_MAX)?;
    Some(clock_words(skew))
}

fn warning(relays: &[RelayStatus]) -> Option<String> {
    let keeping = relays.iter().filter(|relay| relay.trouble.is_none()).count();
    let wanted = relays.len().min(COPIES);
    (keeping < wanted).then(|| {
        format!(
            "only {keeping} of {} relays keep your messages; add another one that does",
            relays.len()
        )
    })
}

impl Line {
    fn status(
        &self,
        board: &Board,
        url: RelayUrl,
        read: Option<u32>,
        now: Instant,
        unix: u64,
    ) -> RelayStatus {
        let report = match &self.phase {
            Some(Phase::Done(report)) => Some(report.clone()),
            _ => None,
        };
        // An agreement about other keys than those that are read now says nothing.
        let agreement = self
            .agreement
            .filter(|agreed| read.is_none_or(|keys| keys == agreed.authors));
        let (agreed_at, basis) = agreement.map(|agreed| (agreed.at, agreed.basis)).unzip();
        let (parked, trouble) = self.trouble();
        RelayStatus {
            url,
            parked,
            trouble,
            traffic: self.traffic,
            speed: self
                .work()
                .and_then(|(done, total)| self.meter.speed(now, total - done)),
            unproven: self.unproven,
            state: self.state(board, now, unix),
            pass: self.pass,
            report,
            agreed_at,
            basis,
        }
    }

    /// How much is done of what is under way.
    fn work(&self) -> Option<(u64, u64)> {
        let unfinished = |(done, total): (u64, u64)| (done < total).then_some((done, total));
        let connected = matches!(self.link, Some(LinkState::Connected { .. }));
        unfinished(self.downloads)
            .or_else(|| unfinished(self.uploads))
            .filter(|_| connected)
    }

    fn measure(&mut self, now: Instant) {
        let bytes = self.traffic.bytes_in + self.traffic.bytes_out;
        match self.work() {
            Some((done, _)) => self.meter.observe(now, done, bytes),
            None => self.meter.stop(),
        }
    }

    /// How many messages the relay does not take, and that or why it takes nothing in words.
    fn trouble(&self) -> (u64, Option<String>) {
        let Some(ParkedChanged { parked, why, .. }) = &self.parked else {
            return (0, self.shut.clone());
        };
        if *parked == 0 {
            return (0, self.shut.clone());
        }
        let messages = if *parked == 1 {
            "1 message".to_owned()
        } else {
            format!("{parked} messages")
        };
        let why = why.as_deref().unwrap_or("it gave no reason");
        (*parked, Some(format!("does not keep {messages}: {why}")))
    }

    fn state(&self, board: &Board, now: Instant, unix: u64) -> RelayState {
        let waiting = board.counts.waiting;
        let listens = board.switches.downloads && board.switches.live;
        match &self.link {
            None | Some(LinkState::Resting) => return RelayState::Off,
            Some(LinkState::Connecting) => return RelayState::Connecting,
            Some(LinkState::Waiting { until, why }) => {
                let pause = until.saturating_duration_since(now).as_secs();
                return RelayState::Waiting {
                    until: unix + pause,
                    why: why.clone(),
                };
            }
            Some(LinkState::Stopped) => {
                return RelayState::Refused {
                    why: "the connection was closed for good".to_owned(),
                };
            }
            Some(LinkState::Connected { .. }) => {}
        }
        match &self.phase {
            Some(Phase::Comparing { round, have, need }) => {
                return RelayState::Comparing {
                    round: *round,
                    have: *have,
                    need: *need,
                };
            }
            Some(Phase::Done(report)) => {
                if let Some(why) = &report.error {
                    return RelayState::Refused { why: why.clone() };
                }
            }
            Some(Phase::Transferring | Phase::Confirming) | None => {}
        }
        let (done, total) = self.downloads;
        if done < total {
            return RelayState::Fetching { done, total };
        }
        let (done, total) = self.uploads;
        let transferring = matches!(self.phase, Some(Phase::Transferring));
        if done < total || transferring && waiting > 0 {
            return RelayState::Sending {
                done,
                total: total.max(done + waiting),
            };
        }
        match self.phase {
            Some(Phase::Done(_)) if self.live => RelayState::Live,
            Some(Phase::Done(_)) if !listens => RelayState::Compared,
            _ => RelayState::Comparing {
                round: 0,
                have: 0,
                need: 0,
            },
        }
    }
}
