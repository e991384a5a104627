//! The relay's part.

use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};

use crate::{Outcome, telling};

/// Says its address, and serves until the run has ended.
pub(crate) fn serve() -> Outcome<()> {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default())?;
    telling::say(&relay.url())?;
    while telling::wait().is_ok() {}
    Ok(())
}
