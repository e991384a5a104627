//! Where the demo plays: a relay, a proxy in front of it, a directory for everybody, and what must come of it all.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chat_model::Message;
use chat_sync::RelayUrl;
use nostr::event::{Event, Kind};
use pns_keys::{DeviceSecret, ENVELOPE};
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig, Fault, Proxy};
use tempfile::TempDir;

use crate::exit::Failure;

/// How often the proxy's counters are looked at: it has nobody to tell.
const LOOK: Duration = Duration::from_millis(1);
/// How long an upload may take to begin: a device looks for its key first, twice 2 s apart.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(60);

/// Every message by conversation and text; texts are made so that each occurs once.
pub(super) type Texts = BTreeSet<(String, String)>;

pub(super) struct Stage {
    /// The account of every device.
    pub(super) secret: DeviceSecret,
    /// In front of the relay. Everybody dials it.
    pub(super) proxy: Proxy,
    /// Where the proxy listens.
    pub(super) url: RelayUrl,
    /// What every device must hold in the end.
    pub(super) expected: Texts,
    relay: EmbeddedRelay,
    /// Declared last, because it is removed last.
    directory: TempDir,
}

impl Stage {
    pub(super) fn set(secret: DeviceSecret) -> Result<Self, Failure> {
        let directory = tempfile::Builder::new()
            .prefix("chat-sync-demo-")
            .tempdir()
            .map_err(|error| {
                Failure::Failed(format!(
                    "no temporary directory could be made: {error}; set TMPDIR to a writable one"
                ))
            })?;
        let relay = EmbeddedRelay::start(config(0, directory.path()))?;
        let proxy = Proxy::start(&relay.url(), Fault::None)?;
        let url = proxy
            .url()
            .parse()
            .map_err(|error| Failure::Failed(format!("{error}")))?;
        Ok(Self {
            secret,
            proxy,
            url,
            expected: Texts::new(),
            relay,
            directory,
        })
    }

    /// Under this, each device has its data directory.
    pub(super) fn root(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// From now on every device must end up with these.
    pub(super) fn expect(&mut self, messages: &[Message]) {
        let texts = messages
            .iter()
            .map(|message| (message.conversation.clone(), message.content.raw().to_owned()));
        self.expected.extend(texts);
    }

    /// From now on every device must end up with this.
    pub(super) fn expect_text(&mut self, conversation: &str, text: &str) {
        self.expected.insert((conversation.to_owned(), text.to_owned()));
    }

    /// What the relay holds of a kind, read past its front door.
    pub(super) async fn events(&self, kind: Kind) -> Result<Vec<Event>, Failure> {
        Ok(self.relay.events(&[kind], &[]).await?)
    }

    /// How many envelopes the relay holds.
    pub(super) async fn envelopes(&self) -> Result<usize, Failure> {
        Ok(self.relay.count_events(&[ENVELOPE], &[]).await?)
    }

    /// How many uploads the relay has answered.
    pub(super) fn answered(&self) -> u64 {
        self.proxy.tally().down_of("OK").frames
    }

    /// Returns once the relay has answered `more` uploads than `before`, or `over` says that there is no more to wait
    /// for.
    pub(super) async fn uploading(
        &self,
        before: u64,
        more: u64,
        mut over: impl FnMut() -> bool,
    ) -> Result<(), Failure> {
        let wait = async {
            while self.answered() < before + more && !over() {
                tokio::time::sleep(LOOK).await;
            }
        };
        let waited = tokio::time::timeout(UPLOAD_PATIENCE, wait).await;
        waited.map_err(|_| Failure::Failed("an upload did not begin in time".to_owned()))
    }

    /// Stops the relay and starts it again on the same port, with the events it kept.
    pub(super) async fn restart_relay(self) -> Result<Self, Failure> {
        let Self {
            secret,
            proxy,
            url,
            expected,
            relay,
            directory,
        } = self;
        let port = relay.port();
        relay.shutdown().await;
        let relay = EmbeddedRelay::start(config(port, directory.path()))?;
        Ok(Self {
            secret,
            proxy,
            url,
            expected,
            relay,
            directory,
        })
    }
}

fn config(port: u16, root: &Path) -> EmbeddedRelayConfig {
    EmbeddedRelayConfig {
        port,
        data: Some(root.join("relay")),
        ..EmbeddedRelayConfig::default()
    }
}
