//! What a client and the relay say to each other over a pipe: a tag, a length, and as many bytes.

use std::io::{self, Read, Write};

/// A message of the protocol, from either side.
pub(super) const FRAME: u8 = b'f';
/// Ids that the client holds and the relay lacks, one after the other.
pub(super) const HAVE: u8 = b'h';
/// Ids that the relay holds and the client lacks.
pub(super) const NEED: u8 = b'n';
/// What it cost the client, as JSON: its last word.
pub(super) const COST: u8 = b'c';

pub(super) fn write(to: &mut impl Write, tag: u8, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&[tag])?;
    to.write_all(&(bytes.len() as u64).to_le_bytes())?;
    to.write_all(bytes)?;
    to.flush()
}

pub(super) fn read(from: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let (mut tag, mut length) = ([0; 1], [0; 8]);
    from.read_exact(&mut tag)?;
    from.read_exact(&mut length)?;
    let mut bytes = vec![0; u64::from_le_bytes(length) as usize];
    from.read_exact(&mut bytes)?;
    Ok((tag[0], bytes))
}
