//! Keyrings that wait for the signer, cards and logins over what is there already.

use std::sync::Arc;
use std::time::Duration;

use chat_sync::{AccountState, DataDir, DataDirError, Login, LoginMethod, history_keys};
use pns_keys::{CardKeyring, DeviceSecret, KeyCard, Keyring, Profile, keeper};
use relay_lab::MemoryRelay;
use supervision::{Entropy, SystemEntropy};

use crate::bench::{Device, NOW, SECRET, simulate};
use crate::keyring_lab::{ONE, made_elsewhere, start_as, texts, until, written_elsewhere};
use crate::signers::{Handheld, Mood, PATIENCE_OF_SIGNERS};

fn entropy() -> Arc<dyn Entropy> {
    Arc::new(SystemEntropy)
}

fn secret() -> DeviceSecret {
    DeviceSecret::parse(SECRET).unwrap()
}

/// Another device made a keyring of its own and wrote under it; the signer is asked to open that one too.
async fn second_keyring(relay: &MemoryRelay, signer: &Handheld) {
    let (event, keyring) = made_elsewhere(9, NOW - 4000).await;
    relay.put(event);
    relay.put(written_elsewhere(
        &keyring,
        "second",
        "under the other",
        NOW - 2000,
    ));
    signer.until_asked(|asked| asked.decrypt == 2).await;
}

#[test]
fn a_history_whose_second_keyring_waits_for_the_signer_is_not_called_complete() {
    simulate(async move {
        let relay = MemoryRelay::default();
        let (one, first) = made_elsewhere(8, NOW - 5000).await;
        relay.put(one);
        relay.put(written_elsewhere(&first, "first", "under one key", NOW - 3000));
        let device = Device::new(&[ONE]);
        let signer = Handheld::new(1, Mood::Approves);
        let engine = start_as(&device, signer.clone(), 1, &[(ONE, &relay)]).await;
        assert!(engine.sync().await.unwrap().complete);

        // Another device made one too, while both were apart (F43).
        signer.set(Mood::LooksElsewhere(PATIENCE_OF_SIGNERS));
        second_keyring(&relay, &signer).await;
        let person = signer.clone();
        actix::spawn(async move {
            tokio::time::sleep(Duration::from_secs(20)).await;
            person.set(Mood::Approves);
        });
        let report = engine.sync().await.unwrap();
        assert!(
            !report.complete || texts_or_none(&engine, "second").await,
            "complete without the history of the keyring that the signer is being asked about: {report:?}"
        );
    });
}

async fn texts_or_none(engine: &chat_sync::Handle, conversation: &str) -> bool {
    engine.conversation(conversation).await.is_ok()
}

#[test]
fn a_refused_second_keyring_is_asked_about_again_by_sync() {
    simulate(async move {
        let relay = MemoryRelay::default();
        let (one, _) = made_elsewhere(8, NOW - 5000).await;
        relay.put(one);
        let device = Device::new(&[ONE]);
        let signer = Handheld::new(1, Mood::Approves);
        let engine = start_as(&device, signer.clone(), 1, &[(ONE, &relay)]).await;
        assert!(engine.sync().await.unwrap().complete);
        signer.set(Mood::Denies);
        second_keyring(&relay, &signer).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        signer.set(Mood::Approves);
        engine.sync().await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(signer.asked().decrypt, 3, "a person pressed sync");
        assert_eq!(texts(&engine, "second").await, ["under the other"]);
    });
}

#[test]
fn a_sync_pressed_after_a_silence_waits_for_the_signer_it_asks() {
    simulate(async move {
        let relay = MemoryRelay::default();
        let (one, first) = made_elsewhere(8, NOW - 5000).await;
        relay.put(one);
        relay.put(written_elsewhere(&first, "first", "under one key", NOW - 3000));
        let device = Device::new(&[ONE]);
        let signer = Handheld::new(1, Mood::LooksElsewhere(PATIENCE_OF_SIGNERS));
        let engine = start_as(&device, signer.clone(), 1, &[(ONE, &relay)]).await;
        until(&engine, "no answer", |status| {
            matches!(status.account.state, AccountState::Locked(_)) && !status.account.asking
        })
        .await;
        let person = signer.clone();
        actix::spawn(async move {
            person.until_asked(|asked| asked.decrypt == 2).await;
            tokio::time::sleep(Duration::from_secs(20)).await;
            person.set(Mood::Approves);
        });
        let report = engine.sync().await.unwrap();
        assert_eq!(signer.asked().decrypt, 2);
        assert!(
            report.complete,
            "it ended while the signer was being asked: {report:?}"
        );
    });
}

