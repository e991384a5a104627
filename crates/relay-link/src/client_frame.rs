//! What we say to a relay.

use nostr::event::{Event, EventId};
use nostr::filter::Filter;
use serde::de::SeqAccess;

use crate::elements::{self, Elements, FrameError, FromElements};
use crate::relay_frame::json;
use crate::{SubId, hex};

/// One message to a relay (NIP-01, NIP-42, NIP-77).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientFrame {
    /// Publishes; answered by an OK.
    Event(Box<Event>),
    /// Opens a subscription; answered by events and an EOSE, or by CLOSED.
    Req {
        /// Its name, never used before on this connection.
        sub: SubId,
        /// Each with authors, kinds and a limit (DESIGN 3, "Filters").
        filters: Vec<Filter>,
    },
    /// Ends a subscription.
    Close {
        /// Which one.
        sub: SubId,
    },
    /// Opens a NIP-77 session.
    NegOpen {
        /// Its name.
        sub: SubId,
        /// What is compared; never with a limit, because strfry honours it.
        filter: Filter,
        /// The first message, at most 60,000 bytes (field guide N-15).
        message: Vec<u8>,
    },
    /// Our turn in a NIP-77 session.
    NegMsg {
        /// Of this session.
        sub: SubId,
        /// At most 60,000 bytes.
        message: Vec<u8>,
    },
    /// Ends a NIP-77 session.
    NegClose {
        /// Which one.
        sub: SubId,
    },
    /// Answers a challenge with a signed kind 22242; answered by an OK.
    Auth(Box<Event>),
}

impl ClientFrame {
    /// The text that goes over the wire.
    pub fn encode(&self) -> String {
        match self {
            Self::Event(event) => json(&("EVENT", event)),
            Self::Req { sub, filters } => {
                let mut text = format!("[\"REQ\",{}", json(sub));
                for filter in filters {
                    text.push(',');
                    text.push_str(&json(filter));
                }
                text.push(']');
                text
            }
            Self::Close { sub } => json(&("CLOSE", sub)),
            Self::NegOpen { sub, filter, message } => json(&("NEG-OPEN", sub, filter, hex::encode(message))),
            Self::NegMsg { sub, message } => json(&("NEG-MSG", sub, hex::encode(message))),
            Self::NegClose { sub } => json(&("NEG-CLOSE", sub)),
            Self::Auth(event) => json(&("AUTH", event)),
        }
    }

    /// Reads one frame, as the relay's side does. Hex that is none is an error here: only our own tests send it.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        elements::parse(text)
    }

    /// The event whose OK answers this frame.
    pub fn event_id(&self) -> Option<EventId> {
        match self {
            Self::Event(event) | Self::Auth(event) => Some(event.id),
            _ => None,
        }
    }
}

impl FromElements for ClientFrame {
    fn from_elements<'de, A: SeqAccess<'de>>(
        label: &str,
        elements: &mut Elements<'_, A>,
    ) -> Result<Option<Self>, A::Error> {
        const SUB: &str = "subscription id";
        fn payload<'de, A: SeqAccess<'de>>(elements: &mut Elements<'_, A>) -> Result<Vec<u8>, A::Error> {
            let text: String = elements.next("payload")?;
            hex::decode(&text).ok_or_else(|| elements.malformed("payload"))
        }
        Ok(Some(match label {
            "EVENT" => Self::Event(Box::new(elements.next("event")?)),
            "REQ" => {
                let sub = elements.next(SUB)?;
                let mut filters = Vec::new();
                while let Some(filter) = elements.optional("filter")? {
                    filters.push(filter);
                }
                Self::Req { sub, filters }
            }
            "CLOSE" => Self::Close {
                sub: elements.next(SUB)?,
            },
            "NEG-OPEN" => Self::NegOpen {
                sub: elements.next(SUB)?,
                filter: elements.next("filter")?,
                message: payload(elements)?,
            },
            "NEG-MSG" => Self::NegMsg {
                sub: elements.next(SUB)?,
                message: payload(elements)?,
            },
            "NEG-CLOSE" => Self::NegClose {
                sub: elements.next(SUB)?,
            },
            "AUTH" => Self::Auth(Box::new(elements.next("event")?)),
            _ => return Ok(None),
        }))
    }
}
