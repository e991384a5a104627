//! Server-sent events out of an answer, as the WHATWG HTML standard describes them (section 9.2).

use futures_util::stream::{self, Stream};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::exit::Failure;

/// Larger than any event: a burst of the longest messages.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One event with a name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
}

/// Lines become events; what is not finished is kept.
#[derive(Default)]
struct Reader {
    unread: Vec<u8>,
    event: Event,
}

impl Reader {
    /// Takes bytes in, and returns the events that they finish.
    fn take(&mut self, bytes: &[u8]) -> Result<Vec<Event>, Failure> {
        let mut events = Vec::new();
        self.unread.extend_from_slice(bytes);
        if self.unread.len() > LINE_BYTES_MAX {
            return Err(Failure::Failed(
                "the daemon sent an event without an end; restart it".to_owned(),
            ));
        }
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line[..end]).into_owned();
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if !event.name.is_empty() {
                    events.push(event);
                }
            } else if let Some(name) = line.strip_prefix("event: ") {
                name.clone_into(&mut self.event.name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                self.event.data.push_str(data);
            }
        }
        Ok(events)
    }
}

/// The events of an answer, until it ends.
pub(crate) fn events(body: Incoming) -> impl Stream<Item = Result<Event, Failure>> + Send {
    let state = (body, Reader::default(), Vec::new().into_iter());
    stream::unfold(state, |(mut body, mut reader, mut ready)| async move {
        loop {
            if let Some(event) = ready.next() {
                return Some((Ok(event), (body, reader, ready)));
            }
            let read = match body.frame().await? {
                Ok(frame) => frame
                    .into_data()
                    .map_or(Ok(Vec::new()), |bytes| reader.take(&bytes)),
                Err(error) => Err(Failure::Failed(format!(
                    "the daemon has gone: {error}; run the command again"
                ))),
            };
            match read {
                Ok(events) => ready = events.into_iter(),
                Err(failure) => return Some((Err(failure), (body, reader, Vec::new().into_iter()))),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let text = ": ping\n\nid: 7\nevent: status\ndata: {\"a\":1}\n\nevent: reload\ndata: {}\n\n";
        for cut in 0..text.len() {
            let mut reader = Reader::default();
            let mut events = reader.take(&text.as_bytes()[..cut]).unwrap();
            events.extend(reader.take(&text.as_bytes()[cut..]).unwrap());
            let read: Vec<(&str, &str)> = events
                .iter()
                .map(|event| (event.name.as_str(), event.data.as_str()))
                .collect();
            assert_eq!(read, [("status", "{\"a\":1}"), ("reload", "{}")], "cut at {cut}");
        }
    }
}
