//! What a device remembers of reading: versions that were picked, what is unread; and what a search finds.

use serde_json::json;

use crate::SECRET;
use crate::chromium::Chromium;
use crate::page::quoted;
use crate::program::Home;
use crate::scene::{Device, Relay, logged_in};

/// What the keyboard is at.
const AT: &str = "document.activeElement";

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_picked_by_keys_and_stays_picked() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relay = Relay::new();
    let here = Device::start(logged_in(&[&relay]));
    here.run(&["chats", "send", "bread", "Which flour?"]);
    let asked = here.run(&["chats", "show", "bread"])["messages"][0]["id"].clone();
    let parent = asked.as_str().unwrap();
    for answer in ["Rye.", "Spelt.", "Strong white flour."] {
        here.run(&[
            "chats",
            "send",
            "bread",
            answer,
            "--role",
            "assistant",
            "--parent",
            parent,
        ]);
    }
    let page = here.open(&browser).await;
    page.click(".row").await;
    page.until("document.querySelectorAll('.message').length === 2")
        .await;
    page.press("m").await;
    page.until(&format!("{AT}.querySelector('.version')?.innerText === '3/3'"))
        .await;
    for (key, shown) in [
        ("ArrowLeft", "2/3 Spelt."),
        ("ArrowLeft", "1/3 Rye."),
        ("ArrowRight", "2/3 Spelt."),
    ] {
        page.press(key).await;
        page.until(&format!(
            "`${{{AT}.querySelector('.version')?.innerText}} ${{{AT}.querySelector('.body')?.innerText}}` === '{shown}'"
        ))
        .await;
    }
    // For everybody on this device, and after a reload.
    let shown = here.run(&["chats", "show", "bread"]);
    assert_eq!(shown["messages"][1]["content"], "Spelt.");
    page.reload().await;
    page.until("document.querySelector('.version')?.innerText === '2/3'")
        .await;
    // With the mouse, too.
    page.click("[aria-label='Version after']").await;
    page.until("document.querySelector('.version')?.innerText === '3/3'")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_other_conversations_it_is_counted_what_is_unread() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relay = Relay::new();
    let here = Device::start(logged_in(&[&relay]));
    here.run(&["chats", "send", "bread", "Which flour?"]);
    let page = here.open(&browser).await;
    page.click(".row").await;
    page.until("document.querySelector('.message')").await;
    let elsewhere = logged_in(&[&relay]);
    elsewhere
        .run(&["chats", "send", "boat", "A name for a small boat?"])
        .succeeded();
    page.until("document.querySelector('.row.unread')?.innerText.includes('A name for a small boat?')")
        .await;
    assert_eq!(
        page.eval("document.querySelector('.row.unread .badge').innerText")
            .await,
        json!("1")
    );
    page.until("document.title === '(1) Chat Sync'").await;
    page.click(".row.unread").await;
    page.until("!document.querySelector('.row.unread')").await;
    page.reload().await;
    page.until("document.querySelectorAll('.row').length === 2 && !document.querySelector('.row.unread')")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_into_the_conversation_on_the_screen_is_read_and_behind_another_view_it_is_not() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relay = Relay::new();
    let here = Device::start(logged_in(&[&relay]));
    here.run(&["chats", "send", "bread", "Which flour?"]);
    let page = here.open(&browser).await;
    page.click(".row").await;
    page.until("document.querySelectorAll('.message').length === 1")
        .await;
    // The look has been told when what was asked after it is answered.
    page.until("performance.getEntriesByType('resource').some(({ name }) => name.endsWith('/bread/active'))")
        .await;
    let elsewhere = logged_in(&[&relay]);
    let unread = || here.run(&["chats", "list"])["conversations"][0]["unread"].clone();
    elsewhere
        .run(&["chats", "send", "bread", "And how much water?"])
        .succeeded();
    page.until("document.querySelectorAll('.message').length === 2")
        .await;
    assert_eq!(unread(), json!(0));

    page.click(".tab[href='#/status']").await;
    page.until("performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/bread/active')).length === 2")
        .await;
    elsewhere
        .run(&["chats", "send", "bread", "Still there?"])
        .succeeded();
    page.until("document.title === '(1) Chat Sync'").await;
    assert_eq!(unread(), json!(1));
    page.click(".tab[href^='#/chats']").await;
    page.until("document.title === 'Chat Sync'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_far_up_is_found_and_what_is_shown_of_it_stays_text() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let home = Home::new();
    home.log_in(SECRET, &[]);
    let file = home.file("export.json", &crate::long::export(1_500));
    home.run(&["import", file.to_str().unwrap()]).succeeded();
    let here = Device::start(home);
    let bad = "<img src=x onerror=\"harmed = 1\"> 🍞 crumbs";
    here.run(&["chats", "send", "bad", "--", bad]);
    let page = here.open(&browser).await;
    page.until("document.querySelectorAll('.row').length === 2").await;

    // A message that no page has loaded yet.
    page.press("/").await;
    page.types("MESSAGE 17 and").await;
    page.click(".hits .snippet").await;
    page.until(&format!("{AT}.innerText.includes('message 17 and')"))
        .await;

    page.press("/").await;
    page.types("crumbs").await;
    page.until("document.querySelector('.hits mark')?.innerText === 'crumbs'")
        .await;
    let shown = format!(
        "document.querySelector('.hits .snippet').textContent.includes({})",
        quoted(bad)
    );
    assert_eq!(page.eval(&shown).await, json!(true));
    assert_eq!(
        page.eval("document.querySelectorAll('.hits img').length").await,
        json!(0)
    );
    page.press("Escape").await;
    page.until("document.querySelectorAll('.row').length === 2").await;
    assert_eq!(page.eval("window.harmed ?? null").await, json!(null));
}
