//! Every way to log in, and several accounts beside each other.

use std::time::Duration;

use nostr::key::Keys;
use nostr::prelude::Kind;
use relay_lab::{Behaviour, EmbeddedRelay, EmbeddedRelayConfig, LabSigner, LabSignerConfig};
use tokio::runtime::Runtime;

use crate::program::{Home, PATIENCE};
use crate::{NOBODY, SECRET};

/// NIP-06, first test vector.
const WORDS: &str = "leader monkey parrot ring guide accident before fence cannon height naive bean";
/// NIP-49, "Test Data": opened by `nostr`.
const ENCRYPTED: &str = "ncryptsec1qgg9947rlpvqu76pj5ecreduf9jxhselq2nae2kghhvd5g7dgjtcxfqtd67p9m0w57lspw8gsq6yphnm8623nsl8xn9j4jdzz84zm3frztj3z7s35vpzmqf6ksu8r89qk5z2zxfmu5gv8th8wclt0h4p";

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

fn relay() -> EmbeddedRelay {
    EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap()
}

/// A signer of the account of [`SECRET`] that listens at `relay`.
fn signer(relay: &EmbeddedRelay, runtime: &Runtime) -> LabSigner {
    let signer = LabSigner::start(LabSignerConfig {
        relays: vec![relay.url()],
        account: Keys::parse(SECRET).unwrap(),
        ..LabSignerConfig::default()
    })
    .unwrap();
    runtime.block_on(signer.listening());
    signer
}

