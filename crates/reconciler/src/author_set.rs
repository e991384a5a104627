//! Which authors a comparison is about, as one number.

use event_index::Sum;
use nostr::key::PublicKey;

/// A hash of the authors that are compared, as [`event_index::Agreement::authors`] keeps it, whatever their order. An
/// agreement about another set of keys is about other events; one of four billion numbers tells them apart well enough,
/// because a wrong guess costs rounds, never events.
pub fn author_set<'a>(authors: impl IntoIterator<Item = &'a PublicKey>) -> u32 {
    let mut sum = Sum::default();
    for author in authors {
        sum.add(&author.to_bytes());
    }
    let [a, b, c, d, ..] = sum.fingerprint();
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_equal_size_are_told_apart_and_order_changes_nothing() {
        let key = |byte| PublicKey::from_byte_array([byte; 32]);
        let of = |keys: &[u8]| author_set(&keys.iter().map(|byte| key(*byte)).collect::<Vec<_>>());
        assert_eq!(of(&[1, 2]), of(&[2, 1]));
        assert_ne!(of(&[1, 2]), of(&[1, 3]));
        assert_ne!(of(&[1]), of(&[1, 2]));
    }
}
