//! What an engine may do: a set of switches that are turned while it runs.
//!
//! What a reader can rely on:
//! - Everything is on unless somebody turned it off; nothing is forgotten unless somebody said after how many days.
//! - A part reads a switch where it decides, and is told when one was turned: a restarted part needs no telling.
//! - Off takes nothing away: what is not sent or fetched meanwhile is, once the switch is on again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use actix::prelude::*;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::Days;

macro_rules! switches {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What an engine may do. In JSON and TOML one key each, `true` or `false`; what is left out is on. Beside them,
        /// how long messages are kept: a number of days, and for ever when it is left out or `null`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Switches {
            $($(#[$doc])* pub $name: bool,)*
            /// After how many days messages are forgotten on this device, once they are safe on relays; `None` for never.
            /// More days, or none, bring those back that are kept then.
            pub forget_after_days: Option<Days>,
        }

        impl Switches {
            /// The name of every switch, in the order in which people see them.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];
            /// Everything that may be done.
            pub const ON: Self = Self { $($name: true,)* forget_after_days: None };
            /// Nothing that may be done.
            pub const OFF: Self = Self { $($name: false,)* forget_after_days: None };

            /// How the switch of this name stands; `None` when there is no such switch.
            pub fn get(&self, name: &str) -> Option<bool> {
                match name {
                    $(stringify!($name) => Some(self.$name),)*
                    _ => None,
                }
            }

            /// Turns the switch of this name. Returns whether there is one.
            pub fn turn(&mut self, name: &str, on: bool) -> bool {
                match name {
                    $(stringify!($name) => self.$name = on,)*
                    _ => return false,
                }
                true
            }

            /// Those that are on in both; messages are kept as long as in the first.
            #[must_use]
            pub fn and(self, other: Self) -> Self {
                Self {
                    $($name: self.$name && other.$name,)*
                    forget_after_days: self.forget_after_days,
                }
            }
        }
    };
}

switches! {
    /// Relays are dialled, those of a remote signer too. Off: nothing leaves this machine, and everything works on it.
    sync,
    /// Messages, keyrings and deletions are sent. Off: they wait here.
    uploads,
    /// History is fetched. Off: comparisons only say what would be.
    downloads,
    /// Messages arrive as they are written. Off: with the next comparison, which then comes every five minutes.
    live,
    /// Sets are compared by fingerprints (NIP-77). Off: page by page.
    negentropy,
    /// A comparison begins with what is new since the last one. Off: with equal parts of everything.
    recent_first,
    /// A text that is too long for one envelope is sent in pieces. Off: it is refused. What came in pieces is read
    /// either way.
    parts,
    /// Relays that want to know who asks (NIP-42) are told. Off: what they refuse stays refused.
    auth,
    /// The account's own relay list (NIP-65) is read, and the relays it names are used.
    nip65_relays,
}

impl Default for Switches {
    fn default() -> Self {
        Self::ON
    }
}

impl Switches {
    /// What the number of days is called beside [`Switches::NAMES`].
    pub const FORGET_AFTER_DAYS: &'static str = "forget_after_days";

    /// The names of those that are off.
    pub fn off(&self) -> impl Iterator<Item = &'static str> + '_ {
        let off = |name: &&'static str| self.get(name) == Some(false);
        Self::NAMES.iter().copied().filter(off)
    }
}

/// Where an engine's parts read the switches, and where they are turned. Clones share them and are cheap.
#[derive(Clone)]
pub struct Switchboard(Arc<Board>);

struct Board {
    turned: Mutex<Standing>,
    /// What follows from it.
    now: watch::Sender<Switches>,
}

/// How the switches were turned, and what is kept off for a while beside that.
struct Standing {
    turned_to: Switches,
    limits: BTreeMap<u64, Switches>,
    next: u64,
}

/// While it exists, what is off in it is off. See [`Switchboard::limit`].
#[must_use = "dropping it takes the limit away"]
pub struct Limit {
    board: Switchboard,
    number: u64,
}

/// Switches were turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turned {
    /// How they stood when the part was told last.
    pub before: Switches,
    /// How they stand.
    pub now: Switches,
}

impl Turned {
    /// Whether one that `reads` a switch reads another value than before.
    pub fn any(&self, reads: impl Fn(&Switches) -> bool) -> bool {
        reads(&self.before) != reads(&self.now)
    }
}

impl Switchboard {
    /// Switches that stand like this.
    pub fn new(switches: Switches) -> Self {
        Self(Arc::new(Board {
            turned: Mutex::new(Standing {
                turned_to: switches,
                limits: BTreeMap::new(),
                next: 0,
            }),
            now: watch::Sender::new(switches),
        }))
    }

    /// How they stand.
    pub fn now(&self) -> Switches {
        *self.0.now.borrow()
    }

    /// How they were turned, whatever is kept off for a while.
    pub fn turned_to(&self) -> Switches {
        self.0
            .turned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .turned_to
    }

    /// Turns them. Whoever follows them is told when one of them changed.
    pub fn set(&self, switches: Switches) {
        self.change(|standing| standing.turned_to = switches);
    }

    /// Keeps off what is off in `most`, until the limit is dropped. It turns nothing on, and what is turned meanwhile
    /// counts as well.
    pub fn limit(&self, most: Switches) -> Limit {
        let mut number = 0;
        self.change(|standing| {
            number = standing.next;
            standing.next += 1;
            standing.limits.insert(number, most);
        });
        Limit {
            board: self.clone(),
            number,
        }
    }

