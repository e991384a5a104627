//! What a device goes through, one program at a time, and what must be true in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chat_sync::Account;
use event_index::LocalId;
use nostr::event::{Event, EventId, Kind};
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};
use serde_json::Value;

use crate::program::{Device, Ended};
use crate::template::{SECRET, Templates, chat, content};

/// A stretch of a device's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scene {
    /// A new account: login, import, and the first keyring.
    FirstKey,
    /// A second device: login, everything comes in, then a deletion; its list of relays changes.
    Phone,
    /// Import, upload, two messages written by hand.
    Day,
    /// More drafts than one sealing batch holds.
    Many,
    /// A relay that has nothing yet.
    SecondRelay,
    /// A second device: everything comes in, most of it is forgotten, and comes again.
    OldLaptop,
}

/// One program, or one thing that happens meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Login,
    Import,
    Sync,
    /// Keeps what is at most a day old.
    Forget,
    Send(&'static str),
    /// Another device deletes a message; no program of this one runs.
    Deletion,
    AddRelay,
    RemoveRelay,
}

/// Nobody listens there; it is only ever on a list.
const ELSEWHERE: &str = "ws://127.0.0.1:9";

impl Scene {
    pub(crate) const ALL: [Self; 6] = [
        Self::FirstKey,
        Self::Phone,
        Self::Day,
        Self::Many,
        Self::SecondRelay,
        Self::OldLaptop,
    ];

    pub(crate) fn phases(self) -> &'static [Phase] {
        use Phase::{AddRelay, Deletion, Forget, Import, Login, RemoveRelay, Send, Sync};
        match self {
            Self::FirstKey => &[Login, Import, Sync],
            Self::Phone => &[Login, Sync, Deletion, Sync, AddRelay, RemoveRelay],
            Self::Day => &[
                Import,
                Sync,
                Send("written by hand"),
                Send("and another one"),
                Sync,
            ],
            Self::Many => &[Import, Sync],
            Self::SecondRelay => &[Sync],
            Self::OldLaptop => &[Login, Sync, Forget, Sync],
        }
    }

    /// Conversations, and messages in each.
    pub(crate) fn size(self) -> (usize, usize) {
        match self {
            Self::FirstKey => (1, 2),
            Self::Phone | Self::Day | Self::SecondRelay | Self::OldLaptop => (2, 4),
            // Three batches of 256.
            Self::Many => (6, 100),
        }
    }
}

/// A scene that is being played.
pub(crate) struct Play<'a> {
    scene: Scene,
    templates: &'a Templates,
    device: Device,
    relay: EmbeddedRelay,
    /// Only in [`Scene::SecondRelay`].
    second: Option<EmbeddedRelay>,
    runtime: tokio::runtime::Runtime,
    /// Names that drafts were seen under.
    locals: BTreeSet<LocalId>,
    /// Texts that were written by hand, in order.
    written: Vec<&'static str>,
}

