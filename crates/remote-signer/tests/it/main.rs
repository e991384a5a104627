//! The promises of this crate, against a signer written independently of it, in simulated time.

mod answers;
mod bunker;
mod desk;
mod links;
mod lobby;
mod offer;
mod silence;
mod switch;
mod uri;
