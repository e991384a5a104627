//! The only file that knows everybody: who is told what, and how each part is started again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix::prelude::*;
use event_index::{EventIndex, EventIndexActor};
use nostr::prelude::PublicKey;
use pns_keys::NoSigner;
use pns_keys::keeper::{Keeper, KeeperParts, reserved_account};
use realtime::{ChatUpdate, Realtime, RealtimeActor};
use reconciler::{Reconciler, ReconcilerParts};
use relay_link::{Identity, LinkChanged, LinkState, RelayLink, RelayLinkActor, RelayUrl};
use remote_signer::{BunkerParts, Patience};
use status::{Board, Status, StatusActor, StatusDesk};
use supervision::{Guard, Guardian, Inform, Outlet, Restarted, Role, Switchboard, Switches};
use tokio::sync::{Mutex, broadcast, watch};
use uploader::{Uploader, UploaderActor, UploaderParts};

use crate::list_reader::ListReader;
use crate::relays::distinct;
use crate::roster::Roster;
use crate::{Config, Env, RemoteLogin};

/// What outlives every actor: outlets, channels, links.
pub(crate) struct Wiring {
    pub(crate) index: EventIndex,
    pub(crate) keeper: Keeper,
    pub(crate) reconciler: Reconciler,
    pub(crate) uploader: Uploader,
    pub(crate) realtime: Realtime,
    pub(crate) desk: StatusDesk,
    /// Reads the account's relay list, where it is to be read.
    pub(crate) lists: ListReader,
    /// The relays in use.
    pub(crate) roster: Roster,
    /// Whether they are dialled.
    pub(crate) dials: bool,
    /// Relays that are only asked for history keys, while there is none.
    key_links: Vec<RelayLink>,
    /// Links that were in use; held while that is changed.
    pub(crate) spare: Mutex<BTreeMap<RelayUrl, RelayLink>>,
    /// What a link needs.
    pub(crate) env: Env,
    identity: Identity,
    /// What the parts may do.
    pub(crate) switches: Switchboard,
    /// Connections to the relays of a remote signer, of their own: they carry other subscriptions, and only while the
    /// signer is needed.
    signer_links: Vec<RelayLink>,
    /// Starts parts and brings them back.
    pub(crate) guardian: Addr<Guardian>,
}

impl Wiring {
    /// Starts every part of an engine on the current actix system.
    pub(crate) async fn start(
        config: &Config,
        env: &Env,
        board: Board,
        published: watch::Sender<Status>,
        updates: broadcast::Sender<ChatUpdate>,
    ) -> Self {
        let given = distinct(config.relays.iter().cloned());
        let roster = Roster::new(given.into_iter().map(RelayLink::new).collect());
        let remote = config.remote.as_ref().filter(|_| config.online);
        let signer_links: Vec<RelayLink> = remote
            .iter()
            .flat_map(|remote| remote.uri.relays().iter().cloned().map(RelayLink::new))
            .collect();
        let key_links: Vec<RelayLink> = key_relays(config).into_iter().map(RelayLink::new).collect();
        let keeper = Keeper::new(roster.urls().into_iter().collect());
        let (reconciler, uploader, realtime) = (Reconciler::new(), Uploader::new(), Realtime::new());
        let (index, desk) = (EventIndex::new(config.store.clone()), StatusDesk::new());

        let mut restarted: Vec<Outlet<Restarted>> = vec![
            desk.restarted.clone(),
            // Those who hold state that others need repeat it before those who need it ask.
            keeper.restarted.clone(),
            reconciler.restarted.clone(),
            uploader.restarted.clone(),
            realtime.restarted.clone(),
        ];
        restarted.extend(signer_links.iter().map(RelayLink::restarted));
        let guardian = Guardian::new(env.runtime.clone(), restarted, desk.guardian_report.clone()).start();

        let identity = Identity {
            reserved: Some(reserved_account(config.signer.public_key())),
            signs: keeper.sign_auth.clone(),
            told: desk.auth_changed.clone(),
        };
        let wiring = Self {
            index,
            keeper,
            reconciler,
            uploader,
            realtime,
            desk,
            lists: ListReader::new(config.reads_relay_list),
            roster,
            dials: config.online,
            key_links,
            spare: Mutex::default(),
            env: env.clone(),
            identity,
            switches: Switchboard::new(config.switches),
            signer_links,
            guardian,
        };
        wiring.guard_status(config, env, board, published).await;
        wiring.guard_index(env).await;
        wiring.guard_realtime(env, updates).await;
        wiring.guard_uploader(env).await;
        wiring.guard_reconciler(env).await;
        if let Some(remote) = remote {
            wiring.guard_signer(remote, env).await;
        }
        wiring.guard_keeper(config, env).await;
        wiring.guard_lists(config, env).await;
        if config.online {
            for link in wiring.key_links.clone() {
                wiring.guard_key_link(link).await;
            }
            for link in wiring.roster.links() {
                wiring.guard_link(link).await;
            }
        }
        wiring
    }

