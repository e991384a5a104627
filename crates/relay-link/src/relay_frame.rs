//! What a relay says.
//!
//! An own type, because `nostr::RelayMessage` drops trailing elements (the cap of a NEG-ERR, the hints of an EOSE)
//! and rejects `["OK","",…]`, which some relays send for an event they could not read.

use nostr::event::{Event, EventId};
use serde::de::SeqAccess;

use crate::elements::{self, Elements, FrameError, FromElements};
use crate::{SubId, hex};

/// One message of a relay (NIP-01, NIP-42, NIP-77). Texts are cut at 1,024 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayFrame {
    /// An event of a subscription. Neither its id nor its signature has been checked.
    Event {
        /// The subscription it answers.
        sub: SubId,
        /// The event as the relay sent it.
        event: Box<Event>,
    },
    /// What became of an EVENT or AUTH. Classify the reason with [`OkClass`](crate::OkClass).
    Ok {
        /// Which one; `None` when the relay left it empty.
        id: Option<EventId>,
        /// Whether the relay took it.
        accepted: bool,
        /// Why, in the relay's words; may be empty.
        reason: String,
    },
    /// Stored events end here. A claim, not a proof (field guide, rule 2).
    Eose {
        /// Of this subscription.
        sub: SubId,
        /// What followed, as `finish` or `more` (NIP-67); at most 16 texts of at most 64 bytes.
        hints: Vec<String>,
    },
    /// The relay ended a subscription or refused it. Classify the reason with [`Refusal`](crate::Refusal).
    Closed {
        /// Which one.
        sub: SubId,
        /// Why, in the relay's words; may be empty.
        reason: String,
    },
    /// Prose about nothing in particular.
    Notice {
        /// The prose.
        message: String,
    },
    /// The relay asks who we are (NIP-42).
    Auth {
        /// What to sign.
        challenge: String,
    },
    /// The relay's turn in a NIP-77 session.
    NegMsg {
        /// Of this session.
        sub: SubId,
        /// The payload. Empty when it was not hex: no legal message is, so the session learns at once.
        message: Vec<u8>,
    },
    /// The relay ended a NIP-77 session or refused it. Classify the reason with [`Refusal`](crate::Refusal).
    NegErr {
        /// Which one.
        sub: SubId,
        /// Why, in the relay's words.
        reason: String,
        /// How many items it would compare, when it said so as a fourth element.
        cap: Option<u64>,
    },
}

impl RelayFrame {
    /// Reads one frame of at most 4 MiB. Elements after the known ones are kept where a field exists for them and
    /// skipped otherwise.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        elements::parse(text)
    }

    /// The text a relay sends for it.
    pub fn encode(&self) -> String {
        match self {
            Self::Event { sub, event } => json(&("EVENT", sub, event)),
            Self::Ok { id, accepted, reason } => json(&(
                "OK",
                id.map(|id| id.to_hex()).unwrap_or_default(),
                accepted,
                reason,
            )),
            Self::Eose { sub, hints } if hints.is_empty() => json(&("EOSE", sub)),
            Self::Eose { sub, hints } => json(&("EOSE", sub, hints)),
            Self::Closed { sub, reason } => json(&("CLOSED", sub, reason)),
            Self::Notice { message } => json(&("NOTICE", message)),
            Self::Auth { challenge } => json(&("AUTH", challenge)),
            Self::NegMsg { sub, message } => json(&("NEG-MSG", sub, hex::encode(message))),
            Self::NegErr {
                sub,
                reason,
                cap: None,
            } => json(&("NEG-ERR", sub, reason)),
            Self::NegErr {
                sub,
                reason,
                cap: Some(cap),
            } => json(&("NEG-ERR", sub, reason, cap)),
        }
    }
}

/// Serialises what is a string, a number, or built of them.
pub(crate) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("texts, numbers and events always have a JSON form")
}

impl FromElements for RelayFrame {
    fn from_elements<'de, A: SeqAccess<'de>>(
        label: &str,
        elements: &mut Elements<'_, A>,
    ) -> Result<Option<Self>, A::Error> {
        const SUB: &str = "subscription id";
        Ok(Some(match label {
            "EVENT" => Self::Event {
                sub: elements.next(SUB)?,
                event: Box::new(elements.next("event")?),
            },
            "OK" => {
                let id: String = elements.next("event id")?;
                let id = match id.as_str() {
                    "" => None,
                    hex => Some(EventId::from_hex(hex).map_err(|_| elements.malformed("event id"))?),
                };
                Self::Ok {
                    id,
                    accepted: elements.next("verdict")?,
                    reason: elements.prose("reason")?,
                }
            }
            "EOSE" => Self::Eose {
                sub: elements.next(SUB)?,
                hints: elements.trailing()?.hints,
            },
            "CLOSED" => Self::Closed {
                sub: elements.next(SUB)?,
                reason: elements.prose("reason")?,
            },
            "NOTICE" => Self::Notice {
                message: elements.prose("message")?,
            },
            "AUTH" => {
                let challenge: String = elements.next("challenge")?;
                // A cut challenge could not be answered, and a real one is a few dozen characters.
                if challenge.len() > elements::REASON_BYTES_MAX {
                    return Err(elements.malformed("challenge"));
                }
                Self::Auth { challenge }
            }
            "NEG-MSG" => {
                let sub = elements.next(SUB)?;
                let payload: String = elements.next("payload")?;
                Self::NegMsg {
                    sub,
                    message: hex::decode(&payload).unwrap_or_default(),
                }
            }
            "NEG-ERR" => {
                let sub = elements.next(SUB)?;
                let reason = elements.prose("reason")?;
                let trailing = elements.trailing()?;
                let spelled = || trailing.hints.iter().find_map(|hint| hint.parse().ok());
                Self::NegErr {
                    sub,
                    reason,
                    cap: trailing.number.or_else(spelled),
                }
            }
            _ => return Ok(None),
        }))
    }
}
