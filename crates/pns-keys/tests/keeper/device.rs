//! A device: a store, its writer, a keeper and links, on an actix system whose time is simulated.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use event_index::{EventIndex, EventIndexActor, MemoryDisk, Store, StoreKey};
use pns_keys::keeper::{Keeper, KeeperParts, KeyState, KeysChanged};
use relay_link::{Dial, RelayLink, RelayLinkActor};
use supervision::{
    Env, Guard, Guardian, Lifeline, Outlet, Restarted, Role, SeededEntropy, SimulatedClock, Tripwire, Workers,
};
use tokio::sync::watch;

use crate::relay::{Network, Relay};
use crate::signer::TestSigner;

/// What every simulation's clock reads at its start.
pub(crate) const START: u64 = 1_789_000_000;

pub(crate) struct Device {
    pub(crate) keeper: Keeper,
    pub(crate) signer: Arc<TestSigner>,
    pub(crate) index: EventIndex,
    env: Env,
    parts: KeeperParts,
    links: Vec<RelayLink>,
    facts: watch::Receiver<Option<KeysChanged>>,
    _guardian: Addr<Guardian>,
}

struct Listener(watch::Sender<Option<KeysChanged>>);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<KeysChanged> for Listener {
    type Result = ();

    fn handle(&mut self, fact: KeysChanged, _: &mut Self::Context) {
        self.0.send_replace(Some(fact));
    }
}

/// Runs `scenario` to its end on a system of its own; waiting takes no time. Everything but disks and relays is gone
/// afterwards, as after a power cut.
pub(crate) fn simulate<T>(scenario: impl Future<Output = T>) -> T {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    System::with_tokio_rt(runtime).block_on(scenario)
}

impl Device {
    /// Boots a device with `disk` and `signer` that has `relays` configured.
    pub(crate) fn boot(seed: u64, disk: &MemoryDisk, signer: TestSigner, relays: &[Arc<Relay>]) -> Self {
        Self::boot_with(Tripwire::none(), seed, disk, signer, relays)
    }

    /// A device some part of which dies where `tripwire` says.
    pub(crate) fn boot_with(
        tripwire: Tripwire,
        seed: u64,
        disk: &MemoryDisk,
        signer: TestSigner,
        relays: &[Arc<Relay>],
    ) -> Self {
        let env = Env {
            clock: Arc::new(SimulatedClock::starting_at(START)),
            entropy: Arc::new(SeededEntropy::new(seed)),
            workers: Workers::inline(),
            tripwire,
        };
        let store = Arc::new(Store::open(disk.storage(), &StoreKey::from_bytes([3; 32])).unwrap());
        let index = EventIndex::new(Arc::clone(&store));
        let writer = EventIndexActor::new(
            env.clone(),
            Lifeline::unwatched(Role::Index),
            store,
            Outlet::empty(),
        )
        .start();
        index.fill(&writer);

        let (sender, facts) = watch::channel(None);
        let outlet = Outlet::empty();
        outlet.fill(Listener(sender).start().recipient());

        let signer = Arc::new(signer);
        let urls: BTreeSet<_> = relays.iter().map(|relay| relay.url.clone()).collect();
        let keeper = Keeper::new(urls.clone());
        let parts = KeeperParts {
            profile: pns_keys::Profile::Routstr,
            switches: supervision::Switchboard::default(),
            witnesses: BTreeSet::new(),
            signer: Arc::<TestSigner>::clone(&signer),
            index: index.clone(),
            facts: vec![outlet],
        };
        let links: Vec<RelayLink> = urls.into_iter().map(RelayLink::new).collect();
        let mut restarted: Vec<_> = links.iter().map(RelayLink::restarted).collect();
        restarted.push(keeper.restarted.clone());
        let guardian = Guardian::new(env.clone(), restarted, Outlet::empty()).start();
        // The keeper first: it has to hear the links' first word.
        guardian.do_send(Guard {
            role: Role::Keeper,
            constructor: keeper.constructor(env.clone(), parts.clone()),
        });
        let dial: Arc<dyn Dial> = Arc::new(Network(relays.to_vec()));
        for link in &links {
            let watchers = vec![keeper.links.clone()];
            let constructor =
                RelayLinkActor::constructor(env.clone(), link.clone(), Arc::clone(&dial), watchers);
            guardian.do_send(Guard {
                role: Role::Link(link.url().to_string()),
                constructor,
            });
        }
        Self {
            keeper,
            signer,
            index,
            env,
            parts,
            links,
            facts,
            _guardian: guardian,
        }
    }

    /// Replaces the keeper by a new incarnation, as the guardian does after a panic.
    pub(crate) fn restart_keeper(&self) {
        self.keeper.start(
            self.env.clone(),
            Lifeline::unwatched(Role::Keeper),
            self.parts.clone(),
        );
        for link in &self.links {
            link.restarted().try_send(Restarted(Role::Keeper)).unwrap();
        }
    }

    /// Every announcement.
    pub(crate) fn facts(&self) -> watch::Receiver<Option<KeysChanged>> {
        self.facts.clone()
    }

    /// What was announced last.
    pub(crate) fn now(&self) -> KeysChanged {
        self.facts
            .borrow()
            .clone()
            .expect("the keeper announces itself at its start")
    }

    /// Waits until an announcement satisfies `holds`.
    pub(crate) async fn until(&mut self, what: &str, holds: impl Fn(&KeysChanged) -> bool) -> KeysChanged {
        let facts = self.facts.wait_for(|fact| fact.as_ref().is_some_and(&holds));
        let fact = tokio::time::timeout(Duration::from_secs(3600), facts).await.ok();
        let fact = fact.map(|fact| fact.unwrap().clone().unwrap());
        fact.unwrap_or_else(|| panic!("not within an hour: {what}; instead {:?}", *self.facts.borrow()))
    }

    /// Waits for a key to write with that a relay has returned.
    pub(crate) async fn until_ready(&mut self) -> KeysChanged {
        self.until("a write key that was read back", |keys| {
            keys.write.is_some_and(|key| key.ready)
        })
        .await
    }

    pub(crate) async fn until_locked(&mut self) -> String {
        match self
            .until("locked", |keys| matches!(keys.state, KeyState::Locked { .. }))
            .await
            .state
        {
            KeyState::Locked { why } => why,
            other => panic!("{other:?}"),
        }
    }
}

/// Lets `seconds` pass.
pub(crate) async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
