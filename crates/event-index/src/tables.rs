//! Every table in the file, to the byte.
//!
//! A name ends in the version of its format; a change of format is a new name and a migration. *Sealed* values are
//! `nonce (24 bytes) ‖ XChaCha20-Poly1305 ciphertext and tag`, bound to their table and key, so that a value moved
//! elsewhere does not open. Relays appear as a 16-byte keyed hash of their URL.

use redb::TableDefinition;

/// Raw bytes of an event id, or of a source id.
pub(crate) type Bytes32 = &'static [u8; 32];
/// Raw bytes of a local id, or the tag of a relay.
pub(crate) type Bytes16 = &'static [u8; 16];
/// Bytes as they are.
pub(crate) type Blob = &'static [u8];

/// Key:   `(u64, [u8; 32])`  # (`created_at` in seconds, event id)
/// Value: `u64`              # sequence number in [`ENVELOPES`]
pub(crate) const ITEMS: TableDefinition<(u64, Bytes32), u64> = TableDefinition::new("items-1");

/// The fingerprint index: [`ITEMS`] cut into runs of 1 to 96, without gaps. Changed in every transaction that changes
/// `items-1`, as the three tables after it. ([`OLD_INDEX`] had other runs, and no copies of the items.)
///
/// Key:   `(u64, [u8; 32])`  # the first item of the block; the block reaches up to the next one's key
/// Value: `[u8; 80]`         # items (8, LE) ‖ sum of their ids as little-endian numbers mod 2^256 (32, LE)
///                           # ‖ the last item: `created_at` (8, LE) ‖ event id (32)
pub(crate) const BLOCKS: TableDefinition<(u64, Bytes32), &'static [u8; 80]> =
    TableDefinition::new("blocks-3");

/// The items of each block once more, so that they are one row in one page.
///
/// Key:   `(u64, [u8; 32])`  # the key of the block
/// Value: `[u8]`             # its items, in order: `created_at` (8, LE) ‖ event id (32)
pub(crate) const BLOCK_ITEMS: TableDefinition<(u64, Bytes32), Blob> = TableDefinition::new("block-items-1");

/// [`BLOCKS`] cut into runs of 1 to 256, without gaps.
///
/// Key:   `(u64, [u8; 32])`  # the key of its first block; it reaches up to the next one's key
/// Value: `[u8; 44]`         # blocks (4, LE) ‖ items (8, LE) ‖ sum of their ids (32, LE)
pub(crate) const SUPERBLOCKS: TableDefinition<(u64, Bytes32), &'static [u8; 44]> =
    TableDefinition::new("superblocks-2");

/// The whole of [`ITEMS`]; no row while nothing was ever stored. The number shows that a program without these tables
/// wrote to the file: the index is computed again then.
///
/// Key:   `str`        # `items`
/// Value: `[u8; 56]`   # items (8, LE) ‖ sum of their ids (32, LE) ‖ `seq` of [`COUNTERS`] (8, LE) ‖ first 8 bytes of
///                     # SHA-256 of the 48 before them: a total is used without reading all that adds up to it
pub(crate) const TOTALS: TableDefinition<&str, &'static [u8; 56]> = TableDefinition::new("totals-3");

/// Tables of earlier forms of the index. All of it changes its name at once, so that a file in which an earlier program
/// kept its own up to date is known by its total. Removed when the index is computed.
pub(crate) const OLD_INDEX: [&str; 5] = ["blocks-1", "blocks-2", "superblocks-1", "totals-1", "totals-2"];

/// Key:   `[u8; 32]`  # event id
/// Value: `u64`       # sequence number in [`ENVELOPES`]
pub(crate) const IDS: TableDefinition<Bytes32, u64> = TableDefinition::new("ids-1");

/// Key:   `u64`    # sequence number, from 1, never used twice
/// Value: `[u8]`   # the event's JSON; its id is the checksum on read
pub(crate) const ENVELOPES: TableDefinition<u64, Blob> = TableDefinition::new("envelopes-1");

