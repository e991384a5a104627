//! The file beside a store that holds its key, or names the entry of the OS keyring that does.
//!
//! ```text
//! <64 hex digits>                    the key itself
//! os-keyring <32 hex digits>         the key is in that entry
//! os-keyring-unfinished <32 …>       a first login was cut off: the entry may be there, no store is sealed with it
//! ```

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use event_index::LocalId;
use supervision::Entropy;
use zeroize::Zeroizing;

const IN_KEYRING: &str = "os-keyring ";
const UNFINISHED: &str = "os-keyring-unfinished ";
/// More than the longest record; what is longer is none.
const RECORD_BYTES_MAX: u64 = 128;
/// Sixteen random bytes in hexadecimal: two stores never share an entry.
const NAME_DIGITS: usize = 32;

/// Names one entry of the OS keyring. Not secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryName(String);

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    /// There is no file.
    Absent,
    /// No record of ours: the key itself, or something damaged.
    KeyFile,
    /// The key is in this entry.
    InKeyring(EntryName),
    /// A key was about to be put in this entry.
    Unfinished(EntryName),
    /// Begins like a record and is none.
    Damaged,
}

impl EntryName {
    pub(super) fn draw(entropy: &dyn Entropy) -> Self {
        Self(LocalId::draw(entropy).to_string())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let name = text.strip_suffix('\n')?;
        let digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (name.len() == NAME_DIGITS && name.bytes().all(digit)).then(|| Self(name.to_owned()))
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Record {
    /// Reads the file at `path`.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Absent),
            Err(error) => return Err(error),
        };
        // It may be the key.
        let mut bytes = Zeroizing::new(Vec::with_capacity(RECORD_BYTES_MAX as usize));
        file.take(RECORD_BYTES_MAX).read_to_end(&mut bytes)?;
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Ok(Self::KeyFile);
        };
        let named = if let Some(name) = text.strip_prefix(IN_KEYRING) {
            EntryName::parse(name).map(Self::InKeyring)
        } else if let Some(name) = text.strip_prefix(UNFINISHED) {
            EntryName::parse(name).map(Self::Unfinished)
        } else if text.starts_with(IN_KEYRING.trim_end()) {
            None
        } else {
            Some(Self::KeyFile)
        };
        Ok(named.unwrap_or(Self::Damaged))
    }

    /// The entry the file names.
    pub(super) fn entry(&self) -> Option<&EntryName> {
        match self {
            Self::InKeyring(name) | Self::Unfinished(name) => Some(name),
            Self::Absent | Self::KeyFile | Self::Damaged => None,
        }
    }
}

/// Records that the key is in the entry `name`, or is about to be. The file changes whole or not at all, and is on disk
/// when this returns.
pub(super) fn write(path: &Path, name: &EntryName, finished: bool) -> io::Result<()> {
    let unfinished = unfinished(path);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    let state = if finished { IN_KEYRING } else { UNFINISHED };
    file.write_all(format!("{state}{name}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    sync_directory(path)
}

/// Overwrites the file, and what a cut-off write left beside it, before removing them.
pub(super) fn erase(path: &Path) -> io::Result<()> {
    for path in [&unfinished(path), path] {
        match fs::OpenOptions::new().write(true).open(path) {
            Ok(mut file) => {
                let bytes = file.metadata()?.len();
                io::copy(&mut io::repeat(0).take(bytes), &mut file)?;
                file.sync_all()?;
                fs::remove_file(path)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    // Without a folder there is no file in it.
    match sync_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    // The name a key file has, too, while it is written: one place to clean.
    name.push(".new");
    PathBuf::from(name)
}

/// Makes a changed name survive a power cut.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
