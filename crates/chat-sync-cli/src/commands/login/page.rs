//! A login with an extension of a browser: the page does it, and this waits.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::commands::daemon::{running, show_page};
use crate::commands::whoami;
use crate::context::Context;
use crate::exit::Failure;

/// As long as an offer to a remote signer stands.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

pub(super) async fn by_extension(context: &Context) -> Result<(), Failure> {
    let daemon = running(context, None).await?;
    if let Some(account) = daemon.account().await? {
        return Err(Failure::InUse(format!(
            "{} is logged in; run `chat-sync daemon stop` and `chat-sync logout` before another account logs in here",
            account.npub
        )));
    }
    show_page(context, daemon.record(), true)?;
    context
        .output
        .talk("log in on that page with the extension; waiting five minutes at most");
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(account) = daemon.account().await? {
            context.output.talk("logged in");
            return whoami::print(context, &account);
        }
        if Instant::now() > deadline {
            return Err(Failure::Locked(
                "nobody logged in on the page within five minutes; run it again".to_owned(),
            ));
        }
        sleep(LOOK_AGAIN).await;
    }
}
