//! The other direction: an offer that a signer takes up.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use nostr::key::Keys;
use nostr::nips::nip46::NostrConnectMethod as Method;
use pns_keys::Signer;
use proptest::prelude::*;
use relay_link::{RelayLink, RelayLinkActor, RelayUrl};
use remote_signer::{ConnectOffer, OfferError, Patience, Reception};
use serde_json::json;
use supervision::{Env, Guard, Guardian, Outlet, Role, SeededEntropy, Tripwire};
use tokio::time::Instant;

use crate::bunker::{Mood, TestBunker};
use crate::desk::{Desk, ROLE, environment, settled, simulate, unsigned};
use crate::lobby::{Lobby, Scanned, connect_response, scan};

const PERMISSIONS: &str = "nip44_encrypt,nip44_decrypt,sign_event:1081,sign_event:22242";

fn meeting_points() -> [RelayUrl; 2] {
    ["wss://relay.example", "wss://other.example/path?a=b&c"].map(|url| url.parse().unwrap())
}

/// A device that shows an offer.
struct Door {
    env: Env,
    offer: ConnectOffer,
    reception: Reception,
    lobby: Lobby,
    _guardian: Addr<Guardian>,
}

impl Door {
    fn open(lobby: &Lobby, tripwire: Tripwire) -> Self {
        let env = environment(tripwire);
        let offer = ConnectOffer::draw(meeting_points(), &*env.entropy).unwrap();
        let reception = Reception::new(offer.clone(), Patience::default());
        let links = meeting_points().map(RelayLink::new);
        let restarted = links.iter().map(RelayLink::restarted).collect();
        let guardian = Guardian::new(env.clone(), restarted, Outlet::empty()).start();
        guardian.do_send(Guard {
            role: ROLE,
            constructor: reception.constructor(env.clone()),
        });
        for link in links {
            let watchers = vec![reception.links.clone()];
            guardian.do_send(Guard {
                role: Role::Link(link.url().to_string()),
                constructor: RelayLinkActor::constructor(
                    env.clone(),
                    link,
                    Arc::new(lobby.clone()),
                    watchers,
                ),
            });
        }
        Self {
            env,
            offer,
            reception,
            lobby: lobby.clone(),
            _guardian: guardian,
        }
    }

    fn scan(&self) -> Scanned {
        scan(&self.offer.to_text())
    }

    /// `signer` answers the offer with `result`.
    fn answer(&self, signer: &Keys, result: &str) {
        self.lobby
            .post(&connect_response(signer, self.scan().client, result));
    }
}

proptest! {
    /// Whatever is drawn, a signer reads the offer as it was meant, and `Debug` hides the secret.
    #[test]
    fn an_offer_reads_back(
        seed: u64,
        hosts in prop::collection::btree_set("[a-z]{1,8}\\.example(/[a-z&=%+]{0,6})?", 1..8),
    ) {
        let relays: Vec<RelayUrl> = hosts.iter().filter_map(|host| format!("wss://{host}").parse().ok()).collect();
        prop_assume!(!relays.is_empty());
        let offer = ConnectOffer::draw(relays.clone(), &SeededEntropy::new(seed)).unwrap();
        let text = offer.to_text();
        let scanned = scan(&text);
        prop_assert_eq!(scanned.client, offer.client().public());
        let read: Vec<RelayUrl> = scanned.relays.iter().map(|relay| relay.parse().unwrap()).collect();
        prop_assert_eq!(&read, offer.relays());
        prop_assert_eq!(scanned.app, "chat-sync");
        prop_assert_eq!(scanned.secret.len(), 32);
        let debug = format!("{offer:?} {:?}", Reception::new(offer.clone(), Patience::default()));
        prop_assert!(!debug.contains(&scanned.secret), "{}", debug);
        prop_assert!(!debug.contains(&**offer.client().to_hex()), "{}", debug);
    }

    /// Two offers share neither key nor secret.
    #[test]
    fn every_offer_is_another(seed: u64) {
        let entropy = SeededEntropy::new(seed);
        let [first, second] = [(); 2].map(|()| ConnectOffer::draw(meeting_points(), &entropy).unwrap());
        let (first, second) = (scan(&first.to_text()), scan(&second.to_text()));
        prop_assert_ne!(first.client, second.client);
        prop_assert_ne!(first.secret, second.secret);
    }
}

