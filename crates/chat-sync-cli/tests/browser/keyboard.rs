//! Everything by keys alone: no click in here.

use serde_json::json;

use crate::chromium::Chromium;
use crate::scene::{Device, Relay, logged_in};

/// What the keyboard is at.
const AT: &str = "document.activeElement";

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_opened_written_in_and_its_versions_picked_by_keys() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relay = Relay::new();
    let here = Device::start(logged_in(&[&relay]));
    for title in ["A name for a boat", "Which flour?", "Tax form"] {
        here.run(&["chats", "send", &title.to_lowercase().replace(' ', "-"), title]);
    }
    let asked = here.run(&["chats", "show", "which-flour?"])["messages"][0]["id"].clone();
    for answer in ["Rye.", "Spelt.", "Strong white flour."] {
        let parent = asked.as_str().unwrap();
        here.run(&[
            "chats",
            "send",
            "which-flour?",
            answer,
            "--role",
            "assistant",
            "--parent",
            parent,
        ]);
    }
    let page = here.open(&browser).await;
    page.until("document.querySelectorAll('.row').length === 3").await;

    // Open: to the list, down, enter. The newest is on top.
    page.press("l").await;
    page.until(&format!("{AT}.classList.contains('row')")).await;
    page.press("Home").await;
    page.until(&format!("{AT}.innerText.includes('Which flour?')"))
        .await;
    page.press("ArrowDown").await;
    let second = page
        .eval("document.querySelectorAll('.row-title')[1].innerText")
        .await;
    page.until(&format!("{AT}.innerText.includes({second})")).await;
    page.press("Enter").await;
    page.until(&format!(
        "document.querySelector('.thread-title').innerText === {second}"
    ))
    .await;
    page.press("ArrowUp").await;
    page.press("Enter").await;
    page.until("document.querySelectorAll('.message').length === 2")
        .await;
    assert!(
        page.eval(&format!("getComputedStyle({AT}).outlineStyle"))
            .await
            .as_str()
            .is_some_and(|style| style != "none"),
        "where the keyboard is can be seen"
    );

    // To the last message.
    page.press("m").await;
    page.until(&format!(
        "{AT}.querySelector('.body')?.innerText === 'Strong white flour.'"
    ))
    .await;

    // Receipts, open and closed.
    page.press("i").await;
    page.until(&format!("{AT}.querySelector('.receipts')")).await;
    page.press("i").await;
    page.until(&format!("!{AT}.querySelector('.receipts')")).await;

    // Write and send.
    page.press("c").await;
    page.until(&format!("{AT}.tagName === 'TEXTAREA'")).await;
    page.types("By keys").await;
    page.press("Enter").await;
    page.until("[...document.querySelectorAll('.message .body')].at(-1).innerText === 'By keys'")
        .await;
    // The message may land before the daemon has answered.
    page.until("document.querySelector('textarea').value === ''")
        .await;
    let shown = here.run(&["chats", "show", "which-flour?"]);
    let last = shown["messages"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["content"], &last["role"]),
        (&json!("By keys"), &json!("user"))
    );

    // A new conversation, and every view.
    page.press("Escape").await;
    page.until(&format!("{AT}.classList.contains('message')")).await;
    page.press("n").await;
    page.until(&format!("{AT}.tagName === 'TEXTAREA'")).await;
    page.types("A poem about fog").await;
    page.press("Enter").await;
    page.until("document.querySelector('.thread-title').innerText === 'A poem about fog'")
        .await;
    page.press("Escape").await;
    for (key, heading) in [
        ("2", "Status"),
        ("3", "Queue"),
        ("4", "Relays"),
        ("5", "Keys"),
        ("6", "Switches"),
    ] {
        page.press(key).await;
        page.until(&format!(
            "{AT}.tagName === 'H1' && {AT}.innerText === '{heading}'"
        ))
        .await;
    }
    page.press("?").await;
    page.until("document.querySelector('dialog[open]').innerText.includes('new conversation')")
        .await;
    page.press("Escape").await;
    page.until("!document.querySelector('dialog')").await;
    page.press("1").await;
    page.until("document.querySelector('.thread-title').offsetParent")
        .await;
}
