//! What a daemon leaves in the data directory: a lock while it lives, and where it is reached, for its owner alone.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::exit::Failure;

const RECORD: &str = "daemon.json";
const LOCK: &str = "daemon.lock";
/// A page that sends a browser on to ours.
const DOOR: &str = "daemon.html";
/// A look at the lock takes it for a moment; a daemon that starts in that moment tries again.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Where a daemon is reached. `Debug` leaves the token out.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its process.
    pub(crate) pid: u32,
    /// Where it listens on 127.0.0.1.
    pub(crate) port: u16,
    /// 32 random bytes in hex: whoever knows them may do everything but what needs `key_token` too.
    token: String,
    /// The same, for what hands keys out. The page never gets it. One that is not there fits nothing.
    #[serde(default)]
    key_token: String,
    /// The version of the program.
    pub(crate) version: String,
    /// Unix seconds.
    pub(crate) started_at: u64,
}

impl Record {
    pub(crate) fn new(port: u16, token: [u8; 32], key_token: [u8; 32], started_at: u64) -> Self {
        Self {
            pid: std::process::id(),
            port,
            token: hex(&token),
            key_token: hex(&key_token),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at,
        }
    }

    /// What a daemon left under `root`, whether it still runs or not. One that is damaged leads nowhere.
    pub(crate) fn read(root: &Path) -> Result<Option<Self>, Failure> {
        let path = root.join(RECORD);
        match fs::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unusable(&path, &error)),
        }
    }

    /// Puts it where commands find it.
    pub(crate) fn write(&self, root: &Path) -> Result<(), Failure> {
        let text = Zeroizing::new(serde_json::to_vec(self).unwrap_or_default());
        replace(root, RECORD, &text).map(drop)
    }

    /// Writes a page that leads to ours with the token, and returns where it is. It goes when the daemon does.
    pub(crate) fn write_door(&self, root: &Path) -> Result<PathBuf, Failure> {
        let address = self.address_with_token();
        let text = Zeroizing::new(format!(
            "<!doctype html><meta charset=\"utf-8\"><title>Chat Sync</title><meta http-equiv=\"refresh\" \
             content=\"0;url={0}\"><a href=\"{0}\">Chat Sync</a>\n",
            address.as_str()
        ));
        replace(root, DOOR, text.as_bytes())
    }

    /// Takes it away again.
    pub(crate) fn remove(root: &Path) {
        // What stays behind leads nowhere, and the next daemon replaces it.
        let _ = fs::remove_file(root.join(RECORD));
        let _ = fs::remove_file(root.join(DOOR));
    }

    /// The name and port that requests carry.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The page's address without the token.
    pub(crate) fn address(&self) -> String {
        format!("http://{}/", self.host())
    }

    /// The page's address with the token where no server sees it.
    pub(crate) fn address_with_token(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}#token={}", self.address(), self.token))
    }

    /// The header that lets a request in.
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// What lets a request at keys, beside the token.
    pub(crate) fn key_token(&self) -> &str {
        &self.key_token
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Drop for Record {
    fn drop(&mut self) {
        self.token.zeroize();
        self.key_token.zeroize();
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("pid", &self.pid)
            .field("port", &self.port)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Held by a daemon as long as it lives; the system lets go of it however the process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// `None` when another daemon holds it.
    pub(crate) async fn take(root: &Path) -> Result<Option<Self>, Failure> {
        let path = root.join(LOCK);
        let file = private(&path, OpenOptions::new().write(true).create(true))
            .map_err(|error| unusable(&path, &error))?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self { _file: file })),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PAUSE).await,
                Err(TryLockError::Error(error)) => return Err(unusable(&path, &error)),
            }
        }
        Ok(None)
    }

    /// Whether a daemon lives that belongs to `root`.
    pub(crate) fn is_held(root: &Path) -> bool {
        let file = OpenOptions::new().write(true).open(root.join(LOCK));
        file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }
}

/// Writes a file that only its owner reads, whole or not at all.
fn replace(root: &Path, name: &str, text: &[u8]) -> Result<PathBuf, Failure> {
    let path = root.join(name);
    let unfinished = root.join(format!("{name}.new"));
    let write = || {
        let _ = fs::remove_file(&unfinished);
        let mut file = private(&unfinished, OpenOptions::new().write(true).create_new(true))?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)
    };
    write().map_err(|error| unusable(&path, &error))?;
    Ok(path)
}

/// Opens a file that only its owner reads.
fn private(path: &PathBuf, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.open(path)
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!(
        "{} could not be read or written: {error}; check the path and its permissions",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_only_its_owner_may() {
        let root = tempfile::tempdir().unwrap();
        let record = Record::new(7447, [0xab; 32], [0xcd; 32], 1_789_000_000);
        record.write(root.path()).unwrap();
        record.write(root.path()).unwrap();
        let read = Record::read(root.path()).unwrap().unwrap();
        assert_eq!(read.authorization(), format!("Bearer {}", "ab".repeat(32)));
        assert_eq!(read.key_token(), "cd".repeat(32));
        let shown = format!("{read:?}");
        assert!(
            !shown.contains("abab") && !shown.contains("cdcd"),
            "no token in a log"
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(root.path().join(RECORD))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        Record::remove(root.path());
        assert!(Record::read(root.path()).unwrap().is_none());
        fs::write(root.path().join(RECORD), "{").unwrap();
        assert!(
            Record::read(root.path()).unwrap().is_none(),
            "half a record is none"
        );
    }

    #[tokio::test]
    async fn a_lock_is_held_by_one_until_it_is_gone() {
        let root = tempfile::tempdir().unwrap();
        assert!(!Lock::is_held(root.path()));
        let lock = Lock::take(root.path()).await.unwrap().unwrap();
        assert!(Lock::is_held(root.path()));
        assert!(Lock::take(root.path()).await.unwrap().is_none());
        drop(lock);
        assert!(!Lock::is_held(root.path()));
    }
}
