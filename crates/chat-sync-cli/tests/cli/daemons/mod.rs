//! The daemon: its API, the commands beside it, how it begins and ends.

mod api;
mod schema;

mod browser_login;
mod commands;
mod demo;
mod ending;
mod events;
mod relays;
mod services;
mod strangers;