/// Items whose envelopes were dropped because they are old: compared like any other, and not fetched again.
///
/// Key:   `u64`    # the item's sequence number, never one in [`ENVELOPES`]
/// Value: `[u8]`   # the item: `created_at` (8, LE) ‖ event id (32); its author (32); what is remembered of the message,
///                 # sealed, or nothing for one that was never opened
pub(crate) const FORGOTTEN: TableDefinition<u64, Blob> = TableDefinition::new("forgotten-1");

/// The forgotten messages of each conversation, for those of which something is remembered. Follows from [`FORGOTTEN`].
///
/// Key:   `([u8; 16], u64)`  # (the conversation's tag, sequence number in [`FORGOTTEN`])
pub(crate) const FORGOTTEN_OF: TableDefinition<(Bytes16, u64), ()> = TableDefinition::new("forgotten-of-1");

/// Events that were forgotten and are to come again: they are no news then.
///
/// Key:   `[u8; 32]`  # event id, never one in [`IDS`]
pub(crate) const RECALLED: TableDefinition<Bytes32, ()> = TableDefinition::new("recalled-1");

/// The items that are not messages: few, so messages are counted by what is not here.
///
/// Key:   `u64`   # sequence number in [`ENVELOPES`]
/// Value: `u16`   # kind, never 1080
pub(crate) const OTHERS: TableDefinition<u64, u16> = TableDefinition::new("others-1");

/// Key:   `u64`    # number of the draft in order of adding, from 1, never used twice
/// Value: sealed   # local id (16 bytes) ‖ body
pub(crate) const DRAFTS: TableDefinition<u64, Blob> = TableDefinition::new("drafts-1");

/// Key:   `[u8; 16]`  # local id
/// Value: `u64`       # number in [`DRAFTS`]
pub(crate) const DRAFT_IDS: TableDefinition<Bytes16, u64> = TableDefinition::new("draft-ids-1");

/// Kept for ever, also when the event is deleted.
///
/// Key:   `[u8; 16]`  # local id
/// Value: `[u8; 32]`  # event id it was sealed as
pub(crate) const ALIASES: TableDefinition<Bytes16, Bytes32> = TableDefinition::new("aliases-1");

/// [`ALIASES`], the other way round.
///
/// Key:   `[u8; 32]`  # event id
/// Value: `[u8; 16]`  # local id
pub(crate) const LOCALS: TableDefinition<Bytes32, Bytes16> = TableDefinition::new("locals-1");

/// Kept for ever, so that importing a file again does not bring back what was deleted. A conversation's sources lie side by
/// side: what comes together changes few pages.
///
/// Key:   `([u8; 16], [u8; 16])`  # (the conversation's tag, first half of a keyed hash of conversation and source)
/// Value: `[u8]`                  # 0 ‖ local id, or 1 ‖ event id
pub(crate) const SOURCES: TableDefinition<(Bytes16, Bytes16), Blob> = TableDefinition::new("sources-2");

/// The same, as earlier programs kept it. A hash does not tell its conversation, so rows stay here; they are read where
/// [`SOURCES`] has none, and no more are written.
///
/// Key:   `[u8; 32]`  # keyed hash of conversation and source
/// Value: `[u8]`      # as in [`SOURCES`]
pub(crate) const OLD_SOURCES: TableDefinition<Bytes32, Blob> = TableDefinition::new("sources-1");

/// Key:   `([u8; 16], u64)`  # (relay tag, sequence number in [`ENVELOPES`])
/// Value: `[u8]`             # state (lower 3 bits), timed (1 bit), absences (4 bits) ‖ attempts (4, LE) ‖ next try (8, LE)
///                           # ‖ event id (32) ‖ when timed: since when (8, LE) ‖ sealed reason or nothing
pub(crate) const DELIVERIES: TableDefinition<(Bytes16, u64), Blob> = TableDefinition::new("deliveries-1");

/// How many rows an event has in [`DELIVERIES`]; absent when it has none.
///
/// Key:   `u64`              # sequence number in [`ENVELOPES`]
/// Value: `(u32, u32, u32)`  # rows waiting or sent, parked, accepted + 2^16 · verified
pub(crate) const DELIVERY_TOTALS: TableDefinition<u64, (u32, u32, u32)> =
    TableDefinition::new("delivery-totals-1");

