//! Relays and switches, changed from the page while the daemon runs.

use serde_json::json;

use crate::chromium::Chromium;
use crate::page::quoted;
use crate::scene::{Device, Relay, logged_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_is_added_tried_out_and_removed() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let (first, second) = (Relay::new(), Relay::new());
    let here = Device::start(logged_in(&[&first]));
    here.run(&["chats", "send", "bread", "Which flour?"]);
    let page = here.open(&browser).await;
    page.click(".tab[href='#/relays']").await;
    page.click("[data-name='relay-url']").await;
    page.eval("document.querySelector(\"[data-name='relay-url']\").focus()")
        .await;
    page.types("https://no-relay.example").await;
    page.press("Enter").await;
    page.until("document.querySelector('[role=alert].remark').innerText.length > 10")
        .await;
    page.eval("document.querySelector(\"[data-name='relay-url']\").select()")
        .await;
    page.types(&second.url()).await;
    page.press("Enter").await;
    page.until("document.querySelectorAll('.relay-name').length >= 2")
        .await;
    // The new one is filled, and then both are level.
    page.until("document.querySelector('.status-bar').innerText.includes('In sync')")
        .await;
    let status = here.run(&["status"]);
    assert_eq!(status["relays"].as_array().map(Vec::len), Some(2), "{status}");

    page.click("[data-name='test']").await;
    page.shows("reached in").await;
    let remove = format!("[data-name={}]", quoted(&format!("remove-{}", first.url())));
    page.click(&remove).await;
    page.click("[data-name='yes']").await;
    page.until(&format!("!document.querySelector({})", quoted(&remove)))
        .await;
    let left = here.run(&["relays", "list"]);
    assert_eq!(left["relays"][0]["url"], second.url(), "{left}");
    assert_eq!(left["relays"].as_array().map(Vec::len), Some(1), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_switched_off_is_said_and_done() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relay = Relay::new();
    let here = Device::start(logged_in(&[&relay]));
    let page = here.open(&browser).await;
    page.click(".tab[href='#/switches']").await;
    page.click("[data-name='uploads']").await;
    page.until("document.querySelector(\"[data-name='uploads']\").checked === false")
        .await;
    here.run(&["chats", "send", "bread", "stays here"]);
    page.click(".tab[href='#/status']").await;
    page.shows("Switched off: uploads").await;
    page.until("document.querySelector('.status-bar').innerText.includes('1 message to be sent')")
        .await;
    page.click(".tab[href='#/switches']").await;
    page.click("[data-name='uploads']").await;
    page.until("document.querySelector('.status-bar').innerText.includes('In sync')")
        .await;
    page.click("[data-name='sync']").await;
    page.until("document.querySelector('.status-bar').innerText.includes('Sync is switched off')")
        .await;
    assert_eq!(here.run(&["status"])["switches"]["sync"], json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_messages_are_kept_is_a_number_of_days_or_never() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relay = Relay::new();
    let here = Device::start(logged_in(&[&relay]));
    let page = here.open(&browser).await;
    page.click(".tab[href='#/switches']").await;
    page.until("document.querySelector(\"[data-name='forget_after_days']\")?.value === ''")
        .await;
    let days = || here.run(&["status"])["switches"]["forget_after_days"].clone();
    for (typed, value) in [("30", json!(30)), ("", json!(null)), ("7", json!(7))] {
        let field = "document.querySelector(\"[data-name='forget_after_days']\")";
        if typed.is_empty() {
            page.eval(&format!(
                "{field}.value = '', {field}.dispatchEvent(new Event('change'))"
            ))
            .await;
        } else {
            page.eval(&format!("{field}.select()")).await;
            page.types(typed).await;
            page.press("Enter").await;
        }
        until(|| days() == value).await;
    }
    page.click(".tab[href='#/status']").await;
    page.shows("In sync").await;
    let off = page
        .eval("document.body.innerText.includes('Switched off')")
        .await;
    assert_eq!(off, json!(false), "nothing is off");
}

async fn until(holds: impl Fn() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it did not become so");
}
