//! A message: a version, and ranges that follow each other.

use event_index::Sum;

use super::bound::Bound;
use super::codec::{Reader, Writer};
use super::error::Malformed;

/// The version byte that every message of this protocol begins with.
pub const VERSION: u8 = 0x61;

/// The longest message that is read: a relay-link frame has at most 4 MiB, and hex doubles the bytes.
pub const MESSAGE_BYTES_MAX: usize = 2 << 20;

const SKIP: u64 = 0;
const FINGERPRINT: u64 = 1;
const ID_LIST: u64 = 2;

/// One range: from the end of the one before up to `end`, which it excludes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Range<'a> {
    pub(super) end: Bound,
    pub(super) says: Says<'a>,
}

/// What the sender says of a range.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Says<'a> {
    /// Nothing is left to do there.
    Skip,
    /// The fingerprint of its items there.
    Fingerprint(&'a [u8; 16]),
    /// All its ids there.
    Ids(&'a [[u8; 32]]),
}

/// The version byte, and what follows.
pub(super) fn open(message: &[u8]) -> Result<(u8, Ranges<'_>), Malformed> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(Malformed::TooLong(message.len()));
    }
    let (&version, rest) = message.split_first().ok_or(Malformed::Empty)?;
    let ranges = Ranges {
        reader: Reader::new(rest),
        begin: Bound::START,
    };
    Ok((version, ranges))
}

/// The ranges of a message, one after the other. Each takes at least three bytes, so it ends.
#[derive(Clone)]
pub(super) struct Ranges<'a> {
    reader: Reader<'a>,
    begin: Bound,
}

impl<'a> Ranges<'a> {
    /// The next range, or `None` at the end of the message.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Range<'a>>, Malformed> {
        if self.reader.is_empty() {
            return Ok(None);
        }
        let end = self.reader.bound()?;
        // Both ends may be the same: the rest behind a range that reaches to infinity is sent like that.
        if end.item < self.begin.item {
            return Err(Malformed::Backwards);
        }
        self.begin = end;
        let says = match self.reader.varint()? {
            SKIP => Says::Skip,
            FINGERPRINT => Says::Fingerprint(self.reader.fingerprint()?),
            ID_LIST => Says::Ids(self.reader.ids()?),
            mode => return Err(Malformed::Mode(mode)),
        };
        Ok(Some(Range { end, says }))
    }
}

impl Writer {
    pub(super) fn skip(&mut self, end: &Bound) {
        self.bound(end);
        self.varint(SKIP);
    }

    pub(super) fn fingerprint(&mut self, end: &Bound, fingerprint: &[u8; 16]) {
        self.bound(end);
        self.varint(FINGERPRINT);
        self.raw(fingerprint);
    }

    /// The fingerprint of items with this sum.
    pub(super) fn sum(&mut self, end: &Bound, sum: Sum) {
        self.bound(end);
        self.varint(FINGERPRINT);
        self.later(sum);
    }

    /// Begins an id list; `count` ids must follow.
    pub(super) fn ids(&mut self, end: &Bound, count: u64) {
        self.bound(end);
        self.varint(ID_LIST);
        self.varint(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(bytes: &[u8]) -> Result<Option<Range<'_>>, Malformed> {
        open(bytes).and_then(|(_, mut ranges)| ranges.next())
    }

    #[test]
    fn ranges_come_back() {
        let mut writer = Writer::new(VERSION);
        let (early, late) = (Bound::time(7), Bound::prefixed(7, [3; 32], 32));
        writer.skip(&early);
        writer.fingerprint(&late, &[9; 16]);
        writer.ids(&Bound::INFINITY, 2);
        writer.raw(&[[1; 32], [2; 32]].concat());
        let bytes = writer.into_bytes();
        let (version, mut ranges) = open(&bytes).unwrap();
        assert_eq!(version, VERSION);
        let said = [
            (early, Says::Skip),
            (late, Says::Fingerprint(&[9; 16])),
            (Bound::INFINITY, Says::Ids(&[[1; 32], [2; 32]])),
        ];
        for (end, says) in said {
            assert_eq!(ranges.next(), Ok(Some(Range { end, says })));
        }
        assert_eq!(ranges.next(), Ok(None));
    }

    #[test]
    fn a_count_is_held_against_the_bytes() {
        // 2^63 - 1 ids, of which none is there; and one short of two.
        let many = [
            0x61, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
        ];
        assert_eq!(first(&many), Err(Malformed::CutShort));
        let mut short = vec![0x61, 0, 0, 2, 2];
        short.extend([0xaa; 63]);
        assert_eq!(first(&short), Err(Malformed::CutShort));
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        assert_eq!(first(&[]), Err(Malformed::Empty));
        assert_eq!(first(&[0x61, 0, 0, 3]), Err(Malformed::Mode(3)));
        assert_eq!(first(&[0x61, 0, 33]), Err(Malformed::Prefix(33)));
        assert_eq!(first(&[0x61, 0, 0, 1, 0]), Err(Malformed::CutShort));
        let long = vec![0x61; MESSAGE_BYTES_MAX + 1];
        assert_eq!(first(&long), Err(Malformed::TooLong(long.len())));
        // The second range ends at an id below the first one's.
        let (_, mut ranges) = open(&[0x61, 8, 1, 0xff, 0, 1, 1, 0x11, 0]).unwrap();
        assert!(ranges.next().is_ok());
        assert_eq!(ranges.next(), Err(Malformed::Backwards));
    }
}
