//! `relay`: the embedded relay alone.

use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};
use serde_json::json;

use crate::cli::Relay;
use crate::context::Context;
use crate::exit::Failure;

/// Serves until somebody ends the program.
pub(crate) async fn run(context: &Context, args: Relay) -> Result<(), Failure> {
    let config = EmbeddedRelayConfig {
        port: args.port,
        data: args.data,
        ..EmbeddedRelayConfig::default()
    };
    let relay = EmbeddedRelay::start(config)?;
    if context.output.is_json() {
        context.output.json(&json!({ "url": relay.url() }))?;
    } else {
        context.output.line(&relay.url())?;
    }
    context.output.talk("listening; Ctrl-C ends it");
    std::future::pending().await
}