impl<'a> Play<'a> {
    pub(crate) fn begin(scene: Scene, templates: &'a Templates, folder: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
        let device = folder.join("device");
        let (device, held) = match scene {
            Scene::FirstKey => (Device::new(device), &[][..]),
            Scene::Phone => (Device::new(device), &templates.full_relay[..]),
            Scene::OldLaptop => (Device::new(device), &templates.old_relay[..]),
            Scene::Day | Scene::Many => (templates.keyed.copied_to(device), &templates.keyed_relay[..]),
            Scene::SecondRelay => (templates.full.copied_to(device), &templates.full_relay[..]),
        };
        runtime.block_on(relay.put(held)).unwrap();
        let second = (scene == Scene::SecondRelay)
            .then(|| EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap());
        Self {
            scene,
            templates,
            device,
            relay,
            second,
            runtime,
            locals: BTreeSet::new(),
            written: Vec::new(),
        }
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Plays one phase. With a crash point the program may die there; then what is on disk is looked at, and the phase is
    /// played again by whoever called. Returns whether it died.
    pub(crate) fn play(&mut self, phase: Phase, crash_at: Option<&str>) -> bool {
        let (url, second) = (self.relay.url(), self.second.as_ref().map(EmbeddedRelay::url));
        let mut here = vec!["--relay", &url];
        if let Some(second) = &second {
            here.extend(["--relay", second]);
        }
        let export = self.templates.export(self.scene);
        let (args, stdin) = match phase {
            Phase::Deletion => {
                let deletion = std::slice::from_ref(&self.templates.deletion);
                self.runtime.block_on(self.relay.put(deletion)).unwrap();
                return false;
            }
            Phase::Login => ([&["login"][..], &here].concat(), SECRET),
            Phase::Import => (vec!["import", export.to_str().unwrap()], ""),
            Phase::Sync => ([&["sync"][..], &here].concat(), ""),
            Phase::Forget => (
                [&["sync", "--switch", "forget_after_days=1"][..], &here].concat(),
                "",
            ),
            Phase::Send(text) => ([&["chats", "send", "chat-0", text][..], &here].concat(), ""),
            Phase::AddRelay => (vec!["relays", "add", ELSEWHERE], ""),
            Phase::RemoveRelay => (vec!["relays", "remove", ELSEWHERE, "--force"], ""),
        };
        if matches!(phase, Phase::Send(text) if self.written.contains(&text)) {
            return false;
        }
        match self.device.run(&args, stdin, crash_at) {
            Ended::Died => {
                let reached = self.device.points();
                self.look();
                if let Phase::Send(text) = phase {
                    self.perhaps_written(text, &reached);
                }
                true
            }
            Ended::Came(code, value, stderr) => {
                let known = phase == Phase::AddRelay && code == 2 && stderr.contains("already");
                let gone = phase == Phase::RemoveRelay && code == 2 && stderr.contains("not");
                assert!(code == 0 || known || gone, "{phase:?}: {code} {value} {stderr}");
                if let Phase::Send(text) = phase {
                    self.written.push(text);
                }
                if phase == Phase::Forget {
                    // Of each conversation the last message is young.
                    assert_eq!(value["messages"], 2, "{value}");
                }
                self.look();
                false
            }
        }
    }

    /// A message is there once its draft was committed, and not before.
    fn perhaps_written(&mut self, text: &'static str, reached: &BTreeMap<String, u64>) {
        let shown = self.shown(&chat(0));
        let there = shown.iter().any(|shown| shown == text);
        if reached.contains_key("after:add_drafts") {
            assert!(there, "it was on disk, and is gone: {shown:?}");
        }
        if !reached.contains_key("before:add_drafts") {
            assert!(!there, "it was never written: {shown:?}");
        }
        if there {
            self.written.push(text);
        }
    }

    /// Whatever happened, the store opens and is whole, and no message has two states.
    fn look(&mut self) {
        let Some(Account { store, .. }) = self.device.open() else {
            return;
        };
        let counts = store.counts().unwrap();
        assert_eq!(store.verify().unwrap(), counts.items - counts.forgotten);
        for draft in store.drafts(0, usize::MAX).unwrap().drafts {
            assert_eq!(
                store.resolve(&draft.local).unwrap(),
                None,
                "a draft is no envelope"
            );
            self.locals.insert(draft.local);
        }
    }

    fn shown(&self, conversation: &str) -> Vec<String> {
        let shown = self.device.must(&["chats", "show", conversation], "");
        contents(&shown)
    }

    fn held(relay: &EmbeddedRelay, runtime: &tokio::runtime::Runtime, kind: u16) -> Vec<Event> {
        runtime
            .block_on(relay.events(&[Kind::Custom(kind)], &[]))
            .unwrap()
    }

    /// Everything is there exactly once, in order, under every name it ever had: here, on the relay, and on another device
    /// when `phone` says so.
    pub(crate) fn check(mut self, phone: Option<&Path>) {
        let (conversations, each) = self.scene.size();
        let deleted = usize::from(self.scene == Scene::Phone);
        let expected = conversations * each + self.written.len() - deleted;
        let (url, second) = (self.relay.url(), self.second.as_ref().map(EmbeddedRelay::url));
        let mut sync = vec!["sync", "--relay", &url];
        if let Some(second) = &second {
            sync.extend(["--relay", second]);
        }
        let report = self.device.must(&sync, "");
        for (name, value) in [
            ("complete", Value::from(true)),
            ("messages", expected.into()),
            ("drafts", 0.into()),
            ("waiting", 0.into()),
            ("parked", 0.into()),
        ] {
            assert_eq!(report[name], value, "{name}: {report}");
        }
        self.look();

        for relay in std::iter::once(&self.relay).chain(&self.second) {
            let envelopes = Self::held(relay, &self.runtime, 1080);
            let ids: BTreeSet<EventId> = envelopes.iter().map(|event| event.id).collect();
            assert_eq!(
                (envelopes.len(), ids.len()),
                (expected, expected),
                "one envelope a message"
            );
            let keyrings = Self::held(relay, &self.runtime, 1081);
            assert_eq!(keyrings.len(), 1, "one keyring");
            let account = self.device.open().unwrap();
            for id in &ids {
                assert!(
                    account.store.contains(id).unwrap(),
                    "on the relay and not here: {id}"
                );
            }
            for local in &self.locals {
                let id = account.store.resolve(local).unwrap();
                assert!(
                    id.is_some_and(|id| ids.contains(&id)),
                    "{local} resolves to {id:?}"
                );
            }
            if matches!(self.scene, Scene::FirstKey | Scene::Many) {
                for id in &ids {
                    let local = account
                        .store
                        .local_of(id)
                        .unwrap()
                        .expect("sealed on this device");
                    assert_eq!(account.store.resolve(&local).unwrap(), Some(*id));
                }
            }
        }

        for number in 0..conversations.min(2) {
            let mut texts: Vec<String> = (0..each).map(|message| content(number, message)).collect();
            if number == 0 {
                texts.extend(self.written.iter().map(|text| (*text).to_owned()));
                if deleted == 1 {
                    texts.pop();
                }
            }
            assert_eq!(self.shown(&chat(number)), texts, "in order, each once");
        }

        if let Some(folder) = phone {
            let phone = Device::new(folder.join("phone"));
            phone.must(&["login", "--relay", &url], SECRET);
            let report = phone.must(&["sync", "--relay", &url], "");
            assert_eq!(report["messages"], Value::from(expected), "{report}");
            let list = ["chats", "list"];
            assert_eq!(phone.must(&list, ""), self.device.must(&list, ""));
            let show = ["chats", "show", "chat-0"];
            assert_eq!(
                contents(&phone.must(&show, "")),
                contents(&self.device.must(&show, ""))
            );
        }
    }
}

fn contents(shown: &Value) -> Vec<String> {
    let messages = shown["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| message["content"].as_str().unwrap().to_owned())
        .collect()
}
