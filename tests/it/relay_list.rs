//! The account's own relay list (NIP-65): the relays it writes to are used beside those that were given.

use std::sync::Arc;

use chat_sync::{Account, DataDir, Engine, Handle, Login, LoginMethod, RelayUrl, Switches};
use event_index::Basis;
use nostr::prelude::{Event, EventBuilder, FinalizeEvent, Keys, Kind, Tag, Timestamp};
use pns_keys::DeviceSecret;
use relay_lab::{MemoryNetwork, MemoryRelay, Quirk};
use supervision::{Entropy, SystemEntropy};

use crate::bench::{NOW, SECRET, simulate, simulated, write};
use crate::fault_lab::{sealed, seconds};
use crate::keyring_lab::{ONE, THREE, TWO, made_elsewhere, until};

/// A data directory, and relays that can be dialled.
struct Home {
    dir: tempfile::TempDir,
    network: MemoryNetwork,
    relays: [MemoryRelay; 3],
}

impl Home {
    fn new() -> Self {
        let (network, relays) = (
            MemoryNetwork::default(),
            [ONE, TWO, THREE].map(|_| MemoryRelay::default()),
        );
        for (url, relay) in [ONE, TWO, THREE].iter().zip(&relays) {
            network.put(url.parse().unwrap(), relay.clone());
        }
        let (keyring, _) = futures_executor::block_on(made_elsewhere(9, NOW - 1_000));
        relays[0].put(keyring);
        let home = Self {
            dir: tempfile::tempdir().unwrap(),
            network,
            relays,
        };
        let secret = DeviceSecret::parse(SECRET).unwrap();
        let login = Login::with_key(secret, LoginMethod::RawKey);
        home.data().login(&login, &urls(&[ONE]), &entropy()).unwrap();
        home
    }

    fn data(&self) -> DataDir {
        DataDir::new(self.dir.path())
    }

    fn account(&self) -> Account {
        self.data().open(&entropy()).unwrap()
    }

    /// Runs an engine of the account until it has read what there is to read.
    async fn run(&self, account: &Account, seed: u64) -> Handle {
        let env = simulated(seed, Arc::new(self.network.clone()));
        let engine = Engine::start_on_current(&account.config(true), env)
            .await
            .unwrap();
        engine.sync().await.unwrap();
        engine
    }
}

fn entropy() -> Arc<dyn Entropy> {
    Arc::new(SystemEntropy)
}

fn urls(texts: &[&str]) -> Vec<RelayUrl> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// The relays that an engine uses.
fn used(engine: &Handle) -> Vec<RelayUrl> {
    let status = engine.status();
    status.relays.iter().map(|relay| relay.url.clone()).collect()
}

/// A relay list that `secret` signed.
fn list(secret: &str, at: u64, relays: &[&str]) -> Event {
    let tags = relays.iter().map(|url| Tag::parse(["r", *url]).unwrap());
    EventBuilder::new(Kind::Custom(10002), "")
        .tags(tags)
        .custom_created_at(Timestamp::from_secs(at))
        .finalize(&Keys::parse(secret).unwrap())
        .unwrap()
}

#[test]
fn relays_of_the_accounts_own_list_are_used_and_filled() {
    let home = Home::new();
    home.relays[0].put(list(SECRET, NOW - 10, &[ONE, TWO]));
    let account = home.account();
    simulate(async {
        let engine = home.run(&account, 1).await;
        write(&engine, "groceries", 5).await;
        seconds(60).await;
        assert_eq!(used(&engine), urls(&[ONE, TWO]), "at once");
        assert_eq!(
            account.newly_listed().unwrap(),
            urls(&[TWO]),
            "since the account was opened"
        );
        assert_eq!(sealed(&home.relays[1]).len(), 5);
        let report = engine.sync().await.unwrap();
        assert!(report.complete && report.relays.len() == 2, "{report:?}");
        engine.shutdown().await;
    });
    drop(account);
    let account = home.account();
    assert_eq!(account.relays, urls(&[ONE, TWO]));
    let known = account.known_relays().unwrap();
    assert_eq!(
        known.iter().map(|relay| relay.listed).collect::<Vec<_>>(),
        [false, true]
    );
    assert!(account.newly_listed().unwrap().is_empty());
    simulate(async {
        let engine = home.run(&account, 2).await;
        seconds(60).await;
        let report = engine.sync().await.unwrap();
        assert!(report.complete, "{report:?}");
        assert!(
            report
                .relays
                .iter()
                .all(|relay| relay.basis == Some(Basis::Fingerprint))
        );
        assert_eq!(sealed(&home.relays[1]).len(), 5, "what was there before as well");
        engine.shutdown().await;
    });
}

