//! Looking at the store while others work with it, and what nobody else may do anything with it for.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, Data};
use futures_util::stream;
use tokio::sync::mpsc;

use super::{Answer, blocking};
use crate::daemon::refusal::Refused;
use crate::daemon::resting::alone;
use crate::daemon::state::State;
use crate::exit::Failure;
use crate::service::{self, Line, set_aside};

/// Between two lines that say how far it is; and while nobody reads them, it waits.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// Lines that were not read yet.
const LINES_MAX: usize = 8;

pub(super) async fn stats(state: Data<State>) -> Answer {
    let (here, file) = (state.here()?, file(&state)?);
    Ok(HttpResponse::Ok().json(blocking(move || here.stats(file)).await?))
}

/// The engine stops for it, and starts again.
pub(super) async fn compact(state: Data<State>) -> Answer {
    let file = file(&state)?;
    let done = alone(state, move |store| service::compact(store, &file)).await?;
    Ok(HttpResponse::Ok().json(done))
}

/// The engine stops for it, and starts again.
pub(super) async fn rebuild(state: Data<State>) -> Answer {
    let aside = set_aside(&file(&state)?, state.env.runtime.clock.unix());
    let done = alone(state, move |store| service::rebuild(store, &aside, &mut |_| {})).await?;
    Ok(HttpResponse::Ok().json(done))
}

/// The file of the store.
fn file(state: &State) -> Result<PathBuf, Failure> {
    let account = state.here()?.account.public_key;
    Ok(state.data_dir.store_file(&account))
}

/// Tells how far it is, a JSON object a line; the last one says what was found, or why nothing was. It ends with whoever
/// asked, and with the daemon.
pub(super) async fn verify(state: Data<State>) -> Answer {
    let here = state.here()?;
    let Ok(alone) = Arc::clone(&state.alone.verify).try_lock_owned() else {
        let busy = "the daemon examines the store already; run the command again when it is done";
        return Err(Refused(Failure::InUse(busy.to_owned())));
    };
    let (lines, ready) = mpsc::channel::<Bytes>(LINES_MAX);
    let (stopping, clock) = (state.stopping(), Arc::clone(&state.env.runtime.clock));
    // In a thread of its own: the pool of the server would be waited for when that stops.
    let examine = move || {
        let mut told: Option<Instant> = None;
        let found = here.events().and_then(|of| {
            here.verify(&mut |seen| {
                if lines.is_closed() || *stopping.borrow() {
                    return ControlFlow::Break(());
                }
                let now = clock.now();
                if told.is_none_or(|told| now.saturating_duration_since(told) >= TELL_EVERY) {
                    told = Some(now);
                    // One that is not read in time is followed by another.
                    let _ = lines.try_send(line(&Line::Seen { seen, of }));
                }
                ControlFlow::Continue(())
            })
        });
        let last = match found {
            _ if *stopping.borrow() => Line::Failed {
                error: "the daemon stops; run the command again".to_owned(),
                exit: 1,
            },
            Ok(found) => Line::Done(found),
            Err(failure) => Line::Failed {
                error: failure.line().unwrap_or_else(|| failure.to_string()),
                exit: failure.code(),
            },
        };
        // Before it is told: whoever has read it may ask again.
        drop((alone, here));
        // Whoever has gone needs no answer.
        let _ = lines.blocking_send(line(&last));
    };
    std::thread::Builder::new()
        .name("verify".to_owned())
        .spawn(examine)
        .map_err(|error| Failure::Failed(format!("the store could not be examined: {error}")))?;
    let lines = stream::unfold(ready, |mut ready| async move {
        let line = ready.recv().await?;
        Some((Ok::<_, actix_web::Error>(line), ready))
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/x-ndjson"))
        .streaming(lines))
}

fn line(line: &Line) -> Bytes {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text.into()
}
