//! What is configured, by whom, and what it does.

use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};

use crate::SECRET;
use crate::program::Home;

#[test]
fn config_shows_where_every_value_comes_from() {
    let home = Home::new();
    let path = home.run(&["config", "path"]).succeeded().stdout;
    let file = home.data().join("config.toml");
    assert_eq!(path.trim_end(), file.display().to_string());
    std::fs::create_dir_all(home.data()).unwrap();
    std::fs::write(&file, "log_days = 3\n\n[switches]\nlive = false\n").unwrap();

    let shown = home
        .run(&["config", "show", "--json", "--switch", "auth=off"])
        .succeeded()
        .json();
    assert_eq!(shown["exists"], true);
    let setting = |name: &str| {
        let all = shown["settings"].as_array().unwrap();
        all.iter()
            .find(|setting| setting["name"] == name)
            .unwrap()
            .clone()
    };
    for (name, value, source) in [
        ("switches.live", "false", "file"),
        ("switches.auth", "false", "flag"),
        ("switches.sync", "true", "default"),
        ("log_days", "3", "file"),
        ("log_format", "\"text\"", "default"),
    ] {
        assert_eq!(setting(name)["value"], value, "{name}");
        assert_eq!(setting(name)["source"], source, "{name}");
    }
    let text = home.run(&["config", "show"]).succeeded().stdout;
    assert!(
        text.contains("CHAT_SYNC_LIVE") && text.contains("config.toml"),
        "{text}"
    );

    std::fs::write(&file, "[switches]\nlvie = false\n").unwrap();
    home.run(&["status"]).refused(2, "`switches.lvie`");
}

#[test]
fn what_is_switched_off_is_shown_and_sync_says_who_did() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let home = Home::new();
    home.log_in(SECRET, &[&relay.url()]);
    let file = home.data().join("config.toml");
    std::fs::write(&file, "[switches]\nsync = false\nparts = false\n").unwrap();
    home.run(&["chats", "send", "talk", "hello", "-q"]).succeeded();
    home.run(&["sync", "-q"]).refused(4, "config.toml");
    let text = home.run(&["status"]).succeeded().stdout;
    assert!(text.contains("off       sync, parts"), "{text}");
    let json = home.run(&["status", "--json"]).succeeded().json();
    assert_eq!(json["switches"]["sync"], false);
    assert_eq!(json["switches"]["live"], true);
    home.run(&["sync", "--switch", "sync=on", "-q"]).succeeded();

    std::fs::write(&file, "").unwrap();
    let text = home.run(&["status"]).succeeded().stdout;
    assert!(!text.contains("off   "), "only where something is off: {text}");
}

#[test]
fn how_long_messages_are_kept_is_configured_shown_and_checked() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let home = Home::new();
    home.log_in(SECRET, &[&relay.url()]);
    home.run(&["chats", "send", "talk", "hello"]).succeeded();
    let status = home.run(&["status", "--json"]).succeeded().json();
    assert_eq!(status["switches"]["forget_after_days"], serde_json::Value::Null);
    assert_eq!(status["forgotten"], 0);
    let text = home.run(&["status"]).succeeded().stdout;
    assert!(!text.contains("kept   "), "only where something leaves: {text}");

    let file = home.data().join("config.toml");
    std::fs::write(&file, "[switches]\nforget_after_days = 90\n").unwrap();
    let shown = home.run(&["config", "show", "--json"]).succeeded().json();
    let settings = shown["settings"].as_array().unwrap();
    let setting = settings
        .iter()
        .find(|setting| setting["name"] == "switches.forget_after_days")
        .unwrap();
    assert_eq!(
        (&setting["value"], &setting["source"]),
        (&"90".into(), &"file".into())
    );
    let status = home.run(&["status", "--json"]).succeeded().json();
    assert_eq!(status["switches"]["forget_after_days"], 90);
    let text = home.run(&["status"]).succeeded().stdout;
    assert!(
        text.contains("kept      for 90 days; 0 older messages on relays only"),
        "{text}"
    );
    let report = home.run(&["sync", "--json"]).succeeded().json();
    assert_eq!(report["messages"], 1, "today's message stays: {report}");

    for (flag, said) in [
        ("forget_after_days=0", "from 1 to 36500"),
        ("forget_after_days=on", "from 1 to 36500"),
        ("forget_after=3", "forget_after_days"),
    ] {
        home.run(&["status", "--switch", flag]).refused(2, said);
    }
    for (text, said) in [
        ("0", "is 0, and has to be"),
        ("true", "is true"),
        ("2.5", "is 2.5"),
    ] {
        std::fs::write(&file, format!("[switches]\nforget_after_days = {text}\n")).unwrap();
        home.run(&["status"]).refused(2, said);
    }
    std::fs::write(&file, "[switches]\nforget_after_days = false\n").unwrap();
    let once = home
        .run(&["status", "--json", "--switch", "forget_after_days=7"])
        .succeeded()
        .json();
    assert_eq!(once["switches"]["forget_after_days"], 7);
}