    fn change(&self, change: impl FnOnce(&mut Standing)) {
        let mut standing = self.0.turned.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut standing);
        let limits = standing.limits.values();
        let switches = limits.fold(standing.turned_to, |now, most| now.and(*most));
        // Under the lock, so that the last change is the one that stands.
        self.0
            .now
            .send_if_modified(|now| std::mem::replace(now, switches) != switches);
    }

    /// Tells when one was turned, outside of an actor.
    pub fn subscribe(&self) -> watch::Receiver<Switches> {
        self.0.now.subscribe()
    }

    /// Calls `turned` in the actor whenever a switch was turned from now on, until the actor ends. Several that are
    /// turned together, or faster than the actor follows, are told once.
    pub fn follow<A: Actor<Context = Context<A>>>(
        &self,
        ctx: &mut Context<A>,
        turned: impl Fn(&mut A, Turned, &mut Context<A>) + 'static,
    ) {
        let changes = self.0.now.subscribe();
        let before = *changes.borrow();
        let changes = stream::unfold((changes, before), |(mut changes, before)| async move {
            // The board outlives every actor that holds a clone of it.
            changes.changed().await.ok()?;
            let now = *changes.borrow_and_update();
            Some((Turned { before, now }, (changes, now)))
        });
        let following = actix::fut::wrap_stream::<_, A>(changes);
        ctx.spawn(
            following
                .map(move |change, actor, ctx| turned(actor, change, ctx))
                .finish(),
        );
    }
}

impl Default for Switchboard {
    fn default() -> Self {
        Self::new(Switches::ON)
    }
}

impl fmt::Debug for Switchboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Switchboard").field(&self.now()).finish()
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        self.board.change(|standing| {
            standing.limits.remove(&self.number);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_off_for_a_while_is_off_whatever_is_turned_meanwhile() {
        let without = |name: &str| {
            let mut switches = Switches::ON;
            assert!(switches.turn(name, false));
            switches
        };
        let board = Switchboard::new(without("live"));
        let (up, down) = (board.limit(without("uploads")), board.limit(without("downloads")));
        let off = |board: &Switchboard| board.now().off().collect::<Vec<_>>();
        assert_eq!(off(&board), ["uploads", "downloads", "live"]);
        assert_eq!(board.turned_to(), without("live"));
        board.set(without("uploads"));
        drop(up);
        assert_eq!(off(&board), ["uploads", "downloads"], "a person turned it off");
        drop(down);
        assert_eq!(off(&board), ["uploads"]);
        board.set(Switches::ON);
        assert_eq!(off(&board), [""; 0]);
    }

    #[test]
    fn every_switch_has_a_name_and_is_on_by_default() {
        let mut switches = Switches::default();
        for name in Switches::NAMES {
            assert_eq!(switches.get(name), Some(true), "{name}");
            assert!(switches.turn(name, false));
            assert_eq!(switches.get(name), Some(false), "{name}");
        }
        assert_eq!(switches, Switches::OFF);
        assert_eq!(switches.off().collect::<Vec<_>>(), Switches::NAMES);
        assert_eq!(switches.get("uplaods"), None);
        assert!(!switches.turn("uplaods", true));
        assert_eq!(Switches::ON.off().count(), 0);
    }

    #[test]
    fn nothing_is_forgotten_unless_somebody_said_after_how_many_days() {
        for kept in [Switches::ON, Switches::OFF] {
            assert_eq!(kept.forget_after_days, None);
        }
        let read = |json: &str| serde_json::from_str::<Switches>(json);
        let days = Days::new(30).unwrap();
        let month = read(r#"{"live":false,"forget_after_days":30}"#).unwrap();
        let expected = Switches {
            live: false,
            forget_after_days: Some(days),
            ..Switches::ON
        };
        assert_eq!(month, expected);
        assert_eq!(read(r#"{"forget_after_days":null}"#).unwrap(), Switches::ON);
        read(r#"{"forget_after_days":0}"#).unwrap_err();
        let only_looking = Switches {
            uploads: false,
            ..Switches::ON
        };
        assert_eq!(month.and(only_looking).forget_after_days, Some(days));
        assert_eq!(only_looking.and(month).forget_after_days, None);
    }

    struct Reader {
        board: Switchboard,
        told: Vec<Turned>,
    }

    impl Actor for Reader {
        type Context = Context<Self>;

        fn started(&mut self, ctx: &mut Self::Context) {
            self.board
                .clone()
                .follow(ctx, |reader, turned, _| reader.told.push(turned));
        }
    }

    #[derive(Message)]
    #[rtype(result = "Vec<Turned>")]
    struct WhatWasTold;

    impl Handler<WhatWasTold> for Reader {
        type Result = MessageResult<WhatWasTold>;

        fn handle(&mut self, _: WhatWasTold, _: &mut Self::Context) -> Self::Result {
            MessageResult(self.told.clone())
        }
    }

    #[test]
    fn whoever_follows_is_told_what_was_turned_and_nothing_twice() {
        System::new().block_on(async {
            let board = Switchboard::default();
            let reader = Reader {
                board: board.clone(),
                told: Vec::new(),
            }
            .start();
            assert_eq!(
                reader.send(WhatWasTold).await.unwrap(),
                [],
                "how it stands is read"
            );
            board.set(Switches::ON);
            let off = Switches {
                live: false,
                ..Switches::ON
            };
            board.set(off);
            // The actor runs when this waits.
            while reader.send(WhatWasTold).await.unwrap().is_empty() {}
            board.set(Switches::ON);
            while reader.send(WhatWasTold).await.unwrap().len() < 2 {}
            let told = reader.send(WhatWasTold).await.unwrap();
            assert_eq!(
                told,
                [
                    Turned {
                        before: Switches::ON,
                        now: off
                    },
                    Turned {
                        before: off,
                        now: Switches::ON
                    }
                ]
            );
            assert!(told[0].any(|switches| switches.live) && !told[0].any(|switches| switches.sync));
        });
    }
}
