//! The demo, scene by scene.

use std::sync::Arc;

use chat_model::Message;
use chat_sync::{ChatUpdate, MessageId, SyncReport};
use event_index::Basis;
use futures_util::StreamExt;
use reconciler::Method;
use relay_lab::Fault;
use supervision::Clock;

use super::compare::{Outcome, compare};
use super::device::Device;
use super::history;
use super::stage::Stage;
use super::story::Story;
use super::victim::Victim;
use crate::exit::Failure;
use crate::output::plural;

const LAPTOP: usize = 0;
const PHONE: usize = 1;
/// A conversation that is written during the demo.
const TALK: &str = "weekend-plans";
/// Answers to wait for before an upload counts as being in the middle.
const MIDDLE: u64 = 3;

/// What the end came to.
pub(super) struct Compared {
    pub(super) outcome: Outcome,
    pub(super) stage: Stage,
    pub(super) devices: Vec<Device>,
}

pub(super) struct Play {
    stage: Stage,
    story: Story,
    clock: Arc<dyn Clock>,
    devices: Vec<Device>,
    /// The last line of the conversation, on which everybody agrees.
    question: Option<MessageId>,
}

impl Play {
    pub(super) fn new(stage: Stage, story: Story, clock: Arc<dyn Clock>) -> Self {
        Self {
            stage,
            story,
            clock,
            devices: Vec::new(),
            question: None,
        }
    }

    pub(super) async fn an_old_history_moves_in(&mut self, messages: usize) -> Result<(), Failure> {
        self.story.scene("An old history moves in");
        let laptop = self.device("laptop", true)?;
        let history = self.history(1, messages)?;
        let report = laptop.import(history).await?;
        self.story.done(&format!(
            "laptop: new account; {} imported from an old export",
            count(report.added)
        ));
        self.story
            .doing("laptop: looks for a key at the relay, makes one, and sends everything");
        let report = laptop.get_level().await?;
        self.story.done(&format!(
            "laptop: everything is on the relay, sealed ({})",
            sent(&report)
        ));
        self.devices.push(laptop);
        Ok(())
    }

    pub(super) async fn a_second_device(&mut self) -> Result<(), Failure> {
        self.story.scene("A second device");
        let phone = self.device("phone", true)?;
        self.story
            .doing("phone: same key, nothing else; compares with the relay");
        let report = phone.get_level().await?;
        self.story
            .done(&format!("phone: has it all ({})", received(&report)));
        let again = phone
            .import(history::messages(&history::export(1, self.stage.expected.len()))?)
            .await?;
        self.story.done(&format!(
            "phone: importing the same file again adds {}, {} known",
            again.added, again.known
        ));
        let report = phone.get_level().await?;
        self.story
            .done(&format!("phone: a second sync costs {}", cost(&report)));
        self.devices.push(phone);

        let mut updates = std::pin::pin!(self.devices[PHONE].handle.updates());
        let text = "Shall we go hiking on Saturday?";
        let began = self.clock.now();
        let question = self.devices[LAPTOP].write(TALK, text, None).await?;
        self.stage.expect_text(TALK, text);
        let seen = async {
            while let Some(update) = updates.next().await {
                if matches!(&update, ChatUpdate::Landed(messages) if messages.iter().any(|m| m.content == text))
                {
                    return true;
                }
            }
            false
        };
        let patience = std::time::Duration::from_secs(30);
        if !tokio::time::timeout(patience, seen).await.unwrap_or(false) {
            return Err(Failure::Failed(
                "the phone did not see the laptop's message".to_owned(),
            ));
        }
        let taken = self.clock.now().saturating_duration_since(began).as_millis();
        self.story.done(&format!(
            "laptop writes a message; it is on the phone {taken} ms later"
        ));
        self.question = Some(question);
        Ok(())
    }

    pub(super) async fn the_network_is_cut(&mut self) -> Result<(), Failure> {
        self.story.scene("The network is cut, and both go on writing");
        self.stage.proxy.cut();
        self.stage.proxy.idle().await;
        let question = self.devices[PHONE]
            .read(TALK)
            .await?
            .branch
            .last()
            .map(|message| message.id);
        for (device, texts) in [
            (
                LAPTOP,
                [
                    "Saturday it is. [laptop]",
                    "I bring the map. [laptop]",
                    "And cake. [laptop]",
                ],
            ),
            (
                PHONE,
                [
                    "Better on Sunday? [phone]",
                    "It may rain on Saturday. [phone]",
                    "I ask the others. [phone]",
                ],
            ),
        ] {
            // Both answer the same message, each on its own name for it.
            let mut parent = if device == LAPTOP { self.question } else { question };
            for text in texts {
                self.stage.expect_text(TALK, text);
                parent = Some(self.devices[device].write(TALK, text, parent).await?);
            }
        }
        for device in &self.devices {
            device
                .until("its messages waited", |status| status.counts.waiting == 3)
                .await?;
        }
        self.story
            .done("offline: laptop wrote 3 messages, phone 3; all wait on their disks");
        self.stage.proxy.heal();
        self.story
            .doing("the network is back; both reconnect by themselves");
        let expected = self.stage.expected.len() as u64;
        for device in &self.devices {
            device
                .until("everything was there", |status| {
                    status.counts.messages == expected && status.counts.waiting == 0
                })
                .await?;
        }
        let view = self.devices[PHONE].read(TALK).await?;
        let versions = view
            .branch
            .iter()
            .map(|message| message.versions)
            .max()
            .unwrap_or(0);
        self.story.done(&format!(
            "network back: all 6 are on both; the two answers are {versions} versions"
        ));
        Ok(())
    }

