//! The writing half of a connection.

use std::sync::Arc;
use std::time::Duration;

use futures_util::SinkExt;
use supervision::{Side, crash_point};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::dial::OutgoingHalf;
use crate::link::{QUEUE_FRAMES_MAX, QueuedText, Shared};
use crate::{ConnectionError, Outgoing};

/// To say goodbye to a relay that does not listen any more.
pub(crate) const GOODBYE_DEADLINE: Duration = Duration::from_secs(2);

/// Puts frames and pings into the writer. Dropping it lets the writer send what is queued and say goodbye.
pub(crate) struct Pen {
    frames: mpsc::Sender<QueuedText>,
    pings: mpsc::Sender<()>,
}

/// Takes them out.
pub(crate) struct Paper {
    frames: mpsc::Receiver<QueuedText>,
    pings: mpsc::Receiver<()>,
}

/// A pen and its paper.
pub(crate) fn pair() -> (Pen, Paper) {
    let (frames, frames_out) = mpsc::channel(QUEUE_FRAMES_MAX);
    // One ping that waits is as good as two.
    let (pings, pings_out) = mpsc::channel(1);
    (
        Pen { frames, pings },
        Paper {
            frames: frames_out,
            pings: pings_out,
        },
    )
}

impl Pen {
    /// Queues a frame. There is room, because a [`QueuedText`] holds one of as many places as the channel has; a
    /// writer that is gone has already reported why.
    pub(crate) fn write(&self, text: QueuedText) {
        let _ = self.frames.try_send(text);
    }

    /// Queues a ping before all frames.
    pub(crate) fn ping(&self) {
        let _ = self.pings.try_send(());
    }
}

/// What a crash point calls this frame; `None` for frames that no other device ever sees.
fn event_step(text: &str) -> Option<&'static str> {
    if !cfg!(debug_assertions) || !text.starts_with(r#"["EVENT""#) {
        return None;
    }
    Some(match text {
        _ if text.contains(r#""kind":1081"#) => "send:1081",
        _ if text.contains(r#""kind":5,"#) => "send:5",
        _ => "send:1080",
    })
}

/// Writes until the pen is dropped (then says goodbye) or the connection fails.
pub(crate) async fn write(
    mut paper: Paper,
    mut outgoing: OutgoingHalf,
    shared: Arc<Shared>,
) -> Result<(), ConnectionError> {
    loop {
        tokio::select! {
            biased;
            Some(()) = paper.pings.recv() => outgoing.send(Outgoing::Ping).await?,
            frame = paper.frames.recv() => {
                let Some(mut queued) = frame else { break };
                let text = std::mem::take(&mut queued.text);
                shared.counters.sent(text.len());
                let step = event_step(&text);
                if let Some(step) = step {
                    crash_point(Side::Before, || step);
                }
                outgoing.feed(Outgoing::Text(text)).await?;
                // Its place is free once the socket took it.
                drop(queued);
                // A burst leaves in few packets, and the last frame of it at once.
                if paper.frames.is_empty() {
                    outgoing.flush().await?;
                }
                if let Some(step) = step {
                    crash_point(Side::After, || step);
                }
            }
        }
    }
    timeout(GOODBYE_DEADLINE, outgoing.close())
        .await
        .unwrap_or(Ok(()))
}
