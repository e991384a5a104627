//! What the crate promises, in one binary.

mod common;
mod frames;
mod info;
mod link;
mod memory;
mod notary;
mod reconnecting;
mod websocket;
