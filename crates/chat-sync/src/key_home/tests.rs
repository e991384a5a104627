//! The rules of DESIGN 4, on real files, with an OS keyring that fails when told to.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use proptest::prelude::*;
use supervision::SeededEntropy;
use zeroize::Zeroizing;

use super::*;

/// An OS keyring in memory.
#[derive(Debug, Default)]
struct MemoryVault(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    entries: BTreeMap<String, String>,
    trouble: Option<VaultError>,
    forgetful: bool,
    /// The program ends at this call, counted from one, before or after it took effect.
    crash_at: Option<(usize, bool)>,
    calls: usize,
}

struct Crash;

impl MemoryVault {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A crash is a panic on purpose.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> Result<T, VaultError> {
        let mut kept = self.kept();
        kept.calls += 1;
        let crash = kept.crash_at.filter(|(call, _)| *call == kept.calls);
        if crash.is_some_and(|(_, after)| !after) {
            resume_unwind(Box::new(Crash));
        }
        let result = match kept.trouble.clone() {
            Some(trouble) => Err(trouble),
            None => Ok(act(&mut kept)),
        };
        if crash.is_some() {
            resume_unwind(Box::new(Crash));
        }
        result
    }
}

impl Vault for MemoryVault {
    fn put(&self, name: &str, secret: &str) -> Result<(), VaultError> {
        self.call(|kept| {
            if !kept.forgetful {
                kept.entries.insert(name.to_owned(), secret.to_owned());
            }
        })
    }

    fn get(&self, name: &str) -> Result<Option<Zeroizing<String>>, VaultError> {
        self.call(|kept| kept.entries.get(name).cloned().map(Zeroizing::new))
    }

    fn erase(&self, name: &str) -> Result<(), VaultError> {
        self.call(|kept| {
            kept.entries.remove(name);
        })
    }
}

struct Bench {
    folder: tempfile::TempDir,
    vault: Arc<MemoryVault>,
    entropy: SeededEntropy,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            vault: Arc::default(),
            entropy: SeededEntropy::new(7),
        }
    }

    fn home(&self) -> KeyHome {
        KeyHome::new(self.folder.path(), Arc::clone(&self.vault) as Arc<dyn Vault>)
    }

    fn home_without_vault(&self) -> KeyHome {
        KeyHome::new(self.folder.path(), Arc::new(NoVault))
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store.redb")
    }

    fn make_store(&self) {
        fs::write(self.store(), "sealed").unwrap();
    }

    fn open(&self) -> Result<[u8; 32], KeyHomeError> {
        self.home()
            .open_or_create(&self.store(), &self.entropy)
            .map(|key| *key.as_bytes())
    }

    fn record(&self) -> String {
        fs::read_to_string(self.folder.path().join(FILE)).unwrap()
    }

    fn trouble(&self, trouble: impl Into<Option<VaultError>>) {
        self.vault.kept().trouble = trouble.into();
    }

    fn names(&self) -> Vec<String> {
        self.vault.kept().entries.keys().cloned().collect()
    }
}

fn locked() -> VaultError {
    VaultError::Refused {
        reason: "prompt dismissed".to_owned(),
    }
}

#[test]
fn a_first_login_puts_the_key_into_the_os_keyring_and_later_ones_find_it_there() {
    let bench = Bench::new();
    assert_eq!(bench.home().describe().unwrap(), KeyPlace::Nowhere);
    let key = bench.open().unwrap();
    bench.make_store();
    assert_eq!(bench.open().unwrap(), key);
    let [name] = bench.names().try_into().unwrap();
    assert_eq!(bench.record(), format!("os-keyring {name}\n"));
    assert_eq!(
        bench.home().describe().unwrap().to_string(),
        format!("in the OS keyring (chat-sync, {name})")
    );
    let digits = StoreKey::from_bytes(key).to_hex();
    for file in fs::read_dir(bench.folder.path()).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains(&*digits), "the key is in the keyring only");
    }
}

#[test]
fn without_an_os_keyring_the_key_goes_into_a_file_and_stays_there() {
    for trouble in [
        VaultError::Absent {
            reason: "no bus".to_owned(),
        },
        locked(),
        VaultError::NoAnswer {
            waited: std::time::Duration::from_secs(60),
        },
        VaultError::Busy,
    ] {
        let bench = Bench::new();
        bench.trouble(trouble);
        let key = bench.open().unwrap();
        assert_eq!(
            bench.record(),
            format!("{}\n", *StoreKey::from_bytes(key).to_hex())
        );
        assert!(matches!(bench.home().describe().unwrap(), KeyPlace::File(_)));
        // A keyring that turns up later changes nothing.
        bench.trouble(None);
        assert_eq!(bench.open().unwrap(), key);
        bench.make_store();
        assert_eq!(bench.open().unwrap(), key);
        assert!(bench.names().is_empty());
    }
}

