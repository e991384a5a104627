//! Proving to a relay who asks (NIP-42): with a history key at once, with the account's key through its signer.

use std::time::{Duration, Instant};

use actix::prelude::*;
use nostr::event::Event;
use relay_link::{AuthDeclined, Reserved, SignAuth};

use super::actor::{KeeperActor, SIGNER_WAIT};
use crate::{KEYRING, SignerError};

/// A signer that said no is left alone about that relay for this long, however often it is connected anew.
const DECLINED_PAUSE: Duration = Duration::from_secs(3600);

/// For which requests a relay may learn that `account` asks: those for keyrings, which name it anyway.
pub fn reserved_account(account: nostr::key::PublicKey) -> Reserved {
    Reserved {
        key: account,
        kinds: &[KEYRING],
    }
}

impl Handler<SignAuth> for KeeperActor {
    type Result = ResponseActFuture<Self, Result<Event, AuthDeclined>>;

    /// The link decides what a key is proven for; here it is only known whose keys there are.
    fn handle(&mut self, asked: SignAuth, ctx: &mut Self::Context) -> Self::Result {
        self.env.tripwire.step(self.lifeline.role());
        let now = self.env.clock.now();
        if asked.key == self.account {
            return match self.declined_lately(&asked, now) {
                Some(why) => Box::pin(fut::ready(Err(AuthDeclined(why)))),
                None => self.ask_signer(asked, ctx),
            };
        }
        let signed = match self.keys.key(&asked.key) {
            Some(key) => {
                let (unix, aux) = (self.env.clock.unix(), self.env.entropy.draw_32());
                Ok(key.sign(SignAuth::KIND, asked.tags().to_vec(), String::new(), unix, &aux))
            }
            None => Err(AuthDeclined(
                "the relay wants a key proven that is none of this account's".to_owned(),
            )),
        };
        Box::pin(fut::ready(signed))
    }
}

impl KeeperActor {
    fn declined_lately(&self, asked: &SignAuth, now: Instant) -> Option<String> {
        let (at, why) = self.declined.get(&asked.relay)?;
        (now.saturating_duration_since(*at) < DECLINED_PAUSE).then(|| why.clone())
    }

    fn ask_signer(
        &mut self,
        asked: SignAuth,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Result<Event, AuthDeclined>> {
        self.proving += 1;
        self.drive(ctx);
        let (signer, turn, clock) = (
            self.parts.signer.clone(),
            self.signer_turn.clone(),
            self.env.clock.clone(),
        );
        let relay = asked.relay.clone();
        let signing = async move {
            let in_turn = async {
                let _turn = turn.lock().await;
                // Its time counts, and another request may have taken minutes.
                signer.sign(asked.unsigned(clock.unix())).await
            };
            let outcome = actix::clock::timeout(SIGNER_WAIT, in_turn).await;
            outcome.unwrap_or_else(|_| {
                Err(SignerError::NoAnswer {
                    signer: "the signer".to_owned(),
                    waited: SIGNER_WAIT,
                })
            })
        };
        Box::pin(signing.into_actor(self).map(move |outcome, keeper, ctx| {
            keeper.proving -= 1;
            let now = keeper.env.clock.now();
            let outcome = outcome.map_err(|error| {
                let why = format!("the relay wants to know who asks for your keyring, and {error}");
                keeper.declined.insert(relay, (now, why.clone()));
                AuthDeclined(why)
            });
            keeper.drive(ctx);
            outcome
        }))
    }
}