/// The texts of a conversation as a device shows them.
fn texts(home: &Home, conversation: &str) -> Vec<String> {
    let shown = home
        .run(&["chats", "show", conversation, "--json"])
        .succeeded()
        .json();
    let messages = shown["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| message["content"].as_str().unwrap().to_owned())
        .collect()
}

fn keyrings(relay: &EmbeddedRelay, runtime: &Runtime) -> usize {
    runtime
        .block_on(relay.count_events(&[Kind::Custom(1081)], &[]))
        .unwrap()
}

#[test]
fn a_remote_signer_and_a_raw_key_of_one_account_share_one_history_and_one_keyring() {
    let (runtime, relay) = (runtime(), relay());
    let signer = signer(&relay, &runtime);
    let (phone, laptop) = (Home::new(), Home::new());
    let url = relay.url();

    let login = phone
        .run(&[
            "login",
            "--bunker",
            &signer.bunker_uri(),
            "--relay",
            &url,
            "--json",
        ])
        .succeeded()
        .json();
    assert_eq!(login["method"], "remote-signer");
    assert_eq!(login["pubkey"], signer.account().to_hex());
    phone
        .run(&["chats", "send", "talk", "from the phone"])
        .succeeded();
    assert_eq!(
        phone.run(&["sync", "--json"]).succeeded().json()["complete"],
        true
    );

    laptop.log_in(SECRET, &[&url]);
    laptop.run(&["sync"]).succeeded();
    laptop
        .run(&["chats", "send", "talk", "from the laptop"])
        .succeeded();
    laptop.run(&["sync"]).succeeded();
    phone.run(&["sync"]).succeeded();
    for home in [&phone, &laptop] {
        assert_eq!(texts(home, "talk"), ["from the phone", "from the laptop"]);
    }
    assert_eq!(keyrings(&relay, &runtime), 1);
    assert_eq!(
        signer.requests(),
        [
            "connect",
            "get_public_key",
            "switch_relays",
            "get_public_key",
            "nip44_encrypt",
            "sign_event"
        ],
        "and never again, however often the phone syncs"
    );
    let write_key = |home: &Home| home.run(&["whoami", "--json"]).succeeded().json()["write_key"].clone();
    assert_eq!(write_key(&phone), write_key(&laptop));
}

#[test]
fn a_second_device_with_a_remote_signer_asks_it_for_one_decryption() {
    let (runtime, relay) = (runtime(), relay());
    let signer = signer(&relay, &runtime);
    let (laptop, phone) = (Home::new(), Home::new());
    let url = relay.url();
    laptop.log_in(SECRET, &[&url]);
    laptop
        .run(&["chats", "send", "talk", "written before"])
        .succeeded();
    laptop.run(&["sync"]).succeeded();

    phone
        .run(&["login", "--bunker", &signer.bunker_uri(), "--relay", &url])
        .succeeded();
    phone.run(&["sync"]).succeeded();
    phone.run(&["sync"]).succeeded();
    assert_eq!(texts(&phone, "talk"), ["written before"]);
    assert_eq!(
        signer.requests(),
        ["connect", "get_public_key", "switch_relays", "nip44_decrypt"]
    );
}

#[test]
fn a_signer_that_scans_the_code_logs_in() {
    let (runtime, relay) = (runtime(), relay());
    let signer = signer(&relay, &runtime);
    let home = Home::new();
    let url = relay.url();
    let login = home.start(&["login", "--qr", "--signer-relay", &url, "--relay", &url, "--json"]);
    let shown = login.stderr.recv_timeout(PATIENCE).unwrap();
    let code = shown
        .split_whitespace()
        .find(|word| word.starts_with("nostrconnect://"))
        .unwrap_or_else(|| panic!("{shown}"));
    // A relay keeps nothing of this kind: a person who was too quick scans again.
    let said = loop {
        runtime.block_on(signer.scan(code)).unwrap();
        if let Ok(line) = login.stdout.recv_timeout(Duration::from_millis(300)) {
            break line;
        }
    };
    assert!(said.contains("remote-signer"), "{said}");
    assert_eq!(login.wait(), Some(0));
    let login = home.run(&["whoami", "--json"]).succeeded().json();
    assert_eq!(login["method"], "remote-signer");
    assert_eq!(login["pubkey"], signer.account().to_hex());
}

#[test]
fn a_login_that_fails_says_what_to_do_and_leaves_nothing() {
    let (runtime, relay) = (runtime(), relay());
    let signer = signer(&relay, &runtime);
    let home = Home::new();
    let nothing = || assert!(!home.data().exists(), "nothing was created");

    let used = signer.bunker_uri();
    Home::new().run(&["login", "--bunker", &used, "-q"]).succeeded();
    home.run(&["login", "--bunker", &used, "-q"])
        .refused(5, "refused");
    nothing();
    let account = "npub10xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqpkge6d";
    home.run(&[
        "login",
        "--account",
        account,
        "--bunker",
        &signer.bunker_uri(),
        "-q",
    ])
    .refused(12, "nothing was changed");
    nothing();
    home.run(&["login", "--bunker", "bunker://nobody", "-q"])
        .refused(2, "64 hex digits");
    nothing();
    home.run_with(&["login", "-q"], &format!("{ENCRYPTED}\nwrong\n"))
        .refused(12, "passphrase");
    nothing();
    home.run_with(&["login", "-q"], ENCRYPTED)
        .refused(2, "--passphrase-file");
    nothing();
    home.run_with(&["login", "-q"], &WORDS.replace("bean", "beam"))
        .refused(2, "misspelled");
    nothing();
}

#[test]
fn what_is_pasted_at_the_wrong_place_is_told_the_right_one() {
    let home = Home::new();
    for (pasted, said) in [
        ("chatkeys1qqqq", "chat-sync key restore"),
        (" BUNKER://abcd?relay=wss://one", "chat-sync login --bunker -"),
        ("nostrconnect://abcd?secret=once", "chat-sync login --qr"),
    ] {
        let login = home.run_with(&["login", "-q"], pasted);
        login.refused(2, said);
        assert!(!login.stderr.contains("once"), "what was pasted is not repeated");
    }
    assert!(!home.data().exists(), "nothing was created");
}

#[test]
fn a_signer_that_refuses_locks_the_history_and_a_sync_after_it_allows_opens_it() {
    let (runtime, relay) = (runtime(), relay());
    let signer = signer(&relay, &runtime);
    let home = Home::new();
    home.run(&["login", "--bunker", &signer.bunker_uri(), "--relay", &relay.url()])
        .succeeded();
    signer.set_behaviour(Behaviour::Denies("not today".to_owned()));
    home.run(&["chats", "send", "talk", "kept meanwhile"]).succeeded();
    let sync = home.run(&["sync", "-q"]);
    sync.refused(5, "not today");
    assert!(sync.stderr.contains("1 message stays"), "{}", sync.stderr);
    assert_eq!(texts(&home, "talk"), ["kept meanwhile"]);
    let status = home.run(&["status", "--json"]).succeeded().json();
    assert_eq!(status["drafts"], 1, "{status}");

    signer.set_behaviour(Behaviour::Approves);
    let report = home.run(&["sync", "--json"]).succeeded().json();
    assert_eq!(
        (&report["complete"], &report["drafts"]),
        (&true.into(), &0.into())
    );
}

#[test]
fn a_page_that_the_signer_wants_opened_is_shown_even_when_quiet() {
    let (runtime, relay) = (runtime(), relay());
    let signer = signer(&relay, &runtime);
    let home = Home::new();
    home.run(&["login", "--bunker", &signer.bunker_uri(), "--relay", &relay.url()])
        .succeeded();
    signer.set_behaviour(Behaviour::AuthUrl {
        url: "https://signer.example/allow".to_owned(),
        then: Some(Duration::from_millis(300)),
    });
    let sync = home.run(&["sync", "-q"]).succeeded();
    assert!(
        sync.stderr.contains("https://signer.example/allow"),
        "{}",
        sync.stderr
    );
}

#[test]
fn words_and_encrypted_keys_log_in_too() {
    for (given, method, public) in [
        (
            WORDS.to_owned(),
            "mnemonic",
            "17162c921dc4d2518f9a101db33695df1afb56ab82f5ff3e5da6eec3ca5cd917",
        ),
        (
            format!("{ENCRYPTED}\nnostr\n"),
            "encrypted-key",
            // The public key of 3501454135…8683.
            &Keys::parse("3501454135014541350145413501453fefb02227e449e57cf4d3a3ce05378683")
                .unwrap()
                .public_key()
                .to_hex(),
        ),
    ] {
        let home = Home::new();
        let login = home.log_in(&given, &[NOBODY]);
        assert_eq!(
            (&login["method"], &login["pubkey"]),
            (&method.into(), &public.into())
        );
        assert_eq!(home.run(&["whoami", "--json"]).succeeded().json(), login);
    }
}

#[test]
fn two_accounts_on_one_machine_never_see_each_other() {
    let home = Home::new();
    let one = home.log_in(SECRET, &[NOBODY]);
    home.run(&["chats", "send", "diary", "of the first"]).succeeded();
    let two = home.log_in(&SECRET.replace("01", "02"), &[NOBODY]);
    let (one, two) = (one["npub"].as_str().unwrap(), two["npub"].as_str().unwrap());

    let conversations = |args: &[&str]| {
        let list = home
            .run(&[&["chats", "list", "--json"], args].concat())
            .succeeded()
            .json();
        list["conversations"].as_array().unwrap().len()
    };
    assert_eq!(conversations(&[]), 0, "the one logged in last");
    assert_eq!(
        conversations(&["--account", &one[..12]]),
        1,
        "the beginning of an npub is enough"
    );
    home.run(&["chats", "send", "diary", "of the second", "--account", two])
        .succeeded();
    assert_eq!(texts(&home, "diary"), ["of the second"]);
    home.run(&["status", "--account", "npub1qqqq"])
        .refused(10, "no account");
    let said = home.run(&["whoami"]).succeeded().stdout;
    assert!(said.contains(&format!("also here   {one}")), "{said}");

    home.run(&["logout", "--force"]).succeeded();
    assert_eq!(home.run(&["whoami", "--json"]).succeeded().json()["npub"], one);
    assert_eq!(
        texts(&home, "diary"),
        ["of the first"],
        "untouched by the other's logout"
    );
    home.log_in(&SECRET.replace("01", "03"), &[NOBODY]);
    home.run(&["logout", "--force", "--account", one]).succeeded();
    home.run(&["chats", "show", "diary", "--account", one])
        .refused(10, "chat-sync login");
}

#[test]
fn a_history_under_nip_pns_is_read_by_a_device_that_writes_the_other_way() {
    let relay = relay();
    let (one, two) = (Home::new(), Home::new());
    let url = relay.url();
    let login = one
        .run_with(
            &["login", "--profile", "nip-pns", "--relay", &url, "--json"],
            SECRET,
        )
        .succeeded()
        .json();
    assert_eq!(login["profile"], "nip-pns");
    two.log_in(SECRET, &[&url]);
    one.run(&["chats", "send", "talk", "as the draft says"])
        .succeeded();
    one.run(&["sync"]).succeeded();
    two.run(&["sync"]).succeeded();
    two.run(&["chats", "send", "talk", "as the web app does"])
        .succeeded();
    two.run(&["sync"]).succeeded();
    one.run(&["sync"]).succeeded();
    for home in [&one, &two] {
        assert_eq!(texts(home, "talk"), ["as the draft says", "as the web app does"]);
    }
    let write_key = |home: &Home| home.run(&["whoami", "--json"]).succeeded().json()["write_key"].clone();
    assert_ne!(write_key(&one), write_key(&two));
}

#[test]
fn sending_before_the_first_sync_costs_no_prompt_whose_answer_is_lost() {
    let (runtime, relay) = (runtime(), relay());
    let signer = signer(&relay, &runtime);
    let laptop = Home::new();
    laptop.log_in(SECRET, &[&relay.url()]);
    laptop.run(&["sync"]).succeeded();
    let phone = Home::new();
    phone
        .run(&["login", "--bunker", &signer.bunker_uri(), "--relay", &relay.url()])
        .succeeded();
    // A person takes a few seconds to approve.
    signer.set_behaviour(Behaviour::AnswersAfter(Duration::from_secs(12)));
    phone.run(&["chats", "send", "talk", "hello"]).succeeded();
    phone.run(&["sync", "-q"]).succeeded();
    let asked = signer.requests();
    let prompts = asked.iter().filter(|method| *method == "nip44_decrypt").count();
    assert_eq!(prompts, 1, "{asked:?}");
}