    /// Starts a part. It runs, and its outlets lead to it, when this returns.
    async fn guard(&self, role: Role, constructor: supervision::Constructor) {
        // The guardian is never stopped before this engine is.
        let _ = self.guardian.send(Guard { role, constructor }).await;
    }

    async fn guard_status(&self, config: &Config, env: &Env, board: Board, published: watch::Sender<Status>) {
        let (env, desk, store) = (env.runtime.clone(), self.desk.clone(), config.store.clone());
        let account = config.signer.public_key();
        let (roster, online, switches) = (self.roster.clone(), config.online, self.switches.clone());
        let mut first = Some(board);
        let constructor = move |lifeline| {
            let board = first
                .take()
                .unwrap_or_else(|| first_board(account, &roster.urls(), online, switches.now()));
            let actor = StatusActor::new(
                env.clone(),
                lifeline,
                store.clone(),
                board,
                roster.names(),
                published.clone(),
                switches.clone(),
            );
            desk.fill(&actor.start());
        };
        self.guard(Role::Status, Box::new(constructor)).await;
    }

    async fn guard_index(&self, env: &Env) {
        let (env, index, counts) = (
            env.runtime.clone(),
            self.index.clone(),
            self.desk.counts_changed.clone(),
        );
        let constructor = move |lifeline| {
            let actor = EventIndexActor::new(env.clone(), lifeline, index.store().clone(), counts.clone());
            index.fill(&actor.start());
        };
        self.guard(Role::Index, Box::new(constructor)).await;
    }

    async fn guard_keeper(&self, config: &Config, env: &Env) {
        let (env, keeper) = (env.runtime.clone(), self.keeper.clone());
        let account = config.signer.public_key();
        let parts = KeeperParts {
            signer: match config.remote {
                Some(_) if !config.online => Arc::new(NoSigner::not_dialled(account)),
                _ => config.signer.clone(),
            },
            profile: config.profile,
            switches: self.switches.clone(),
            witnesses: self.key_links.iter().map(|link| link.url().clone()).collect(),
            index: self.index.clone(),
            // The live subscription goes out before the comparison, so realtime is told first.
            facts: vec![
                self.desk.keys_changed.clone(),
                self.uploader.keys_changed.clone(),
                self.realtime.keys_changed.clone(),
                self.reconciler.keys.clone(),
            ],
        };
        let constructor = move |lifeline| keeper.start(env.clone(), lifeline, parts.clone());
        self.guard(Role::Keeper, Box::new(constructor)).await;
    }

