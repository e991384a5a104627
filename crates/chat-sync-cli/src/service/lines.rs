//! An answer that tells how far it is: one JSON object a line, the last one with what came of it.

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use serde::{Deserialize, Serialize};

use crate::exit::Failure;
use crate::shapes::store::Verified;

/// Larger than any line: the names of all damaged records that are named.
const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// One line about a store that is examined.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Line {
    /// How many events were read, out of how many.
    Seen { seen: u64, of: u64 },
    /// It ended before its end.
    Failed { error: String, exit: u8 },
    /// What was found.
    Done(Verified),
}

/// The lines of an answer.
pub(super) struct Lines {
    body: Incoming,
    unread: Vec<u8>,
}

impl Lines {
    pub(super) fn of(body: Incoming) -> Self {
        Self {
            body,
            unread: Vec::new(),
        }
    }

    /// The next whole line; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(Some(line.into()));
            }
            if self.unread.len() > LINE_BYTES_MAX {
                return Err(Failure::Failed(
                    "the daemon sent a line without an end; restart it".to_owned(),
                ));
            }
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            let frame = frame.map_err(super::connection::cut)?;
            if let Ok(bytes) = frame.into_data() {
                self.unread.extend_from_slice(&bytes);
            }
        }
    }
}
