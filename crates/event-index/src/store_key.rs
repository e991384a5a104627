//! The key of a store, and the file it may live in.

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use supervision::Entropy;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::local_id::from_hex;
use crate::new_file;
use crate::sealing::hex;

/// Sixty-four hexadecimal digits and a newline.
const FILE_BYTES: usize = 65;

/// Thirty-two random bytes that everything readable in a store is sealed with. Wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct StoreKey([u8; 32]);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// A key file is never overwritten.
    #[error("{0} exists already; a store key is never overwritten")]
    Exists(PathBuf),
    /// The store is there and its key is not. A new key could not open it, so none is made.
    #[error(
        "the store {store} exists but its key file {key} is gone; put the key file back, or begin anew with `chat-sync logout --force`"
    )]
    Gone {
        /// The store.
        store: PathBuf,
        /// Where its key was.
        key: PathBuf,
    },
    /// Others may read the file.
    #[error("others can read the store key in {0}; run `chmod 600 {0}` and consider it known to them")]
    Exposed(PathBuf),
    /// The file holds something else.
    #[error(
        "{0} is not a store key: it must hold 64 hexadecimal digits and a newline; put the right one back, or begin anew with `chat-sync logout --force`"
    )]
    NotAKey(PathBuf),
    /// The disk failed.
    #[error("the key file {place} could not be read or written ({source}); check space and permissions")]
    Io {
        /// The file.
        place: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl StoreKey {
    /// A fresh random key, for a store that does not exist yet.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        Self(entropy.draw_32())
    }

    /// The key these bytes are, read from an OS keyring for instance.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes; the caller wipes copies.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key as 64 lowercase hexadecimal digits: how a file and an OS keyring hold it.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex(&self.0))
    }

    /// Reads what [`StoreKey::to_hex`] wrote; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        from_hex(text).map(Self)
    }

    /// Writes the key to a new file that only its owner can read. The file appears whole or not at all, and is on
    /// disk when this returns.
    pub fn create_file(&self, path: &Path) -> Result<(), KeyFileError> {
        let io = |source| KeyFileError::Io {
            place: path.to_owned(),
            source,
        };
        let unfinished = new_file::unfinished(path);
        new_file::clear(&unfinished).map_err(io)?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        new_file::owner_only(&mut options);
        let text = Zeroizing::new(format!("{}\n", *self.to_hex()));
        let mut file = options.open(&unfinished).map_err(io)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(io)?;
        new_file::publish(&unfinished, path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
            _ => io(error),
        })
    }

    /// Reads a key from a file that nobody but its owner may read.
    pub fn read_file(path: &Path) -> Result<Self, KeyFileError> {
        let io = |source| KeyFileError::Io {
            place: path.to_owned(),
            source,
        };
        let file = fs::File::open(path).map_err(io)?;
        if readable_by_others(&file.metadata().map_err(io)?) {
            return Err(KeyFileError::Exposed(path.to_owned()));
        }
        let mut text = Zeroizing::new(Vec::with_capacity(FILE_BYTES + 1));
        file.take(FILE_BYTES as u64 + 1)
            .read_to_end(&mut text)
            .map_err(io)?;
        std::str::from_utf8(&text)
            .ok()
            .and_then(|text| Self::from_hex(text.strip_suffix('\n')?))
            .ok_or_else(|| KeyFileError::NotAKey(path.to_owned()))
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(..)")
    }
}

#[cfg(unix)]
fn readable_by_others(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn readable_by_others(_: &fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn a_key_file_is_read_back_and_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.key");
        StoreKey::from_bytes([7; 32]).create_file(&path).unwrap();
        assert_eq!(StoreKey::read_file(&path).unwrap().as_bytes(), &[7; 32]);
        let again = StoreKey::from_bytes([8; 32]).create_file(&path);
        assert!(matches!(again, Err(KeyFileError::Exists(_))));
        assert_eq!(StoreKey::read_file(&path).unwrap().as_bytes(), &[7; 32]);
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            1,
            "nothing half-written stays"
        );
    }

    #[test]
    fn a_cut_off_attempt_does_not_block_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.key");
        fs::write(directory.path().join("store.key.new"), "ab").unwrap();
        StoreKey::from_bytes([7; 32]).create_file(&path).unwrap();
        assert_eq!(StoreKey::read_file(&path).unwrap().as_bytes(), &[7; 32]);
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_others_can_read_is_refused_with_the_cure() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.key");
        StoreKey::from_bytes([7; 32]).create_file(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = StoreKey::read_file(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Exposed(_)));
        assert!(error.to_string().contains("chmod 600"));
    }

    #[test]
    fn anything_else_in_the_file_is_not_a_key() {
        let directory = tempfile::tempdir().unwrap();
        for (number, text) in ["", "ab\n", &"ab".repeat(32), &format!("{}\n\n", "ab".repeat(32))]
            .iter()
            .enumerate()
        {
            let path = directory.path().join(number.to_string());
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            new_file::owner_only(&mut options);
            options.open(&path).unwrap().write_all(text.as_bytes()).unwrap();
            assert!(
                matches!(StoreKey::read_file(&path), Err(KeyFileError::NotAKey(_))),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_key_survives_its_hexadecimal_digits_and_nothing_else_is_one() {
        let key = StoreKey::from_bytes([0xa7; 32]);
        let text = key.to_hex();
        assert_eq!(StoreKey::from_hex(&text).unwrap().as_bytes(), key.as_bytes());
        for other in ["", &text[1..], &text.to_uppercase(), &format!("{}\n", *text)] {
            assert!(StoreKey::from_hex(other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn a_key_does_not_print_itself() {
        assert_eq!(format!("{:?}", StoreKey::from_bytes([7; 32])), "StoreKey(..)");
    }
}
