//! One long message as several envelopes can carry it (DESIGN 3 "Size").
//!
//! A text is cut between characters, after a line break or a blank where one is near. A list of parts is cut between
//! its parts, and inside text parts that fit nowhere. Concatenating the pieces gives the text again; for parts see
//! [`join`].
//!
//! Equal messages have to be cut equally by every device and every release: pieces with equal source ids are copies of
//! each other, and are joined with each other. A test pins where the cuts are.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::json::Json;
use crate::{Content, Message, MessageId, Parent, Part, RUMOR_BYTES_MAX};

/// The most pieces of one message, to write and to join. With 40,000 bytes each they are 10 MB: more than any model
/// reads, and no more than the drafts that are sealed in one batch.
pub const PIECES_MAX: usize = 256;

/// Less room than this for words beside the names in a message's tags makes no sense, in bytes.
const ROOM_MIN: usize = 1_000;

/// A pubkey as a rumor has it.
const AUTHOR: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

/// Why a message cannot be sent, however many envelopes it gets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// More than [`PIECES_MAX`] pieces.
    #[error(
        "the message has {bytes} bytes, and at most about {max} can be sent; make several messages of it"
    )]
    TooLong {
        /// What it has.
        bytes: usize,
        /// What can be sent.
        max: usize,
    },
    /// A part that is no text does not fit into one envelope. Cut in two it would be no part.
    #[error(
        "the message holds a part of type `{kind}` with {bytes} bytes, and at most {max} fit; leave it out, or make it \
         smaller"
    )]
    PartTooLong {
        /// The part's `type`, cut at 40 characters.
        kind: String,
        /// What it has, as it is written into an envelope.
        bytes: usize,
        /// What fits.
        max: usize,
    },
    /// It needs more than one envelope, and may have only one.
    #[error(
        "the message has {bytes} bytes and does not fit into one envelope of about {RUMOR_BYTES_MAX}, and sending in \
         pieces is switched off (`parts`); make several messages of it"
    )]
    NotInPieces {
        /// What it has.
        bytes: usize,
    },
    /// The parts are nested too deep to be taken apart.
    #[error(
        "the message's parts are nested more than 127 levels deep and do not fit into one envelope; flatten them"
    )]
    TooDeep,
    /// The names of the conversation, the model or the program fill the envelope.
    #[error(
        "the names in the message's tags leave no room for its words; use a shorter conversation id or model name"
    )]
    NoRoom,
}

impl Message {
    /// The message as envelopes can carry it: itself when it fits into one, else its pieces in order.
    ///
    /// A piece is a message of the same conversation, role and second with a `part` tag; what the answer cost is on the
    /// first one only. The first piece keeps the parent and the source id, the others have a source id that follows
    /// from it, and no parent yet: the caller sets each one's to the piece before, by the name it has. Long lists of
    /// parts are normalised first (keys keep their order, blanks between them go); that is the content then.
    ///
    /// # Errors
    /// When it fits into no number of envelopes. Cost: a few scans of the content.
    pub fn into_pieces(self) -> Result<Vec<Self>, SplitError> {
        let mut shell = self.shell();
        if let Parent::Message(MessageId::Local(_)) = shell.parent {
            // It gets its outer id when it is sealed; any of them is as long.
            shell.parent = Parent::Message(MessageId::Event([0xff; 32]));
        }
        if shell.room() >= json_bytes(self.content.raw()) {
            return Ok(vec![self]);
        }
        let (list, whole) = if self.content.is_parts() {
            let Ok(Json::List(items)) = Json::read(self.content.raw().as_bytes()) else {
                return Err(SplitError::TooDeep);
            };
            let list = Json::List(items);
            let whole = Content::new(list.to_line());
            (Some(list), whole)
        } else {
            (None, self.content.clone())
        };
        if shell.room() >= json_bytes(whole.raw()) {
            return Ok(vec![Self {
                content: whole,
                ..self
            }]);
        }
        let hash = sha256(whole.raw());
        shell.parent = Parent::Message(MessageId::Event([0xff; 32]));
        shell.part = Some(Part {
            index: PIECES_MAX as u32,
            count: PIECES_MAX as u32,
            whole: hash,
        });
        shell.source = self
            .source
            .as_deref()
            .map(|source| piece_source(source, PIECES_MAX, PIECES_MAX, &hash));
        let room = shell.room();
        if room < ROOM_MIN {
            return Err(SplitError::NoRoom);
        }
        let too_long = SplitError::TooLong {
            bytes: whole.raw().len(),
            max: PIECES_MAX * room,
        };
        if whole.raw().len() > PIECES_MAX * room {
            return Err(too_long);
        }
        let contents = match &list {
            Some(list) => cut_list(list.as_list().unwrap_or_default(), room)?,
            None => cut_text(whole.raw(), room),
        };
        if contents.len() > PIECES_MAX {
            return Err(too_long);
        }
        let count = contents.len();
        let pieces = contents.into_iter().enumerate().map(|(at, content)| {
            let mut piece = Self {
                content: Content::new(content),
                ..self.shell()
            };
            piece.part = Some(Part {
                index: at as u32 + 1,
                count: count as u32,
                whole: hash,
            });
            if at > 0 {
                piece.parent = Parent::Absent;
                piece.sats = None;
                piece.source = self
                    .source
                    .as_deref()
                    .map(|source| piece_source(source, at + 1, count, &hash));
            }
            piece
        });
        Ok(pieces.collect())
    }

