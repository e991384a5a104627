//! The one value that people and programs look at.

use event_index::{Basis, Counts};
use nostr::prelude::PublicKey;
use reconciler::messages::PassReport;
use relay_link::{RelayUrl, Traffic};
use serde::{Deserialize, Serialize, Serializer};
use supervision::Switches;

use crate::meter::Speed;

/// Everything worth knowing about the engine, at one moment. A later value replaces an earlier one.
///
/// It serializes whole, for a program of the same version; what other programs read is `status --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Whose history it is, and whether it can be read and written.
    pub account: AccountStatus,
    /// Every relay agreed, and nothing waits to be sent.
    pub complete: bool,
    /// What `complete` rests on, for the relay that knows least; `None` before every relay agreed once.
    pub basis: Option<Basis>,
    /// When the relay that was asked longest ago agreed, unix seconds.
    pub agreed_at: Option<u64>,
    /// How much there is of everything.
    pub counts: Counts,
    /// Conversations on this device.
    pub conversations: u64,
    /// Messages that are verified on two relays (all, if fewer).
    pub safe: u64,
    /// Seconds that hold more events than a relay shows on a page, over all relays: what is in them is not proven.
    pub unproven: u64,
    /// How far the clocks of relays are ahead of this machine's, in seconds; `None` while none is known.
    pub clock_skew: Option<i64>,
    /// Why drafts stay drafts, when something keeps them.
    pub held: Option<String>,
    /// What a person should know about where new messages go: fewer than two relays keep them.
    pub warning: Option<String>,
    /// Parts of the engine that were given up, with the reason.
    pub failed: Vec<String>,
    /// What the engine may do.
    pub switches: Switches,
    /// Every configured relay.
    #[serde(with = "crate::whole")]
    pub relays: Vec<RelayStatus>,
}

/// The account's line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountStatus {
    /// The account.
    pub account: PublicKey,
    /// Whether its history can be read and written.
    pub state: AccountState,
    /// The author of new envelopes, once a keyring is known.
    pub write_key: Option<PublicKey>,
    /// The keyring of `write_key` was read back from a relay, so envelopes may leave.
    pub write_ready: bool,
    /// The signer was asked and has not answered yet.
    pub asking: bool,
    /// Keyrings that only the signer can open, and has not: what is sealed with them is not read.
    pub closed: usize,
    /// A page that the signer wants a person to open in a browser before it answers.
    pub page: Option<String>,
    /// How many history keys are read.
    pub read_keys: usize,
}

/// Whether the account's history can be read and written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state", content = "why")]
pub enum AccountState {
    /// What is on disk is being read.
    Loading,
    /// There is a key to read and write with.
    Ready,
    /// A keyring exists that can't be opened now.
    Locked(String),
    /// No keyring is known yet, and relays have not said all there is to say.
    Offline(String),
    /// A part of the engine was given up.
    Failed(String),
}

impl AccountState {
    /// The state as one word, as in `status --json`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Ready => "ready",
            Self::Locked(_) => "locked",
            Self::Offline(_) => "offline",
            Self::Failed(_) => "failed",
        }
    }

    /// The reason, where there is one.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Loading | Self::Ready => None,
            Self::Locked(why) | Self::Offline(why) | Self::Failed(why) => Some(why),
        }
    }
}

/// One relay's line.
#[derive(Debug, Clone, PartialEq)]
pub struct RelayStatus {
    /// The relay.
    pub url: RelayUrl,
    /// What is going on.
    pub state: RelayState,
    /// The number of the newest pass.
    pub pass: u64,
    /// What that pass came to; `None` while it runs.
    pub report: Option<PassReport>,
    /// When it last agreed, unix seconds.
    pub agreed_at: Option<u64>,
    /// What that agreement rests on.
    pub basis: Option<Basis>,
    /// What went over its connections since the engine started.
    pub traffic: Traffic,
    /// How fast it is fetched from or sent to, while it is.
    pub speed: Option<Speed>,
    /// Seconds that hold more events than it shows on a page.
    pub unproven: u64,
    /// Messages that it does not take and that are not sent to it for now.
    pub parked: u64,
    /// What it does with those, or why it lets this device do nothing, in words; `None` when nothing is wrong.
    pub trouble: Option<String>,
}

/// What is going on with a relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum RelayState {
    /// Not dialled in this run.
    Off,
    /// A connection is being made.
    Connecting,
    /// Sets are being compared.
    Comparing {
        /// Round trips, or pages, so far.
        round: u32,
        /// Ids held here only, so far.
        have: u64,
        /// Ids held there only, so far.
        need: u64,
    },
    /// Messages come in.
    Fetching {
        /// Done so far.
        done: u64,
        /// Known to be needed.
        total: u64,
    },
    /// Messages go out.
    Sending {
        /// Done so far.
        done: u64,
        /// Known to be missing there.
        total: u64,
    },
    /// Everything compared; new messages arrive as they are written.
    Live,
    /// Everything compared; what is new comes with the next comparison, because live updates are switched off.
    Compared,
    /// The next try comes later.
    Waiting {
        /// When, unix seconds.
        until: u64,
        /// What happened.
        why: String,
    },
    /// The relay will not have us.
    Refused {
        /// What it said.
        why: String,
    },
}

impl RelayState {
    /// Every state's word.
    pub const WORDS: [&'static str; 9] = [
        "off",
        "connecting",
        "comparing",
        "fetching",
        "sending",
        "live",
        "compared",
        "waiting",
        "refused",
    ];

    /// The state as one word, as in `status --json`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Connecting => "connecting",
            Self::Comparing { .. } => "comparing",
            Self::Fetching { .. } => "fetching",
            Self::Sending { .. } => "sending",
            Self::Live => "live",
            Self::Compared => "compared",
            Self::Waiting { .. } => "waiting",
            Self::Refused { .. } => "refused",
        }
    }
}

impl Status {
    /// Whether something other than what goes over connections changed since `before`: bytes alone are no progress.
    pub fn moved_since(&self, before: &Self) -> bool {
        let still = |status: &Self| {
            let mut still = status.clone();
            for relay in &mut still.relays {
                (relay.traffic, relay.speed) = (Traffic::default(), None);
            }
            still
        };
        still(self) != still(before)
    }
}

impl Serialize for RelayStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Line<'a> {
            url: &'a RelayUrl,
            #[serde(flatten)]
            state: &'a RelayState,
            agreed_at: Option<u64>,
            basis: Option<&'static str>,
            bytes_in: u64,
            bytes_out: u64,
            speed: Option<Speed>,
            unproven: u64,
            parked: u64,
            trouble: Option<&'a str>,
        }
        let basis = self.basis.map(basis_word);
        Line {
            url: &self.url,
            state: &self.state,
            agreed_at: self.agreed_at,
            basis,
            bytes_in: self.traffic.bytes_in,
            bytes_out: self.traffic.bytes_out,
            speed: self.speed,
            unproven: self.unproven,
            parked: self.parked,
            trouble: self.trouble.as_deref(),
        }
        .serialize(serializer)
    }
}

/// `fingerprint` or `pages`, as in the JSON shapes.
pub fn basis_word(basis: Basis) -> &'static str {
    match basis {
        Basis::Fingerprint => "fingerprint",
        Basis::Pages => "pages",
    }
}
