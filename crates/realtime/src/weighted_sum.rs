//! The sum of many points of the curve, each times a weight of 128 bits, by the bucket method (Pippenger).
//!
//! A weight is cut into digits, which may be negative: a point is turned around for nothing, and half the buckets do. For one
//! digit position, the points with the same digit are added up in one bucket, and a bucket counts as often as its digit says.
//! So a point costs one addition per position, whatever the weight.

use k256::{AffinePoint, ProjectivePoint};

/// Bits of a weight, and one that negative digits may carry over.
const WEIGHT_BITS: u32 = u128::BITS + 1;

/// `weight * point`, summed. Cost: about 22 additions of points a term for hundreds of terms, 5 us. The time depends on
/// the weights, which must be no secret.
pub(crate) fn weighted_sum(terms: &[(u128, AffinePoint)]) -> ProjectivePoint {
    let digit_bits = digit_bits(terms.len());
    let mut rests: Vec<u128> = terms.iter().map(|(weight, _)| *weight).collect();
    let mut buckets = vec![ProjectivePoint::IDENTITY; 1 << (digit_bits - 1)];
    let mut sums = Vec::with_capacity(WEIGHT_BITS as usize);
    for _ in 0..WEIGHT_BITS.div_ceil(digit_bits) {
        buckets.fill(ProjectivePoint::IDENTITY);
        for (rest, (_, point)) in rests.iter_mut().zip(terms) {
            match take_digit(rest, digit_bits) {
                0 => {}
                digit @ 1.. => buckets[digit.unsigned_abs() - 1] += point,
                digit => buckets[digit.unsigned_abs() - 1] -= point,
            }
        }
        sums.push(digits_times_buckets(&buckets));
    }
    let add =
        |sum: ProjectivePoint, here: ProjectivePoint| (0..digit_bits).fold(sum, |sum, _| sum.double()) + here;
    sums.into_iter().rev().fold(ProjectivePoint::IDENTITY, add)
}

/// The lowest digit of `rest`, which loses it. Between -2^(bits - 1), exclusive, and 2^(bits - 1).
fn take_digit(rest: &mut u128, bits: u32) -> isize {
    let base = 1_isize << bits;
    let digit = (*rest & ((1 << bits) - 1)) as isize;
    *rest >>= bits;
    if digit > base / 2 {
        *rest += 1;
        digit - base
    } else {
        digit
    }
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
    let additions = |bits: &u32| WEIGHT_BITS.div_ceil(*bits) as usize * (terms + (1 << bits));
    // Beyond 13 bits the buckets no longer fit into a core's cache.
    (1..=13).min_by_key(additions).unwrap_or(1)
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
                let size = Scalar::from(digit.unsigned_abs() as u64) * place;
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
