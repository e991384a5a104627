//! A far-off key: a [`Signer`](pns_keys::Signer) whose key is on a phone or a server, asked through relays (NIP-46).
//!
//! - [`BunkerUri`] is the address a signer hands out, [`ClientKey`] what the signer knows this program by.
//! - [`Bunker`] reaches the signer. A person logs in with [`Bunker::log_in`]; after that [`Bunker::signer_for`] is
//!   enough, with the same client key.
//! - [`ConnectOffer`] is the address of the other direction, which this program shows to a signer. A [`Reception`]
//!   waits for the signer that takes it up, and ends with that signer's [`BunkerUri`].
//! - [`RemoteSigner`] is the signer of one account. [`AuthUrl`] says that a person has to open a page for it.
//!
//! What a reader can rely on:
//! - Every request ends: 65 s after it went out it is sent once more under the same id, and 65 s later it is
//!   [`NoAnswer`](pns_keys::SignerError::NoAnswer). After an [`AuthUrl`] it has 5 minutes. Without a relay it is
//!   [`Unreachable`](pns_keys::SignerError::Unreachable) after 65 s. [`Patience`] holds these numbers. Only the question
//!   for its relays, which a signer may not know, is asked once and for 5 s.
//! - At most two requests are in flight, 400 ms apart, and none is over 32 KiB: a keyring takes under 1 KB, and
//!   nothing else goes through a signer.
//! - Only what the signer's key signed counts as an answer. A signed event is compared with the one that was
//!   given. Whose key it holds is asked once, at the login; later only when an answer is not a plain yes, and before
//!   a payload is given up: the account named then is compared with that of the [`RemoteSigner`].
//! - A refusal is never taken for a payload that cannot be decrypted: what is not understood is a refusal.
//! - `connect` is sent once per client key, since its secret works once; not again after a restart of the actor.
//! - An offer stands for 5 minutes. Only who repeats its secret is logged in; everything else said meanwhile, by
//!   anybody, changes nothing.
//! - [`Bunker::wanted`] says when a signer is first needed, so that nobody connects to its relays before.
//! - The secret of an address or an offer, the client key and decrypted texts appear in no `Debug` output and no error.
//!
//! Not here: links (the caller starts one for each of [`BunkerUri::relays`] and points it at [`Bunker::links`], for each
//! of [`ConnectOffer::relays`] at [`Reception::links`]), drawing an offer as a code, moving to the relays
//! that [`Bunker::switch_relays`] names, and relays that demand a login (NIP-42).
//!
//! ```
//! use std::sync::Arc;
//! use actix::prelude::*;
//! use pns_keys::Signer;
//! use relay_link::*;
//! use remote_signer::{Bunker, BunkerParts, BunkerUri, Patience, new_client_key};
//! use supervision::{Env, Lifeline, Role};
//! # use futures_util::future::BoxFuture;
//! # use nostr::{event::{Event, FinalizeEvent}, key::Keys};
//! # use nostr::nips::{nip44, nip46::*};
//! #
//! # /// A signer behind a relay in memory that says yes to everything.
//! # struct Phone(Keys);
//! # impl Dial for Phone {
//! #     fn dial(&self, _: &RelayUrl) -> BoxFuture<'static, Result<Connection, DialError>> {
//! #         let (connection, mut relay) = memory_pair();
//! #         let keys = self.0.clone();
//! #         actix::spawn(async move {
//! #             let mut sub = String::new();
//! #             while let Some(text) = relay.hear().await {
//! #                 match ClientFrame::parse(&text).unwrap() {
//! #                     ClientFrame::Req { sub: opened, .. } => sub = opened.as_str().to_owned(),
//! #                     ClientFrame::Event(event) => {
//! #                         let json = nip44::decrypt(keys.secret_key(), &event.pubkey, &event.content).unwrap();
//! #                         let message = NostrConnectMessage::from_json(json).unwrap();
//! #                         let id = message.id().to_owned();
//! #                         let result = match message.to_request().unwrap() {
//! #                             NostrConnectRequest::Connect { .. } => ResponseResult::Ack,
//! #                             NostrConnectRequest::GetPublicKey => ResponseResult::GetPublicKey(keys.public_key()),
//! #                             NostrConnectRequest::Nip44Encrypt { public_key, text } => {
//! #                                 let version = nip44::Version::V2;
//! #                                 let ciphertext =
//! #                                     nip44::encrypt(keys.secret_key(), &public_key, text, version).unwrap();
//! #                                 ResponseResult::Nip44Encrypt { ciphertext }
//! #                             }
//! #                             NostrConnectRequest::Nip44Decrypt { public_key, ciphertext } => {
//! #                                 let plaintext =
//! #                                     nip44::decrypt(keys.secret_key(), &public_key, ciphertext).unwrap();
//! #                                 ResponseResult::Nip44Decrypt { plaintext }
//! #                             }
//! #                             _ => unreachable!(),
//! #                         };
//! #                         let answer = NostrConnectMessage::response(id, NostrConnectResponse::with_result(result));
//! #                         let answer: Event =
//! #                             NostrConnectEventBuilder::new(event.pubkey, answer).finalize(&keys).unwrap();
//! #                         relay.say(format!(r#"["EVENT","{sub}",{}]"#, answer.as_json())).await;
//! #                     }
//! #                     _ => {}
//! #                 }
//! #             }
//! #         });
//! #         Box::pin(async { Ok(connection) })
//! #     }
//! # }
//!
//! actix::System::new().block_on(async {
//!     # let phone = Keys::generate();
//!     # let pasted = format!("bunker://{}?relay=wss://relay.example.com&secret=0f6b", phone.public_key());
//!     # let dialer = Phone(phone);
//!     let env = Env::production();
//!     let uri: BunkerUri = pasted.parse().unwrap();
//!     let client = new_client_key(&*env.entropy);
//!
//!     let bunker = Bunker::new(false);
//!     let parts = BunkerParts { uri: uri.clone(), client, auth_urls: vec![], patience: Patience::default() };
//!     bunker.start(env.clone(), Lifeline::unwatched(Role::Keeper), parts);
//!     let link = RelayLink::new(uri.relays()[0].clone());
//!     let lifeline = Lifeline::unwatched(Role::Link(link.url().to_string()));
//!     RelayLinkActor::new(env, lifeline, &link, Arc::new(dialer), vec![bunker.links.clone()]).start();
//!
//!     let signer = bunker.log_in().await.unwrap();
//!     let payload = signer.nip44_encrypt_to_self("a keyring").await.unwrap();
//!     assert_eq!(signer.nip44_decrypt_from_self(&payload).await.unwrap(), "a keyring");
//! });
//! ```

mod actor;
mod bunker_uri;
mod client_key;
mod envelope;
mod handle;
mod messages;
mod offer;
mod patience;
mod refusal;
mod request;
mod session;
mod subscriptions;

pub use bunker_uri::{BunkerUri, BunkerUriError};
pub use client_key::{BadClientKey, ClientKey, new_client_key};
pub use handle::{Bunker, BunkerParts, RemoteSigner};
pub use messages::AuthUrl;
pub use offer::{ConnectOffer, OfferError, Reception};
pub use patience::Patience;