#[test]
fn a_probe_dials_compares_and_moves_nothing() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let (one, two) = (Home::new(), Home::new());
    for home in [&one, &two] {
        home.log_in(SECRET, &[&relay.url()]);
    }
    one.run(&["chats", "send", "talk", "hello"]).succeeded();
    one.run(&["sync"]).succeeded();
    two.run(&["sync"]).succeeded();
    let status = two.run(&["status", "--probe", "--json"]).succeeded().json();
    assert_eq!(status["relays"][0]["state"], "compared", "{status}");
    assert_eq!(status["complete"], true, "{status}");
    assert!(status["bytes_in"].as_u64().unwrap() > 0);
    one.run(&["chats", "send", "talk", "more"]).succeeded();
    one.run(&["sync"]).succeeded();
    let status = two.run(&["status", "--probe", "--json"]).succeeded().json();
    assert_eq!(
        (&status["complete"], &status["messages"]),
        (&false.into(), &1.into())
    );
    let status = two.run(&["status", "--json"]).succeeded().json();
    assert_eq!(
        status["relays"][0]["state"], "off",
        "without it nothing is dialled"
    );
}

#[test]
fn log_lines_are_json_where_that_is_asked_for() {
    let home = Home::new();
    home.log_in(SECRET, &["ws://127.0.0.1:9"]);
    let ended = home.run(&["sync", "-vv", "--log-format", "json", "-q"]);
    let lines: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| !line.starts_with("chat-sync: "))
        .collect();
    assert!(!lines.is_empty(), "{ended:?}");
    for line in lines {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            line["level"].is_string() && line["timestamp"].is_string(),
            "{line}"
        );
    }
}

#[test]
fn a_doctor_finds_what_is_wrong_and_says_what_to_do() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let home = Home::new();
    home.run(&["doctor", "--offline"]).refused(1, "chat-sync login");
    home.log_in(SECRET, &[&relay.url()]);
    home.run(&["chats", "send", "talk", "hello"]).succeeded();
    home.run(&["sync"]).succeeded();
    let report = home.run(&["doctor", "--json"]).succeeded().json();
    assert_eq!(report["healthy"], true, "{report}");
    let state = |name: &str| {
        let checks = report["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == name);
        check.map(|check| check["state"].as_str().unwrap().to_owned())
    };
    for name in [
        "configuration",
        "files",
        "account",
        "store",
        "history key",
        "relay",
    ] {
        assert_eq!(state(name).as_deref(), Some("ok"), "{name}: {report}");
    }
    assert_eq!(state("relays").as_deref(), Some("warning"), "one is few");

    let offline = home.run(&["doctor", "--offline"]).succeeded().stdout;
    assert!(
        offline.contains("skipped") && offline.contains("not dialled"),
        "{offline}"
    );

    let notes = home.data().join("notes");
    std::fs::write(&notes, "anybody may read this").unwrap();
    #[cfg(unix)]
    {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(&notes, open).unwrap();
        home.run(&["doctor", "--offline"]).refused(1, "chmod 600");
    }
}

#[test]
fn shells_and_man_are_told_about_every_command() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = home.run(&["completions", shell]).succeeded().stdout;
        assert!(
            script.contains("doctor") && script.contains("data-dir"),
            "{shell}"
        );
    }
    let page = home.run(&["man"]).succeeded().stdout;
    assert!(page.contains(".TH") && page.contains("doctor"), "{page}");
    let pages = home.data().join("pages");
    let directory = pages.display().to_string();
    home.run(&["man", "--output", &directory]).succeeded();
    for page in ["chat-sync.1", "chat-sync-status.1", "chat-sync-chats-send.1"] {
        assert!(pages.join(page).exists(), "{page}");
    }
}

#[test]
fn a_daemon_keeps_log_files_that_nobody_else_reads() {
    let home = Home::new();
    home.log_in(SECRET, &["ws://127.0.0.1:9"]);
    home.run(&["daemon", "start", "--switch", "parts=off"])
        .succeeded();
    let status = home.run(&["status", "--json"]).succeeded().json();
    assert_eq!(
        status["switches"]["parts"], false,
        "what was said goes to the daemon"
    );
    home.run(&["daemon", "stop"]).succeeded();
    let logs = home.data().join("logs");
    let files: Vec<_> = std::fs::read_dir(&logs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let text = std::fs::read_to_string(&files[0]).unwrap();
    assert!(text.contains("relay{relay=ws://127.0.0.1:9"), "{text}");
    #[cfg(unix)]
    for (path, mode) in [(&logs, 0o700), (&files[0], 0o600)] {
        let found = std::fs::metadata(path).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&found) & 0o777, mode);
    }
}
