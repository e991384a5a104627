//! `chats search`: messages that have certain words.

use console::style;

use crate::cli::Search;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{one_line, printable, short_id, utc};
use crate::shapes::search::Hit;

pub(crate) async fn run(context: &Context, args: &Search) -> Result<(), Failure> {
    let found = context
        .service(false)
        .await?
        .search(&args.text, args.limit.into())
        .await?;
    let output = context.output;
    if output.is_json() {
        return output.json(&found);
    }
    for hit in &found.hits {
        let Hit {
            conversation,
            title,
            role,
            created_at,
            ..
        } = hit;
        let head = style(one_line(title)).bold();
        let details = format!(
            "{} · {} · {}",
            short_id(conversation),
            one_line(role),
            utc(*created_at)
        );
        output.line(&format!("{head}  {}", style(details).dim()))?;
        output.line(&format!("  {}", marked(hit)))?;
    }
    if found.hits.is_empty() {
        output.talk("nothing found");
    } else if found.more {
        output.talk("there are more; `--limit` shows up to 500");
    }
    Ok(())
}

/// The words stand out.
fn marked(hit: &Hit) -> String {
    let part = |from: usize, to: usize| -> String {
        let part: String = hit
            .snippet
            .chars()
            .skip(from)
            .take(to.saturating_sub(from))
            .collect();
        printable(&part)
    };
    let (start, end) = hit.found;
    format!(
        "{}{}{}",
        part(0, start),
        style(part(start, end)).bold(),
        part(end, usize::MAX)
    )
}
