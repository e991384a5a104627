//! The operating system's keyring: Secret Service over D-Bus, macOS Keychain, Windows Credential Manager.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use keyring_core::api::CredentialStore;
use keyring_core::{Entry, Error};
use zeroize::Zeroizing;

use super::vault::{Vault, VaultError};

/// What all entries are filed under, with the entry's own name as the user.
const SERVICE: &str = "chat-sync";
/// Reaching the keyring asks no person anything. A session bus may have to start the keyring first, which takes
/// seconds on a slow machine.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Once it is reached, a locked keyring shows a prompt: a person has to notice it and type a password. Longer than
/// that, and nobody is sitting there.
const PERSON_MAX: Duration = Duration::from_secs(60);

/// The keyring of the person who is logged in to this machine.
///
/// Every call connects anew, so a keyring that appears or is unlocked later is found by the next call. It runs on a
/// thread of its own and is given up after 10 s without a connection, or 60 s without an answer: D-Bus itself waits for
/// ever. A call that was given up may still take effect later. Its thread stays until the keyring answers; as long as it
/// does, other calls are [`VaultError::Busy`], so there is never more than one.
#[derive(Debug)]
pub struct OsVault {
    connect_max: Duration,
    person_max: Duration,
    in_the_air: Arc<AtomicBool>,
}

/// Marks a call as over when its thread ends, however it ends.
struct InTheAir(Arc<AtomicBool>);

impl Drop for InTheAir {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

enum Heard<T> {
    Connected,
    Answer(Result<T, VaultError>),
}

impl OsVault {
    /// The keyring, whether or not there is one: nothing is asked before the first call.
    pub fn new() -> Self {
        Self::with_patience(CONNECT_MAX, PERSON_MAX)
    }

    fn with_patience(connect_max: Duration, person_max: Duration) -> Self {
        Self {
            connect_max,
            person_max,
            in_the_air: Arc::default(),
        }
    }

