//! `demo --ui`: a page to look at, without an account and without a network.

use serde_json::{Value, json};

use super::api::Api;
use crate::program::Home;

#[test]
#[cfg(unix)]
fn the_demo_serves_the_page_of_one_device_and_another_one_answers_what_is_written_there() {
    let home = Home::new();
    let demo = home.start(&["demo", "--ui", "--json", "--messages", "40"]);
    let told: Value = serde_json::from_str(&demo.line()).unwrap();
    assert_eq!(
        (&told["converged"], &told["lost"]),
        (&true.into(), &0.into()),
        "{told}"
    );
    let url = told["url"].as_str().unwrap();
    let (port, token) = url
        .strip_prefix("http://127.0.0.1:")
        .and_then(|rest| rest.split_once("/#token="))
        .unwrap();
    let port: u16 = port.parse().unwrap();
    let api = Api::of(&json!({ "port": port, "token": token }));

    let page = api.raw("GET", "/", &[("Host", &api.host())], "");
    assert!(page.body.contains("<script"), "{page:?}");
    assert_eq!(api.get("/status")["messages"], told["messages"]);
    let mut events = api.events("?conversation=try-it", None);
    let body = json!({ "text": "Is anybody there?" });
    assert_eq!(api.post("/conversations/try-it/messages", body).status, 201);
    loop {
        let landed = events.until("landed");
        if let Some(answer) = landed["messages"]
            .as_array()
            .unwrap()
            .iter()
            .find(|message| message["role"] == "assistant")
        {
            assert!(
                answer["content"]
                    .as_str()
                    .unwrap()
                    .starts_with("This is the phone.")
            );
            break;
        }
    }
    assert_eq!(demo.interrupt(), Some(0));
    assert!(!home.data().exists(), "it leaves the person's own data alone");
}
