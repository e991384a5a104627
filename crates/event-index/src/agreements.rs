//! What relays were proven, or claimed, to hold.

use std::collections::{BTreeMap, BTreeSet};

use nostr::event::EventId;
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata};
use serde::{Deserialize, Serialize};

use crate::delivery_rows::{Totals, state_of};
use crate::sealing::Keys;
use crate::tables::{AGREEMENTS, DELIVERIES, DELIVERY_TOTALS, ENVELOPES, FORGOTTEN, ITEMS, OTHERS};
use crate::{DeliveryState, IndexError, Standing, Store};

/// A message is safe on this many relays, or on all when there are fewer (DESIGN 6).
const SAFE_RELAYS: usize = 2;

/// The last comparison with a relay that matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// When, Unix seconds.
    pub at: u64,
    /// How many items were compared.
    pub count: u64,
    /// Over all of them, as in NIP-77.
    pub fingerprint: [u8; 16],
    /// It covers events with a sequence number up to this one, except those with a delivery row at the relay.
    pub last_seq: u64,
    /// What it rests on.
    pub basis: Basis,
    /// Which authors were compared, as the comparing side hashes them; another number means that the agreement was about
    /// another set.
    pub authors: u32,
}

/// What an agreement rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// Equal fingerprints: proven.
    Fingerprint,
    /// Pages read to their end: claimed.
    Pages,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    relay: String,
    agreement: Agreement,
}

/// The agreement in a sealed row.
pub(crate) fn agreement_of(keys: &Keys, tag: &[u8; 16], sealed: &[u8]) -> Result<Agreement, IndexError> {
    Ok(kept(keys, tag, sealed)?.agreement)
}

fn kept(keys: &Keys, tag: &[u8; 16], sealed: &[u8]) -> Result<Kept, IndexError> {
    let plain = keys.open("agreements-1", tag, sealed)?;
    serde_json::from_slice(&plain).map_err(|_| IndexError::corrupt("a row of agreements-1"))
}

impl Store {
    /// Replaces the agreement with a relay. Accepted and read-back deliveries that it covers are verified
    /// by it: their rows go.
    pub fn record_agreement(&self, relay: &str, agreement: Agreement) -> Result<(), IndexError> {
        self.record_agreement_without(relay, agreement, &[])
    }

    /// As [`Store::record_agreement`], for a comparison that expected the relay to lack the events with these sequence
    /// numbers: one that it accepted meanwhile was not compared, and is not verified by it.
    pub fn record_agreement_without(
        &self,
        relay: &str,
        agreement: Agreement,
        absent: &[u64],
    ) -> Result<(), IndexError> {
        let absent: BTreeSet<u64> = absent.iter().copied().collect();
        self.write(|writer| {
            if self.retired.has(relay) {
                writer.nothing_changed();
                return Ok(());
            }
            let tag = writer.keys.relay_tag(relay);
            let mut verified = Vec::new();
            for row in writer.deliveries.range((&tag, 0)..=(&tag, agreement.last_seq))? {
                let (key, bytes) = row?;
                let seq = key.value().1;
                if state_of(bytes.value()).is_some_and(DeliveryState::is_settled) && !absent.contains(&seq) {
                    verified.push(seq);
                }
            }
            for seq in verified {
                writer.remove_delivery(&tag, seq)?;
            }
            let kept = Kept {
                relay: relay.to_owned(),
                agreement,
            };
            let plain = serde_json::to_vec(&kept).expect("numbers and a string always serialize");
            let sealed = writer.keys.seal(writer.entropy, "agreements-1", &tag, &plain);
            writer.agreements.insert(&tag, sealed.as_slice())?;
            writer.prove_again();
            Ok(())
        })
    }

    /// The agreement with each relay that has one.
    pub fn agreements(&self) -> Result<BTreeMap<String, Agreement>, IndexError> {
        let agreements = self.read()?.open_table(AGREEMENTS)?;
        let mut found = BTreeMap::new();
        for row in agreements.iter()? {
            let (tag, sealed) = row?;
            let Kept { relay, agreement } = kept(&self.keys, tag.value(), sealed.value())?;
            found.insert(relay, agreement);
        }
        Ok(found)
    }

    /// The agreement with one relay in this transaction.
    pub(crate) fn agreement_in(
        &self,
        transaction: &ReadTransaction,
        tag: &[u8; 16],
    ) -> Result<Option<Agreement>, IndexError> {
        let agreements = transaction.open_table(AGREEMENTS)?;
        let sealed = agreements.get(tag)?;
        sealed
            .map(|sealed| agreement_of(&self.keys, tag, sealed.value()))
            .transpose()
    }

    /// Takes back what was known of a relay: it was wiped, or serves another set of keys. What it was found to serve
    /// beyond the items goes as well; deliveries stay, because they are about this device's messages, and those that it
    /// showed count as accepted.
    pub fn forget_agreement(&self, relay: &str) -> Result<(), IndexError> {
        self.write(|writer| {
            let tag = writer.keys.relay_tag(relay);
            let extra = writer.clear_extra(&tag)?;
            writer.prove_again();
            let shown = writer.doubt(&tag)?;
            if writer.agreements.remove(&tag)?.is_none() && extra + shown == 0 {
                writer.nothing_changed();
            }
            Ok(())
        })
    }

