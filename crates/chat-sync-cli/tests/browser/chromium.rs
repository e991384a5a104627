//! A browser of our own: no window, a fresh profile, nothing it does by itself.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::devtools::DevTools;
use crate::page::Page;

/// What the program is called where it is installed.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
];
/// Starting takes a second; on a loaded machine several.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether it has started.
const LOOK: Duration = Duration::from_millis(50);
const ARGUMENTS: [&str; 14] = [
    "--headless",
    // Tests run as root in containers, where the sandbox cannot be set up. All pages are our own.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--lang=en-GB",
    "--remote-debugging-port=0",
    "about:blank",
];

/// Ends with the value.
pub(crate) struct Chromium {
    process: Child,
    devtools: DevTools,
    _profile: TempDir,
}

impl Chromium {
    /// `None`, and a line on stderr, where no browser is installed and none is required.
    pub(crate) async fn start() -> Option<Self> {
        let Some(program) = installed() else {
            assert!(
                env::var_os("CHAT_SYNC_BROWSER").is_none_or(|wish| wish != "required"),
                "CHAT_SYNC_BROWSER=required, and no Chromium is installed (looked for {NAMES:?})"
            );
            eprintln!("left out: no Chromium is installed (looked for {NAMES:?})");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let process = Command::new(program)
            .args(ARGUMENTS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            // Times in pictures and labels are the same everywhere.
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = tokio::time::timeout(START_PATIENCE, listening(profile.path()))
            .await
            .expect("Chromium listens in time");
        Some(Self {
            process,
            devtools: DevTools::connect(&address).await,
            _profile: profile,
        })
    }

    /// A tab, `width` and `height` pixels large.
    pub(crate) async fn tab(&self, width: u32, height: u32) -> Page {
        Page::open(&self.devtools, width, height).await
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn installed() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let places: Vec<PathBuf> = env::split_paths(&path).collect();
    let candidates = NAMES
        .iter()
        .flat_map(|name| places.iter().map(move |place| place.join(name)));
    candidates.into_iter().find(|file| file.is_file())
}

/// The websocket that it writes down in its profile once it listens.
async fn listening(profile: &Path) -> String {
    let file = profile.join("DevToolsActivePort");
    loop {
        if let Ok(text) = std::fs::read_to_string(&file)
            && let Some((port, path)) = text.trim_end().split_once('\n')
        {
            return format!("ws://127.0.0.1:{port}{path}");
        }
        tokio::time::sleep(LOOK).await;
    }
}
