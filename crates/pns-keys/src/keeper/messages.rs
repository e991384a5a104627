//! What the keeper says and what it can be asked.

use std::collections::BTreeSet;
use std::fmt;

use actix::prelude::*;
use event_index::LocalId;
use nostr::event::{Event, EventId};
use nostr::key::PublicKey;
use relay_link::RelayUrl;

use crate::{OpenError, SealError};

/// Fact: which history keys this device reads and writes with. A snapshot: it repeats, a later one replaces an
/// earlier one, and equal ones may follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct KeysChanged {
    /// Whose history it is.
    pub account: PublicKey,
    /// Authors of envelopes that can be opened here: every key of every keyring, for ever.
    pub read: BTreeSet<PublicKey>,
    /// Whom a rumor inside may name as its author.
    pub rumor_authors: BTreeSet<PublicKey>,
    /// The key new messages are sealed with, once one is known.
    pub write: Option<WriteKey>,
    /// How far the keeper is.
    pub state: KeyState,
    /// The signer has been asked for something and has not answered yet.
    pub asking: bool,
    /// Keyrings that the signer has not opened. What is sealed with them is not read.
    pub closed: usize,
}

/// The key new messages are sealed with: that of the oldest keyring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteKey {
    /// The author of the envelopes.
    pub public: PublicKey,
    /// The keyring's own time, unix seconds: no envelope may be older.
    pub not_before: u64,
    /// Whom a rumor sealed with it names as its author (DESIGN 3).
    pub rumor_author: PublicKey,
    /// The keyring was read back from a relay. Until then envelopes may be sealed, but none may leave.
    pub ready: bool,
}

/// How far the keeper is with the account's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyState {
    /// The saved keyrings are being read from the store. Never announced: it is what to assume before the first fact.
    Loading,
    /// No keyring is known yet; relays are being asked. Messages stay drafts meanwhile.
    Searching {
        /// What is still missing, in words for a person.
        why: String,
    },
    /// The signer has been asked for the first time, to open a keyring or to make one, and has not answered yet. It has
    /// its own deadlines.
    Asking {
        /// What it was asked, in words for a person.
        why: String,
    },
    /// There is a key to write with.
    Ready,
    /// The account has a keyring that cannot be opened now: the signer is away or refuses, or the keyring is none
    /// of ours to read. No other one is created.
    Locked {
        /// What happened, and what to do about it.
        why: String,
    },
}

/// Command: seal messages with the write key. The answer has one result per message, in the same order; one
/// that cannot be sealed does not stop the rest. Cost: about 60 us a message, spread over all cores.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Result<Event, SealError>>, KeysLocked>")]
pub struct SealBatch(pub Vec<ToSeal>);

/// One message to seal.
#[derive(Clone)]
pub struct ToSeal {
    /// The draft it comes from; only carried along, for the log.
    pub local: LocalId,
    /// The rumor's JSON, sealed byte for byte.
    pub rumor: Vec<u8>,
    /// The envelope's outer time, unix seconds.
    pub created_at: u64,
}

impl fmt::Debug for ToSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToSeal")
            .field("local", &self.local)
            .field("rumor_bytes", &self.rumor.len())
            .field("created_at", &self.created_at)
            .finish()
    }
}

/// Why nothing of a batch was sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no history key to write with is known yet ({why}); keep the messages as drafts and seal them after KeysChanged"
)]
pub struct KeysLocked {
    /// The keeper's state in words.
    pub why: String,
}

/// Command: open envelopes with the keys of their authors. Signatures are not checked here: whoever received the
/// events did that. The answer is in the same order. Cost: about 3 us per KB of envelope, spread over all cores.
#[derive(Debug, Message)]
#[rtype(result = "Vec<Opened>")]
pub struct OpenBatch(pub Vec<Event>);

/// One envelope and what is inside.
pub struct Opened {
    /// The envelope, as it was handed in.
    pub event: Event,
    /// The rumor's JSON, or why it stays closed. An unknown key can become known: try again after [`KeysChanged`].
    pub rumor: Result<Vec<u8>, OpenError>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("event", &self.event.id)
            .field("rumor_bytes", &self.rumor.as_ref().map(Vec::len))
            .finish()
    }
}

/// Command: sign a deletion (kind 5) of envelopes with the key that wrote them. All ids must be of `author`: a relay
/// heeds nobody else's deletion. At most 500 ids.
#[derive(Debug, Message)]
#[rtype(result = "Result<Event, DeleteError>")]
pub struct SignDeletion {
    /// The author of the envelopes, one of [`KeysChanged::read`].
    pub author: PublicKey,
    /// What to take back.
    pub ids: Vec<EventId>,
    /// The deletion's own time, unix seconds.
    pub created_at: u64,
}

/// Why no deletion was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeleteError {
    /// None of our keys wrote them, or its keyring is not open yet.
    #[error(
        "the author {author} is none of this account's open history keys; wait for KeysChanged, or hide the messages"
    )]
    UnknownAuthor {
        /// The author that was named.
        author: PublicKey,
    },
    /// The key or the ids do not allow one.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Command: name every keyring known here, oldest first.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<KeyringInfo>")]
pub struct ListKeyrings;

/// What a person may know about a keyring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyringInfo {
    /// Its event.
    pub id: EventId,
    /// Its own time, unix seconds.
    pub created_at: u64,
    /// The author of envelopes written with it; absent while it is not opened.
    pub public: Option<PublicKey>,
    /// New messages are sealed with it.
    pub writes: bool,
    /// A relay returned it from what it stored, at some time.
    pub read_back: bool,
    /// The relays that returned it on their present connection.
    pub held_by: BTreeSet<RelayUrl>,
    /// Why it is not open, when it is not.
    pub closed: Option<String>,
    /// The signed event, encrypted to the account: a complete backup of the keyring for whoever holds the account's
    /// key.
    pub event: Event,
}

/// Command: send [`KeysChanged`] to everyone again.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Announce;

/// Command: the relays configured now. Only they count when a first keyring may be created.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct UseRelays(pub BTreeSet<RelayUrl>);

/// Command: ask the signer again for the keyrings it refused to open, because a person said so.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Unlock;
