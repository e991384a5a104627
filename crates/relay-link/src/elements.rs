//! Reads the elements of a frame, which is a JSON array whose first element names the rest.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The largest frame taken from a relay, in bytes of text (field guide N-15, C-10): strfry's largest NEG-MSG is
/// 1 MB of hex, khatru's 2 MB.
pub const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Prose of a relay is kept up to here: it ends up in logs, receipts and on screens.
pub(crate) const REASON_BYTES_MAX: usize = 1024;
/// Trailing elements beyond these say nothing that any relay is known to say.
const HINTS_MAX: usize = 16;
const HINT_BYTES_MAX: usize = 64;

/// Why a text is not a frame. Holds no part of the text, so it can be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// More than [`FRAME_BYTES_MAX`].
    #[error("a frame of {bytes} bytes is over the bound of {FRAME_BYTES_MAX}; nothing of it was read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not one JSON array that starts with a string.
    #[error("a frame is not a JSON array with a label (byte {column}); nothing of it was used")]
    NotAFrame {
        /// Where reading stopped.
        column: usize,
    },
    /// The label belongs to no frame of NIP-01, NIP-42 or NIP-77.
    #[error("a frame has an unknown label; nothing of it was used")]
    UnknownLabel,
    /// An element is missing, has the wrong type, or breaks a bound.
    #[error("the {what} of a frame is missing or malformed; nothing of it was used")]
    Element {
        /// Which one.
        what: &'static str,
    },
}

/// A frame that can be built from its elements.
pub(crate) trait FromElements: Sized {
    /// Reads the elements after `label`; `Ok(None)` when the label is unknown. Elements that are left are skipped.
    fn from_elements<'de, A: SeqAccess<'de>>(
        label: &str,
        elements: &mut Elements<'_, A>,
    ) -> Result<Option<Self>, A::Error>;
}

/// Parses one frame. Cost: one pass over the text.
pub(crate) fn parse<T: FromElements>(text: &str) -> Result<T, FrameError> {
    if text.len() > FRAME_BYTES_MAX {
        return Err(FrameError::TooLong { bytes: text.len() });
    }
    let mut named = None;
    let mut json = serde_json::Deserializer::from_str(text);
    let seed = FrameSeed {
        named: &mut named,
        frame: PhantomData,
    };
    let frame = seed
        .deserialize(&mut json)
        .and_then(|frame| json.end().map(|()| frame));
    frame.map_err(|error| {
        named.unwrap_or(FrameError::NotAFrame {
            column: error.column(),
        })
    })
}

/// The elements that have not been read yet.
pub(crate) struct Elements<'n, A> {
    seq: A,
    named: &'n mut Option<FrameError>,
}

impl<'de, A: SeqAccess<'de>> Elements<'_, A> {
    /// The next element, which must be there.
    pub(crate) fn next<T: Deserialize<'de>>(&mut self, what: &'static str) -> Result<T, A::Error> {
        self.optional(what)?.ok_or_else(|| self.malformed(what))
    }

    /// The next element, if there is one.
    pub(crate) fn optional<T: Deserialize<'de>>(
        &mut self,
        what: &'static str,
    ) -> Result<Option<T>, A::Error> {
        self.seq.next_element().map_err(|_| self.malformed(what))
    }

    /// Prose: an absent text is an empty one, a long one is cut.
    pub(crate) fn prose(&mut self, what: &'static str) -> Result<String, A::Error> {
        let mut text: String = self.optional(what)?.unwrap_or_default();
        let mut kept = text.len().min(REASON_BYTES_MAX);
        while !text.is_char_boundary(kept) {
            kept -= 1;
        }
        text.truncate(kept);
        Ok(text)
    }

    /// Every element that is left, as far as it is known to mean anything.
    pub(crate) fn trailing(&mut self) -> Result<Trailing, A::Error> {
        let mut all = Trailing::default();
        while let Some(one) = self.optional::<Trailing>("trailing part")? {
            all.merge(one);
        }
        Ok(all)
    }

    /// The error for an element that is there but cannot be used.
    pub(crate) fn malformed(&mut self, what: &'static str) -> A::Error {
        *self.named = Some(FrameError::Element { what });
        A::Error::custom(what)
    }
}

/// What relays put after the elements a specification names: strings (NIP-67 hints, also inside an array) and a
/// number (the cap of strfry's NEG-ERR).
#[derive(Debug, Default)]
pub(crate) struct Trailing {
    pub(crate) hints: Vec<String>,
    pub(crate) number: Option<u64>,
}

impl Trailing {
    fn merge(&mut self, other: Self) {
        let room = HINTS_MAX - self.hints.len().min(HINTS_MAX);
        self.hints.extend(other.hints.into_iter().take(room));
        self.number = self.number.or(other.number);
    }
}

impl<'de> Deserialize<'de> for Trailing {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(TrailingVisitor)
    }
}

struct TrailingVisitor;

impl<'de> Visitor<'de> for TrailingVisitor {
    type Value = Trailing;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Trailing, E> {
        let hints = if text.len() <= HINT_BYTES_MAX {
            vec![text.to_owned()]
        } else {
            Vec::new()
        };
        Ok(Trailing { hints, number: None })
    }

    fn visit_u64<E>(self, number: u64) -> Result<Trailing, E> {
        Ok(Trailing {
            hints: Vec::new(),
            number: Some(number),
        })
    }

    fn visit_i64<E>(self, _: i64) -> Result<Trailing, E> {
        Ok(Trailing::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Trailing, E> {
        Ok(Trailing::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Trailing, E> {
        Ok(Trailing::default())
    }

    fn visit_unit<E>(self) -> Result<Trailing, E> {
        Ok(Trailing::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Trailing, A::Error> {
        let mut all = Trailing::default();
        while let Some(one) = seq.next_element::<Trailing>()? {
            all.merge(one);
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Trailing, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Trailing::default())
    }
}

struct FrameSeed<'n, T> {
    named: &'n mut Option<FrameError>,
    frame: PhantomData<T>,
}

impl<'de, T: FromElements> DeserializeSeed<'de> for FrameSeed<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<T, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de, T: FromElements> Visitor<'de> for FrameSeed<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a frame")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
        let label: String = seq.next_element()?.ok_or_else(|| A::Error::custom("no label"))?;
        let mut elements = Elements {
            seq,
            named: &mut *self.named,
        };
        let Some(frame) = T::from_elements(&label, &mut elements)? else {
            *self.named = Some(FrameError::UnknownLabel);
            return Err(A::Error::custom("unknown label"));
        };
        while elements.optional::<IgnoredAny>("trailing part")?.is_some() {}
        Ok(frame)
    }
}
