//! What somebody finds who takes the data directory away: nothing to read, and after a logout nothing at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chat_sync::{
    Account, DataDir, DataDirError, Engine, Handle, KeyHome, KeyHomeError, Login, LoginMethod, NewMessage,
    NoVault,
};
use event_index::{IndexError, KeyFileError, Storage, Store, StoreKey};
use hkdf::Hkdf;
use nostr::prelude::{FromBech32, Keys, Kind, SecretKey, ToBech32};
use pns_keys::{DeviceSecret, LocalSigner, Profile, open_keyring};
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};
use sha2::Sha256;
use supervision::{Entropy, SystemEntropy};

use crate::bench::live;

/// The account of these tests: no byte pattern that a page of zeros or a test elsewhere could show by chance.
const SECRET: &str = "5e1f0c9a7b3d2846e0f1a2b3c4d5968778695a4b3c2d1e0ff1e2d3c4b5a69788";
const CONVERSATION: &str = "conversation-of-the-lighthouse";
/// The first message is the title too.
const SEALED: &str = "The lighthouse keeper's birthday is a secret";
const DRAFT: &str = "Nobody sent this sentence about marzipan yet";

fn entropy() -> Arc<dyn Entropy> {
    Arc::new(SystemEntropy)
}

fn engine(account: &Account, online: bool) -> Handle {
    Engine::start(account.config(online)).unwrap()
}

/// Every file below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn holds(bytes: &[u8], pattern: &[u8]) -> bool {
    bytes.windows(pattern.len()).any(|window| window == pattern)
}

/// A secret in every spelling it could be left lying about in.
fn spellings(name: &str, secret: [u8; 32]) -> Vec<(String, Vec<u8>)> {
    let key = SecretKey::from_slice(&secret).unwrap();
    let hex = key.to_secret_hex();
    let mut backwards = secret;
    backwards.reverse();
    [
        ("raw", secret.to_vec()),
        ("raw, backwards", backwards.to_vec()),
        ("hex", hex.clone().into_bytes()),
        ("HEX", hex.to_uppercase().into_bytes()),
        ("nsec", key.to_bech32().unwrap().into_bytes()),
    ]
    .map(|(spelling, bytes)| (format!("{name}, {spelling}"), bytes))
    .into()
}

fn words(text: &str) -> [(String, Vec<u8>); 3] {
    let wide = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    // A cut-off copy would do as much harm.
    let part = text.as_bytes()[4..20].to_vec();
    [
        (text.to_owned(), text.as_bytes().to_vec()),
        (format!("a part of {text}"), part),
        (format!("{text}, UTF-16"), wide),
    ]
}

fn extract(salt: &str, secret: &[u8]) -> [u8; 32] {
    Hkdf::<Sha256>::extract(Some(salt.as_bytes()), secret).0.into()
}

/// Everything that must not be readable: words, and the secrets behind them.
async fn patterns(relay: &EmbeddedRelay) -> Vec<(String, Vec<u8>)> {
    let account = LocalSigner::parse(SECRET, || SystemEntropy.draw_32()).unwrap();
    let events = relay.events(&[Kind::Custom(1081)], &[]).await.unwrap();
    let [event] = &events[..] else {
        panic!("one keyring")
    };
    let keyring = open_keyring(&account, event).await.unwrap();
    let device = SecretKey::from_bech32(&keyring.device().to_nsec()).unwrap();
    let device = device.to_secret_bytes();
    let pns = extract(Profile::Routstr.default_salt(), &device);
    let public = Keys::new(SecretKey::from_slice(&pns).unwrap()).public_key();
    assert_eq!(
        public,
        keyring.key(Profile::Routstr).public(),
        "the secret that is looked for is the one in use"
    );
    let draft = extract(Profile::NipPns.default_salt(), &device);

    let own = SecretKey::from_hex(SECRET).unwrap().to_secret_bytes();
    let mut all = Vec::new();
    for text in [SEALED, DRAFT, CONVERSATION] {
        all.extend(words(text));
    }
    all.extend(spellings("the account's secret", own));
    all.extend(spellings("the device secret", device));
    all.extend(spellings("the PNS secret", pns));
    all.extend(spellings("the draft standard's secret", draft));
    all.push((
        "its conversation key".to_owned(),
        extract("nip44-v2", &draft).to_vec(),
    ));
    for profile in [Profile::Routstr, Profile::RoutstrEarly, Profile::NipPns] {
        all.extend(spellings(
            &format!("direct {profile}"),
            extract(profile.default_salt(), &own),
        ));
    }
    all.push(("a keyring's text".to_owned(), b"\"nsec\"".to_vec()));
    all.push(("any nsec".to_owned(), b"nsec1".to_vec()));
    all.push(("a rumor's text".to_owned(), b"\"role\"".to_vec()));
    all
}