fn inside_of(event: &nostr::prelude::Event, device: u8) -> Keyring {
    let nsec = DeviceSecret::from_bytes(&[device; 32]).unwrap().to_nsec();
    let text = format!(r#"{{"nsec":"{}","salt":""}}"#, nsec.as_str());
    Keyring::from_plaintext(event, text.as_bytes()).unwrap()
}

#[test]
fn a_card_does_not_replace_the_history_key_of_an_account_that_is_logged_in() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::new(folder.path().join("data"));
    let login = Login::with_key(secret(), LoginMethod::RawKey);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (event, good) = runtime.block_on(made_elsewhere(8, NOW));
    let account = data.login(&login, &[], &entropy()).unwrap();
    let kept = CardKeyring {
        event: event.clone(),
        inside: good.clone(),
    };
    account.store.put_keyring(keeper::row_of(&kept)).unwrap();
    drop(account);

    // The event is public on relays; what a card says is inside it is the card's word alone.
    let forged = CardKeyring {
        event: event.clone(),
        inside: inside_of(&event, 9),
    };
    let card = KeyCard {
        account: secret().public(),
        relays: vec![],
        keyrings: vec![forged],
    };
    let text = card.seal("passphrase", 1, [1; 16], [2; 24]).unwrap();
    let card = KeyCard::open(&text, "passphrase").unwrap();
    let account = match data.restore(&card, &[], &entropy()) {
        Ok(account) => account,
        Err(_) => data.open(&entropy()).unwrap(),
    };
    let keys = history_keys(&account).unwrap();
    let good = good.key(Profile::Routstr).public();
    assert_eq!(
        keys[0].public,
        Some(good),
        "messages are now sealed for whoever made the card"
    );
}

#[test]
fn a_restore_does_not_replace_a_login_that_this_version_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::new(folder.path().join("data"));
    let login = Login::with_key(secret(), LoginMethod::RawKey);
    let account = data.login(&login, &[], &entropy()).unwrap();
    let later = format!(
        r#"{{"method":"hardware-key","nsec":"{}"}}"#,
        secret().to_nsec().as_str()
    );
    account.store.put_meta("login", later.as_bytes()).unwrap();
    drop(account);
    assert!(matches!(data.open(&entropy()), Err(DataDirError::BadLogin)));
    let card = KeyCard {
        account: secret().public(),
        relays: vec![],
        keyrings: vec![],
    };
    let restored = data.restore(&card, &[], &entropy());
    assert!(
        restored.is_err(),
        "the login was overwritten by one without a key"
    );
}

#[test]
fn a_logout_cut_off_before_its_last_step_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::new(folder.path().join("data"));
    let other = DeviceSecret::parse(&"02".repeat(32)).unwrap();
    for secret in [other.clone(), secret()] {
        let login = Login::with_key(secret, LoginMethod::RawKey);
        drop(data.login(&login, &[], &entropy()).unwrap());
    }
    let name = chat_sync::npub(&secret().public());
    // Everything but the pointer was removed when the power went.
    std::fs::remove_dir_all(data.root().join("accounts").join(name)).unwrap();
    let again = data.logout(true, &entropy());
    assert!(again.is_ok(), "{:?}", again.unwrap_err().to_string());
    assert_eq!(data.open(&entropy()).unwrap().public_key, other.public());
}

#[test]
fn logging_in_again_keeps_the_profile_that_was_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::new(folder.path().join("data"));
    let mut login = Login::with_key(secret(), LoginMethod::RawKey);
    login.profile = Some(Profile::NipPns);
    drop(data.login(&login, &[], &entropy()).unwrap());
    // `chat-sync login --relay …` with no `--profile`.
    let again = Login::with_key(secret(), LoginMethod::RawKey);
    assert_eq!(
        data.login(&again, &[], &entropy()).unwrap().profile,
        Profile::NipPns
    );
}
