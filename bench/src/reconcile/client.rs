//! One client, alone in a process of its own: it opens the file for the first time and compares it with the relay at
//! the other end of the pipe. Only its own work is counted, not the waiting.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;

use event_index::{Item, Storage, Store, View};
use negentropy::{Id, Negentropy, NegentropyStorageVector};
use nostr::event::EventId;
use reconciler::neg::{FrameLimit, Initiator, Next, Strategy};
use redb::{Database, ReadableDatabase, TableDefinition};
use serde::{Deserialize, Serialize};

use super::{CACHE_BYTES, FRAME_BYTES_MAX, exceptions, history, pipe};
use crate::Outcome;
use crate::meter::{self, Meter, Spent};

/// Who compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// The fingerprint index, recent first.
    Ours,
    /// The same, over what the relay is expected to hold.
    OursAtRelay,
    /// What a client without the index does: every item from the same table into the crate's list, sealed.
    Crate,
}

impl Who {
    /// How a process is told who it is.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::OursAtRelay => "ours-at-relay",
            Self::Crate => "crate",
        }
    }
}

/// What a comparison took, but for what crossed the pipe.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Cost {
    /// From the path of the file to the first message.
    pub(super) first_message: Spent,
    pub(super) whole: Spent,
    pub(super) peak_bytes: Option<u64>,
}

/// As `event-index` defines it, to the byte.
const ITEMS: TableDefinition<(u64, &[u8; 32]), u64> = TableDefinition::new("items-1");
/// How far before an agreement the product looks for late items.
const OVERLAP_SECS: u64 = 300;

/// One side of the comparison, between two messages.
enum Client {
    Ours(
        Box<Initiator<dyn View + Send + Sync>>,
        #[expect(dead_code, reason = "closed after the comparison, not within")] Store,
    ),
    Crate(Negentropy<'static, NegentropyStorageVector>),
}

/// Ids that were named, in the order of naming.
#[derive(Default)]
struct Named {
    have: Vec<[u8; 32]>,
    need: Vec<[u8; 32]>,
}

/// Carries out one comparison over standard input and output.
pub(super) fn run(who: Who, path: &Path, agreed: u64) -> Outcome {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut meter = Meter::new();
    let (mut client, mut message) = meter.stretch(|| match who {
        Who::Ours => Client::ours(path, agreed),
        Who::OursAtRelay => Client::ours_at_relay(path),
        Who::Crate => Client::of_crate(path),
    })?;
    let first_message = meter.spent();
    let mut named = Named::default();
    loop {
        pipe::write(&mut output, pipe::FRAME, &message)?;
        let (_, reply) = pipe::read(&mut input)?;
        match meter.stretch(|| client.handle(&reply, &mut named))? {
            Some(next) => message = next,
            None => break,
        }
    }
    let cost = Cost {
        first_message,
        whole: meter.spent(),
        peak_bytes: meter::peak_bytes(),
    };
    pipe::write(&mut output, pipe::HAVE, named.have.as_flattened())?;
    pipe::write(&mut output, pipe::NEED, named.need.as_flattened())?;
    pipe::write(&mut output, pipe::COST, &serde_json::to_vec(&cost)?)?;
    Ok(())
}

impl Client {
    fn ours(path: &Path, agreed: u64) -> Result<(Self, Vec<u8>), Box<dyn Error>> {
        let store = Store::open(Storage::File(path.to_owned()), &history::key())?;
        let strategy = Strategy::RecentFirst {
            agreed: Some(Item {
                created_at: agreed,
                id: EventId::from_byte_array([0; 32]),
            }),
        };
        let view = Arc::new(store.view()?);
        Self::open(store, view, strategy)
    }

    /// Opens as the product does after an agreement.
    fn ours_at_relay(path: &Path) -> Result<(Self, Vec<u8>), Box<dyn Error>> {
        let store = Store::open(Storage::File(path.to_owned()), &history::key())?;
        let expected = store.at_relay(exceptions::RELAY)?;
        let agreement = expected.agreement.ok_or("no agreement is on record")?;
        let from = Item {
            created_at: agreement.at.saturating_sub(OVERLAP_SECS),
            id: EventId::from_byte_array([0; 32]),
        };
        let covered = expected
            .view
            .covered()
            .ok_or("no item is known to be held there")?;
        let view = Arc::new(expected.view);
        Self::open(store, view, Strategy::Overlapping { from, covered })
    }

    fn open(
        store: Store,
        view: Arc<dyn View + Send + Sync>,
        strategy: Strategy,
    ) -> Result<(Self, Vec<u8>), Box<dyn Error>> {
        let (initiator, message) = Initiator::open(view, strategy, FrameLimit::of(FRAME_BYTES_MAX))?;
        Ok((Self::Ours(Box::new(initiator), store), message))
    }

    fn of_crate(path: &Path) -> Result<(Self, Vec<u8>), Box<dyn Error>> {
        let database = Database::builder().set_cache_size(CACHE_BYTES).open(path)?;
        let transaction = database.begin_read()?;
        let table = transaction.open_table(ITEMS)?;
        let mut set =
            NegentropyStorageVector::with_capacity(redb::ReadableTableMetadata::len(&table)? as usize);
        for row in redb::ReadableTable::iter(&table)? {
            let (key, _) = row?;
            let (created_at, id) = key.value();
            set.insert(created_at, Id::from_byte_array(*id))?;
        }
        set.seal()?;
        let mut client = Negentropy::owned(set, FRAME_BYTES_MAX)?;
        let message = client.initiate()?;
        Ok((Self::Crate(client), message))
    }

    fn handle(&mut self, reply: &[u8], named: &mut Named) -> Result<Option<Vec<u8>>, Box<dyn Error>> {
        match self {
            Self::Ours(client, _) => {
                let step = client.handle(reply)?;
                named.have.extend(step.have.iter().map(|id| id.to_bytes()));
                named.need.extend(step.need.iter().map(|id| id.to_bytes()));
                match step.next {
                    Next::Send(next) => Ok(Some(next)),
                    Next::Done => Ok(None),
                    Next::Full => Err("so few ids fill no step".into()),
                }
            }
            Self::Crate(client) => {
                let (mut have, mut need) = (Vec::new(), Vec::new());
                let next = client.reconcile_with_ids(reply, &mut have, &mut need)?;
                named.have.extend(have.into_iter().map(Id::to_bytes));
                named.need.extend(need.into_iter().map(Id::to_bytes));
                Ok(next)
            }
        }
    }
}