fn assert_unreadable(path: &Path, patterns: &[(String, Vec<u8>)]) {
    let bytes = fs::read(path).unwrap();
    for (name, pattern) in patterns {
        assert!(!holds(&bytes, pattern), "{} holds {name}", path.display());
    }
}

#[test]
fn nothing_in_the_data_directory_can_be_read_and_a_logout_leaves_nothing() {
    live(async {
        let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().join("data"));
        let secret = DeviceSecret::parse(SECRET).unwrap();
        let relays = [relay.url().parse().unwrap()];
        let login = Login::with_key(secret.clone(), LoginMethod::RawKey);
        let account = data.login(&login, &relays, &entropy()).unwrap();

        // Sealed messages and an open keyring, then drafts that nobody took.
        let online = engine(&account, true);
        for _ in 0..30 {
            online.send(NewMessage::user(CONVERSATION, SEALED)).await.unwrap();
        }
        let report = online.sync().await.unwrap();
        assert!(report.complete, "{report:?}");
        online.shutdown().await;
        let offline = engine(&account, false);
        for _ in 0..30 {
            offline.send(NewMessage::user(CONVERSATION, DRAFT)).await.unwrap();
        }
        let shown = offline.conversation(CONVERSATION).await.unwrap();
        assert_eq!((shown.branch.len(), shown.summary.title.as_str()), (60, SEALED));
        assert_eq!(offline.status().counts.drafts, 30);
        // The read model too: messages as they were opened, the list with its titles.
        offline.keep_list().await.unwrap();

        let patterns = patterns(&relay).await;
        let sealed = relay.events(&[Kind::Custom(1080)], &[]).await.unwrap();
        let scan = || {
            let found = files(folder.path());
            let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap()).collect();
            assert_eq!(names, ["account", "store.key", "store.key.lock", "store.redb"]);
            for path in &found {
                assert_unreadable(path, &patterns);
            }
            let store = found
                .into_iter()
                .find(|path| path.ends_with("store.redb"))
                .unwrap();
            let bytes = fs::read(&store).unwrap();
            assert!(
                holds(&bytes, sealed[0].content.as_bytes()),
                "what relays see is here as they see it"
            );
            store
        };
        scan();
        offline.shutdown().await;
        drop(account);
        let store = scan();

        // Somebody takes the store, and not its key.
        let taken = folder.path().join("taken.redb");
        fs::copy(&store, &taken).unwrap();
        let refused = data.logout(false, &entropy()).unwrap_err();
        assert!(
            matches!(refused, DataDirError::Undelivered { waiting: 30 }),
            "{refused}"
        );
        data.logout(true, &entropy()).unwrap();
        assert_eq!(
            files(folder.path()),
            std::slice::from_ref(&taken),
            "nothing is left of the account"
        );
        assert!(!store.parent().unwrap().exists());

        assert_unreadable(&taken, &patterns);
        let home = KeyHome::new(folder.path(), Arc::new(NoVault));
        let gone = home.open_or_create(&taken, &SystemEntropy).unwrap_err();
        assert!(
            matches!(gone, KeyHomeError::File(KeyFileError::Gone { .. })),
            "no new key is made for it: {gone}"
        );
        let any = Store::open(Storage::File(taken.clone()), &StoreKey::draw(&SystemEntropy)).unwrap_err();
        assert!(matches!(any, IndexError::WrongKey { .. }), "{any}");
        assert_unreadable(&taken, &patterns);
    });
}
