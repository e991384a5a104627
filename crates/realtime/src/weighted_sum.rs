//! The sum of many points of the curve, each times a weight of 128 bits, by the bucket method (Pippenger).
//!
//! A weight is cut into digits, which may be negative: a point is turned around for nothing, and half the buckets do. For one
//! digit position, the points with the same digit are added up in one bucket, and a bucket counts as often as its digit says.
//! So a point costs one addition per position, whatever the weight.

use k256::ProjectivePoint;
use supervision::Workers;

use crate::buckets::Buckets;
use crate::point::Point;

/// Bits of a weight, and one that negative digits may carry over.
const WEIGHT_BITS: u32 = u128::BITS + 1;

/// Fewer terms are summed before another thread has begun.
const WIDE_MIN: usize = 64;

/// `weight * point`, summed. Cost: about 19 additions of points a term for more than a thousand terms, 4 us; the positions are
/// spread over all cores. The time depends on the weights, which must be no secret.
pub(crate) fn weighted_sum(terms: &[(u128, Point)], workers: Workers) -> ProjectivePoint {
    let digit_bits = digit_bits(terms.len());
    let (mut rests, points): (Vec<u128>, Vec<Point>) = terms.iter().copied().unzip();
    let positions: Vec<Vec<i16>> = (0..WEIGHT_BITS.div_ceil(digit_bits))
        .map(|_| {
            rests
                .iter_mut()
                .map(|rest| take_digit(rest, digit_bits))
                .collect()
        })
        .collect();
    let sum_at = |digits: Vec<i16>| Buckets::sort(&points, &digits, 1 << (digit_bits - 1)).weighted();
    let sums: Vec<_> = if terms.len() < WIDE_MIN {
        positions.into_iter().map(sum_at).collect()
    } else {
        workers.map(positions, sum_at)
    };
    let add =
        |sum: ProjectivePoint, here: ProjectivePoint| (0..digit_bits).fold(sum, |sum, _| sum.double()) + here;
    sums.into_iter().rev().fold(ProjectivePoint::IDENTITY, add)
}

/// The lowest digit of `rest`, which loses it. Between -2^(bits - 1), exclusive, and 2^(bits - 1).
fn take_digit(rest: &mut u128, bits: u32) -> i16 {
    let base = 1_i16 << bits;
    let digit = (*rest & ((1 << bits) - 1)) as i16;
    *rest >>= bits;
    if digit > base / 2 {
        *rest += 1;
        digit - base
    } else {
        digit
    }
}

/// The length of a digit for which the least is to be done, in additions: one a term and five a bucket, for every position.
fn digit_bits(terms: usize) -> u32 {
    let additions = |bits: &u32| WEIGHT_BITS.div_ceil(*bits) as usize * (terms + (5 << (bits - 1)));
    // Beyond 13 bits the buckets no longer fit into a core's cache.
    (1..=13).min_by_key(additions).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use k256::elliptic_curve::point::AffineCoordinates as _;
    use k256::{AffinePoint, Scalar};
    use proptest::prelude::*;

    use super::*;

    fn point(number: u64) -> AffinePoint {
        (ProjectivePoint::GENERATOR * Scalar::from(number)).to_affine()
    }

    fn coordinates(point: &AffinePoint) -> Point {
        Point::new(point.x().into(), point.y().into()).unwrap()
    }

    fn term() -> impl Strategy<Value = (u128, u64)> {
        (prop_oneof![Just(0), Just(u128::MAX), any::<u128>()], 1..9_u64)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn it_is_the_sum_of_single_products(
            terms in prop_oneof![
                prop::collection::vec(term(), 0..40),
                prop::collection::vec(term(), WIDE_MIN..WIDE_MIN + 6),
            ],
        ) {
            let single = terms
                .iter()
                .map(|(weight, number)| point(*number) * Scalar::from(*weight))
                .sum::<ProjectivePoint>();
            let terms: Vec<_> = terms.iter().map(|(weight, number)| (*weight, coordinates(&point(*number)))).collect();
            for workers in [Workers::inline(), Workers::threads()] {
                prop_assert_eq!(weighted_sum(&terms, workers), single);
            }
        }
    }

    proptest! {
        #[test]
        fn digits_add_up_to_the_weight(weight in prop_oneof![Just(u128::MAX), any::<u128>()], bits in 1..=13_u32) {
            let mut rest = weight;
            let mut sum = Scalar::ZERO;
            let base = Scalar::from(1_u64 << bits);
            let mut place = Scalar::ONE;
            for _ in 0..WEIGHT_BITS.div_ceil(bits) {
                let digit = take_digit(&mut rest, bits);
                prop_assert!(digit.unsigned_abs() <= 1 << (bits - 1), "it has a bucket");
                let size = Scalar::from(u64::from(digit.unsigned_abs())) * place;
                sum += if digit < 0 { -size } else { size };
                place *= base;
            }
            prop_assert_eq!((rest, sum), (0, Scalar::from(weight)));
        }
    }

    #[test]
    fn digits_grow_with_the_number_of_terms() {
        assert!(digit_bits(1) < digit_bits(100) && digit_bits(100) < digit_bits(5_000));
    }
}
