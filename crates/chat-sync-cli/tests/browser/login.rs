//! Logging in from the page: the key stays where it is.

use std::fs;

use nostr::key::Keys;
use serde_json::json;

use crate::SECRET;
use crate::chromium::Chromium;
use crate::extension::Extension;
use crate::program::Home;
use crate::scene::{Device, Relay, logged_in};

/// A directory where nobody is logged in, whose first login uses this relay.
fn nobody() -> Home {
    Home::new()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_extension_opens_a_history_and_its_key_never_leaves_it() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relay = Relay::new();
    let elsewhere = logged_in(&[&relay]);
    elsewhere
        .run(&["chats", "send", "bread", "Which flour?"])
        .succeeded();

    let here = Device::start(nobody());
    let page = browser.tab(1180, 760).await;
    let extension = Extension::install(&page, SECRET).await;
    page.go(&here.address()).await;
    page.shows("Whose history is it?").await;
    page.eval(&format!(
        "document.querySelector(\"[data-name='login-relays']\").value = {}",
        crate::page::quoted(&relay.url())
    ))
    .await;
    page.click("[data-name='login-extension']").await;
    page.click(".row").await;
    page.until("document.querySelector('.message .body').innerText === 'Which flour?'")
        .await;

    let account = here.run(&["whoami"]);
    assert_eq!(
        account["pubkey"],
        Keys::parse(SECRET).unwrap().public_key().to_hex()
    );
    assert!(
        extension.asked().iter().any(|method| method == "decrypt"),
        "{:?}",
        extension.asked()
    );
    // One signer prompt for this device, and none for a message.
    let before = extension.asked();
    page.press("c").await;
    page.types("Strong white").await;
    page.press("Enter").await;
    page.until("document.querySelectorAll('.message').length === 2")
        .await;
    page.until("[...document.querySelectorAll('.message .state')].at(-1).innerText === 'verified'")
        .await;
    assert_eq!(extension.asked(), before);
    elsewhere.run(&["sync"]).succeeded();
    let shown = elsewhere
        .run(&["chats", "show", "bread", "--json"])
        .succeeded()
        .json();
    assert_eq!(shown["messages"][1]["content"], "Strong white");
    // On disk there is no secret key of the account.
    for (path, bytes) in here.home.snapshot() {
        let raw: Vec<u8> = (0..32).map(|_| 1).collect();
        assert!(
            !bytes.windows(64).any(|window| window == SECRET.as_bytes())
                && !bytes.windows(32).any(|window| window == raw),
            "{}",
            path.display()
        );
    }
    assert!(fs::metadata(here.home.data()).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_without_encryption_is_told_apart() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let here = Device::start(nobody());
    let page = browser.tab(1180, 760).await;
    page.bring("window.nostr = { getPublicKey: async () => '', signEvent: async (event) => event };")
        .await;
    page.go(&here.address()).await;
    page.shows("The browser extension has no NIP-44 encryption").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_signer_is_offered_a_code() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relay = Relay::new();
    let here = Device::start(nobody());
    let page = here.open(&browser).await;
    page.until("document.querySelector(\"[data-name='login-relay']\")")
        .await;
    page.eval(&format!(
        "document.querySelector(\"[data-name='login-relay']\").value = {}",
        crate::page::quoted(&relay.url())
    ))
    .await;
    page.click("[data-name='login-qr']").await;
    page.until("document.querySelector('.qr')?.naturalWidth > 20")
        .await;
    let uri = page
        .eval("document.querySelector('.offer .id').textContent")
        .await;
    assert!(uri.as_str().unwrap().starts_with("nostrconnect://"), "{uri}");
    assert_eq!(
        page.eval("!!document.querySelector('main svg')").await,
        json!(false),
        "a picture, no markup"
    );
}