/// Key:   `[u8; 32]`  # deleted event id, never one in [`IDS`]
/// Value: sealed      # the authors who deleted it, 32 bytes each
pub(crate) const TOMBSTONES: TableDefinition<Bytes32, Blob> = TableDefinition::new("tombstones-1");

/// When deleted events were created, for those that were seen: where a relay that still serves one keeps it. Outer times
/// are no secret.
///
/// Key:   `[u8; 32]`  # an id in [`TOMBSTONES`]
/// Value: `u64`       # `created_at` in seconds
pub(crate) const TOMBSTONE_TIMES: TableDefinition<Bytes32, u64> = TableDefinition::new("tombstone-times-1");

/// What its owner wants to remember of a deleted event, for those that were opened.
///
/// Key:   `[u8; 32]`  # event id
/// Value: sealed      # the owner's bytes
pub(crate) const TOMBSTONE_RECORDS: TableDefinition<Bytes32, Blob> =
    TableDefinition::new("tombstone-records-1");

/// Drafts that were deleted before they were sealed: replies still name them.
///
/// Key:   `[u8; 16]`  # local id, never one in [`DRAFT_IDS`]
/// Value: sealed      # the owner's bytes
pub(crate) const DRAFT_TOMBSTONES: TableDefinition<Bytes16, Blob> =
    TableDefinition::new("draft-tombstones-1");

/// Events that were deleted on this device, and that no kind 5 among the items names yet. As public as the envelopes
/// were.
///
/// Key:   `[u8; 32]`  # an id in [`TOMBSTONES`]
/// Value: `[u8; 40]`  # its author (32) ‖ its `created_at` (8, LE)
pub(crate) const UNSIGNED: TableDefinition<Bytes32, &'static [u8; 40]> =
    TableDefinition::new("unsigned-deletions-1");

/// What relays serve that is not taken. The reason is one byte in the open: the keys of [`TOMBSTONES`] tell as much.
///
/// Key:   `([u8; 16], u64, [u8; 32])`  # (relay tag, `created_at` in seconds, event id); the id is never one in [`IDS`]
/// Value: `u8`                         # 1 tombstoned, 2 forged
pub(crate) const EXTRA: TableDefinition<(Bytes16, u64, Bytes32), u8> = TableDefinition::new("extra-1");

/// The items that relays refused: those with a parked row in [`DELIVERIES`].
///
/// Key:   `([u8; 16], u64)`  # (relay tag, sequence number in [`ENVELOPES`])
/// Value: `[u8; 40]`         # the item: `created_at` (8, LE) ‖ event id (32)
pub(crate) const ABSENT: TableDefinition<(Bytes16, u64), &'static [u8; 40]> =
    TableDefinition::new("absent-1");

/// Key:   `[u8; 32]`  # event id of the keyring
/// Value: sealed      # read back (1) ‖ secret length (4, LE; `u32::MAX` for none) ‖ secret ‖ event JSON
pub(crate) const KEYRINGS: TableDefinition<Bytes32, Blob> = TableDefinition::new("keyrings-1");

/// Which relays were seen to hold which keyrings.
///
/// Key:   `([u8; 32], [u8; 16])`  # (event id of the keyring, relay tag)
/// Value: `u64`                   # when it was first seen there, Unix seconds
pub(crate) const KEYRING_PLACES: TableDefinition<(Bytes32, Bytes16), u64> =
    TableDefinition::new("keyring-places-1");

/// Key:   `[u8; 16]`  # relay tag
/// Value: sealed      # the profile's JSON, as its owner wrote it
pub(crate) const RELAYS: TableDefinition<Bytes16, Blob> = TableDefinition::new("relays-1");

/// Key:   `[u8; 16]`  # relay tag
/// Value: sealed      # JSON `{"relay", "agreement"}`
pub(crate) const AGREEMENTS: TableDefinition<Bytes16, Blob> = TableDefinition::new("agreements-1");

/// Key:   `str`    # `schema`, `check`
/// Value: `[u8]`   # format number (4, LE); hash of the store key
pub(crate) const META: TableDefinition<&str, Blob> = TableDefinition::new("meta-1");