#[test]
fn a_newer_list_is_followed_and_an_older_or_forged_one_is_not() {
    let home = Home::new();
    let other = "02".repeat(32);
    let mut forged = list(SECRET, NOW, &[THREE]);
    forged.tags = list(SECRET, NOW, &[THREE, TWO]).tags;
    for event in [list(SECRET, NOW - 20, &[TWO]), forged] {
        home.relays[0].put(event);
    }
    let foreign = vec![list(&other, NOW, &[THREE])];
    home.relays[0].add_quirk_times(Quirk::MixesIn(foreign), 5);
    let account = home.account();
    simulate(async {
        home.run(&account, 3).await.shutdown().await;
    });
    drop(account);
    let account = home.account();
    assert_eq!(account.relays, urls(&[ONE, TWO]));

    home.relays[0].put(list(SECRET, NOW - 30, &[ONE]));
    home.relays[1].put(list(SECRET, NOW - 10, &[THREE]));
    simulate(async {
        let engine = home.run(&account, 4).await;
        write(&engine, "groceries", 5).await;
        seconds(60).await;
        assert_eq!(
            used(&engine),
            urls(&[ONE, THREE]),
            "the one it does not name any more is let go"
        );
        assert_eq!(home.relays[1].connections(), 0);
        assert_eq!(sealed(&home.relays[2]).len(), 5);
        engine.shutdown().await;
        seconds(60).await;
        assert_eq!(
            home.relays[2].connections(),
            0,
            "the added one is let go of at the end too"
        );
    });
    drop(account);
    assert_eq!(
        home.account().relays,
        urls(&[ONE, THREE]),
        "the newest counts, wherever it is"
    );
}

#[test]
fn a_person_has_the_last_word_about_the_list() {
    let home = Home::new();
    home.relays[0].put(list(SECRET, NOW - 10, &[TWO, THREE]));
    let mut account = home.account();
    simulate(async {
        home.run(&account, 5).await.shutdown().await;
    });
    account.remove_relays(&urls(&[TWO]), false).unwrap();
    assert_eq!(
        account.relays,
        urls(&[ONE, THREE]),
        "one that the list names stays away"
    );
    account.add_relays(&urls(&[TWO])).unwrap();
    assert_eq!(account.relays, urls(&[ONE, TWO, THREE]));
    let known = account.known_relays().unwrap();
    assert_eq!(
        known.iter().map(|relay| relay.listed).collect::<Vec<_>>(),
        [false, false, true]
    );

    account.follow_relay_list(false).unwrap();
    assert_eq!(account.relays, urls(&[ONE, TWO]));
    assert!(!account.config(true).reads_relay_list);
    drop(account);
    let mut account = home.account();
    assert_eq!(account.relays, urls(&[ONE, TWO]), "over a restart too");
    account.follow_relay_list(true).unwrap();
    assert_eq!(account.relays, urls(&[ONE, TWO, THREE]));

    account.remove_relays(&urls(&[ONE, TWO]), true).unwrap();
    assert!(account.relays.is_empty(), "an emptied list stays empty");
    assert!(!account.config(true).reads_relay_list);
}

#[test]
fn a_list_that_is_switched_off_is_let_go_and_used_again_once_it_is_on() {
    let home = Home::new();
    home.relays[0].put(list(SECRET, NOW - 10, &[TWO]));
    let account = home.account();
    simulate(async {
        let engine = home.run(&account, 6).await;
        let used = |count: usize| {
            let engine = engine.clone();
            async move { until(&engine, "other relays", |status| status.relays.len() == count).await }
        };
        used(2).await;
        engine.set_switches(Switches {
            nip65_relays: false,
            ..Switches::ON
        });
        used(1).await;
        let status = engine.status();
        assert_eq!(status.relays[0].url.as_str(), ONE);
        engine.set_switches(Switches::ON);
        used(2).await;
        engine.shutdown().await;
    });
    drop(account);
    let mut account = home.account();
    assert_eq!(account.relays, urls(&[ONE, TWO]));
    account
        .switch(Switches {
            nip65_relays: false,
            ..Switches::ON
        })
        .unwrap();
    assert_eq!(account.relays, urls(&[ONE]), "nor from the next start on");
}

#[test]
fn following_the_list_is_turned_off_and_on_while_the_engine_runs() {
    let home = Home::new();
    home.relays[0].put(list(SECRET, NOW - 10, &[TWO]));
    let mut account = home.account();
    simulate(async {
        let engine = home.run(&account, 7).await;
        until(&engine, "the listed one", |status| status.relays.len() == 2).await;

        engine.read_relay_list(false).await.unwrap();
        account.follow_relay_list(false).unwrap();
        engine.set_relays(account.relays.clone()).await.unwrap();
        assert_eq!(used(&engine), urls(&[ONE]));
        home.relays[0].put(list(SECRET, NOW - 5, &[TWO, THREE]));
        seconds(3600).await;
        assert_eq!(used(&engine), urls(&[ONE]), "nor is a newer one read");

        account.follow_relay_list(true).unwrap();
        engine.set_relays(account.relays.clone()).await.unwrap();
        assert_eq!(used(&engine), urls(&[ONE, TWO]));
        engine.read_relay_list(true).await.unwrap();
        until(&engine, "the newer list", |status| status.relays.len() == 3).await;
        // In the order of their names.
        assert_eq!(used(&engine), urls(&[ONE, THREE, TWO]));
        engine.shutdown().await;
    });
}

#[test]
fn an_engine_that_began_without_the_list_follows_it_once_it_is_told_to() {
    let home = Home::new();
    home.relays[0].put(list(SECRET, NOW - 10, &[TWO]));
    let mut account = home.account();
    account.follow_relay_list(false).unwrap();
    simulate(async {
        let engine = home.run(&account, 8).await;
        seconds(3600).await;
        assert_eq!(used(&engine), urls(&[ONE]));
        account.follow_relay_list(true).unwrap();
        engine.read_relay_list(true).await.unwrap();
        until(&engine, "the listed one", |status| status.relays.len() == 2).await;
        engine.shutdown().await;
    });
}