#[test]
fn an_os_keyring_that_forgets_is_not_trusted_with_a_key() {
    let bench = Bench::new();
    bench.vault.kept().forgetful = true;
    let key = bench.open().unwrap();
    assert_eq!(
        bench.record(),
        format!("{}\n", *StoreKey::from_bytes(key).to_hex())
    );
}

#[test]
fn an_unreachable_os_keyring_locks_an_existing_store_until_it_is_back() {
    let bench = Bench::new();
    let key = bench.open().unwrap();
    let record = bench.record();
    for store_exists in [false, true] {
        if store_exists {
            bench.make_store();
        }
        bench.trouble(locked());
        let error = bench.open().unwrap_err();
        assert!(error.is_locked());
        assert!(error.to_string().contains("unlock the keyring"), "{error}");
        let error = bench
            .home_without_vault()
            .open_or_create(&bench.store(), &bench.entropy)
            .unwrap_err();
        assert!(error.is_locked(), "{error}");
        assert_eq!(bench.record(), record, "nothing was decided anew");
        bench.trouble(None);
        assert_eq!(bench.open().unwrap(), key);
    }
}

#[test]
fn no_new_key_is_made_for_an_existing_store() {
    let bench = Bench::new();
    bench.make_store();
    assert!(matches!(
        bench.open(),
        Err(KeyHomeError::File(KeyFileError::Gone { .. }))
    ));
    fs::remove_file(bench.store()).unwrap();
    bench.open().unwrap();
    bench.make_store();
    bench.vault.kept().entries.clear();
    let error = bench.open().unwrap_err();
    assert!(matches!(error, KeyHomeError::EntryGone { .. }));
    assert!(error.to_string().contains("logout --force"));
    assert!(bench.names().is_empty());
}

#[test]
fn an_entry_or_a_record_that_says_something_else_is_refused() {
    let bench = Bench::new();
    bench.open().unwrap();
    let name = bench.names().remove(0);
    bench.vault.kept().entries.insert(name, "hunter2".to_owned());
    let error = bench.open().unwrap_err();
    assert!(matches!(error, KeyHomeError::NotAKey { .. }));
    assert!(!error.to_string().contains("hunter2"));
    for damaged in [
        "os-keyring",
        "os-keyring \n",
        "os-keyring 12\n",
        "os-keyring-unfinished ../../x\n",
        &format!("os-keyring {}", "a".repeat(32)),
        &format!("os-keyring {}\n\n", "a".repeat(32)),
    ] {
        fs::write(bench.folder.path().join(FILE), damaged).unwrap();
        assert!(
            matches!(bench.open(), Err(KeyHomeError::BadRecord(_))),
            "{damaged:?}"
        );
        assert!(bench.home().describe().is_err());
    }
    fs::write(bench.folder.path().join(FILE), "").unwrap();
    assert!(matches!(bench.open(), Err(KeyHomeError::File(_))));
}

#[test]
fn erasing_leaves_neither_an_entry_nor_a_file() {
    let bench = Bench::new();
    bench.open().unwrap();
    bench.make_store();
    bench.home().erase().unwrap();
    assert!(bench.names().is_empty());
    assert_eq!(bench.home().describe().unwrap(), KeyPlace::Nowhere);
    bench.home().erase().unwrap();

    let bench = Bench::new();
    bench.trouble(locked());
    bench.open().unwrap();
    bench.home().erase().unwrap();
    assert!(
        !bench.folder.path().join(FILE).exists(),
        "a file needs no keyring"
    );
}

#[test]
fn erasing_is_not_done_while_the_os_keyring_keeps_the_key() {
    let bench = Bench::new();
    let key = bench.open().unwrap();
    bench.trouble(locked());
    let error = bench.home().erase().unwrap_err();
    assert!(error.to_string().contains("by hand"), "{error}");
    bench.trouble(None);
    assert_eq!(bench.open().unwrap(), key, "nothing was erased");
    bench.trouble(locked());
    bench.home().erase_file().unwrap();
    assert_eq!(bench.home().describe().unwrap(), KeyPlace::Nowhere);
}

