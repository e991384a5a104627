//! `logout`: nothing of the account stays.

use chat_sync::{DataDirError, npub};
use event_index::IndexError;
use serde_json::json;

use crate::cli::Logout;
use crate::context::Context;
use crate::exit::Failure;

pub(crate) fn run(context: &Context, args: &Logout) -> Result<(), Failure> {
    // What another program works on is not taken from under it, force or not. A store that does not open for any
    // other reason is one more reason to be rid of it.
    if let Err(in_use @ DataDirError::Store(IndexError::InUse { .. })) =
        context.data_dir.open(context.entropy())
    {
        return Err(context.explained(in_use));
    }
    let npub = npub(&context.data_dir.logout(args.force, context.entropy())?);
    if context.output.is_json() {
        return context.output.json(&json!({ "npub": npub, "logged_out": true }));
    }
    context
        .output
        .line(&format!("{npub} is logged out; its history here is erased"))
}
