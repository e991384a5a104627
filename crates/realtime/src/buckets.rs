//! Points that are sorted by a digit, and added up where they have the same one.

use k256::ProjectivePoint;

use crate::point::{Field, Point};

/// Additions that are worth an inversion of their own.
const PAIRS_MIN: usize = 32;

/// The buckets of all digits from 1 on, one behind the other. What is in one of them counts as its sum.
#[derive(Debug)]
pub(crate) struct Buckets {
    points: Vec<Point>,
    /// How many points each bucket has.
    sizes: Vec<usize>,
}

impl Buckets {
    /// Puts each point into the bucket of its digit, turned around where that is negative, and nowhere where it is zero.
    /// `digits` are between `-buckets` and `buckets`, one for each of `points`.
    pub(crate) fn sort(points: &[Point], digits: &[i16], buckets: usize) -> Self {
        let bucket_of = |digit: i16| usize::from(digit.unsigned_abs()).checked_sub(1);
        let mut sizes = vec![0; buckets];
        for bucket in digits.iter().copied().filter_map(bucket_of) {
            sizes[bucket] += 1;
        }
        let mut next = 0;
        let mut places = Vec::with_capacity(buckets);
        for size in &sizes {
            places.push(next);
            next += size;
        }
        // Every place of these is taken by one of those that follow.
        let mut sorted: Vec<Point> = points.iter().copied().take(next).collect();
        for (point, digit) in points.iter().zip(digits) {
            let Some(bucket) = bucket_of(*digit) else { continue };
            sorted[places[bucket]] = if *digit > 0 { *point } else { point.negated() };
            places[bucket] += 1;
        }
        Self {
            points: sorted,
            sizes,
        }
    }

    /// The bucket of digit 1 once, that of 2 twice, and so on. About six products a point, and 0.8 us a bucket.
    pub(crate) fn weighted(mut self) -> ProjectivePoint {
        while self.pairs() >= PAIRS_MIN {
            self.halve();
        }
        // From the top, each running sum is added once more.
        let (mut running, mut sum) = (ProjectivePoint::IDENTITY, ProjectivePoint::IDENTITY);
        let mut points = self.points.into_iter().rev();
        for size in self.sizes.into_iter().rev() {
            for point in points.by_ref().take(size) {
                running += point.to_affine().expect("sums of points of the curve are on it");
            }
            sum += &running;
        }
        sum
    }

    fn pairs(&self) -> usize {
        self.sizes.iter().map(|size| size / 2).sum()
    }

    /// Adds up neighbours within each bucket, all with one inversion: that of the product of all denominators. Times the product
    /// of those behind the first it is the inverse of the first, which is then taken off, and so on.
    fn halve(&mut self) {
        let mut behind = vec![Field::ONE; self.pairs()];
        let mut product = Field::ONE;
        let mut places = behind.iter_mut().rev();
        let mut end = self.points.len();
        for size in self.sizes.iter().rev() {
            let start = end - size;
            let (pairs, _) = self.points[start..end].as_chunks::<2>();
            for ([one, other], place) in pairs.iter().rev().zip(places.by_ref()) {
                *place = product;
                if let Some(run) = one.run(other) {
                    product *= run;
                }
            }
            end = start;
        }
        let inverse = product.invert_vartime();
        let mut inverse: Field = inverse.expect("no factor is zero, and the modulus is a prime");

        let mut behind = behind.into_iter();
        let (mut from, mut to) = (0, 0);
        for size in &mut self.sizes {
            let (start, end) = (to, from + *size);
            while from + 1 < end {
                let (one, other) = (self.points[from], self.points[from + 1]);
                let behind = behind.next().expect("there is one for each pair");
                if let Some(run) = one.run(&other) {
                    self.points[to] = one.plus(&other, &(inverse * behind));
                    inverse *= run;
                    to += 1;
                }
                from += 2;
            }
            if from < end {
                self.points[to] = self.points[from];
                (from, to) = (end, to + 1);
            }
            *size = to - start;
        }
        self.points.truncate(to);
    }
}

#[cfg(test)]
mod tests {
    use k256::elliptic_curve::point::AffineCoordinates as _;
    use k256::{AffinePoint, Scalar};
    use proptest::prelude::*;

    use super::*;

    const BUCKETS: i16 = 4;

    fn times_generator(number: i64) -> AffinePoint {
        let size = Scalar::from(number.unsigned_abs());
        let size = if number < 0 { -size } else { size };
        (ProjectivePoint::GENERATOR * size).to_affine()
    }

    fn point(number: i64) -> Point {
        let affine = times_generator(number);
        Point::new(affine.x().into(), affine.y().into()).unwrap()
    }

    proptest! {
        /// Few different points, so that many sums are of equal points, and of opposite ones.
        #[test]
        fn halving_changes_no_sum(
            terms in prop::collection::vec((-BUCKETS..=BUCKETS, prop_oneof![-3..0_i64, 1..4_i64]), 0..60),
        ) {
            let sum: i64 = terms.iter().map(|(digit, number)| i64::from(*digit) * number).sum();
            let (digits, points): (Vec<_>, Vec<_>) =
                terms.iter().map(|(digit, number)| (*digit, point(*number))).unzip();
            let sort = || Buckets::sort(&points, &digits, BUCKETS.unsigned_abs().into());
            prop_assert_eq!(sort().weighted().to_affine(), times_generator(sum), "as they are");

            let mut halved = sort();
            while halved.pairs() > 0 {
                let before = halved.points.len();
                halved.halve();
                prop_assert!(halved.points.len() < before);
            }
            prop_assert!(halved.sizes.iter().all(|size| *size <= 1));
            prop_assert_eq!(halved.weighted().to_affine(), times_generator(sum), "halved");
        }
    }
}
