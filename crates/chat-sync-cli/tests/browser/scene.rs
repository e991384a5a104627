//! A relay, a device with its daemon, and a tab that shows the page.

use std::fs;

use nostr::event::{EventBuilder, FinalizeEvent, Kind};
use nostr::key::Keys;
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig, Fault, Proxy};
use serde_json::Value;

use crate::SECRET;
use crate::chromium::Chromium;
use crate::page::Page;
use crate::program::{Home, Running};

/// A relay, and the door before it, which a test opens and closes.
pub(crate) struct Relay {
    relay: EmbeddedRelay,
    pub(crate) door: Proxy,
}

impl Relay {
    pub(crate) fn new() -> Self {
        let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
        let door = Proxy::start(&relay.url(), Fault::None).unwrap();
        Self { relay, door }
    }

    pub(crate) fn url(&self) -> String {
        self.door.url()
    }

    /// Another program's event, where a keyring would be.
    pub(crate) async fn put_a_keyring_that_nobody_opens(&self) {
        let keys = Keys::parse(SECRET).unwrap();
        let foreign = EventBuilder::new(Kind::from(1081), "for another program")
            .finalize(&keys)
            .unwrap();
        self.relay.put(&[foreign]).await.unwrap();
    }
}

/// A device whose daemon runs.
pub(crate) struct Device {
    pub(crate) home: Home,
    daemon: Option<Running>,
    /// The page, without its token.
    pub(crate) url: String,
    pub(crate) token: String,
}

impl Device {
    /// A daemon over what is in the home already.
    pub(crate) fn start(home: Home) -> Self {
        let daemon = home.start(&["daemon", "run", "--port", "0", "--json"]);
        let told: Value = serde_json::from_str(&daemon.line()).unwrap();
        let record = fs::read(home.data().join("daemon.json")).unwrap();
        let record: Value = serde_json::from_slice(&record).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            home,
            daemon: Some(daemon),
            url: text(&told["url"]),
            token: text(&record["token"]),
        }
    }

    /// Ends the daemon without a warning.
    pub(crate) fn kill_daemon(&mut self) {
        self.daemon.take().unwrap().kill();
    }

    /// The page's address, with what lets it in.
    pub(crate) fn address(&self) -> String {
        format!("{}#token={}", self.url, self.token)
    }

    /// Runs a command, which must succeed.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Value {
        let args = [&["--json"], args].concat();
        self.home.run(&args).succeeded().json()
    }

    /// A tab of a usual size, with the page in it.
    pub(crate) async fn open(&self, browser: &Chromium) -> Page {
        let page = browser.tab(1180, 760).await;
        page.go(&self.address()).await;
        page
    }
}

/// A device that is logged in and has been level with these relays.
pub(crate) fn logged_in(relays: &[&Relay]) -> Home {
    let home = Home::new();
    let urls: Vec<String> = relays.iter().map(|relay| relay.url()).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    home.log_in(SECRET, &urls);
    home.run(&["sync"]).succeeded();
    home
}
