//! Brings actors back, says so, and gives up on one that keeps dying.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use actix::prelude::*;

use crate::{Env, Outlet, Role};

/// Five deaths within this long stop an actor: it would die again.
const DEATHS_WINDOW: Duration = Duration::from_secs(60);
const DEATHS_MAX: usize = 5;
/// The first restart is immediate; the pause before the n-th in a window doubles from here.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// The guardian hears about deaths and registrations only; a few hundred relays starting at once must fit.
const MAILBOX_MAX: usize = 1024;

/// Fact: the part was started again with empty memory. Sent to everyone; may arrive before the new actor has
/// handled its first message. Neighbours hand it again what it may have lost.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Restarted(pub Role);

/// Fact: what the guardian did about a death.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub enum GuardianReport {
    /// It runs again; the number is how many deaths the last minute saw.
    Restarted(Role, usize),
    /// It died too often and stays down until the engine starts again.
    Failed {
        /// Who.
        role: Role,
        /// What a person is told.
        reason: String,
    },
}

/// Starts one incarnation of an actor: construct it around the lifeline, start it, fill its outlets.
pub type Constructor = Box<dyn FnMut(Lifeline) + Send>;

/// Command: start this part, and start it again whenever it dies.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Guard {
    /// Its name.
    pub role: Role,
    /// Starts an incarnation of it.
    pub constructor: Constructor,
}

/// Command: do not restart this part when it ends, and tell it nothing any more.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Release(pub Role);

/// Command: tell this part about restarts too, until it is released. After everybody named at the start.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Inform {
    /// The part.
    pub role: Role,
    /// Where it is told.
    pub outlet: Outlet<Restarted>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Died {
    role: Role,
    incarnation: u64,
    panicked: bool,
}

/// Held by a guarded actor; its drop is the death notice.
#[derive(Debug)]
pub struct Lifeline {
    role: Role,
    incarnation: u64,
    guardian: Option<Addr<Guardian>>,
}

impl Lifeline {
    /// A lifeline that nobody watches, for an actor used on its own.
    pub fn unwatched(role: Role) -> Self {
        Self {
            role,
            incarnation: 0,
            guardian: None,
        }
    }

    /// Whom it speaks of.
    pub fn role(&self) -> &Role {
        &self.role
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        if let Some(guardian) = &self.guardian {
            guardian.do_send(Died {
                role: self.role.clone(),
                incarnation: self.incarnation,
                panicked: std::thread::panicking(),
            });
        }
    }
}

struct Ward {
    constructor: Constructor,
    incarnation: u64,
    deaths: VecDeque<Instant>,
}

/// The one actor that nobody restarts: it holds constructors and counts deaths, nothing that can fail.
pub struct Guardian {
    env: Env,
    wards: BTreeMap<Role, Ward>,
    restarted: Vec<Outlet<Restarted>>,
    informed: BTreeMap<Role, Outlet<Restarted>>,
    reports: Outlet<GuardianReport>,
}

impl Guardian {
    /// A guardian that tells `restarted` about every restart and `reports` what it did.
    pub fn new(env: Env, restarted: Vec<Outlet<Restarted>>, reports: Outlet<GuardianReport>) -> Self {
        Self {
            env,
            wards: BTreeMap::new(),
            restarted,
            informed: BTreeMap::new(),
            reports,
        }
    }

    fn raise(&mut self, role: &Role, ctx: &mut Context<Self>) {
        if let Some(ward) = self.wards.get_mut(role) {
            ward.incarnation += 1;
            (ward.constructor)(Lifeline {
                role: role.clone(),
                incarnation: ward.incarnation,
                guardian: Some(ctx.address()),
            });
        }
    }

    fn bring_back(&mut self, role: &Role, deaths: usize, ctx: &mut Context<Self>) {
        self.raise(role, ctx);
        tracing::warn!(part = %role, deaths, "restarted after it died");
        for outlet in self.restarted.iter().chain(self.informed.values()) {
            // A full mailbox belongs to an actor that is behind; one that is gone will drive from disk itself.
            let _ = outlet.try_send(Restarted(role.clone()));
        }
        let _ = self
            .reports
            .try_send(GuardianReport::Restarted(role.clone(), deaths));
    }
}

impl Actor for Guardian {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
    }
}

impl Handler<Guard> for Guardian {
    type Result = ();

    fn handle(&mut self, Guard { role, constructor }: Guard, ctx: &mut Self::Context) {
        self.wards.insert(
            role.clone(),
            Ward {
                constructor,
                incarnation: 0,
                deaths: VecDeque::new(),
            },
        );
        self.raise(&role, ctx);
    }
}

impl Handler<Release> for Guardian {
    type Result = ();

    fn handle(&mut self, Release(role): Release, _: &mut Self::Context) {
        self.wards.remove(&role);
        self.informed.remove(&role);
    }
}

impl Handler<Inform> for Guardian {
    type Result = ();

    fn handle(&mut self, Inform { role, outlet }: Inform, _: &mut Self::Context) {
        self.informed.insert(role, outlet);
    }
}

impl Handler<Died> for Guardian {
    type Result = ();

    fn handle(&mut self, died: Died, ctx: &mut Self::Context) {
        let now = self.env.clock.now();
        let Some(ward) = self.wards.get_mut(&died.role) else {
            return;
        };
        // The notice of an incarnation that was already replaced.
        if ward.incarnation != died.incarnation {
            return;
        }
        ward.deaths.push_back(now);
        while ward
            .deaths
            .front()
            .is_some_and(|first| now.duration_since(*first) > DEATHS_WINDOW)
        {
            ward.deaths.pop_front();
        }
        let deaths = ward.deaths.len();
        if deaths >= DEATHS_MAX {
            let how = if died.panicked { "panicked" } else { "stopped" };
            let reason = format!(
                "{} {how} {deaths} times within a minute and was given up; start the program again, and report the \
                 panic in its log",
                died.role
            );
            tracing::error!(part = %died.role, deaths, "given up");
            self.wards.remove(&died.role);
            let _ = self.reports.try_send(GuardianReport::Failed {
                role: died.role,
                reason,
            });
            return;
        }
        if deaths == 1 {
            self.bring_back(&died.role, deaths, ctx);
            return;
        }
        let pause = PAUSE_FIRST * 2_u32.pow(deaths as u32 - 2);
        ctx.run_later(pause, move |guardian, ctx| {
            guardian.bring_back(&died.role, deaths, ctx);
        });
    }
}
