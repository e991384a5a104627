//! The fingerprint of a set of ids (NIP-77 appendix, "Fingerprint Algorithm").

use sha2::{Digest, Sha256};

use crate::Item;

/// Ten digits of seven bits hold any 64-bit number.
const DIGITS_MAX: usize = 10;

/// A count and the sum of ids mod 2^256, read as little-endian numbers. Sums of disjoint sets add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    count: u64,
    /// Lowest limb first.
    limbs: [u64; 4],
}

impl Sum {
    /// Adds one id.
    #[inline]
    pub fn add(&mut self, id: &[u8; 32]) {
        self.count += 1;
        self.add_limbs(limbs_of(id));
    }

    /// The sum of these items.
    pub(crate) fn of(items: &[Item]) -> Self {
        Self::of_ids(items.iter().map(|item| item.id.as_bytes()))
    }

    /// The sum of these ids, of which there are fewer than 2^32. Their halves of limbs are added up side by side, which has no
    /// carries to wait for, and the carries are worked off once in the end.
    pub(crate) fn of_ids<'i>(ids: impl Iterator<Item = &'i [u8; 32]>) -> Self {
        let (mut count, mut halves) = (0, [0_u64; 8]);
        for id in ids {
            count += 1;
            let (words, _) = id.as_chunks::<4>();
            for (half, word) in halves.iter_mut().zip(words) {
                *half += u64::from(u32::from_le_bytes(*word));
            }
        }
        let (mut limbs, mut carry) = ([0; 4], 0);
        let (pairs, _) = halves.as_chunks::<2>();
        for (limb, [low, high]) in limbs.iter_mut().zip(pairs) {
            let low = low + carry;
            let high = high + (low >> 32);
            *limb = (high << 32) | (low & u64::from(u32::MAX));
            carry = high >> 32;
        }
        // A carry out of the last limb is the modulus.
        Self { count, limbs }
    }

    /// Takes one id out again, which must be in the set.
    pub(crate) fn remove(&mut self, id: &[u8; 32]) -> Option<()> {
        self.count = self.count.checked_sub(1)?;
        self.subtract_limbs(limbs_of(id));
        Some(())
    }

    /// This set without `part`, which must be a part of it.
    pub(crate) fn without(mut self, part: &Self) -> Option<Self> {
        self.count = self.count.checked_sub(part.count)?;
        self.subtract_limbs(part.limbs);
        Some(self)
    }

    /// The sum as the tables of the fingerprint index keep it: count (8, LE) ‖ sum (32, LE).
    pub(crate) fn to_bytes(self) -> [u8; 40] {
        let mut bytes = [0; 40];
        let (words, _) = bytes.as_chunks_mut::<8>();
        words[0] = self.count.to_le_bytes();
        for (word, limb) in words[1..].iter_mut().zip(self.limbs) {
            *word = limb.to_le_bytes();
        }
        bytes
    }

    /// The sum that [`Sum::to_bytes`] wrote.
    pub(crate) fn from_bytes(bytes: &[u8; 40]) -> Self {
        let [count, limbs @ ..] = std::array::from_fn::<u64, 5, _>(|n| {
            u64::from_le_bytes(std::array::from_fn(|byte| bytes[8 * n + byte]))
        });
        Self { count, limbs }
    }

    /// Adds another set, which must share no id with this one.
    #[inline]
    pub fn merge(&mut self, other: &Self) {
        // A damaged count may be any number; what it adds up to is compared with what it should be.
        self.count = self.count.wrapping_add(other.count);
        self.add_limbs(other.limbs);
    }

    /// How many ids were added.
    #[inline]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// SHA-256 over the sum (32 bytes, little-endian) and the count (varint), cut to 16 bytes.
    pub fn fingerprint(&self) -> [u8; 16] {
        let (mut buffer, mut digits) = ([0; 32 + DIGITS_MAX], [0; DIGITS_MAX]);
        let (words, _) = buffer.as_chunks_mut::<8>();
        for (word, limb) in words.iter_mut().zip(self.limbs) {
            *word = limb.to_le_bytes();
        }
        let count = varint(self.count, &mut digits);
        buffer[32..32 + count.len()].copy_from_slice(count);
        let hash = Sha256::digest(&buffer[..32 + count.len()]);
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&hash[..16]);
        fingerprint
    }

    #[inline]
    fn add_limbs(&mut self, limbs: [u64; 4]) {
        let mut carry = false;
        for (limb, added) in self.limbs.iter_mut().zip(limbs) {
            let (sum, over) = limb.overflowing_add(added);
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            *limb = sum;
            carry = over || over_again;
        }
        // A carry out of the last limb is the modulus.
    }

    #[inline]
    fn subtract_limbs(&mut self, limbs: [u64; 4]) {
        let mut borrow = false;
        for (limb, taken) in self.limbs.iter_mut().zip(limbs) {
            let (rest, under) = limb.overflowing_sub(taken);
            let (rest, under_again) = rest.overflowing_sub(u64::from(borrow));
            *limb = rest;
            borrow = under || under_again;
        }
        // A borrow from beyond the last limb is the modulus.
    }
}

