//! What sealing has to cost: encryption, the id and the signature, on one thread, without a store.

use std::sync::Arc;
use std::time::Instant;

use bench_download::Outcome;
use futures_executor::block_on;
use pns_keys::{DeviceSecret, NewKeyring, Profile, seal};
use supervision::{Entropy, SeededEntropy};

use crate::texts::message;

/// Events a second.
pub(crate) fn alone(count: u64) -> Outcome<f64> {
    let entropy = SeededEntropy::new(1);
    let device = DeviceSecret::from_bytes(&entropy.draw_32())?;
    let signer = bench_download::history::signer()?;
    let (event, keyring) = block_on(NewKeyring::new(device).create(&signer, 1_789_000_000))?;
    let key = Arc::clone(keyring.key(Profile::Routstr));
    let author = event.pubkey.to_hex();
    let rumors = (0..count)
        .map(|n| message(n).to_rumor(&author))
        .collect::<Result<Vec<_>, _>>()?;
    let begin = Instant::now();
    for rumor in &rumors {
        std::hint::black_box(seal(
            &key,
            rumor,
            1_789_000_000,
            entropy.draw_32(),
            entropy.draw_32(),
        )?);
    }
    Ok(count as f64 / begin.elapsed().as_secs_f64())
}