    /// How many messages are verified on at least two of `relays` (on all, if fewer), when these keyrings, without which
    /// none can be read, are on as many. No relay, no safety. Cost: none, but the first time after an agreement came or
    /// went, an event was deleted, one that was here was queued, or a relay showed one: a scan of the deliveries and of
    /// what came after the agreements, or of what came before where that is less.
    pub fn safe(&self, relays: &[String], keyrings: &[EventId]) -> Result<u64, IndexError> {
        if !self.keyrings_safe(relays, keyrings)? {
            return Ok(0);
        }
        self.verified(relays, SAFE_RELAYS, true)
    }

    /// Whether these keyrings are on at least two of `relays` (on all, if fewer).
    pub fn keyrings_safe(&self, relays: &[String], keyrings: &[EventId]) -> Result<bool, IndexError> {
        let copies = self.keyring_copies(keyrings, relays)?;
        Ok(copies.is_none_or(|copies| copies >= Self::copies_wanted(relays)))
    }

    /// On how many of these relays a message has to be verified to be safe (DESIGN 6).
    pub fn copies_wanted(relays: &[String]) -> usize {
        let distinct: BTreeSet<&String> = relays.iter().collect();
        distinct.len().min(SAFE_RELAYS)
    }

    /// How many messages every one of `relays` agreed on in a comparison. No relay, no proof. Cost: as [`Store::safe`].
    pub fn proven(&self, relays: &[String]) -> Result<u64, IndexError> {
        self.verified(relays, usize::MAX, false)
    }

    /// How many messages are verified on at least one of `relays`: they would survive this device. Cost: as
    /// [`Store::safe`].
    pub fn reached(&self, relays: &[String]) -> Result<u64, IndexError> {
        self.verified(relays, 1, true)
    }

    /// `read_back` says whether an event counts that the relay showed, and that no comparison covers.
    fn verified(&self, relays: &[String], on: usize, read_back: bool) -> Result<u64, IndexError> {
        let mut relays = relays.to_vec();
        relays.sort_unstable();
        relays.dedup();
        let needed = relays.len().min(on);
        self.proofs.of((relays, needed, read_back), |relays| {
            self.count_verified(relays, needed, read_back)
        })
    }

    fn count_verified(&self, relays: &[String], needed: usize, read_back: bool) -> Result<u64, IndexError> {
        let Some(last_needed) = needed.checked_sub(1) else {
            return Ok(0);
        };
        let agreements = self.agreements()?;
        let places: Vec<([u8; 16], Option<u64>)> = relays
            .iter()
            .map(|relay| {
                let agreed = agreements.get(relay).map(|agreement| agreement.last_seq);
                (self.keys.relay_tag(relay), agreed)
            })
            .collect();
        let mut reach: Vec<u64> = places.iter().map(|(_, agreed)| agreed.unwrap_or(0)).collect();
        for last_seq in &reach {
            self.proofs.reach_to(*last_seq);
        }
        reach.sort_unstable_by(|a, b| b.cmp(a));
        // Agreements with too few relays cover events above this number.
        let last_seq = reach[last_needed];

        let transaction = self.read()?;
        let others = transaction.open_table(OTHERS)?;
        let deliveries = transaction.open_table(DELIVERIES)?;
        let envelopes = transaction.open_table(ENVELOPES)?;
        let is_message = |seq: u64| Ok::<_, IndexError>(others.get(seq)?.is_none());
        // A scan of envelopes reads every page of them, so the shorter side is counted: an agreement is as a rule close
        // to the last number, and during a first download it is none of them.
        let newest = envelopes.last()?.map_or(0, |row| row.0.value());
        let mut verified = 0;
        if last_seq <= newest / 2 {
            for row in envelopes.range(..=last_seq)? {
                verified += u64::from(is_message(self.scan(row)?.0.value())?);
            }
        } else {
            verified = transaction
                .open_table(ITEMS)?
                .len()?
                .saturating_sub(others.len()? + transaction.open_table(FORGOTTEN)?.len()?);
            for row in envelopes.range(last_seq.saturating_add(1)..)? {
                verified -= u64::from(is_message(self.scan(row)?.0.value())?);
            }
        }
        for row in transaction.open_table(DELIVERY_TOTALS)?.iter()? {
            let (seq, totals) = self.scan(row)?;
            let (seq, totals) = (seq.value(), Totals::of(Some(totals.value())));
            let covered = seq <= last_seq;
            // What too few agreements cover, and no relay showed, was not counted and need not be looked up.
            if !covered && (totals.verified == 0 || !read_back) {
                continue;
            }
            let mut on = 0;
            for (tag, agreed) in &places {
                let agreed = agreed.is_some_and(|last_seq| seq <= last_seq);
                let standing = match deliveries.get((tag, seq))? {
                    None => Standing::of(None, agreed),
                    // A row without a state says nothing good.
                    Some(row) => match state_of(row.value()) {
                        Some(DeliveryState::Verified) if !read_back => Standing::Accepted,
                        state => state.map_or(Standing::Unknown, |state| Standing::of(Some(state), agreed)),
                    },
                };
                on += usize::from(standing == Standing::Verified);
            }
            let enough = on > last_needed;
            if covered != enough && is_message(seq)? {
                verified = if enough { verified + 1 } else { verified - 1 };
            }
        }
        Ok(verified)
    }
}
