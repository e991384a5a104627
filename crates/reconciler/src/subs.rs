//! Fresh subscription ids without drawing randomness in the cores.

use relay_link::SubId;

/// Counts on from a random id: ids of one pass differ from each other and, like that id, from everyone else's
/// (P-17). All of them keep its prefix, by which the link tells parts apart.
#[derive(Debug, Clone)]
pub struct SubIds {
    stem: SubId,
    next: u32,
}

impl SubIds {
    /// Ids that start with `stem`, which was drawn with [`SubId::fresh`] under a prefix of at most 8 characters.
    pub fn from_stem(stem: SubId) -> Self {
        Self { stem, next: 0 }
    }

    /// An id that was never used.
    pub fn fresh(&mut self) -> SubId {
        self.next += 1;
        // 8 + 1 + 32 characters of stem and 11 here: below the 64 a relay takes, so this is never the stem itself.
        format!("{}_{}", self.stem, self.next)
            .parse()
            .unwrap_or_else(|_| self.stem.clone())
    }

    /// A sequence of its own that meets this one nowhere.
    pub(crate) fn branch(&mut self) -> Self {
        Self::from_stem(self.fresh())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use supervision::SeededEntropy;

    use super::*;

    #[test]
    fn ids_never_repeat_and_keep_the_prefix_of_their_part() {
        let mut subs = SubIds::from_stem(SubId::fresh("compare", &SeededEntropy::new(1)));
        let mut branch = subs.branch();
        let ids: Vec<SubId> = (0..50).flat_map(|_| [subs.fresh(), branch.fresh()]).collect();
        assert!(
            ids.iter()
                .all(|id| id.prefix() == "compare" && id.as_str().len() <= 64)
        );
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }
}
