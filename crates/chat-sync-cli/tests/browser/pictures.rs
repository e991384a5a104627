//! The pictures of `docs/images`, of the page as it is:
//! `cargo test -p chat-sync-cli --test browser pictures -- --ignored`.

use std::path::Path;

use crate::chromium::Chromium;
use crate::program::Home;
use crate::scene::{Device, Relay};

const ANSWER: &str = "About 72 % water for a dough that still holds its shape:\n\n```rust\nlet flour = 500.0;\nlet water = \
                      flour * 0.72;\nprintln!(\"{water} g\");\n```\n\nUse `strong white flour`; rye takes more water.";
const CHATS: [(&str, &str); 8] = [
    ("letter", "A letter to the landlord about the heating"),
    ("portuguese", "Twenty words of Portuguese for a week in Porto"),
    ("sky", "Why is the sky dark at night?"),
    ("docker", "Docker networking on a laptop, explained slowly"),
    ("boat", "Names for a small wooden boat"),
    ("tax", "What goes into line 42 of the tax form?"),
    ("fog", "A short poem about fog"),
    ("mint", "What is a Cashu mint?"),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes files of the documentation"]
async fn pictures_of_the_main_views() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let relays = [Relay::new(), Relay::new()];
    let home = Home::new();
    home.log_in(crate::SECRET, &[&relays[0].url(), &relays[1].url()]);
    home.run(&["sync"]).succeeded();
    let here = Device::start(home);
    for (id, text) in CHATS {
        here.run(&["chats", "send", id, text]);
        here.run(&[
            "chats",
            "send",
            id,
            "Here is a first attempt.",
            "--role",
            "assistant",
            "--model",
            "gpt-5",
        ]);
    }
    let asked = here.run(&["chats", "send", "bread", "How much water for 500 g of flour?"]);
    let parent = asked["id"].as_str().unwrap();
    for answer in ["Roughly 350 g.", ANSWER] {
        here.run(&[
            "chats",
            "send",
            "bread",
            answer,
            "--role",
            "assistant",
            "--model",
            "gpt-5",
            "--parent",
            parent,
        ]);
    }
    here.run(&["chats", "send", "bread", "And how long does it rise?"]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/images");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, scheme, width, height) in [
        ("light", "light", 1080, 680),
        ("dark", "dark", 1080, 680),
        ("phone", "light", 360, 700),
    ] {
        let page = browser.tab(width, height).await;
        page.scheme(scheme).await;
        page.go(&here.address()).await;
        page.until("[...document.querySelectorAll('.row')].length === 9")
            .await;
        page.until("document.querySelector('.status-bar').innerText.includes('In sync')")
            .await;
        page.click(".row").await;
        page.until("document.querySelectorAll('.message').length === 3")
            .await;
        page.until("[...document.querySelectorAll('.message .state')].every((each) => each.innerText === 'verified')")
            .await;
        page.picture(&folder.join(format!("page-{name}.png"))).await;
        if name == "light" {
            page.click(".tab[href='#/status']").await;
            page.until("document.querySelectorAll('[data-relay]').length === 2")
                .await;
            page.picture(&folder.join("page-status.png")).await;
        }
    }
}
