//! `relays list`: what is known without asking anybody.

use chat_sync::{KnownRelay, Neg};
use status::basis_word;

use super::words;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Table, one_line, utc};
use crate::shapes::relays::{KnownShape, KnownShapes, method};

pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let relays = context.service(false).await?.relays().await?;
    let now = context.clock().unix();
    if context.output.is_json() {
        let relays = relays.iter().map(|relay| KnownShape::new(relay, now)).collect();
        return context.output.json(&KnownShapes { relays });
    }
    if relays.is_empty() {
        context
            .output
            .talk("no relays; add one with `chat-sync relays add URL`");
        return Ok(());
    }
    let mut table = Table::new(&[
        "relay",
        "method",
        "learned (UTC)",
        "last equal (UTC)",
        "by",
        ">page",
        "notes",
    ]);
    for relay in &relays {
        let learned = relay.profile.neg_known(now).map(|known| known.at);
        table.row(vec![
            relay.url.to_string(),
            method(relay, now).unwrap_or("-").to_owned(),
            learned.map_or("-".to_owned(), utc),
            relay
                .agreement
                .map_or("never".to_owned(), |agreement| utc(agreement.at)),
            relay
                .agreement
                .map_or("-", |agreement| basis_word(agreement.basis))
                .to_owned(),
            relay.profile.page_limit(now).to_string(),
            notes(relay, now),
        ]);
    }
    table
        .lines()
        .iter()
        .try_for_each(|line| context.output.line(line))
}

/// Whatever is out of the ordinary, and which program it is.
fn notes(relay: &KnownRelay, now: u64) -> String {
    let profile = &relay.profile;
    let mut notes = Vec::new();
    if relay.listed {
        notes.push("from your relay list".to_owned());
    }
    if let Some(Neg::Refused { why }) = profile.neg_known(now).map(|known| known.what) {
        notes.push(format!("does not compare sets: {}", one_line(why)));
    }
    if let Some(cap) = profile.neg_cap(now) {
        notes.push(format!("compares at most {cap} at once"));
    }
    if profile.one_author(now) {
        notes.push("one key a request".to_owned());
    }
    if let Some(max) = profile.subs_max_known(now) {
        notes.push(format!("{} requests at once", max.what));
    }
    if let Some(info) = profile.info(now) {
        notes.extend(words::program(info.what));
        notes.extend(words::demands(info.what));
    }
    if notes.is_empty() {
        "-".to_owned()
    } else {
        notes.join("; ")
    }
}
