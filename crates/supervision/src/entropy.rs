//! Randomness, as something that is handed in.

use std::sync::{Mutex, PoisonError};

/// Draws random bytes: nonces, local ids, subscription ids, jitter.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with fresh randomness.
    fn fill(&self, bytes: &mut [u8]);

    /// Sixteen random bytes, enough for an identifier.
    fn draw_16(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        bytes
    }

    /// Thirty-two random bytes, enough for a key or a nonce.
    fn draw_32(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.fill(&mut bytes);
        bytes
    }

    /// A number in `[0, 1)`, for jitter.
    fn draw_fraction(&self) -> f64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        // 53 bits are what an f64 holds exactly.
        (u64::from_le_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The operating system's generator.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system's random generator answers");
    }
}

/// The same bytes for the same seed: for simulations, never for keys that matter.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<u64>);

impl SeededEntropy {
    /// Starts the sequence that `seed` names.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Entropy for SeededEntropy {
    /// `SplitMix64` (Steele, Lea and Flood, 2014): small, and every seed gives a full period.
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            chunk.copy_from_slice(&z.to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays_its_bytes() {
        let (one, two) = (SeededEntropy::new(7), SeededEntropy::new(7));
        assert_eq!(one.draw_32(), two.draw_32());
        assert_ne!(one.draw_32(), SeededEntropy::new(8).draw_32());
    }

    #[test]
    fn fractions_stay_below_one() {
        let entropy = SeededEntropy::new(1);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&entropy.draw_fraction())));
    }
}