    /// The signer's relays are dialled once somebody asks the signer for something, which is rare.
    async fn guard_signer(&self, remote: &RemoteLogin, env: &Env) {
        let bunker = remote.bunker.clone();
        let parts = BunkerParts {
            uri: remote.uri.clone(),
            client: remote.client.clone(),
            auth_urls: vec![self.desk.pages.clone()],
            patience: Patience::default(),
        };
        self.guard(Role::Signer, bunker.constructor(env.runtime.clone(), parts))
            .await;
        let (guardian, links, env) = (self.guardian.clone(), self.signer_links.clone(), env.clone());
        let switches = self.switches.clone();
        actix::spawn(async move {
            bunker.wanted().await;
            for link in links {
                let role = Role::SignerLink(link.url().to_string());
                let watchers = vec![bunker.links.clone()];
                let identity = Identity {
                    reserved: None,
                    signs: bunker.sign_auth.clone(),
                    // What comes of it shows in what the signer does not answer.
                    told: Outlet::empty(),
                };
                let (env, switches) = (env.clone(), switches.clone());
                let constructor = move |lifeline| {
                    RelayLinkActor::new(
                        env.runtime.clone(),
                        lifeline,
                        &link,
                        env.dial.clone(),
                        watchers.clone(),
                    )
                    .as_identity(identity.clone())
                    .switched_by(switches.clone())
                    .start();
                };
                let constructor = Box::new(constructor);
                let _ = guardian.send(Guard { role, constructor }).await;
            }
        });
    }

    async fn guard_reconciler(&self, env: &Env) {
        let (env, reconciler) = (env.runtime.clone(), self.reconciler.clone());
        let parts = ReconcilerParts {
            index: self.index.clone(),
            have: self.uploader.have_ids.clone(),
            need: self.realtime.need_ids.clone(),
            pages: self.realtime.page_arrived.clone(),
            settle_up: self.uploader.settle.clone(),
            settle_down: self.realtime.settle.clone(),
            changes: vec![self.desk.pass_changed.clone()],
            switches: self.switches.clone(),
        };
        let constructor = move |lifeline| reconciler.start(env.clone(), lifeline, parts.clone());
        self.guard(Role::Reconciler, Box::new(constructor)).await;
    }

    async fn guard_uploader(&self, env: &Env) {
        let (env, uploader) = (env.runtime.clone(), self.uploader.clone());
        let parts = UploaderParts {
            relays: self.roster.urls(),
            switches: self.switches.clone(),
            index: self.index.clone(),
            keeper: self.keeper.seal.clone(),
            sign: self.keeper.sign_deletion.clone(),
            facts: uploader::Facts {
                drafted: self.realtime.drafted.clone(),
                sealed: self.realtime.sealed.clone(),
                deleted: self.realtime.deleted.clone(),
                settled: self.reconciler.settled.clone(),
                uploads_changed: self.desk.uploads_changed.clone(),
                sealing_held: self.desk.sealing_held.clone(),
                parked_changed: self.desk.parked_changed.clone(),
                lessons: self.reconciler.lessons.clone(),
            },
        };
        let roster = self.roster.clone();
        let constructor = move |lifeline| {
            let parts = UploaderParts {
                relays: roster.urls(),
                ..parts.clone()
            };
            let actor = UploaderActor::new(env.clone(), lifeline, parts, uploader.clone());
            uploader.fill(&actor.start());
        };
        self.guard(Role::Uploader, Box::new(constructor)).await;
    }

    async fn guard_realtime(&self, env: &Env, updates: broadcast::Sender<ChatUpdate>) {
        let (env, realtime, index) = (env.runtime.clone(), self.realtime.clone(), self.index.clone());
        let (open, switches) = (self.keeper.open.clone(), self.switches.clone());
        let facts = realtime::Facts {
            settled: self.reconciler.settled.clone(),
            downloads_changed: self.desk.downloads_changed.clone(),
            conversations_counted: self.desk.conversations_counted.clone(),
            late_copies: self.uploader.delete.clone(),
            updates,
        };
        let constructor = move |lifeline| {
            let actor = RealtimeActor::new(
                env.clone(),
                lifeline,
                index.clone(),
                open.clone(),
                realtime.clone(),
                facts.clone(),
                switches.clone(),
            );
            realtime.fill(&actor.start());
        };
        self.guard(Role::Realtime, Box::new(constructor)).await;
    }

    async fn guard_lists(&self, config: &Config, env: &Env) {
        let lists = self.lists.clone();
        let (env, index, account) = (
            env.runtime.clone(),
            self.index.clone(),
            config.signer.public_key(),
        );
        let switches = self.switches.clone();
        let constructor =
            move |lifeline| lists.start(env.clone(), lifeline, account, index.clone(), switches.clone());
        self.guard(Role::RelayList, Box::new(constructor)).await;
    }

