//! The page, in a real browser, with the real daemon behind it.
//!
//! Without Chromium these tests say so and pass, unless `CHAT_SYNC_BROWSER=required` is set, as `.ci/run` does. They use
//! the browser's debugging protocol over a websocket, so no driver is needed.

mod chromium;
mod devtools;
mod extension;
mod page;
#[path = "../cli/program.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of the command line, which use all of it"
)]
mod program;
mod scene;

mod keyboard;
mod login;
mod long;
mod pictures;
mod reading;
mod settings;
mod showing;
mod strangers;

/// The secret key of a test account.
const SECRET: &str = "0101010101010101010101010101010101010101010101010101010101010101";
