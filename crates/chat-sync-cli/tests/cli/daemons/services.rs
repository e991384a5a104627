//! The files of service managers.

use crate::program::Home;

#[test]
fn the_systemd_unit_is_one_and_lets_the_daemon_do_little() {
    let home = Home::new();
    let installed = home.run(&["daemon", "install", "--json"]).succeeded().json();
    let path = installed["path"].as_str().unwrap();
    assert!(path.ends_with(".config/systemd/user/chat-sync.service"), "{path}");
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(text, installed["text"].as_str().unwrap());
    for line in [
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "PrivateTmp=yes",
        "MemoryDenyWriteExecute=yes",
        "UMask=0077",
        "Restart=on-failure",
        &format!("ReadWritePaths=\"{}\"", home.data().display()),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert!(home.data().is_dir(), "it may write there and could not make it");
    let verified = std::process::Command::new("systemd-analyze")
        .args(["--user", "verify", path])
        .env("XDG_RUNTIME_DIR", home.data())
        .output();
    // Where there is no systemd, there is nobody to ask.
    if let Ok(verified) = verified {
        let said = String::from_utf8_lossy(&verified.stderr);
        assert!(verified.status.success() && said.is_empty(), "{said}");
    }
}

#[test]
fn an_agent_of_launchd_is_shown_anywhere() {
    let home = Home::new();
    let shown = home
        .run(&["daemon", "install", "--launchd", "--print"])
        .succeeded();
    assert!(shown.stdout.starts_with("<?xml"), "{shown:?}");
    assert!(shown.stdout.contains("<string>daemon</string>"), "{shown:?}");
    assert!(!home.data().exists(), "nothing was written");
}

#[test]
fn what_a_daemon_said_in_the_background_is_shown() {
    let home = Home::new();
    home.run(&["daemon", "logs"]).refused(1, "could not be read");
    home.run(&["daemon", "start", "-v"]).succeeded();
    let said = home.run(&["daemon", "logs", "-n", "5"]).succeeded();
    assert!(said.stdout.lines().count() <= 5, "{said:?}");
    home.run(&["daemon", "stop"]).succeeded();
}
