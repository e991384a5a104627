//! `relays add`, after the list was changed: the relays that are new are filled, and it is shown.

use std::collections::BTreeSet;
use std::time::Duration;

use chat_sync::{RelayState, RelayStatus, RelayUrl, Status};
use tokio::time::Instant;

use crate::context::Context;
use crate::exit::Failure;
use crate::output::{one_line, plural};
use crate::progress::RelayBars;
use crate::service::{Seen, Service};
use crate::signer_notice::SignerNotice;

/// Nothing changed anywhere for this long: the rest is left to `sync`. Longer than any wait for one answer.
const PROGRESS_PATIENCE: Duration = Duration::from_secs(60);

/// Compares with the new relays until each holds what is here, cannot be reached, or makes no progress. The list is
/// saved already, so whatever comes of this is told and is no failure.
pub(super) async fn run(
    context: &Context,
    service: &Service,
    all: &[RelayUrl],
    new: &[RelayUrl],
) -> Result<(), Failure> {
    let new: BTreeSet<&RelayUrl> = new.iter().collect();
    // All relays take part: whether there is a history key is not for the new ones alone to say.
    let mut bars = context.output.moves().then(|| RelayBars::new(all));
    let mut notice = SignerNotice::new(context.output, service.asks_far_off());
    let status = watch(service, &new, &mut bars, &mut notice).await?;
    drop(bars);
    for relay in status.relays.iter().filter(|relay| new.contains(&relay.url)) {
        context.output.talk(&outcome(relay));
    }
    Ok(())
}

async fn watch(
    service: &Service,
    new: &BTreeSet<&RelayUrl>,
    bars: &mut Option<RelayBars>,
    notice: &mut SignerNotice,
) -> Result<Status, Failure> {
    let mut following = service.follow(None).await?;
    let mut deadline = Instant::now() + PROGRESS_PATIENCE;
    // A change is progress; a status that stays the same ends the wait.
    while let Ok(seen) = tokio::time::timeout_at(deadline, following.next()).await {
        let Seen::Status(known) = seen? else { continue };
        deadline = Instant::now() + PROGRESS_PATIENCE;
        let status = known.status;
        notice.show(&status)?;
        if let Some(bars) = bars {
            bars.show(&status);
        }
        let mut relays = status.relays.iter().filter(|relay| new.contains(&relay.url));
        if relays.all(|relay| is_through(relay) && !status.account.asking) {
            return Ok(status);
        }
    }
    Ok(service.status().await?.status)
}

fn is_through(relay: &RelayStatus) -> bool {
    let away = matches!(
        relay.state,
        RelayState::Waiting { .. } | RelayState::Refused { .. } | RelayState::Off
    );
    away || relay.report.is_some()
}

fn outcome(relay: &RelayStatus) -> String {
    let url = relay.url.as_str();
    let later = "`chat-sync sync` sends it what it lacks";
    match (&relay.state, &relay.report) {
        (RelayState::Waiting { why, .. }, _) => {
            format!("{url} cannot be reached: {}; {later}", one_line(why))
        }
        (_, Some(report)) => match (&report.error, report.complete) {
            (Some(why), _) => format!("{url} is not filled: {}; {later}", one_line(why)),
            (None, true) => format!(
                "{url} holds everything now: {} sent, {} received",
                plural(report.sent, "message"),
                report.received
            ),
            (None, false) => match &relay.trouble {
                Some(trouble) => format!("{url} {}", one_line(trouble)),
                None => format!("{url} does not hold everything yet; {later}"),
            },
        },
        _ => format!("{url} does not hold everything yet; {later}"),
    }
}
