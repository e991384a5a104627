//! `relays test`: dials, reads, publishes nothing.

use std::time::Duration;

use chat_sync::{NegTest, RelayTest, RelayUrl, Step};
use console::style;

use super::words;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Output, one_line, plural};
use crate::shapes::relays::{TestShape, TestShapes};

pub(super) async fn run(context: &Context, urls: &[RelayUrl]) -> Result<(), Failure> {
    let service = context.service(false).await?;
    let mut urls = if urls.is_empty() {
        service
            .relays()
            .await?
            .into_iter()
            .map(|relay| relay.url)
            .collect()
    } else {
        urls.to_vec()
    };
    let mut seen = std::collections::BTreeSet::new();
    urls.retain(|url| seen.insert(url.clone()));
    if urls.is_empty() {
        return Err(Failure::Usage(
            "there is no relay to test; name one, or add it with `chat-sync relays add URL`".to_owned(),
        ));
    }
    context.output.talk(&format!(
        "asking {}; nothing is published",
        plural(urls.len() as u64, "relay")
    ));
    let tests = service.test_relays(&urls).await?;
    let now = context.clock().unix();
    if context.output.is_json() {
        let relays = tests.iter().map(|test| TestShape::new(test, now)).collect();
        context.output.json(&TestShapes { relays })?;
    } else {
        for (place, test) in tests.iter().enumerate() {
            if place > 0 {
                context.output.line("")?;
            }
            print(context.output, test, now)?;
        }
    }
    verdict(&tests)
}

fn verdict(tests: &[RelayTest]) -> Result<(), Failure> {
    let away: Vec<&str> = tests
        .iter()
        .filter(|test| test.connected.is_err())
        .map(|test| test.url.as_str())
        .collect();
    if away.is_empty() {
        Ok(())
    } else if away.len() == tests.len() {
        Err(Failure::Offline(format!(
            "no relay could be reached ({})",
            away.join(", ")
        )))
    } else {
        Err(Failure::Partly(format!(
            "{} of {} could not be reached ({})",
            away.len(),
            plural(tests.len() as u64, "relay"),
            away.join(", ")
        )))
    }
}

fn print(output: Output, test: &RelayTest, now: u64) -> Result<(), Failure> {
    output.line(&style(test.url.as_str()).bold().to_string())?;
    let line = |what: &str, said: &str, took: Option<Duration>| {
        let took = took.map_or(String::new(), |took| {
            style(format!("  ({})", time(took))).dim().to_string()
        });
        output.line(&format!("  {what:<14}  {said}{took}"))
    };
    match &test.connected {
        Ok(took) => line("connection", "yes", Some(*took))?,
        Err(why) => line(
            "connection",
            &style(format!("none: {}", one_line(why))).red().to_string(),
            None,
        )?,
    }
    // Where nobody answers, the document is away for the same reason.
    if test.connected.is_ok() || test.info.outcome.is_ok() {
        line("says it is", &document(test), Some(test.info.took))?;
    }
    if let Some(neg) = &test.neg {
        line("compares sets", &compares(neg), Some(neg.took))?;
    }
    if let Some(page) = &test.page {
        line(
            "pages",
            &pages(test, page.outcome.as_ref().map_err(String::as_str), now),
            Some(page.took),
        )?;
        line("messages", &messages(test), None)?;
    }
    Ok(())
}

fn document(test: &RelayTest) -> String {
    let info = match &test.info.outcome {
        Ok(info) => info,
        Err(why) => return format!("nothing: {}", one_line(why)),
    };
    let name = info.name.as_deref().map(one_line);
    let lists = info.lists(77).map(|lists| {
        let lists = if lists { "lists" } else { "does not list" };
        format!("{lists} NIP-77")
    });
    let parts: Vec<String> = [
        name,
        words::program(info),
        lists,
        words::limits(info),
        words::demands(info),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() {
        "a document that says nothing of use here".to_owned()
    } else {
        parts.join("; ")
    }
}

fn compares(neg: &Step<NegTest>) -> String {
    match &neg.outcome {
        Ok(NegTest::Speaks { cap: None }) => style("yes").green().to_string(),
        Ok(NegTest::Speaks { cap: Some(cap) }) => format!("yes, at most {cap} events at once"),
        Ok(NegTest::Refuses { why }) => format!("no: {}; it is read by pages", one_line(why)),
        Err(why) => format!("not known: {}", one_line(why)),
    }
}

fn pages(test: &RelayTest, page: Result<&chat_sync::PageTest, &str>, now: u64) -> String {
    let limit = test.profile.page_limit(now);
    match page {
        Err(why) => format!("not read: {}", one_line(why)),
        Ok(page) => {
            let cut = page.cap.map_or(String::new(), |cap| {
                format!("; it cuts a page of {} at {cap}", page.asked)
            });
            format!(
                "{} read; up to {limit} are asked for at a time{cut}",
                plural(page.brought as u64, "event")
            )
        }
    }
}

fn messages(test: &RelayTest) -> String {
    let read = test.page.as_ref().and_then(|page| page.outcome.as_ref().ok());
    match (read.map_or(0, |page| page.messages), &test.refused) {
        (0, Some(why)) => format!("it refused one: {}", one_line(why)),
        (0, None) => "none of yours was read; whether it takes them shows with the next sync".to_owned(),
        (read, Some(why)) => format!(
            "it keeps {read} or more of yours, and refused one: {}",
            one_line(why)
        ),
        (read, None) => format!("it keeps yours: {read} read"),
    }
}

fn time(took: Duration) -> String {
    if took < Duration::from_secs(1) {
        format!("{} ms", took.as_millis())
    } else {
        format!("{:.1} s", took.as_secs_f64())
    }
}
