//! Pages of a long conversation.

use serde_json::{Value, json};

use super::api::{Api, daemon};
use crate::program::Home;
use crate::{NOBODY, SECRET};

fn texts(shown: &Value) -> Vec<&str> {
    let messages = shown["messages"].as_array().unwrap().iter();
    messages
        .map(|message| message["content"].as_str().unwrap())
        .collect()
}

/// One conversation of so many messages; their ids.
fn talk(api: &Api, count: usize) -> Vec<String> {
    let messages: Vec<Value> = (0..count)
        .map(|n| {
            json!({
                "conversation": "talk", "role": if n % 2 == 0 { "user" } else { "assistant" }, "content": n.to_string(),
                "created_at": 1_789_000_000 + n, "source": format!("test:{n}"),
            })
        })
        .collect();
    let taken = api.post("/import", json!({ "messages": messages }));
    assert_eq!(taken.json()["added"], count, "{taken:?}");
    let shown = api.get("/conversations/talk?limit=all");
    let messages = shown["messages"].as_array().unwrap().iter();
    messages
        .map(|message| message["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_long_conversation_is_read_before_after_and_around_any_message() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let (_running, api) = daemon(&home);
    let ids = talk(&api, 30);
    assert_eq!(ids.len(), 30);
    let page = |query: &str| api.get(&format!("/conversations/talk?{query}"));
    let more = |shown: &Value| (shown["more"].clone(), shown["later"].clone());

    let last = page("limit=3");
    assert_eq!(texts(&last), ["27", "28", "29"]);
    assert_eq!(
        (more(&last), &last["total"]),
        ((true.into(), false.into()), &30.into())
    );
    let around = page(&format!("around={}&limit=5", ids[12]));
    assert_eq!(texts(&around), ["10", "11", "12", "13", "14"]);
    assert_eq!(more(&around), (true.into(), true.into()));
    let before = page(&format!("before={}&limit=2", ids[10]));
    assert_eq!(texts(&before), ["8", "9"]);
    let after = page(&format!("after={}&limit=2", ids[14]));
    assert_eq!(texts(&after), ["15", "16"]);
    let end = page(&format!("after={}", ids[29]));
    assert_eq!((texts(&end).len(), more(&end)), (0, (true.into(), false.into())));
    let first = page(&format!("around={}&limit=4", ids[0]));
    assert_eq!(
        (texts(&first), more(&first)),
        (vec!["0", "1", "2", "3"], (false.into(), true.into()))
    );

    // Walked from the middle both ways, it is the whole, and nothing twice.
    let (mut walked, mut at) = (Vec::new(), around.clone());
    while at["later"] == true {
        walked.extend(texts(&at).into_iter().map(str::to_owned));
        let last = at["messages"].as_array().unwrap().last().unwrap()["id"].clone();
        at = page(&format!("after={}&limit=7", last.as_str().unwrap()));
    }
    walked.extend(texts(&at).into_iter().map(str::to_owned));
    assert_eq!(walked, (10..30).map(|n| n.to_string()).collect::<Vec<_>>());

    let both = format!("/conversations/talk?after={0}&before={0}", ids[3]);
    assert_eq!(api.ask("GET", &both, None).status, 400);
    let stranger = format!("/conversations/talk?around={}", "00".repeat(32));
    assert_eq!(api.ask("GET", &stranger, None).status, 404);
    let nonsense = api.ask("GET", "/conversations/talk?around=latest", None);
    assert_eq!(nonsense.status, 400, "{nonsense:?}");
}

#[test]
fn an_import_that_makes_no_sense_takes_nothing() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let (_running, api) = daemon(&home);
    let good = json!({
        "conversation": "talk", "role": "user", "content": "a secret word", "created_at": 1_789_000_000, "source": "a",
    });
    for wrong in [
        json!({ "conversation": "" }),
        json!({ "source": "" }),
        json!({ "created_at": 1_789_000_000_000_u64 }),
        json!({ "created_at": "today" }),
        json!({ "unknown": 1 }),
    ] {
        let mut bad = good.clone();
        bad.as_object_mut()
            .unwrap()
            .extend(wrong.as_object().unwrap().clone());
        let answer = api.post("/import", json!({ "messages": [good, bad] }));
        assert_eq!(
            (answer.status, answer.json()["exit"].clone()),
            (400, json!(2)),
            "{answer:?}"
        );
        assert!(!answer.body.contains("secret"), "{answer:?}");
    }
    assert_eq!(api.get("/conversations")["total"], 0);
    let foreseen = api.post("/import?dry_run=true", json!({ "messages": [good, good] }));
    assert_eq!(
        (&foreseen.json()["added"], &foreseen.json()["known"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(api.get("/conversations")["total"], 0);
    let taken = api.post("/import", json!({ "messages": [good, good] }));
    assert_eq!(
        (&taken.json()["added"], &taken.json()["known"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(api.get("/conversations")["total"], 1);
}