    /// Everybody who is told how the links to the account's relays stand. Status first, so that it never knows less; the
    /// reconciler last, so that every live subscription is open when the comparison begins.
    pub(crate) fn watchers(&self) -> Vec<Outlet<LinkChanged>> {
        let mut watchers = vec![
            self.desk.link_changed.clone(),
            self.keeper.links.clone(),
            self.uploader.link_changed.clone(),
            self.realtime.link_changed.clone(),
        ];
        watchers.push(self.lists.links.clone());
        watchers.push(self.reconciler.links.clone());
        watchers
    }

    /// Dials a relay of the account, and keeps it connected.
    pub(crate) async fn guard_link(&self, link: RelayLink) {
        self.guard_link_for(link, self.watchers(), self.identity.clone())
            .await;
    }

    /// Dials a relay that is asked for history keys. That is nobody's business but the keeper's.
    async fn guard_key_link(&self, link: RelayLink) {
        let identity = Identity {
            told: Outlet::empty(),
            ..self.identity.clone()
        };
        self.guard_link_for(link, vec![self.keeper.links.clone()], identity)
            .await;
    }

    /// Lets go of a relay that was only asked for history keys: from now on it is used like any other.
    pub(crate) async fn no_longer_ask(&self, url: &RelayUrl) {
        for link in self.key_links.iter().filter(|link| link.url() == url) {
            let _ = self
                .guardian
                .send(supervision::Release(Role::Link(url.to_string())))
                .await;
            let _ = link.close();
            let fact = LinkChanged {
                link: link.clone(),
                state: LinkState::Stopped,
            };
            let _ = self.keeper.links.send(fact).await;
        }
    }

    async fn guard_link_for(&self, link: RelayLink, watchers: Vec<Outlet<LinkChanged>>, identity: Identity) {
        let role = Role::Link(link.url().to_string());
        let told = Inform {
            role: role.clone(),
            outlet: link.restarted(),
        };
        let _ = self.guardian.send(told).await;
        let (env, switches) = (self.env.clone(), self.switches.clone());
        let constructor = move |lifeline| {
            RelayLinkActor::new(
                env.runtime.clone(),
                lifeline,
                &link,
                env.dial.clone(),
                watchers.clone(),
            )
            .as_identity(identity.clone())
            .switched_by(switches.clone())
            .start();
        };
        self.guard(role, Box::new(constructor)).await;
    }
}

impl Wiring {
    /// Lets go of every link, so that relays see a closed connection, and of the guardian, so that nothing comes back.
    pub(crate) async fn stop(&self) {
        for link in &self.signer_links {
            let role = Role::SignerLink(link.url().to_string());
            let _ = self.guardian.send(supervision::Release(role)).await;
            let _ = link.close();
        }
        // Nothing is being changed any more.
        let _changes = self.spare.lock().await;
        for link in self.roster.links().iter().chain(&self.key_links) {
            let role = Role::Link(link.url().to_string());
            let _ = self.guardian.send(supervision::Release(role)).await;
            let _ = link.close();
        }
    }
}

/// The relays that are asked for history keys and for nothing else: those that this run leaves out, when no key is known
/// and one may be made.
fn key_relays(config: &Config) -> BTreeSet<RelayUrl> {
    let mut relays: BTreeSet<RelayUrl> = config.asked_for_keys.iter().cloned().collect();
    relays.retain(|url| !config.relays.contains(url));
    // Unreadable, it may hold no key: then asking costs a connection, and not asking a second key.
    let keyless = config.store.keyrings().map_or(true, |known| known.is_empty());
    if !config.online || config.relays.is_empty() || !keyless {
        relays.clear();
    }
    relays
}

/// A board that has heard nothing yet. Links are dialled as soon as they start: until they say how they are, nobody
/// should take them for switched off.
pub(crate) fn first_board(
    account: PublicKey,
    relays: &[RelayUrl],
    online: bool,
    switches: Switches,
) -> Board {
    let mut board = Board::new(account, relays.iter().cloned());
    board.switches(switches);
    if online && switches.sync {
        for url in relays {
            board.link(url.clone(), LinkState::Connecting);
        }
    }
    board
}
