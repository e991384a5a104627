//! One device of the demo: a data directory, and an engine over it.

use std::path::Path;
use std::time::Duration;

use chat_model::Message;
use chat_sync::{
    Account, ConversationView, DataDir, Engine, Env, Handle, ImportReport, Login, LoginMethod, MessageId,
    NewMessage, RelayState, RelayUrl, Status, SyncReport,
};
use futures_util::StreamExt;
use pns_keys::DeviceSecret;

use crate::exit::Failure;

/// How long any one step may take. A slow machine needs seconds; after this, something is wrong.
const STEP_PATIENCE: Duration = Duration::from_secs(90);
/// Between two tries to get level, so that a relay that just comes back is not asked without end.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Device {
    pub(super) name: &'static str,
    pub(super) account: Account,
    pub(super) handle: Handle,
}

impl Device {
    /// Logs the account in and starts an engine, online or not.
    pub(super) fn start(
        name: &'static str,
        root: &Path,
        secret: &DeviceSecret,
        relay: &RelayUrl,
        online: bool,
    ) -> Result<Self, Failure> {
        let env = Env::production();
        let dir = DataDir::new(root.join(name));
        let login = Login::with_key(secret.clone(), LoginMethod::RawKey);
        let account = dir.login(&login, std::slice::from_ref(relay), &env.runtime.entropy)?;
        let handle = Engine::start_with(account.config(online), env)?;
        Ok(Self {
            name,
            account,
            handle,
        })
    }

    /// Stops the engine and lets go of the store.
    pub(super) async fn stop(self) {
        self.handle.shutdown().await;
    }

    pub(super) async fn import(&self, messages: Vec<Message>) -> Result<ImportReport, Failure> {
        Ok(self.handle.import(messages, |_| {}).await?)
    }

    /// Writes a message as the person at this device.
    pub(super) async fn write(
        &self,
        conversation: &str,
        text: &str,
        parent: Option<MessageId>,
    ) -> Result<MessageId, Failure> {
        let mut new = NewMessage::user(conversation, text);
        new.parent = parent;
        Ok(self.handle.send(new).await?.id)
    }

    pub(super) async fn read(&self, conversation: &str) -> Result<ConversationView, Failure> {
        Ok(self.handle.conversation(conversation).await?)
    }

    /// Waits for a status.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&Status) -> bool) -> Result<(), Failure> {
        let wait = async {
            let mut statuses = std::pin::pin!(self.handle.watch_status());
            while let Some(status) = statuses.next().await {
                if holds(&status) {
                    return true;
                }
            }
            false
        };
        match tokio::time::timeout(STEP_PATIENCE, wait).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::Failed(format!(
                "the {} stopped before {what}",
                self.name
            ))),
            Err(_) => Err(Failure::Failed(format!(
                "the {} waited in vain until {what}; it says: {:?}",
                self.name,
                self.handle.status()
            ))),
        }
    }

    /// Syncs until this device and the relay are level.
    pub(super) async fn get_level(&self) -> Result<SyncReport, Failure> {
        let mut last = None;
        let tries = async {
            loop {
                self.until("its relay could be reached", |status| {
                    status.relays.iter().all(reached)
                })
                .await?;
                let report = self.handle.sync().await?;
                if report.complete {
                    return Ok(report);
                }
                last = Some(report);
                tokio::time::sleep(PAUSE).await;
            }
        };
        let level = tokio::time::timeout(STEP_PATIENCE, tries).await;
        level.unwrap_or_else(|_| {
            Err(Failure::Failed(format!(
                "the {} did not get level with the relay; last report: {last:?}",
                self.name
            )))
        })
    }
}

fn reached(relay: &status::RelayStatus) -> bool {
    !matches!(
        relay.state,
        RelayState::Off | RelayState::Connecting | RelayState::Waiting { .. }
    )
}
