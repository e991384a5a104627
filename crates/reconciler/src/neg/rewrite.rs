//! A message read and written again.

use super::codec::Writer;
use super::error::NegError;
use super::message::{self, Says, VERSION};

/// The message as this side would have written what it says: the same ranges, with every number in its shortest form.
/// Never longer than `message`, and unchanged when it is written again. For tools and fuzzing: it proves that the
/// decoder and the encoder understand the same bytes.
///
/// # Errors
/// Those of reading it, as in [`Initiator::handle`](super::Initiator::handle).
pub fn rewrite(message: &[u8]) -> Result<Vec<u8>, NegError> {
    let (version, mut ranges) = message::open(message)?;
    if version != VERSION {
        return Err(NegError::Version { theirs: version });
    }
    let mut writer = Writer::new(VERSION);
    while let Some(range) = ranges.next()? {
        match range.says {
            Says::Skip => writer.skip(&range.end),
            Says::Fingerprint(fingerprint) => writer.fingerprint(&range.end, fingerprint),
            Says::Ids(ids) => {
                writer.ids(&range.end, ids.len() as u64);
                writer.raw(ids.as_flattened());
            }
        }
    }
    Ok(writer.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_their_shortest_form_and_nothing_else_changes() {
        // A second and a count with leading zero digits, an id list of one, and infinity twice.
        let mut long = vec![0x61, 0x80, 5, 1, 9, 2, 0x80, 0x80, 1];
        long.extend([7; 32]);
        long.extend([0, 0, 0, 0, 0, 0]);
        let mut short = vec![0x61, 5, 1, 9, 2, 1];
        short.extend([7; 32]);
        short.extend([0, 0, 0, 0, 0, 0]);
        assert_eq!(rewrite(&long).unwrap(), short);
        assert_eq!(rewrite(&short).unwrap(), short);
    }

    #[test]
    fn what_cannot_be_read_is_not_written() {
        assert!(matches!(rewrite(&[]), Err(NegError::Malformed(_))));
        assert!(matches!(rewrite(&[0x61, 0, 0, 3]), Err(NegError::Malformed(_))));
        assert!(matches!(
            rewrite(&[0x60]),
            Err(NegError::Version { theirs: 0x60 })
        ));
    }
}