/// Key:   `str`   # `seq`, `draft`: last number given out; `waiting`, `parked`: events with such a delivery; `bytes`: of
///                # all values of [`ENVELOPES`], absent in files of programs that did not count them
/// Value: `u64`
pub(crate) const COUNTERS: TableDefinition<&str, u64> = TableDefinition::new("counters-1");

/// Key:   `str`    # the caller's name for it
/// Value: sealed   # the caller's bytes
pub(crate) const VALUES: TableDefinition<&str, Blob> = TableDefinition::new("values-1");

// The read model: conversations as they are shown, so that nothing has to be opened twice. All of it but `unread-1`,
// `picks-1` and `titles-1` follows from the tables above and is computed again by `Store::rebuild`. A conversation's *tag* is a 16-byte
// keyed hash of its id. A message's *place* is its sequence number in `envelopes-1`, or its number in `drafts-1` with the
// highest bit set.

/// Key:   `u64`    # sequence number in [`ENVELOPES`]
/// Value: sealed   # event id (32) ‖ outer time (8, LE) ‖ the message's JSON
pub(crate) const MESSAGES: TableDefinition<u64, Blob> = TableDefinition::new("messages-1");

/// The messages and drafts of each conversation.
///
/// Key:   `([u8; 16], u64)`  # (tag, place)
pub(crate) const MEMBERS: TableDefinition<(Bytes16, u64), ()> = TableDefinition::new("members-1");

/// Envelopes that no key at hand opened, or that hold no message.
///
/// Key:   `u64`    # sequence number in [`ENVELOPES`], never one in [`MESSAGES`]
pub(crate) const CLOSED: TableDefinition<u64, ()> = TableDefinition::new("closed-1");

/// The deleted messages of each conversation, for those with a row in [`TOMBSTONE_RECORDS`] or [`DRAFT_TOMBSTONES`].
///
/// Key:   `([u8; 16], [u8])`  # (tag, event id or local id)
pub(crate) const GRAVES: TableDefinition<(Bytes16, Blob), ()> = TableDefinition::new("graves-1");

/// Key:   `[u8; 16]`  # tag
/// Value: sealed      # JSON: the conversation's line in the list, and what [`AWAITED`] has of it
pub(crate) const CONVERSATIONS: TableDefinition<Bytes16, Blob> = TableDefinition::new("conversations-1");

/// Conversations whose row in [`CONVERSATIONS`] is behind.
///
/// Key:   `[u8; 16]`  # tag
/// Value: `u64`       # the number of the last transaction that changed it, as counted under `turn` in [`MODEL`]
pub(crate) const STALE: TableDefinition<Bytes16, u64> = TableDefinition::new("stale-1");

/// What conversations name as a parent and do not have: whether it was deleted decides where replies go.
///
/// Key:   `([u8; 32], [u8; 16])`  # (event id, tag)
pub(crate) const AWAITED: TableDefinition<(Bytes32, Bytes16), ()> = TableDefinition::new("awaited-1");

/// Messages that were not read on this device.
///
/// Key:   `([u8; 16], u64)`  # (tag, place)
pub(crate) const UNREAD: TableDefinition<(Bytes16, u64), ()> = TableDefinition::new("unread-1");

/// Which versions a person chose on this device.
///
/// Key:   `[u8; 16]`  # tag
/// Value: sealed      # JSON: message ids
pub(crate) const PICKS: TableDefinition<Bytes16, Blob> = TableDefinition::new("picks-1");

/// What conversations were called before their first messages were forgotten.
///
/// Key:   `[u8; 16]`  # tag, one in [`FORGOTTEN_OF`]
/// Value: sealed      # the title
pub(crate) const TITLES: TableDefinition<Bytes16, Blob> = TableDefinition::new("titles-1");

/// Key:   `str`   # `built`: every envelope up to this number has its row in [`MESSAGES`] or [`CLOSED`]; `building`: 1 while
///                # it lags behind on purpose; `turn`: transactions that changed a conversation
/// Value: `u64`
pub(crate) const MODEL: TableDefinition<&str, u64> = TableDefinition::new("read-model-1");