fn limbs_of(id: &[u8; 32]) -> [u64; 4] {
    let (words, _) = id.as_chunks::<8>();
    let mut limbs = [0; 4];
    for (limb, word) in limbs.iter_mut().zip(words) {
        *limb = u64::from_le_bytes(*word);
    }
    limbs
}

/// Base 128, most significant digit first, the high bit set on all but the last (NIP-77 appendix, "Varint").
fn varint(mut number: u64, digits: &mut [u8; DIGITS_MAX]) -> &[u8] {
    let mut first = DIGITS_MAX - 1;
    digits[first] = (number & 0x7f) as u8;
    number >>= 7;
    while number > 0 {
        first -= 1;
        digits[first] = (number & 0x7f) as u8 | 0x80;
        number >>= 7;
    }
    &digits[first..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_run_through_and_fall_off_the_end() {
        let mut one = [0; 32];
        one[0] = 1;
        let mut sum = Sum::default();
        sum.add(&[0xff; 32]);
        sum.add(&one);
        assert_eq!(sum.limbs, [0; 4]);
        assert_eq!(sum.count(), 2);
    }

    #[test]
    fn what_was_added_can_be_taken_out_in_any_order_and_survives_its_bytes() {
        let ids: [[u8; 32]; 4] = [[0xff; 32], [0x01; 32], [0xfe; 32], [0x80; 32]];
        let mut sum = Sum::default();
        for id in &ids {
            sum.add(id);
        }
        assert_eq!(Sum::from_bytes(&sum.to_bytes()), sum);
        assert_eq!(sum.without(&sum), Some(Sum::default()));
        for n in [2, 0, 3, 1] {
            assert_eq!(sum.remove(&ids[n]), Some(()));
        }
        assert_eq!(sum, Sum::default());
        assert_eq!(sum.remove(&ids[0]), None);
    }

    #[test]
    fn varints_are_those_of_the_protocol() {
        let written = |number| varint(number, &mut [0; DIGITS_MAX]).to_vec();
        assert_eq!(written(0), [0]);
        assert_eq!(written(127), [127]);
        assert_eq!(written(128), [0x81, 0]);
        assert_eq!(written(16_384), [0x81, 0x80, 0]);
        assert_eq!(written(u64::MAX).len(), DIGITS_MAX);
    }

    #[test]
    fn ids_added_up_side_by_side_are_ids_added_one_by_one() {
        let mut ids = vec![[0xff; 32]; 1_000];
        ids.extend((0..=255_u8).map(|n| std::array::from_fn(|at| n.wrapping_mul(at as u8 | 1) ^ 0xa5)));
        for count in [0, 1, 2, 3, 255, 999, 1_000, 1_256] {
            let mut one_by_one = Sum::default();
            ids[..count].iter().for_each(|id| one_by_one.add(id));
            assert_eq!(Sum::of_ids(ids[..count].iter()), one_by_one, "{count}");
        }
    }

    #[test]
    fn the_sum_of_parts_is_the_sum_of_the_whole() {
        let (mut left, mut right, mut whole) = (Sum::default(), Sum::default(), Sum::default());
        for byte in 0..=255 {
            if byte % 3 == 0 { &mut left } else { &mut right }.add(&[byte; 32]);
            whole.add(&[byte; 32]);
        }
        left.merge(&right);
        assert_eq!(left, whole);
    }
}
