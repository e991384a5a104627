//! What a person sees: messages as they land, text that stays text, and every state with its words.

use relay_lab::Taking;
use serde_json::json;

use crate::SECRET;
use crate::chromium::Chromium;
use crate::page::quoted;
use crate::program::Home;
use crate::scene::{Device, Relay, logged_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_from_the_command_line_appears_without_a_reload() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relay = Relay::new();
    let here = Device::start(logged_in(&[&relay]));
    here.run(&["chats", "send", "bread", "Which flour?"]);
    let page = here.open(&browser).await;
    page.click(".row").await;
    page.until("document.querySelector('.message .body').innerText === 'Which flour?'")
        .await;
    page.eval("window.neverReloaded = true").await;

    // By this device's daemon, and by another device over the relay.
    here.run(&[
        "chats",
        "send",
        "bread",
        "Strong white flour.",
        "--role",
        "assistant",
        "--model",
        "gpt-5",
    ]);
    page.until("document.querySelectorAll('.message').length === 2")
        .await;
    page.shows("gpt-5").await;
    let elsewhere = logged_in(&[&relay]);
    elsewhere
        .run(&["chats", "send", "bread", "And how much water?"])
        .succeeded();
    page.until("[...document.querySelectorAll('.message .body')].at(-1).innerText === 'And how much water?'")
        .await;
    assert_eq!(page.eval("window.neverReloaded").await, json!(true));
    // In the end every state is told, without anybody asking.
    page.until(
        "[...document.querySelectorAll('.message .state')].every((state) => state.innerText === 'verified')",
    )
    .await;
    page.click(".message .state").await;
    page.until("document.querySelector('.receipts-list')?.innerText.includes('verified')")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn markup_in_a_message_stays_text() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relay = Relay::new();
    let here = Device::start(logged_in(&[&relay]));
    let texts = [
        "<script>window.harmed = 1</script>",
        "<img src=x onerror=\"window.harmed = 2\">",
        "<svg onload=\"window.harmed = 3\"></svg><a href=\"javascript:window.harmed = 4\">x</a>",
        "```html\n</code></pre><iframe srcdoc=\"<script>parent.harmed = 5</script>\"></iframe>\n```",
        "[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://example.com/seen.png\"}},{\"type\":\"<b>x</b>\"}]",
    ];
    // A title comes from the first message.
    for text in texts {
        here.run(&["chats", "send", "bad", "--", text]);
    }
    let page = here.open(&browser).await;
    page.click(".row").await;
    page.until(&format!(
        "document.querySelectorAll('.message').length === {}",
        texts.len()
    ))
    .await;
    for text in &texts[..3] {
        let text = quoted(text);
        page.until(&format!(
            "[...document.querySelectorAll('.message .body')].some((body) => body.textContent === {text})"
        ))
        .await;
    }
    page.until("document.querySelector('.message pre').textContent.includes('<iframe srcdoc')")
        .await;
    // Two frames later everything that was going to load has begun to.
    page.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        .await;
    assert_eq!(page.eval("window.harmed ?? null").await, json!(null));
    let alive = "document.querySelectorAll('main script, main iframe, main svg, main img, main a[href^=javascript]').length";
    assert_eq!(page.eval(alive).await, json!(0));
    let fetched = "performance.getEntriesByType('resource').filter(({ name }) => !name.startsWith(location.origin)).length";
    assert_eq!(page.eval(fetched).await, json!(0), "nothing from elsewhere");

    // The policy of the page would stop what got through all the same.
    let stopped = "new Promise((done) => { addEventListener('securitypolicyviolation', ({ violatedDirective }) => \
                   done(violatedDirective), { once: true }); const script = document.createElement('script'); \
                   script.textContent = 'window.harmed = 6'; document.body.append(script); })";
    assert_eq!(page.eval(stopped).await, json!("script-src-elem"));
    assert_eq!(page.eval("window.harmed ?? null").await, json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_is_shown_and_what_is_written_stays() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relay = Relay::new();
    let here = Device::start(logged_in(&[&relay]));
    let page = here.open(&browser).await;
    page.until("document.querySelector('.status-bar').innerText.includes('In sync')")
        .await;
    relay.door.cut();
    page.until("document.querySelector('.status-bar').innerText.includes('Offline')")
        .await;
    here.run(&["chats", "send", "bread", "Written offline"]);
    page.click(".row").await;
    page.until("document.querySelector('.message .state').innerText !== 'verified'")
        .await;
    page.until("document.querySelector('.status-bar').innerText.includes('kept here')")
        .await;
    page.click(".status-bar").await;
    page.until("document.querySelector('[data-relay] .card-state').innerText === 'not reached'")
        .await;
    relay.door.heal();
    page.until("document.querySelector('.status-bar').innerText.includes('In sync')")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_refuses_is_named_with_its_reason() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relays = [Relay::new(), Relay::new()];
    let here = Device::start(logged_in(&[&relays[0], &relays[1]]));
    let page = here.open(&browser).await;
    relays[0].door.set_taking(Taking::RefusesKind(1080));
    here.run(&["chats", "send", "bread", "milk"]);
    page.until("document.querySelector('.status-bar').innerText.includes('1 message refused')")
        .await;
    page.click(".tab[href='#/queue']").await;
    page.shows("does not take this message; other relays may").await;
    page.shows("blocked: event kind is blocked by relay").await;
    // A person's word: given up, then taken back.
    page.click("[data-name='drop-0']").await;
    page.click("[data-name='yes']").await;
    page.shows("1 message given up").await;
    relays[0].door.set_taking(Taking::Well);
    page.click("[data-name='retry-0']").await;
    page.until("document.querySelector('.status-bar').innerText.includes('In sync')")
        .await;
    page.shows("Nothing waits").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_history_is_shown_with_what_to_do() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relay = Relay::new();
    relay.put_a_keyring_that_nobody_opens().await;
    let home = Home::new();
    home.log_in(SECRET, &[&relay.url()]);
    let here = Device::start(home);
    let page = here.open(&browser).await;
    page.until("document.querySelector('.status-bar').innerText.includes('Locked')")
        .await;
    page.until("document.querySelector('.banner').innerText.includes('The history key is locked.')")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_has_gone_is_said_and_nothing_typed_is_lost() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relay = Relay::new();
    let mut here = Device::start(logged_in(&[&relay]));
    here.run(&["chats", "send", "bread", "Which flour?"]);
    let page = here.open(&browser).await;
    page.click(".row").await;
    page.until("document.querySelector('.message .body').innerText === 'Which flour?'")
        .await;
    here.kill_daemon();
    page.until("document.querySelector('.banner').innerText.includes('The daemon does not answer.')")
        .await;
    page.press("c").await;
    page.types("half a thought").await;
    page.press("Enter").await;
    page.shows("Not sent: the daemon does not answer. The text is still here.")
        .await;
    assert_eq!(
        page.eval("document.querySelector('textarea').value").await,
        json!("half a thought")
    );
    assert!(
        page.eval("document.body.innerText")
            .await
            .as_str()
            .unwrap()
            .contains("Which flour?"),
        "what was there is still to be read"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_without_its_token_or_with_a_wrong_one_says_so_and_shows_nothing() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relay = Relay::new();
    let here = Device::start(logged_in(&[&relay]));
    here.run(&["chats", "send", "bread", "Which flour?"]);
    let page = browser.tab(1180, 760).await;
    page.go(&here.url).await;
    page.shows("This page needs its key").await;
    // A pasted address takes effect where the page is open already.
    page.go(&format!("{}#token={}", here.url, "ab".repeat(32))).await;
    page.shows("The key of this page is not valid any more").await;
    assert_eq!(
        page.eval("document.body.innerText.includes('flour')").await,
        json!(false)
    );

    // With the right one, the address bar forgets it and the tab does not.
    let page = here.open(&browser).await;
    page.shows("Which flour?").await;
    assert_eq!(page.eval("location.href.includes('token')").await, json!(false));
    page.reload().await;
    page.shows("Which flour?").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_history_says_how_to_begin() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relay = Relay::new();
    let here = Device::start(logged_in(&[&relay]));
    let page = here.open(&browser).await;
    page.shows("No conversations yet").await;
    page.shows("chat-sync import FILE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_shows_what_goes_before_it_goes() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relay = Relay::new();
    let here = Device::start(logged_in(&[&relay]));
    for text in ["one", "two", "three"] {
        here.run(&["chats", "send", "bread", text]);
    }
    let page = here.open(&browser).await;
    page.click(".row").await;
    page.until("document.querySelectorAll('.message').length === 3")
        .await;
    page.click(".message:last-child [data-name='delete']").await;
    page.shows("Delete this message?").await;
    page.press("Escape").await;
    page.until("!document.querySelector('dialog')").await;
    page.click("[data-name='delete-conversation']").await;
    page.shows("3 messages").await;
    page.click("[data-name='yes']").await;
    page.shows("No conversations yet").await;
    let left = here.run(&["chats", "list"]);
    assert_eq!(left["conversations"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_fits_a_phone_and_a_dark_room() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relay = Relay::new();
    let here = Device::start(logged_in(&[&relay]));
    let long = format!("{} {}", "word".repeat(60), "`a_very_long_name_in_code`");
    here.run(&["chats", "send", "bread", &long]);
    here.run(&[
        "chats",
        "send",
        "bread",
        "```\nlet line = \"longer than any phone is wide, and then some more of it\";\n```",
    ]);
    let page = browser.tab(360, 740).await;
    page.go(&here.address()).await;
    page.click(".row").await;
    page.until("document.querySelectorAll('.message').length === 2")
        .await;
    let wide = "[...document.querySelectorAll('body *')].filter((each) => each.offsetParent && !each.closest('pre') \
                && each.getBoundingClientRect().right > 361).map((each) => each.className)";
    for view in ["chats", "status", "queue", "relays", "keys", "switches"] {
        page.click(&format!(".tab[href='#/{view}']")).await;
        page.until("!document.body.innerText.includes('Reading …')").await;
        assert_eq!(
            page.eval(wide).await,
            json!([]),
            "{view} is wider than the screen"
        );
    }
    let ground = "getComputedStyle(document.body).backgroundColor";
    page.scheme("light").await;
    let light = page.eval(ground).await;
    page.scheme("dark").await;
    assert_ne!(page.eval(ground).await, light);
}