#[test]
fn two_first_logins_at_once_make_one_key() {
    let bench = Bench::new();
    let other = bench.home().lock().unwrap();
    assert!(matches!(bench.open(), Err(KeyHomeError::InUse)));
    drop(other);
    let key = bench.open().unwrap();
    let _other = bench.home().lock().unwrap();
    assert_eq!(bench.open().unwrap(), key, "reading needs no lock");
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_what_is_recorded() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    bench.open().unwrap();
    for file in fs::read_dir(bench.folder.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}

/// Stops the program at one call of the keyring.
fn crash(bench: &Bench, call: usize, after: bool, act: impl FnOnce()) -> bool {
    {
        let mut kept = bench.vault.kept();
        kept.calls = 0;
        kept.crash_at = Some((call, after));
    }
    let crashed = catch_unwind(AssertUnwindSafe(act));
    bench.vault.kept().crash_at = None;
    crashed.is_err_and(|payload| payload.is::<Crash>())
}

#[test]
fn a_first_login_cut_off_anywhere_can_be_repeated_and_leaves_no_stray_entry() {
    for call in 1..=2 {
        for after in [false, true] {
            let bench = Bench::new();
            assert!(crash(&bench, call, after, || {
                let _ = bench.open();
            }));
            assert!(bench.record().starts_with("os-keyring-unfinished "));
            assert_eq!(bench.home().describe().unwrap(), KeyPlace::Nowhere);
            let key = bench.open().unwrap();
            bench.make_store();
            assert_eq!(bench.open().unwrap(), key, "call {call}, after {after}");
            assert_eq!(bench.names().len(), 1, "call {call}, after {after}");
        }
    }
}

#[test]
fn a_cut_off_first_login_does_not_wait_for_a_keyring_that_went_away() {
    let bench = Bench::new();
    assert!(crash(&bench, 2, false, || {
        let _ = bench.open();
    }));
    bench.trouble(locked());
    let key = bench.open().unwrap();
    assert_eq!(
        bench.record(),
        format!("{}\n", *StoreKey::from_bytes(key).to_hex())
    );
}

#[test]
fn a_record_without_its_entry_and_without_a_store_begins_anew() {
    let bench = Bench::new();
    let lost = bench.open().unwrap();
    bench.vault.kept().entries.clear();
    let key = bench.open().unwrap();
    assert_ne!(key, lost);
    bench.make_store();
    assert_eq!(bench.open().unwrap(), key);
}

#[test]
fn a_cut_off_erasing_can_be_repeated() {
    for after in [false, true] {
        let bench = Bench::new();
        bench.open().unwrap();
        bench.make_store();
        assert!(crash(&bench, 1, after, || {
            let _ = bench.home().erase();
        }));
        bench.home().erase().unwrap();
        assert!(bench.names().is_empty());
        assert_eq!(bench.home().describe().unwrap(), KeyPlace::Nowhere);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Open,
    CrashWhileOpening(usize, bool),
    OpenWithoutVault,
    KeyringGoes,
    KeyringComes,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Open),
        3 => (1_usize..5, any::<bool>()).prop_map(|(call, after)| Step::CrashWhileOpening(call, after)),
        1 => Just(Step::OpenWithoutVault),
        2 => Just(Step::KeyringGoes),
        2 => Just(Step::KeyringComes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens in whatever order: once a store is sealed with a key, nothing but that key is handed out, and
    /// with the keyring back it always is.
    #[test]
    fn a_store_never_sees_a_second_key(steps in prop::collection::vec(step(), 1..20)) {
        let bench = Bench::new();
        let mut sealed_with: Option<[u8; 32]> = None;
        for step in steps {
            let opened = match step {
                Step::Open => bench.open(),
                Step::OpenWithoutVault => bench
                    .home_without_vault()
                    .open_or_create(&bench.store(), &bench.entropy)
                    .map(|key| *key.as_bytes()),
                Step::CrashWhileOpening(call, after) => {
                    let mut opened = None;
                    crash(&bench, call, after, || opened = Some(bench.open()));
                    match opened {
                        Some(opened) => opened,
                        None => continue,
                    }
                }
                Step::KeyringGoes => {
                    bench.trouble(locked());
                    continue;
                }
                Step::KeyringComes => {
                    bench.trouble(None);
                    continue;
                }
            };
            match opened {
                Ok(key) => {
                    prop_assert_eq!(*sealed_with.get_or_insert(key), key);
                    bench.make_store();
                }
                Err(error) => prop_assert!(error.is_locked(), "{}", error),
            }
        }
        bench.trouble(None);
        let key = bench.open().unwrap();
        prop_assert_eq!(sealed_with.unwrap_or(key), key);
    }
}

/// Takes what it is given, and says so too late.
#[derive(Debug, Default)]
struct LateVault(Mutex<Vec<String>>);

impl Vault for LateVault {
    fn put(&self, _: &str, secret: &str) -> Result<(), VaultError> {
        self.0.lock().unwrap().push(secret.to_owned());
        let waited = std::time::Duration::from_secs(60);
        Err(VaultError::NoAnswer { waited })
    }

    fn get(&self, _: &str) -> Result<Option<Zeroizing<String>>, VaultError> {
        Err(VaultError::Busy)
    }

    fn erase(&self, _: &str) -> Result<(), VaultError> {
        Err(VaultError::Busy)
    }
}

#[test]
fn a_key_that_a_late_os_keyring_holds_opens_nothing() {
    let bench = Bench::new();
    let vault = Arc::new(LateVault::default());
    let home = KeyHome::new(bench.folder.path(), Arc::clone(&vault) as Arc<dyn Vault>);
    let key = home.open_or_create(&bench.store(), &bench.entropy).unwrap();
    bench.make_store();
    home.erase().unwrap();
    let left = vault.0.lock().unwrap().clone();
    assert!(
        !left.contains(&key.to_hex()),
        "after a logout the store's key is still in the OS keyring, and nothing names it"
    );
}