    /// Everything but the words.
    fn shell(&self) -> Self {
        Self {
            conversation: self.conversation.clone(),
            role: self.role.clone(),
            content: Content::new(""),
            parent: self.parent.clone(),
            model: self.model.clone(),
            client: self.client.clone(),
            sats: self.sats,
            created_at: self.created_at,
            source: self.source.clone(),
            part: self.part,
        }
    }

    /// What an envelope has left for the words of a message with these tags, in bytes of JSON.
    fn room(&self) -> usize {
        let taken = self.to_rumor(AUTHOR).map_or(usize::MAX, |rumor| rumor.len());
        RUMOR_BYTES_MAX.saturating_sub(taken)
    }
}

/// The first piece has the message's own source id: that is what says that a message is known. The others' cannot be
/// the id of another message of an import, because they hold a part of this one's hash.
fn piece_source(source: &str, index: usize, count: usize, whole: &[u8; 32]) -> String {
    let mut text = format!("{source}#{index}/{count}:");
    for byte in &whole[..8] {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

pub(crate) fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// What a text takes inside a JSON string, without the quotes.
fn json_bytes(text: &str) -> usize {
    text.bytes().map(|byte| escape(byte).0 as usize).sum()
}

/// How many bytes a byte of a text becomes in a JSON string, and how many of them are escaped once more when that JSON
/// is itself put into a string.
fn escape(byte: u8) -> (u8, u8) {
    match byte {
        b'"' | b'\\' => (2, 2),
        0x08 | 0x09 | 0x0a | 0x0c | 0x0d => (2, 1),
        0x00..=0x1f => (6, 1),
        _ => (1, 0),
    }
}

/// How deep in JSON a text is.
#[derive(Clone, Copy)]
enum Depth {
    /// A rumor's content.
    Content,
    /// A text inside a part inside a rumor's content.
    Part,
}

impl Depth {
    fn bytes(self, c: char) -> usize {
        let mut buffer = [0; 4];
        let bytes = c.encode_utf8(&mut buffer).bytes();
        let cost = |byte| {
            let (once, again) = escape(byte);
            usize::from(once)
                + if matches!(self, Self::Part) {
                    usize::from(again)
                } else {
                    0
                }
        };
        bytes.map(cost).sum()
    }
}

/// Where to cut a text so that what is before takes at most `room` bytes: after the last line break if there is one in
/// the last quarter, else after a blank there, else wherever a character ends. 0 when not even one character fits.
fn cut(text: &str, room: usize, depth: Depth) -> usize {
    let (mut used, mut end, mut line, mut blank) = (0, 0, 0, 0);
    for (at, c) in text.char_indices() {
        used += depth.bytes(c);
        if used > room {
            let near = end - end / 4;
            return [line, blank].into_iter().find(|cut| *cut > near).unwrap_or(end);
        }
        end = at + c.len_utf8();
        if c == '\n' {
            line = end;
        } else if c.is_whitespace() {
            blank = end;
        }
    }
    text.len()
}

fn cut_text(mut text: &str, room: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let mut end = cut(text, room, Depth::Content);
        if Content::new(&text[..end]).is_parts() {
            // Other clients would show this stretch as something else than the text it is. Without its end it is
            // no JSON.
            end = text[..end].rfind(']').filter(|end| *end > 0).unwrap_or(end);
        }
        let (piece, rest) = text.split_at(end);
        pieces.push(piece.to_owned());
        text = rest;
    }
    pieces
}

fn cut_list(items: &[Json], room: usize) -> Result<Vec<String>, SplitError> {
    let mut pieces = ListPieces {
        room,
        done: Vec::new(),
        open: Vec::new(),
        // The brackets.
        used: 2,
    };
    items.iter().try_for_each(|item| pieces.add(item))?;
    pieces.close();
    Ok(pieces.done)
}

/// Lists of parts that are being filled.
struct ListPieces {
    room: usize,
    done: Vec<String>,
    open: Vec<Json>,
    used: usize,
}

impl ListPieces {
    fn add(&mut self, item: &Json) -> Result<(), SplitError> {
        let bytes = json_bytes(&item.to_line());
        if self.push(item.clone(), bytes) {
            return Ok(());
        }
        let before = self.open.last().cloned();
        self.close();
        // Two alike in a row over a cut would be taken for one that was cut; an empty one between them says that the
        // cut is where it ended.
        if before.is_some_and(|before| same_text_part(&before, item)) {
            let empty = with_text(item, String::new());
            let bytes = json_bytes(&empty.to_line());
            self.push(empty, bytes);
        }
        if self.push(item.clone(), bytes) {
            return Ok(());
        }
        self.add_cut(item, bytes)
    }

    /// Adds a part that no piece holds: as several, if it is a text.
    fn add_cut(&mut self, item: &Json, bytes: usize) -> Result<(), SplitError> {
        let too_long = || {
            let kind = item.get("type").and_then(Json::as_text).unwrap_or_default();
            SplitError::PartTooLong {
                kind: kind.chars().take(40).collect(),
                bytes,
                max: self.room - 2,
            }
        };
        let Some(mut text) = part_text(item) else {
            return Err(too_long());
        };
        let frame = json_bytes(&with_text(item, String::new()).to_line());
        // Room for an empty one before it, and for some words in every piece.
        if 2 * frame + 3 + ROOM_MIN / 2 > self.room {
            return Err(too_long());
        }
        loop {
            let room = self
                .room
                .saturating_sub(self.used + frame + usize::from(!self.open.is_empty()));
            let end = cut(text, room, Depth::Part);
            let (head, rest) = text.split_at(end);
            if !head.is_empty() || rest.is_empty() {
                let piece = with_text(item, head.to_owned());
                let bytes = json_bytes(&piece.to_line());
                self.push(piece, bytes);
            }
            text = rest;
            if text.is_empty() {
                return Ok(());
            }
            self.close();
        }
    }

    fn push(&mut self, item: Json, bytes: usize) -> bool {
        let bytes = bytes + usize::from(!self.open.is_empty());
        let fits = self.used + bytes <= self.room;
        if fits {
            self.used += bytes;
            self.open.push(item);
        }
        fits
    }

    fn close(&mut self) {
        let open = std::mem::take(&mut self.open);
        if !open.is_empty() {
            self.done.push(Json::List(open).to_line());
        }
        self.used = 2;
    }
}

fn part_text(part: &Json) -> Option<&str> {
    let kind = part.get("type").and_then(Json::as_text);
    part.get("text")
        .and_then(Json::as_text)
        .filter(|_| kind == Some("text"))
}

fn with_text(part: &Json, text: String) -> Json {
    let Json::Object(fields) = part else {
        return part.clone();
    };
    let mut text = Some(text);
    let fields = fields
        .iter()
        .map(|(name, value)| match text.take_if(|_| name == "text") {
            Some(text) => (name.clone(), Json::Text(text)),
            None => (name.clone(), value.clone()),
        });
    Json::Object(fields.collect())
}

/// Whether two are text parts that differ in nothing but their text.
fn same_text_part(one: &Json, two: &Json) -> bool {
    let both = part_text(one).is_some() && part_text(two).is_some();
    both && with_text(one, String::new()) == with_text(two, String::new())
}

/// The whole content, or `None` when these are not its pieces: the hash says so. Two text parts that meet at a cut and
/// differ in nothing but their text were one.
pub(crate) fn join(pieces: &[&Content], whole: &[u8; 32]) -> Option<Content> {
    let text: String = pieces.iter().map(|piece| piece.raw()).collect();
    if sha256(&text) == *whole {
        return Some(Content::new(text));
    }
    let mut items: Vec<Json> = Vec::new();
    for piece in pieces {
        let Ok(Json::List(next)) = Json::read(piece.raw().as_bytes()) else {
            return None;
        };
        let mut next = next.into_iter();
        let first = next.next()?;
        match items.last_mut().filter(|last| same_text_part(last, &first)) {
            Some(last) => {
                let text = [&*last, &first].into_iter().filter_map(part_text).collect();
                *last = with_text(last, text);
            }
            None => items.push(first),
        }
        items.extend(next);
    }
    let line = Json::List(items).to_line();
    (sha256(&line) == *whole).then(|| Content::new(line))
}
