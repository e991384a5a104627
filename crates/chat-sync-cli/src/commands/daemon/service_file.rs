//! What a service manager reads: a systemd user unit, and a launchd property list.

use std::path::Path;

/// What the daemon is started with.
pub(super) struct Started<'a> {
    pub(super) program: &'a Path,
    pub(super) data_dir: &'a Path,
    /// Where its configuration file is, when that is elsewhere: switches that are turned are kept there.
    pub(super) config_dir: Option<&'a Path>,
    /// The account, when it was named.
    pub(super) account: Option<String>,
}

impl Started<'_> {
    fn words(&self) -> Vec<String> {
        let mut words = vec![
            self.program.display().to_string(),
            "--data-dir".to_owned(),
            self.data_dir.display().to_string(),
        ];
        if let Some(account) = &self.account {
            words.extend(["--account".to_owned(), account.clone()]);
        }
        words.extend(["daemon".to_owned(), "run".to_owned()]);
        words
    }
}

/// A unit for `systemd --user`. It may write to the data directory and to that of its configuration, has no way to more rights, and is
/// started again when it fails, unless it would fail again for the same reason (exit codes 2, 11 and 12).
pub(super) fn unit(started: &Started<'_>) -> String {
    let command: Vec<String> = started.words().iter().map(|word| command_word(word)).collect();
    let mut writes = unit_word(&started.data_dir.display().to_string());
    if let Some(config) = started.config_dir {
        // One that is gone is no reason not to start.
        writes.push(' ');
        writes.push_str(&unit_word(&format!("-{}", config.display())));
    }
    format!(
        "[Unit]
Description=Chat Sync keeps a private AI-chat history level with its relays

[Service]
Type=exec
ExecStart={command}
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=2 11 12
TimeoutStopSec=15
UMask=0077
NoNewPrivileges=yes
PrivateUsers=yes
PrivateTmp=yes
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={writes}
ProtectControlGroups=yes
ProtectKernelTunables=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=default.target
",
        command = command.join(" ")
    )
}

/// A word of a unit: quoted, with what would be a specifier doubled.
fn unit_word(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{escaped}\"")
}

/// In a command, what would be a variable is doubled as well.
fn command_word(word: &str) -> String {
    unit_word(word).replace('$', "$$")
}

/// The name of the agent.
pub(super) const LABEL: &str = "com.routstr.chat-sync";

/// An agent for launchd, which has no sandbox of this kind.
pub(super) fn property_list(started: &Started<'_>, log: &Path) -> String {
    let word = |word: &String| format!("    <string>{}</string>\n", xml(word));
    let words: String = started.words().iter().map(word).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">
<plist version=\"1.0\">
<dict>
  <key>Label</key>
  <string>{LABEL}</string>
  <key>ProgramArguments</key>
  <array>
{words}  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>10</integer>
  <key>ExitTimeOut</key>
  <integer>15</integer>
  <key>ProcessType</key>
  <string>Background</string>
  <key>Umask</key>
  <integer>63</integer>
  <key>StandardErrorPath</key>
  <string>{log}</string>
</dict>
</plist>
",
        log = xml(&log.display().to_string())
    )
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(data_dir: &Path) -> Started<'_> {
        Started {
            program: Path::new("/opt/chat sync/bin/chat-sync"),
            data_dir,
            config_dir: None,
            account: Some("npub1x".to_owned()),
        }
    }

    #[test]
    fn a_path_is_one_word_of_a_unit_whatever_is_in_it() {
        let unit = unit(&started(Path::new("/home/a b/50%/$HOME/\"x\"")));
        let line = |name: &str| unit.lines().find(|line| line.starts_with(name)).unwrap();
        assert_eq!(
            line("ExecStart="),
            "ExecStart=\"/opt/chat sync/bin/chat-sync\" \"--data-dir\" \"/home/a b/50%%/$$HOME/\\\"x\\\"\" \
             \"--account\" \"npub1x\" \"daemon\" \"run\""
        );
        assert_eq!(
            line("ReadWritePaths="),
            "ReadWritePaths=\"/home/a b/50%%/$HOME/\\\"x\\\"\""
        );
    }

    #[test]
    fn a_configuration_that_lies_elsewhere_can_be_written() {
        let started = Started {
            config_dir: Some(Path::new("/home/a b/.config/chat-sync")),
            ..started(Path::new("/home/a b/data"))
        };
        let line = "\nReadWritePaths=\"/home/a b/data\" \"-/home/a b/.config/chat-sync\"\n";
        assert!(unit(&started).contains(line), "{}", unit(&started));
    }

    #[test]
    fn a_property_list_names_each_word() {
        let list = property_list(
            &started(Path::new("/Users/a & b")),
            Path::new("/Users/a & b/daemon.log"),
        );
        for word in [
            "/opt/chat sync/bin/chat-sync",
            "--data-dir",
            "/Users/a &amp; b",
            "daemon",
            "run",
            "/Users/a &amp; b/daemon.log",
            LABEL,
        ] {
            assert!(
                list.contains(&format!("<string>{word}</string>")),
                "{word}: {list}"
            );
        }
        let (open, closed) = (list.matches("<dict>").count(), list.matches("</dict>").count());
        assert_eq!((open, closed), (2, 2));
    }
}