#[test]
fn an_offer_asks_for_what_is_needed_and_no_more() {
    let offer = ConnectOffer::draw(meeting_points(), &SeededEntropy::new(1)).unwrap();
    let text = offer.to_text();
    let url = nostr::types::url::Url::parse(&text).unwrap();
    let of = |wanted: &str| {
        let pairs = url.query_pairs().filter(|(name, _)| name == wanted);
        pairs.map(|(_, value)| value.into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("perms"), [PERMISSIONS]);
    assert_eq!(of("name"), ["chat-sync"]);
    assert_eq!(of("secret").len(), 1);
    assert_eq!(of("relay"), meeting_points().map(|relay| relay.to_string()));
}

#[test]
fn an_offer_names_one_to_eight_relays() {
    let entropy = SeededEntropy::new(1);
    assert_eq!(ConnectOffer::draw([], &entropy).unwrap_err(), OfferError::NoRelay);
    let many = (0..9).map(|n| format!("wss://r{n}.example").parse().unwrap());
    let error = ConnectOffer::draw(many, &entropy).unwrap_err();
    assert_eq!(error, OfferError::TooManyRelays { relays: 9 });
    let [same, _] = meeting_points();
    let offer = ConnectOffer::draw(vec![same.clone(); 9], &entropy).unwrap();
    assert_eq!(offer.relays(), [same]);
}

#[test]
fn a_signer_that_scans_is_logged_in_without_another_connect() {
    simulate(async {
        let (lobby, phone) = (Lobby::default(), TestBunker::new(Mood::Approves));
        let door = Door::open(&lobby, Tripwire::none());
        settled().await;
        let client = door.scan().client.to_hex();
        assert_eq!(lobby.filters().len(), 2);
        for filter in lobby.filters() {
            assert_eq!(filter["kinds"], json!([24133]));
            assert_eq!(filter["#p"], json!([client]));
            assert!(filter["limit"].is_u64() && filter["since"].is_u64());
        }
        door.answer(&phone.keys, &door.scan().secret);
        let uri = door.reception.signer().await.unwrap();
        assert_eq!((uri.remote(), uri.secret()), (phone.keys.public_key(), None));
        assert_eq!(uri.relays(), meeting_points());
        settled().await;
        assert_eq!(lobby.ended(), 2, "nobody waits at a relay afterwards");

        let client = door.offer.client().clone();
        let desk = Desk::at(door.env.clone(), &phone, uri, client, true, Patience::default());
        desk.connect();
        let signer = desk.log_in().await;
        assert_eq!(signer.public_key(), phone.account().public_key());
        signer.sign(unsigned(signer.public_key())).await.unwrap();
        assert_eq!(phone.methods(), [Method::GetPublicKey, Method::SignEvent]);
        assert_eq!(phone.heard()[0].event.pubkey, door.scan().client);
    });
}

#[test]
fn a_wrong_secret_never_logs_in_and_spoils_nothing() {
    simulate(async {
        let (lobby, phone, thief) = (Lobby::default(), Keys::generate(), Keys::generate());
        let door = Door::open(&lobby, Tripwire::none());
        settled().await;
        let secret = door.scan().secret;
        for wrong in ["ack", "", &secret[..31], "0123456789abcdef0123456789abcdef"] {
            door.answer(&thief, wrong);
        }
        // Meant for somebody else; not even encrypted to this client.
        lobby.post(&connect_response(&thief, phone.public_key(), &secret));
        // Somebody else's words under the signer's name.
        let mut forged = connect_response(&thief, door.scan().client, &secret);
        forged.pubkey = phone.public_key();
        lobby.post(&forged);
        let minute = Duration::from_secs(60);
        tokio::time::timeout(minute, door.reception.signer())
            .await
            .unwrap_err();
        door.answer(&phone, &secret);
        door.answer(&thief, &secret);
        let uri = door.reception.signer().await.unwrap();
        assert_eq!(uri.remote(), phone.public_key());
    });
}

#[test]
fn an_offer_nobody_takes_up_ends_after_five_minutes_and_names_its_relays() {
    simulate(async {
        let lobby = Lobby::default();
        let [here, there] = meeting_points();
        lobby.go_down(&there);
        let shown = Instant::now();
        let door = Door::open(&lobby, Tripwire::none());
        let error = door.reception.signer().await.unwrap_err();
        let waited = shown.elapsed();
        assert!(
            waited >= Duration::from_secs(300) && waited < Duration::from_secs(301),
            "{waited:?}"
        );
        let text = error.to_string();
        assert!(matches!(error, OfferError::NoSigner { .. }), "{text}");
        assert!(text.contains(&format!("in 300 s at {here}, {there} (")), "{text}");
        assert!(!format!("{text} {error:?}").contains(&door.scan().secret));
        settled().await;
        assert_eq!(lobby.ended(), 1);
        // Scanned too late.
        door.answer(&Keys::generate(), &door.scan().secret);
        settled().await;
        assert_eq!(door.reception.signer().await.unwrap_err(), error);
    });
}

#[test]
fn an_offer_without_a_relay_says_so() {
    simulate(async {
        let lobby = Lobby::default();
        for relay in &meeting_points() {
            lobby.go_down(relay);
        }
        let error = Door::open(&lobby, Tripwire::none())
            .reception
            .signer()
            .await
            .unwrap_err();
        assert!(matches!(error, OfferError::Unreachable { .. }), "{error}");
        for relay in meeting_points() {
            assert!(error.to_string().contains(relay.as_str()), "{error}");
        }
    });
}

#[test]
fn a_relay_that_ends_the_subscription_is_asked_again() {
    simulate(async {
        let (lobby, phone) = (Lobby::default(), Keys::generate());
        lobby.refuse_next(2);
        let door = Door::open(&lobby, Tripwire::none());
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(lobby.filters().len(), 4);
        door.answer(&phone, &door.scan().secret);
        let uri = door.reception.signer().await.unwrap();
        assert_eq!(uri.remote(), phone.public_key());
    });
}

#[test]
fn a_restart_in_the_middle_changes_neither_offer_nor_deadline() {
    simulate(async {
        let mut subscribed_again = 0;
        for death in 1..=10 {
            let (lobby, phone) = (Lobby::default(), Keys::generate());
            let tripwire = Tripwire::armed([(ROLE, death)]);
            let shown = Instant::now();
            let door = Door::open(&lobby, tripwire);
            tokio::time::sleep(Duration::from_secs(100)).await;
            if death % 2 == 0 {
                // A message may die with the actor that was handed it: signers are tried once more by hand.
                for _ in 0..2 {
                    door.answer(&phone, &door.scan().secret);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                let uri = door.reception.signer().await.unwrap();
                assert_eq!(uri.remote(), phone.public_key());
            } else {
                door.reception.signer().await.unwrap_err();
                let waited = shown.elapsed();
                assert!(
                    waited >= Duration::from_secs(300) && waited < Duration::from_secs(301),
                    "{waited:?}"
                );
            }
            subscribed_again += usize::from(lobby.filters().len() > 2);
        }
        assert!(subscribed_again > 2, "the others died earlier, or not at all");
    });
}

#[test]
fn a_reception_nobody_started_is_told() {
    simulate(async {
        let offer = ConnectOffer::draw(meeting_points(), &SeededEntropy::new(1)).unwrap();
        let reception = Reception::new(offer, Patience::default());
        assert_eq!(reception.signer().await.unwrap_err(), OfferError::NotRunning);
    });
}