    pub(super) async fn a_device_is_killed(&mut self, messages: usize) -> Result<(), Failure> {
        self.story.scene("A device is killed in the middle of an upload");
        let desktop = self.device("desktop", false)?;
        let history = self.history(2, messages)?;
        let total = desktop.import(history).await?.added;
        desktop.stop().await;
        self.story.done(&format!(
            "desktop: {} from another old export, not sent yet",
            count(total)
        ));

        let (before, answered) = (self.stage.envelopes().await?, self.stage.answered());
        self.story
            .doing("desktop: `chat-sync sync` in a process of its own");
        let mut victim = Victim::sync(&self.stage.root().join("desktop"))?;
        self.stage.uploading(answered, MIDDLE, || victim.ended()).await?;
        victim.kill();
        let taken = self.stage.envelopes().await?.saturating_sub(before);
        self.story.done(&format!(
            "desktop: killed without warning; the relay had {taken} of {total}"
        ));

        self.story.doing("desktop: starts again");
        let desktop = self.device("desktop", true)?;
        desktop.get_level().await?;
        self.story
            .done("desktop: started again; the rest followed, nothing lost, nothing twice");
        self.devices.push(desktop);
        Ok(())
    }

    pub(super) async fn the_relay_restarts(mut self, messages: usize) -> Result<Self, Failure> {
        self.story.scene("The relay restarts in the middle of an upload");
        let history = self.history(3, messages)?;
        let (before, answered) = (self.stage.envelopes().await?, self.stage.answered());
        let total = self.devices[LAPTOP].import(history).await?.added;
        self.story.doing(format!("laptop: sends {} more", count(total)));
        self.stage.uploading(answered, MIDDLE, || false).await?;
        self.stage = self.stage.restart_relay().await?;
        let taken = self.stage.envelopes().await?.saturating_sub(before);
        self.story.done(&format!(
            "relay: restarted when it had {taken} of {total} from the laptop"
        ));
        self.story.doing("every device reconnects by itself");
        for device in &self.devices {
            device.get_level().await?;
        }
        self.story
            .done("everybody reconnected by themselves, and the rest followed");
        Ok(self)
    }

    pub(super) async fn the_relay_refuses_to_compare(&mut self) -> Result<(), Failure> {
        self.story.scene("The relay refuses to compare sets (no NIP-77)");
        self.stage.proxy.set_fault(Fault::RefusesNeg);
        let tablet = self.device("tablet", true)?;
        self.story
            .doing("tablet: same key; reads the relay page by page instead");
        let report = tablet.get_level().await?;
        self.stage.proxy.set_fault(Fault::None);
        if report
            .relays
            .iter()
            .any(|relay| relay.method != Some(Method::Paging))
        {
            return Err(Failure::Failed(
                "the tablet did not fall back to pages".to_owned(),
            ));
        }
        self.story.done(&format!(
            "tablet: has it all, by pages ({}); it claims to be level, and does not call it proven",
            received(&report)
        ));
        self.devices.push(tablet);
        Ok(())
    }

    pub(super) async fn everything_is_compared(mut self) -> Result<Compared, Failure> {
        self.story.scene("Everything is compared");
        self.story.doing("every device syncs once more");
        let mut proven = 0;
        for device in &self.devices {
            let report = device.get_level().await?;
            proven += usize::from(
                report
                    .relays
                    .iter()
                    .all(|relay| relay.basis == Some(Basis::Fingerprint)),
            );
        }
        let devices = self.devices.len();
        self.story.done(&format!(
            "all {devices} devices are level with the relay, {proven} of them by fingerprint"
        ));
        let outcome = compare(&self.stage, &self.devices).await?;
        if outcome.converged {
            self.story.done(&format!(
                "opened and counted: {} put in; each device and the relay hold exactly those",
                count(self.stage.expected.len())
            ));
        }
        Ok(Compared {
            outcome,
            stage: self.stage,
            devices: self.devices,
        })
    }

    fn device(&self, name: &'static str, online: bool) -> Result<Device, Failure> {
        Device::start(
            name,
            &self.stage.root(),
            &self.stage.secret,
            &self.stage.url,
            online,
        )
    }

    /// A part of the history, which every device must have in the end.
    fn history(&mut self, part: u64, messages: usize) -> Result<Vec<Message>, Failure> {
        let history = history::messages(&history::export(part, messages))?;
        self.stage.expect(&history);
        Ok(history)
    }
}

fn count(messages: usize) -> String {
    plural(messages as u64, "message")
}

fn sent(report: &SyncReport) -> String {
    let sent: u64 = report.relays.iter().map(|relay| relay.sent).sum();
    format!("{sent} sent, {}", rounds(report))
}

fn received(report: &SyncReport) -> String {
    let received: u64 = report.relays.iter().map(|relay| relay.received).sum();
    format!("{received} received, {}", rounds(report))
}

fn cost(report: &SyncReport) -> String {
    let bytes: u64 = report
        .relays
        .iter()
        .map(|relay| relay.bytes_in + relay.bytes_out)
        .sum();
    format!("{} and {bytes} bytes", rounds(report))
}

fn rounds(report: &SyncReport) -> String {
    let rounds = report
        .relays
        .iter()
        .map(|relay| u64::from(relay.rounds))
        .max()
        .unwrap_or(0);
    let paged = report
        .relays
        .iter()
        .any(|relay| relay.method == Some(Method::Paging));
    plural(rounds, if paged { "page" } else { "round trip" })
}
