//! The ids that one message makes known.

use event_index::View;
use nostr::event::EventId;

use super::error::NegError;
use super::place::Place;

/// Ids one step names before it stops: 8 MiB. A relay that lists nothing for everything makes a client name all it has.
pub const NAMED_MAX: usize = 250_000;
/// Items looked at between two looks at [`NAMED_MAX`].
const STRIDE: u64 = 4_096;

/// Ids that one side lacks.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) have: Vec<EventId>,
    pub(super) need: Vec<EventId>,
    /// The peer's ids of the place that is compared, in order, and which of them are held here: most lists are short, and
    /// there are many.
    theirs: Vec<[u8; 32]>,
    shared: Vec<bool>,
}

impl Named {
    pub(super) fn is_full(&self) -> bool {
        self.have.len() + self.need.len() >= NAMED_MAX
    }

    /// Holds the items of one place against the peer's ids of it. Stops soon after it is full.
    pub(super) fn compare<V: View + ?Sized>(
        &mut self,
        view: &V,
        place: &Place,
        theirs: &[[u8; 32]],
    ) -> Result<(), NegError> {
        self.theirs.clear();
        self.theirs.extend_from_slice(theirs);
        self.theirs.sort_unstable();
        self.theirs.dedup();
        self.shared.clear();
        self.shared.resize(self.theirs.len(), false);
        let mut from = place.ranks.start;
        while from < place.ranks.end {
            if self.is_full() {
                return Ok(());
            }
            let to = place.ranks.end.min(from + STRIDE);
            view.each(
                from..to,
                &mut |item| match self.theirs.binary_search(item.id.as_bytes()) {
                    Ok(at) => self.shared[at] = true,
                    Err(_) => self.have.push(item.id),
                },
            )?;
            from = to;
        }
        let theirs = self.theirs.iter().zip(&self.shared);
        let missing = theirs.filter(|(_, shared)| !**shared);
        self.need
            .extend(missing.map(|(id, _)| EventId::from_byte_array(*id)));
        Ok(())
    }
}
