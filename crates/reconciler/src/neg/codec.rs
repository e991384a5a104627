//! Numbers and bounds as bytes, both ways.

use event_index::Sum;

use super::bound::Bound;
use super::error::Malformed;

/// Ten digits of seven bits hold any 64-bit number.
const DIGITS_MAX: usize = 10;

/// Reads a message's ranges. It borrows all it hands out.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Times are written as differences.
    time: u64,
}

impl<'a> Reader<'a> {
    /// Reads what follows the version byte.
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest, time: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Base 128, most significant digit first, the high bit set on all but the last.
    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for _ in 0..DIGITS_MAX {
            let (&digit, rest) = self.rest.split_first().ok_or(Malformed::CutShort)?;
            self.rest = rest;
            if number.leading_zeros() < 7 {
                return Err(Malformed::Number);
            }
            number = number << 7 | u64::from(digit & 0x7f);
            if digit & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed::Number)
    }

    #[inline]
    pub(super) fn bound(&mut self) -> Result<Bound, Malformed> {
        self.time = match self.varint()? {
            0 => u64::MAX,
            more => self.time.checked_add(more - 1).ok_or(Malformed::Time)?,
        };
        let len = self.varint()?;
        let prefix = usize::try_from(len)
            .ok()
            .filter(|len| *len <= 32)
            .ok_or(Malformed::Prefix(len))?;
        let mut id = [0; 32];
        id[..prefix].copy_from_slice(self.take(prefix)?);
        Ok(Bound::prefixed(self.time, id, prefix))
    }

    pub(super) fn fingerprint(&mut self) -> Result<&'a [u8; 16], Malformed> {
        let (fingerprint, rest) = self.rest.split_first_chunk().ok_or(Malformed::CutShort)?;
        self.rest = rest;
        Ok(fingerprint)
    }

    /// A count and that many ids. The count is the peer's, so it is held against the bytes that are there.
    pub(super) fn ids(&mut self) -> Result<&'a [[u8; 32]], Malformed> {
        let count = self.varint()?;
        let bytes = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(32))
            .ok_or(Malformed::CutShort)?;
        let (ids, _) = self.take(bytes)?.as_chunks();
        Ok(ids)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Malformed::CutShort)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Fingerprints that are computed one behind the other ([`Sum::fingerprints`]).
const TOGETHER: usize = 16;

/// Writes a message.
pub(super) struct Writer {
    bytes: Vec<u8>,
    time: u64,
    /// Fingerprints that are left to be written, and where.
    unwritten: [Sum; TOGETHER],
    places: [usize; TOGETHER],
    left: usize,
}

/// A place in a message to go back to.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    len: usize,
    time: u64,
}

impl Writer {
    /// A message that begins with this byte.
    pub(super) fn new(version: u8) -> Self {
        Self {
            bytes: vec![version],
            time: 0,
            unwritten: [Sum::default(); TOGETHER],
            places: [0; TOGETHER],
            left: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            len: self.bytes.len(),
            time: self.time,
        }
    }

    /// Takes back everything after `mark`.
    pub(super) fn rewind(&mut self, mark: Mark) {
        self.bytes.truncate(mark.len);
        self.time = mark.time;
        while self.left > 0 && self.places[self.left - 1] >= mark.len {
            self.left -= 1;
        }
    }

    /// The fingerprint of this sum, which is written when there are enough of them.
    pub(super) fn later(&mut self, sum: Sum) {
        self.unwritten[self.left] = sum;
        self.places[self.left] = self.bytes.len();
        self.left += 1;
        self.bytes.extend_from_slice(&[0; 16]);
        if self.left == TOGETHER {
            self.write_up();
        }
    }

    fn write_up(&mut self) {
        let fingerprints = Sum::fingerprints(&self.unwritten[..self.left]);
        for (at, fingerprint) in self.places[..self.left].iter().zip(fingerprints) {
            self.bytes[*at..*at + 16].copy_from_slice(&fingerprint);
        }
        self.left = 0;
    }

    pub(super) fn varint(&mut self, mut number: u64) {
        let mut digits = [0; DIGITS_MAX];
        let mut first = DIGITS_MAX;
        loop {
            first -= 1;
            digits[first] = (number & 0x7f) as u8 | 0x80;
            number >>= 7;
            if number == 0 {
                break;
            }
        }
        digits[DIGITS_MAX - 1] &= 0x7f;
        self.bytes.extend_from_slice(&digits[first..]);
    }

    /// Bounds of one message must not descend.
    pub(super) fn bound(&mut self, bound: &Bound) {
        let time = bound.item.created_at;
        let difference = match time {
            u64::MAX => 0,
            // One more than the difference, because 0 is infinity.
            _ => time.saturating_sub(self.time).saturating_add(1),
        };
        self.time = time;
        self.varint(difference);
        self.varint(bound.prefix as u64);
        self.bytes
            .extend_from_slice(&bound.item.id.as_bytes()[..bound.prefix]);
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        self.write_up();
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(number: u64) -> Vec<u8> {
        let mut writer = Writer::new(0x61);
        writer.varint(number);
        writer.into_bytes()[1..].to_vec()
    }

    #[test]
    fn numbers_are_written_as_the_protocol_says() {
        assert_eq!(written(0), [0]);
        assert_eq!(written(127), [0x7f]);
        assert_eq!(written(128), [0x81, 0]);
        assert_eq!(written(u64::MAX).len(), 10);
    }

    #[test]
    fn every_number_comes_back() {
        for bits in 0..64 {
            for number in [1_u64 << bits, (1 << bits) - 1, u64::MAX >> bits] {
                let bytes = written(number);
                let mut reader = Reader::new(&bytes);
                assert_eq!(reader.varint(), Ok(number));
                assert!(reader.is_empty());
            }
        }
    }

    #[test]
    fn numbers_over_64_bits_and_cut_numbers_are_errors() {
        let read = |bytes: &[u8]| Reader::new(bytes).varint();
        assert_eq!(
            read(&[0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]),
            Err(Malformed::Number)
        );
        assert_eq!(read(&[0x80; 11]), Err(Malformed::Number));
        assert_eq!(read(&[0x81, 0x80]), Err(Malformed::CutShort));
        assert_eq!(read(&[]), Err(Malformed::CutShort));
    }

    #[test]
    fn bounds_come_back_up_to_infinity() {
        let bounds = [
            Bound::time(0),
            Bound::prefixed(3, [0; 32], 5),
            Bound::prefixed(3, [255; 32], 32),
            Bound::time(u64::MAX - 1),
            Bound::INFINITY,
            Bound::INFINITY,
        ];
        let mut writer = Writer::new(0x61);
        for bound in &bounds {
            writer.bound(bound);
        }
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes[1..]);
        for bound in bounds {
            assert_eq!(reader.bound(), Ok(bound));
        }
        assert!(reader.is_empty());
    }

    #[test]
    fn a_time_behind_infinity_is_an_error() {
        // Infinity without a prefix, then one second later.
        let mut reader = Reader::new(&[0, 0, 2, 0]);
        assert_eq!(reader.bound(), Ok(Bound::INFINITY));
        assert_eq!(reader.bound(), Err(Malformed::Time));
    }
}