    fn call<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(Entry) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, VaultError> {
        if self.in_the_air.swap(true, Ordering::AcqRel) {
            return Err(VaultError::Busy);
        }
        let over = InTheAir(Arc::clone(&self.in_the_air));
        let name = name.to_owned();
        // A call sends two values at most, so its thread never waits for us.
        let (tell, hear) = mpsc::sync_channel(2);
        let started = thread::Builder::new()
            .name("os-keyring".to_owned())
            .spawn(move || {
                let answer = match connect() {
                    Ok(store) => {
                        // Nobody listens any more once the deadline has passed, here and below.
                        let _ = tell.send(Heard::Connected);
                        store
                            .build(SERVICE, &name, None)
                            .and_then(work)
                            .map_err(|error| reading_of(&error))
                    }
                    Err(error) => Err(VaultError::Absent {
                        reason: match error {
                            Error::PlatformFailure(reason) => reason.to_string(),
                            other => other.to_string(),
                        },
                    }),
                };
                drop(over);
                let _ = tell.send(Heard::Answer(answer));
            });
        started.map_err(|error| VaultError::Failed {
            reason: format!("no thread could be started to ask it: {error}"),
        })?;
        for waited in [self.connect_max, self.person_max] {
            match hear.recv_timeout(waited) {
                Ok(Heard::Connected) => {}
                Ok(Heard::Answer(answer)) => return answer,
                Err(RecvTimeoutError::Timeout) => return Err(VaultError::NoAnswer { waited }),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        Err(VaultError::Failed {
            reason: "the call broke off".to_owned(),
        })
    }
}

impl Default for OsVault {
    fn default() -> Self {
        Self::new()
    }
}

impl Vault for OsVault {
    fn put(&self, name: &str, secret: &str) -> Result<(), VaultError> {
        let secret = Zeroizing::new(secret.as_bytes().to_vec());
        self.call(name, move |entry| entry.set_secret(&secret))
    }

    fn get(&self, name: &str) -> Result<Option<Zeroizing<String>>, VaultError> {
        let found = self.call(name, |entry| match entry.get_secret() {
            Ok(secret) => Ok(Some(Zeroizing::new(secret))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(error),
        })?;
        found
            .map(|secret| match std::str::from_utf8(&secret) {
                Ok(text) => Ok(Zeroizing::new(text.to_owned())),
                Err(_) => Err(VaultError::Failed {
                    reason: "its entry is not a text".to_owned(),
                }),
            })
            .transpose()
    }

    fn erase(&self, name: &str) -> Result<(), VaultError> {
        self.call(name, |entry| match entry.delete_credential() {
            Err(Error::NoEntry) => Ok(()),
            other => other,
        })
    }
}

/// Errors of the keyring that come after a connection. Those that carry what they read are not repeated.
fn reading_of(error: &Error) -> VaultError {
    match error {
        Error::NoStorageAccess(reason) => VaultError::Refused {
            reason: reason.to_string(),
        },
        Error::PlatformFailure(reason) => VaultError::Failed {
            reason: reason.to_string(),
        },
        Error::BadEncoding(_) | Error::BadDataFormat(..) => VaultError::Failed {
            reason: "its entry is damaged".to_owned(),
        },
        Error::Ambiguous(entries) => VaultError::Failed {
            reason: format!("{} entries have the same name", entries.len()),
        },
        other => VaultError::Failed {
            reason: other.to_string(),
        },
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
fn connect() -> Result<Arc<CredentialStore>, Error> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn connect() -> Result<Arc<CredentialStore>, Error> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn connect() -> Result<Arc<CredentialStore>, Error> {
    Ok(windows_native_keyring_store::Store::new()?)
}

#[cfg(not(any(unix, windows)))]
fn connect() -> Result<Arc<CredentialStore>, Error> {
    Err(Error::NoDefaultStore)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;

    /// Set for a test that runs in a process of its own: only there can the session bus be another one.
    const ASKED: &str = "CHAT_SYNC_TEST_OS_VAULT";

    /// Runs the test called `name` in a process whose session bus is the socket at `bus`.
    fn in_a_session(name: &str, bus: &std::path::Path) {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", &format!("{}::{name}", module())])
            .env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", bus.display()))
            .env(ASKED, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// This module as the test runner spells it, without the crate.
    fn module() -> &'static str {
        module_path!().split_once("::").map_or("", |(_, module)| module)
    }

    #[test]
    fn without_a_session_bus_there_is_no_keyring() {
        if std::env::var_os(ASKED).is_none() {
            let folder = tempfile::tempdir().unwrap();
            return in_a_session(
                "without_a_session_bus_there_is_no_keyring",
                &folder.path().join("none"),
            );
        }
        let vault = OsVault::new();
        // Again and again: nothing is remembered of a failure.
        for _ in 0..2 {
            assert!(matches!(vault.get("name"), Err(VaultError::Absent { .. })));
            assert!(matches!(
                vault.put("name", "secret"),
                Err(VaultError::Absent { .. })
            ));
            assert!(matches!(vault.erase("name"), Err(VaultError::Absent { .. })));
        }
    }

    #[test]
    fn a_session_bus_that_never_answers_is_given_up() {
        if std::env::var_os(ASKED).is_none() {
            let folder = tempfile::tempdir().unwrap();
            let bus = folder.path().join("bus");
            // Connections wait in its queue for ever.
            let _silent = UnixListener::bind(&bus).unwrap();
            return in_a_session("a_session_bus_that_never_answers_is_given_up", &bus);
        }
        let patience = Duration::from_millis(100);
        let vault = OsVault::with_patience(patience, patience);
        assert_eq!(vault.get("name"), Err(VaultError::NoAnswer { waited: patience }));
        assert_eq!(
            vault.get("name"),
            Err(VaultError::Busy),
            "one call in the air at a time"
        );
    }
}
