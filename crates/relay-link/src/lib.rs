//! One websocket per relay: frames in, frames out.
//!
//! A [`RelayLink`] is the handle others hold; a [`RelayLinkActor`] keeps the connection behind it open. It dials,
//! pings, waits with backoff and dials again, and hands each frame of the relay to whoever opened the subscription
//! or session or sent the event it answers.
//!
//! What a reader can rely on:
//! - One connection per relay, and one [`RelayUrl`] per relay however it was spelled.
//! - Frames of one connection arrive in order and one at a time. While one is handled the socket is not read, so a
//!   slow receiver slows the relay instead of filling memory.
//! - When a connection ends everything open on it is forgotten, without an answer: [`LinkChanged`] says so. A
//!   reconnection has a higher connection number.
//! - A relay's silence, refusal or nonsense is never an answer. Frames keep what relays say after the elements a
//!   specification names; [`Refusal`] and [`OkClass`] say what a refusal means.
//! - A link that was given an [`Identity`] answers a relay that wants to know who asks (NIP-42), and sends again what
//!   was refused: whoever asked hears of it only when that came to nothing.
//! - Bounds: 4 MiB a frame, 8 MiB and 4,096 frames to be written, 15 s to connect, 45 s to find a dead connection,
//!   5 minutes between two dials (2 s to a relay on this machine).
//!
//! Not here: subscriptions that survive a reconnection (their owners open them again), signatures (events are
//! passed on unchecked), and the keys that sign an AUTH ([`SignAuth`] asks for it).
//!
//! Spec: NIP-01, NIP-42, NIP-67 (hints of an EOSE), NIP-77.
//!
//! ```
//! use std::sync::Arc;
//! use actix::prelude::*;
//! use relay_link::*;
//! use supervision::{Env, Lifeline, Outlet, Role};
//!
//! /// A relay in memory that answers everything with a notice.
//! struct Grumpy;
//! impl Dial for Grumpy {
//!     fn dial(&self, _: &RelayUrl) -> futures_util::future::BoxFuture<'static, Result<Connection, DialError>> {
//!         let (connection, mut relay) = memory_pair();
//!         actix::spawn(async move {
//!             while relay.hear().await.is_some() {
//!                 relay.say(r#"["NOTICE","ERROR: bad msg: negentropy disabled"]"#).await;
//!             }
//!         });
//!         Box::pin(async { Ok(connection) })
//!     }
//! }
//!
//! /// Asks as soon as the link is up.
//! struct Asker(Outlet<FrameArrived>);
//! impl Actor for Asker {
//!     type Context = Context<Self>;
//! }
//! impl Handler<LinkChanged> for Asker {
//!     type Result = ();
//!     fn handle(&mut self, LinkChanged { link, state }: LinkChanged, _: &mut Self::Context) {
//!         if matches!(state, LinkState::Connected { .. }) {
//!             let open = ClientFrame::NegOpen {
//!                 sub: "neg-1".parse().unwrap(),
//!                 filter: Default::default(),
//!                 message: vec![0x61],
//!             };
//!             link.try_send(open, self.0.clone()).unwrap();
//!         }
//!     }
//! }
//! impl Handler<FrameArrived> for Asker {
//!     type Result = ();
//!     fn handle(&mut self, FrameArrived { frame, .. }: FrameArrived, _: &mut Self::Context) {
//!         let RelayFrame::Notice { message } = frame else { panic!("not a notice") };
//!         assert_eq!(Refusal::classify(&message, None), Refusal::NegUnavailable);
//!         System::current().stop();
//!     }
//! }
//!
//! let system = System::new();
//! system.block_on(async {
//!     let link = RelayLink::new("WSS://Relay.Example.com:443/".parse().unwrap());
//!     assert_eq!(link.url().as_str(), "wss://relay.example.com");
//!     let (answers, changes) = (Outlet::empty(), Outlet::empty());
//!     let asker = Asker(answers.clone()).start();
//!     answers.fill(asker.clone().recipient());
//!     changes.fill(asker.recipient());
//!     let lifeline = Lifeline::unwatched(Role::Link(link.url().to_string()));
//!     RelayLinkActor::new(Env::production(), lifeline, &link, Arc::new(Grumpy), vec![changes]).start();
//! });
//! system.run().unwrap();
//! ```

mod actor;
mod auth;
mod backoff;
mod client_frame;
mod clock;
mod dial;
mod elements;
mod hex;
mod info_fetch;
mod keepalive;
mod link;
mod memory;
mod messages;
mod ok_class;
mod presence;
mod profile;
mod refusal;
mod relay_frame;
mod relay_url;
mod retry_after;
mod router;
mod sub_id;
mod traffic;
mod websocket;
mod writer;

pub use actor::RelayLinkActor;
pub use auth::{AuthChanged, AuthDeclined, Identity, Reserved, SignAuth};
pub use client_frame::ClientFrame;
pub use clock::{CLOCK_SKEW_MAX, ClockReading, clock_skew, clock_words};
pub use dial::{
    Connection, ConnectionError, Dial, DialError, Incoming, IncomingHalf, Outgoing, OutgoingHalf,
};
pub use elements::{FRAME_BYTES_MAX, FrameError};
pub use info_fetch::InfoError;
pub use link::{RelayLink, SendFailed};
pub use memory::{MemoryEnd, memory_pair};
pub use messages::{FrameArrived, LinkChanged, LinkState, Steer};
pub use ok_class::{ClockRefusal, OkClass};
pub use presence::{Presence, Turn};
pub use profile::{
    Believed, CAP_KEPT_SECS, INFO_FRESH_SECS, INFO_KEPT_SECS, Lesson, NEG_PROOF_KEPT_SECS,
    NEG_REFUSAL_KEPT_SECS, Neg, NegChance, NotRelayInfo, PAGE_LIMIT_MAX, RelayInfo, RelayProfile,
    SUBS_KEPT_SECS,
};
pub use refusal::Refusal;
pub use relay_frame::RelayFrame;
pub use relay_url::{RelayUrl, RelayUrlError};
pub use sub_id::{SubId, SubIdError};
pub use traffic::Traffic;
pub use websocket::WebSocketDialer;
