//! What the crate promises, in one binary.

mod common;
mod frames;
mod info;
mod link;
mod memory;
mod reconnecting;
mod websocket;
