//! The fingerprint of a set of ids (NIP-77 appendix, "Fingerprint Algorithm").

use sha2::block_api::compress256;

use crate::Item;

/// Where SHA-256 begins (FIPS 180-4, 5.3.3).
const SHA256_INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// Fingerprints that are computed one behind the other: 1 KiB of blocks.
const TOGETHER: usize = 16;

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
    #[inline]
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
        digest(&self.block())
    }

    /// The fingerprints of several sums, in their order. Each step of a SHA-256 waits for the one before, so that a processor
    /// works on two at a time when nothing lies between them.
    pub fn fingerprints(sums: &[Self]) -> impl Iterator<Item = [u8; 16]> {
        sums.chunks(TOGETHER).flat_map(|sums| {
            // All blocks first: what was just written piece by piece is not read at once.
            let (mut blocks, mut fingerprints) = ([[0; 64]; TOGETHER], [[0; 16]; TOGETHER]);
            for (block, sum) in blocks.iter_mut().zip(sums) {
                *block = sum.block();
            }
            for (fingerprint, block) in fingerprints.iter_mut().zip(&blocks[..sums.len()]) {
                *fingerprint = digest(block);
            }
            fingerprints.into_iter().take(sums.len())
        })
    }

    /// Sum and count fit into one block of SHA-256 (64 bytes, of which its end takes 9), which is written here as the function
    /// reads it: filling one piece by piece takes as long as hashing it, and a comparison does both for each place it asks of.
    #[inline]
    fn block(&self) -> [u8; 64] {
        let (count, digits) = varint(self.count);
        let end = 0x80_u128 << (8 * digits);
        let mut block = [0; 64];
        let (limbs, rest) = block.split_at_mut(32);
        for (word, limb) in limbs.as_chunks_mut::<8>().0.iter_mut().zip(self.limbs) {
            *word = limb.to_le_bytes();
        }
        rest[..16].copy_from_slice(&(count | end).to_le_bytes());
        rest[24..].copy_from_slice(&(8 * (32 + u64::from(digits))).to_be_bytes());
        block
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

/// The SHA-256 that ends with this block, cut to 16 bytes.
#[inline]
fn digest(block: &[u8; 64]) -> [u8; 16] {
    let mut state = SHA256_INITIAL;
    compress256(&mut state, std::slice::from_ref(block));
    let mut fingerprint = [0; 16];
    let (words, _) = fingerprint.as_chunks_mut::<4>();
    for (word, state) in words.iter_mut().zip(state) {
        *word = state.to_be_bytes();
    }
    fingerprint
}

fn limbs_of(id: &[u8; 32]) -> [u64; 4] {
    let (words, _) = id.as_chunks::<8>();
    let mut limbs = [0; 4];
    for (limb, word) in limbs.iter_mut().zip(words) {
        *limb = u64::from_le_bytes(*word);
    }
    limbs
}

/// Base 128, most significant digit first, the high bit set on all but the last (NIP-77 appendix, "Varint"): as the bytes of a
/// little-endian number, and how many they are.
fn varint(mut number: u64) -> (u128, u32) {
    let mut bytes = u128::from(number & 0x7f);
    let mut digits = 1;
    number >>= 7;
    while number > 0 {
        bytes = bytes << 8 | u128::from(number & 0x7f | 0x80);
        digits += 1;
        number >>= 7;
    }
    (bytes, digits)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn written(number: u64) -> Vec<u8> {
        let (bytes, digits) = varint(number);
        bytes.to_le_bytes()[..digits as usize].to_vec()
    }

    #[test]
    fn a_fingerprint_is_the_beginning_of_the_sha_256_of_sum_and_count() {
        for bits in 0..64 {
            for count in [0, 1 << bits, (1 << bits) - 1, u64::MAX >> bits] {
                let limbs = [
                    u64::MAX,
                    0x0123_4567_89ab_cdef,
                    count,
                    count.wrapping_mul(0x9e37_79b9),
                ];
                let sum = Sum { count, limbs };
                let mut bytes = sum.to_bytes()[8..].to_vec();
                bytes.extend(written(count));
                assert_eq!(sum.fingerprint(), Sha256::digest(&bytes)[..16], "{count}");
            }
        }
    }

    #[test]
    fn fingerprints_of_several_are_those_of_each() {
        for len in [0, 1, TOGETHER, 3 * TOGETHER + 1] {
            let sum = |n| Sum::of_ids([[n as u8; 32]; 300][..n].iter());
            let sums: Vec<Sum> = (0..len).map(sum).collect();
            let each: Vec<[u8; 16]> = sums.iter().map(Sum::fingerprint).collect();
            assert_eq!(Sum::fingerprints(&sums).collect::<Vec<_>>(), each);
        }
    }

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
        assert_eq!(written(0), [0]);
        assert_eq!(written(127), [127]);
        assert_eq!(written(128), [0x81, 0]);
        assert_eq!(written(16_384), [0x81, 0x80, 0]);
        assert_eq!(written(u64::MAX).len(), 10);
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
