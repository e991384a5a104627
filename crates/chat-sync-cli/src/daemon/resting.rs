//! Work on the store that nobody else may do anything with meanwhile: the engine stops, the work is done, another engine
//! starts on the same store. Whoever asks the daemon for something in between is told to ask again.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use chat_sync::{Account, DataDirError};
use event_index::Store;
use tokio::time::{Instant, sleep};

use super::state::State;
use crate::exit::Failure;
use crate::service::blocking;

/// An engine that works stops within seconds.
const STOP_PATIENCE: Duration = Duration::from_secs(30);
/// Most answers take milliseconds; a comparison, or a deletion that waits for relays, does not hold this up.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);
/// What is being answered then has lost its engine, and ends with that.
const ALONE_PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Does `work` with the store alone. It is done to its end, and an engine runs again then, whether anybody waits for it or
/// not.
pub(super) async fn alone<T: Send + 'static>(
    state: Data<State>,
    work: impl FnOnce(&mut Store) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let busy = |what: &str| {
        Failure::InUse(format!(
            "the daemon is {what}; run the command again when that is done"
        ))
    };
    let working = tokio::spawn(async move {
        let _verify = state
            .alone
            .verify
            .try_lock()
            .map_err(|_| busy("examining the store"))?;
        let _import = state.alone.import.try_lock().map_err(|_| busy("importing"))?;
        // Before the account is away: nobody is told that there is none.
        state.rest(true);
        let done = rested(&state, work).await;
        state.rest(false);
        done
    });
    working.await.unwrap_or_else(|_| {
        Err(Failure::Failed(
            "the daemon lost its store; restart it with `chat-sync daemon stop` and `chat-sync daemon start`"
                .to_owned(),
        ))
    })
}

async fn rested<T: Send + 'static>(
    state: &State,
    work: impl FnOnce(&mut Store) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let Some(open) = state.take() else {
        return Err(Failure::Account(DataDirError::NotLoggedIn));
    };
    // What is nearly answered is answered.
    let deadline = Instant::now() + ANSWER_PATIENCE;
    while open.is_shared() && Instant::now() < deadline {
        sleep(LOOK_AGAIN).await;
    }
    if !open.close(STOP_PATIENCE).await {
        // It may still write, so no other one may start here.
        state.stop();
        return Err(Failure::Failed(
            "the engine did not stop, nothing was done, and the daemon ends; start it again with `chat-sync daemon start`"
                .to_owned(),
        ));
    }
    let deadline = Instant::now() + ALONE_PATIENCE;
    let account = match unshared(open.into_here(), deadline).await {
        Ok(here) => here.into_account(),
        Err(here) => here.account.clone(),
    };
    let (store, done) = match unshared(account.store, deadline).await {
        Ok(mut store) => {
            let working = move || {
                let done = work(&mut store);
                Ok((Arc::new(store), done))
            };
            blocking(working).await?
        }
        Err(store) => {
            let busy = "requests to the daemon still work with the store; run the command again in a moment";
            (store, Err(Failure::InUse(busy.to_owned())))
        }
    };
    // Its relays may be others than when it was opened.
    let account = Account { store, ..account }.read_again()?;
    state.open(account)?;
    done
}

/// Waits until nobody else has it.
async fn unshared<T>(mut shared: Arc<T>, deadline: Instant) -> Result<T, Arc<T>> {
    loop {
        shared = match Arc::try_unwrap(shared) {
            Ok(alone) => return Ok(alone),
            Err(shared) if Instant::now() > deadline => return Err(shared),
            Err(shared) => shared,
        };
        sleep(LOOK_AGAIN).await;
    }
}
