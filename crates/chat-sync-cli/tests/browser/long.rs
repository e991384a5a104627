//! Long histories: what is not on the screen is not in the document, and what is read stays where it is.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::SECRET;
use crate::chromium::Chromium;
use crate::page::Page;
use crate::program::Home;
use crate::scene::Device;

/// Nodes of everything else on the page, and of two screens full of messages.
const NODES_MAX: u64 = 1_500;
const SCROLLER: &str = "document.querySelector('.thread-scroller')";
/// Two frames later, what was scrolled is drawn.
const DRAWN: &str = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))";

/// Answers for a conversation of 100,000 messages in place of the daemon: a store of that size takes a debug build a
/// minute to make, and what it costs to read is measured by `cargo xtask bench read`.
const HUNDRED_THOUSAND: &str = r"
(() => {
  const ALL = 100000;
  const id = (n) => n.toString(16).padStart(64, '0');
  const message = (n) => ({
    id: id(n + 1), parent: n ? id(n) : null, role: n % 2 ? 'assistant' : 'user', model: n % 2 ? 'gpt-5' : null,
    content: `message ${n}${' and some more words'.repeat(n % 23)}`, created_at: 1700000000 + 60 * n,
    version: 1, versions: 1, version_ids: [id(n + 1)], state: 'verified',
  });
  const real = window.fetch;
  window.fetch = async (input, init) => {
    const url = new URL(input, location.origin);
    if (url.pathname !== '/api/v1/conversations/long') return real(input, init);
    const before = url.searchParams.get('before');
    const end = before ? Number.parseInt(before, 16) - 1 : ALL;
    const start = Math.max(0, end - Number(url.searchParams.get('limit')));
    const messages = Array.from({ length: end - start }, (_, at) => message(start + at));
    return Response.json({ id: 'long', title: 'Long', messages, total: ALL, more: start > 0 });
  };
})();";

pub(crate) fn export(count: usize) -> String {
    let mut messages = String::new();
    for n in 0..count {
        let (role, at) = (
            ["user", "assistant"][n % 2],
            1_700_000_000_000 + n as u64 * 60_000,
        );
        let text = format!("message {n}{}", " and some more words".repeat(n % 23));
        let comma = if n == 0 { "" } else { "," };
        let message = json!({ "role": role, "content": text, "_createdAt": at });
        write!(messages, "{comma}{message}").unwrap();
    }
    format!("[{{\"id\":\"1700000000000\",\"title\":\"Long\",\"messages\":[{messages}]}}]")
}

async fn nodes_are_few(page: &Page) {
    let count = page.eval("document.querySelectorAll('*').length").await;
    let count = count.as_u64().unwrap();
    assert!((100..NODES_MAX).contains(&count), "{count} nodes");
}

/// Which message is at the top of the screen, and how far above its edge that begins.
async fn place(page: &Page) -> Value {
    let first = format!(
        "(() => {{ const top = {SCROLLER}.getBoundingClientRect().top; const at = [...document.querySelectorAll('.message')]\
         .find((each) => each.getBoundingClientRect().bottom > top); return [at.dataset.id, Math.round(\
         at.getBoundingClientRect().top - top)]; }})()"
    );
    page.eval(&first).await
}

fn loaded(at_least: usize) -> String {
    format!("Number(document.querySelector('.message')?.getAttribute('aria-setsize')) >= {at_least}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_messages_are_a_screen_full_of_nodes() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let home = Home::new();
    home.log_in(SECRET, &[]);
    let here = Device::start(home);
    let page = browser.tab(1180, 760).await;
    page.bring(HUNDRED_THOUSAND).await;
    page.go(&here.address()).await;
    page.eval("location.hash = '#/chats/long'").await;
    page.until(
        "[...document.querySelectorAll('.message .body')].at(-1)?.innerText.startsWith('message 99999')",
    )
    .await;
    nodes_are_few(&page).await;
    // All of it, by the way to a message at its beginning.
    let seventeen = format!("{:064x}", 18);
    page.eval(&format!("location.hash = '#/chats/long/{seventeen}'"))
        .await;
    page.until(&format!("document.activeElement.dataset.id === '{seventeen}'"))
        .await;
    page.until(&loaded(99_000)).await;
    nodes_are_few(&page).await;
    for share in ["0.1", "0.5", "0.9", "1"] {
        page.eval(&format!(
            "{SCROLLER}.scrollTop = {SCROLLER}.scrollHeight * {share}"
        ))
        .await;
        page.eval(DRAWN).await;
        let covered = format!(
            "[...document.querySelectorAll('.message')].some((each) => {{ const box = each.getBoundingClientRect(); \
             const middle = innerHeight / 2; return box.top <= middle && box.bottom >= middle - 20; }}) && \
             {SCROLLER}.scrollHeight > 1e6"
        );
        page.until(&covered).await;
        nodes_are_few(&page).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_stays_where_it_is_while_messages_land_and_load() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let home = Home::new();
    home.log_in(SECRET, &[]);
    let file = home.file("export.json", &export(1_500));
    home.run(&["import", file.to_str().unwrap()]).succeeded();
    let here = Device::start(home);
    let page = here.open(&browser).await;
    page.click(".row").await;
    page.until(
        "[...document.querySelectorAll('.message .body')].at(-1)?.innerText.startsWith('message 1499')",
    )
    .await;
    page.until("document.querySelector('.thread-note').innerText === '1,500 messages'")
        .await;
    let at_end =
        format!("(({{ scrollTop: t, scrollHeight: h, clientHeight: c }}) => h - t - c < 2)({SCROLLER})");
    assert_eq!(page.eval(&at_end).await, json!(true), "it opens at the end");

    // Upwards: pages load above what is read, and it does not move for that.
    for pages in 2..=4 {
        page.eval(&format!("{SCROLLER}.scrollTop = 0")).await;
        page.until(&loaded(pages * 200)).await;
    }
    page.eval(&format!("{SCROLLER}.scrollTop += 5000")).await;
    page.eval(DRAWN).await;
    let before = place(&page).await;
    here.run(&["chats", "send", "1700000000000", "landed meanwhile"]);
    page.until("!document.querySelector('.below').hidden").await;
    assert_eq!(place(&page).await, before, "what is read does not move");
    // Nor when another view was looked at in between.
    page.press("2").await;
    page.until("document.activeElement.innerText === 'Status'").await;
    page.press("1").await;
    page.until(&format!("{SCROLLER}.offsetParent")).await;
    page.eval(DRAWN).await;
    assert_eq!(place(&page).await, before);

    // Who is at the end stays at the end.
    page.click(".below button").await;
    page.until(&at_end).await;
    here.run(&["chats", "send", "1700000000000", "and one more"]);
    page.until("[...document.querySelectorAll('.message .body')].at(-1)?.innerText === 'and one more'")
        .await;
    page.until(&at_end).await;
}
