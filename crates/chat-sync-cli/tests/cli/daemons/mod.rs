//! The daemon: its API, the commands beside it, how it begins and ends.

pub(crate) mod api;
mod schema;

mod beside;
mod browser_login;
mod commands;
mod demo;
mod ending;
mod events;
mod following_logs;
mod key_cards;
mod pages;
mod relays;
mod services;
mod strangers;
mod turning_switches;
