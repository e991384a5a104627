//! What a message put: places, by the bounds between them.

use event_index::Item;

use super::bound::Bound;
use super::place::Place;

/// Places in order and apart from each other. Most begin where the one before ends, and that bound is kept once: a message of
/// thousands of places takes half the memory, which is asked of the system for each comparison anew.
#[derive(Debug, Default)]
pub(super) struct Asked {
    edges: Vec<Edge>,
    places: usize,
}

/// A bound where a place begins or ends. 56 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) item: Item,
    pub(super) rank: u64,
    /// At most 32.
    prefix: u8,
    /// A place reaches from the edge before up to this one.
    pub(super) closes: bool,
}

/// How much was put, to go back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    edges: usize,
    places: usize,
}

impl Edge {
    fn new(bound: &Bound, rank: u64, closes: bool) -> Self {
        Self {
            item: bound.item,
            rank,
            prefix: bound.prefix as u8,
            closes,
        }
    }

    fn bound(&self) -> Bound {
        Bound {
            item: self.item,
            prefix: self.prefix.into(),
        }
    }

    /// From this edge up to the next one, which closes it.
    pub(super) fn up_to(&self, end: &Self) -> Place {
        Place {
            begin: self.bound(),
            end: end.bound(),
            ranks: self.rank..end.rank,
        }
    }
}

impl Asked {
    /// How many places there are.
    pub(super) fn len(&self) -> usize {
        self.places
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places == 0
    }

    pub(super) fn edges(&self) -> &[Edge] {
        &self.edges
    }

    pub(super) fn clear(&mut self) {
        self.edges.clear();
        self.places = 0;
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            edges: self.edges.len(),
            places: self.places,
        }
    }

    /// Takes back everything after `mark`.
    pub(super) fn rewind(&mut self, mark: Mark) {
        self.edges.truncate(mark.edges);
        self.places = mark.places;
    }

    /// Adds a place behind the others.
    pub(super) fn push(&mut self, place: &Place) {
        self.begin(&place.begin, place.ranks.start);
        self.end(&place.end, place.ranks.end);
    }

    /// Where the next place begins.
    pub(super) fn begin(&mut self, bound: &Bound, rank: u64) {
        let joins = |last: &Edge| last.rank == rank && last.bound() == *bound;
        if !self.edges.last().is_some_and(joins) {
            self.edges.push(Edge::new(bound, rank, false));
        }
    }

    /// Where it ends, and the one behind it begins unless [`Asked::begin`] says otherwise.
    #[inline]
    pub(super) fn end(&mut self, bound: &Bound, rank: u64) {
        self.edges.push(Edge::new(bound, rank, true));
        self.places += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl FromIterator<Place> for Asked {
        fn from_iter<I: IntoIterator<Item = Place>>(places: I) -> Self {
            let mut asked = Self::default();
            for place in places {
                asked.push(&place);
            }
            asked
        }
    }

    #[test]
    fn neighbours_share_a_bound_and_come_back_as_they_were_put() {
        let place = |from: u64, to: u64| Place {
            begin: Bound::time(from),
            end: Bound::prefixed(to, [0; 32], 3),
            ranks: from * 10..to * 10,
        };
        // The second begins where the first ends, but is written with fewer bytes; the third is a true neighbour.
        let mut third = place(4, 6);
        third.begin = place(2, 4).end;
        let places = [place(1, 2), place(2, 4), third, place(9, 9)];
        let mut asked: Asked = places.iter().cloned().collect();
        let back = |asked: &Asked| -> Vec<Place> {
            let pairs = asked.edges().windows(2).filter(|pair| pair[1].closes);
            pairs.map(|pair| pair[0].up_to(&pair[1])).collect()
        };
        assert_eq!(back(&asked), places);
        assert_eq!((asked.len(), asked.edges().len()), (4, 7));
        let mark = asked.mark();
        asked.end(&Bound::INFINITY, 95);
        assert_eq!((asked.len(), asked.edges().len()), (5, 8));
        asked.rewind(mark);
        assert_eq!(back(&asked), places);
        asked.clear();
        assert!(asked.is_empty() && asked.edges().is_empty());
    }
}
