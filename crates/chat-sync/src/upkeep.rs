//! Looking after a store: whether it is whole, and what is done when it is not.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use event_index::{Damage, IndexError, Rebuilt, Store};

use crate::data_dir::DataDirError;

/// Damaged records that are named: more is not read by anybody, and is counted.
pub const DAMAGE_NAMED_MAX: usize = 1_000;

/// What [`examine_store`] found.
#[derive(Debug, Default)]
pub struct Examination {
    /// Whole events.
    pub events: u64,
    /// Damaged records, the first [`DAMAGE_NAMED_MAX`] of them.
    pub damage: Vec<Damage>,
    /// Damaged records beyond those.
    pub more: u64,
}

/// What [`rebuild_store`] did.
#[derive(Debug)]
pub struct StoreRebuilt {
    /// What it did to the store.
    pub rebuilt: Rebuilt,
    /// Where the bytes of dropped envelopes are, one a line, when there were any.
    pub set_aside: Option<PathBuf>,
}

/// Reads everything in a store and names what is damaged, wrong signatures included. `seen` is told how many events
/// were read so far, and may break it off. An engine may run on the store. Cost: the whole file, and one signature check
/// (about 50 us) an event; meanwhile the file grows by what is written to it.
pub fn examine_store(
    store: &Store,
    seen: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Examination, IndexError> {
    let mut found = Examination::default();
    let (damage, more) = (&mut found.damage, &mut found.more);
    let events = examine(store, seen, &mut |record| {
        if damage.len() < DAMAGE_NAMED_MAX {
            damage.push(record);
        } else {
            *more += 1;
        }
    })?;
    Ok(Examination { events, ..found })
}

/// Makes a store whole: computes everything again that follows from the envelopes. Damaged envelopes are written to
/// `set_aside`, which must not exist, and only then dropped; the next sync fetches them from relays that have them.
/// `seen` is told how many events were read so far. No engine may run on the store. Cost: as [`examine_store`].
///
/// # Errors
/// [`DataDirError::Io`] when they could not be set aside; the store is unchanged then.
pub fn rebuild_store(
    store: &Store,
    set_aside: &Path,
    seen: &mut dyn FnMut(u64),
) -> Result<StoreRebuilt, DataDirError> {
    let mut damaged = BTreeSet::new();
    let mut going_on = |count| {
        seen(count);
        ControlFlow::Continue(())
    };
    examine(store, &mut going_on, &mut |record| {
        damaged.extend(record.envelope);
    })?;
    if !damaged.is_empty() {
        write_envelopes(store, &damaged, set_aside)?;
    }
    Ok(StoreRebuilt {
        rebuilt: store.rebuild(&damaged)?,
        set_aside: (!damaged.is_empty()).then(|| set_aside.to_owned()),
    })
}

fn examine(
    store: &Store,
    seen: &mut dyn FnMut(u64) -> ControlFlow<()>,
    damage: &mut dyn FnMut(Damage),
) -> Result<u64, IndexError> {
    let mut count = 0;
    let mut genuine = |event: &nostr::event::Event| {
        count += 1;
        seen(count)?;
        ControlFlow::Continue(event.verify_signature())
    };
    store.examine(&mut genuine, damage)
}

/// Writes the bytes of these envelopes, one a line. On disk when this returns.
fn write_envelopes(store: &Store, envelopes: &BTreeSet<u64>, path: &Path) -> Result<(), DataDirError> {
    let io = |source| DataDirError::Io {
        place: path.to_owned(),
        source,
    };
    let mut file = BufWriter::new(new_file(path).map_err(io)?);
    for seq in envelopes {
        let Some(raw) = store.raw_envelope(*seq)? else {
            continue;
        };
        // An envelope is JSON on one line; a damaged one may not be, and is to be read by a person anyway.
        file.write_all(&raw.bytes)
            .and_then(|()| file.write_all(b"\n"))
            .map_err(io)?;
    }
    let file = file.into_inner().map_err(|error| io(error.into_error()))?;
    file.sync_all().map_err(io)
}

/// Creates a file that only its owner reads.
fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
