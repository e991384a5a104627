//! `login`, `whoami`, `logout`.

use crate::program::Home;
use crate::{NOBODY, SECRET};

#[test]
fn a_key_on_stdin_logs_in_and_whoami_says_the_same() {
    let home = Home::new();
    let login = home.log_in(&format!("  {SECRET}\n"), &[NOBODY]);
    assert!(login["npub"].as_str().unwrap().starts_with("npub1"), "{login}");
    assert_eq!(login["pubkey"].as_str().unwrap().len(), 64);
    assert_eq!(login["method"], "raw-key");
    assert!(login["write_key"].is_null(), "no relay was asked for one yet");
    assert_eq!(home.run(&["--json", "whoami"]).succeeded().json(), login);
}

#[test]
fn a_key_file_logs_in_too() {
    let home = Home::new();
    let file = home.file("key", &format!("{SECRET}\n"));
    let login = home
        .run(&["login", "--key-file", file.to_str().unwrap(), "--json"])
        .succeeded()
        .json();
    assert_eq!(login, home.run(&["whoami", "--json"]).succeeded().json());
    assert_eq!(login["relays"].as_array().unwrap().len(), 3, "the defaults");
}

#[test]
fn a_new_account_shows_its_secret_once_on_stderr() {
    let home = Home::new();
    let login = home.run(&["login", "--new", "--json", "-q"]).succeeded();
    let shown: Vec<&str> = login
        .stderr
        .lines()
        .filter(|line| line.contains("nsec1"))
        .collect();
    assert_eq!(shown.len(), 1, "{}", login.stderr);
    assert!(!login.stdout.contains("nsec1"), "{}", login.stdout);

    let nsec = shown[0]
        .split_whitespace()
        .find(|word| word.starts_with("nsec1"))
        .unwrap();
    let elsewhere = Home::new();
    assert_eq!(
        elsewhere.log_in(nsec, &[])["npub"],
        login.json()["npub"],
        "it is the account's key"
    );
}

#[test]
fn a_secret_that_was_given_is_never_printed_even_when_logging() {
    let home = Home::new();
    for args in [
        &["login", "-vv"][..],
        &["whoami", "-vv"],
        &["sync", "-vv", "--relay", NOBODY],
        &["status", "-vv"],
    ] {
        let ended = home.run_with(args, SECRET);
        for text in [&ended.stdout, &ended.stderr] {
            assert!(
                !text.contains(SECRET) && !text.contains("nsec1"),
                "{args:?}: {text}"
            );
        }
    }
}

#[test]
fn nothing_readable_is_on_disk() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    home.run(&[
        "chats",
        "send",
        "secret-talk",
        "a sentence that nobody may read",
        "-q",
    ])
    .succeeded();
    for (path, bytes) in home.snapshot() {
        for hidden in [
            SECRET.as_bytes(),
            b"nsec1",
            b"secret-talk",
            b"nobody may read",
            b"127.0.0.1",
        ] {
            let found = bytes.windows(hidden.len()).any(|window| window == hidden);
            assert!(
                !found,
                "{} holds `{}`",
                path.display(),
                String::from_utf8_lossy(hidden)
            );
        }
    }
}

#[test]
fn logging_out_erases_everything_but_not_what_would_be_lost() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    home.run(&["chats", "send", "talk", "not sent yet"]).succeeded();
    home.run(&["logout"]).refused(1, "--force");
    home.run(&["logout", "--force"]).succeeded();
    assert!(
        home.snapshot().is_empty(),
        "{:?}",
        home.snapshot().iter().map(|(path, _)| path).collect::<Vec<_>>()
    );
    home.run(&["whoami"]).refused(10, "chat-sync login");
}
