//! What other crates hold of the status.

use std::fmt;

use actix::prelude::*;
use event_index::CountsChanged;
use pns_keys::keeper::KeysChanged;
use realtime::DownloadsChanged;
use realtime::messages::ConversationsCounted;
use reconciler::messages::PassChanged;
use relay_link::{AuthChanged, LinkChanged};
use remote_signer::AuthUrl;
use supervision::{GuardianReport, Outlet, Restarted};
use uploader::{ParkedChanged, SealingHeld, UploadsChanged};

use crate::{StatusActor, UseRelays};

macro_rules! outlets {
    ($($(#[$doc:meta])* $name:ident: $fact:ty,)*) => {
        /// Takes everyone's facts. Clones are cheap and reach every later incarnation.
        #[derive(Clone)]
        pub struct StatusDesk {
            $($(#[$doc])* pub $name: Outlet<$fact>,)*
        }

        impl StatusDesk {
            /// A desk that leads nowhere until [`StatusDesk::fill`].
            pub fn new() -> Self {
                Self { $($name: Outlet::empty(),)* }
            }

            /// Points every clone at this incarnation of the actor.
            pub fn fill(&self, actor: &Addr<StatusActor>) {
                $(self.$name.fill(actor.clone().recipient());)*
            }
        }
    };
}

outlets! {
    /// How much there is.
    counts_changed: CountsChanged,
    /// How many conversations there are.
    conversations_counted: ConversationsCounted,
    /// Which keys there are.
    keys_changed: KeysChanged,
    /// Pages the signer wants opened.
    pages: AuthUrl,
    /// How connections are.
    link_changed: LinkChanged,
    /// How relays take us that want to know who asks.
    auth_changed: AuthChanged,
    /// How far comparisons are.
    pass_changed: PassChanged,
    /// How far uploads are.
    uploads_changed: UploadsChanged,
    /// How far downloads are.
    downloads_changed: DownloadsChanged,
    /// What keeps drafts.
    sealing_held: SealingHeld,
    /// What relays do not take.
    parked_changed: ParkedChanged,
    /// What the guardian did.
    guardian_report: GuardianReport,
    /// Which relays are in use.
    use_relays: UseRelays,
    /// Who came back.
    restarted: Restarted,
}

impl Default for StatusDesk {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for StatusDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusDesk").finish_non_exhaustive()
    }
}
