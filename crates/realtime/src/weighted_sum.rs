//! The sum of many points of the curve, each times a weight of 128 bits, by the bucket method (Pippenger).
//!
//! A weight is cut into digits. For one digit position, the points with the same digit are added up in one bucket, and
//! a bucket counts as often as its digit says. So a point costs one addition per position, whatever the weight.

use k256::{AffinePoint, ProjectivePoint};

/// Bits of a weight.
const WEIGHT_BITS: u32 = u128::BITS;

/// `weight * point`, summed. Cost: about 30 additions of points a term for hundreds of terms, 7 us. The time depends on
/// the weights, which must be no secret.
pub(crate) fn weighted_sum(terms: &[(u128, AffinePoint)]) -> ProjectivePoint {
    let digit_bits = digit_bits(terms.len());
    let mut buckets = vec![ProjectivePoint::IDENTITY; (1 << digit_bits) - 1];
    let mut sum = ProjectivePoint::IDENTITY;
    for position in (0..WEIGHT_BITS.div_ceil(digit_bits)).rev() {
        for _ in 0..digit_bits {
            sum = sum.double();
        }
        buckets.fill(ProjectivePoint::IDENTITY);
        for (weight, point) in terms {
            let digit = (weight >> (position * digit_bits)) as usize & buckets.len();
            if let Some(bucket) = digit.checked_sub(1) {
                buckets[bucket] += point;
            }
        }
        sum += digits_times_buckets(&buckets);
    }
    sum
}

/// The bucket of digit 1 once, that of 2 twice, and so on: from the top, each running sum is added once more.
fn digits_times_buckets(buckets: &[ProjectivePoint]) -> ProjectivePoint {
    let (mut running, mut sum) = (ProjectivePoint::IDENTITY, ProjectivePoint::IDENTITY);
    for bucket in buckets.iter().rev() {
        running += bucket;
        sum += &running;
    }
    sum
}

/// The length of a digit that needs the fewest additions: one a term and two a bucket, for every position.
fn digit_bits(terms: usize) -> u32 {
    let additions = |bits: &u32| WEIGHT_BITS.div_ceil(*bits) as usize * (terms + (2 << bits));
    // Beyond 12 bits the buckets no longer fit into a core's cache.
    (1..=12).min_by_key(additions).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use k256::Scalar;
    use proptest::prelude::*;

    use super::*;

    fn point(number: u64) -> AffinePoint {
        (ProjectivePoint::GENERATOR * Scalar::from(number)).to_affine()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn it_is_the_sum_of_single_products(
            terms in prop::collection::vec((prop_oneof![Just(0), Just(u128::MAX), any::<u128>()], 1..9_u64), 0..40),
        ) {
            let single = terms
                .iter()
                .map(|(weight, number)| point(*number) * Scalar::from(*weight))
                .sum::<ProjectivePoint>();
            let terms: Vec<_> = terms.iter().map(|(weight, number)| (*weight, point(*number))).collect();
            prop_assert_eq!(weighted_sum(&terms), single);
        }
    }

    #[test]
    fn digits_grow_with_the_number_of_terms() {
        assert!(digit_bits(1) < digit_bits(100) && digit_bits(100) < digit_bits(5_000));
    }
}
