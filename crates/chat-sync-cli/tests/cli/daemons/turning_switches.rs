//! Switches that are turned while a daemon runs: at once, and for the next one too.

use serde_json::{Value, json};

use super::api::{Api, daemon};
use crate::program::Home;
use crate::{NOBODY, SECRET};

fn turn(api: &Api, query: &str, switches: Value) -> (u16, Value) {
    let answer = api.ask("PATCH", &format!("/switches{query}"), Some(switches));
    (answer.status, answer.json())
}

/// What `config show` says of a switch, and who said so.
fn configured(home: &Home, switch: &str) -> (String, String) {
    let shown = home.run(&["config", "show", "--json"]).succeeded().json();
    let settings = shown["settings"].as_array().unwrap();
    let name = format!("switches.{switch}");
    let setting = settings.iter().find(|setting| setting["name"] == name).unwrap();
    let text = |key: &str| setting[key].as_str().unwrap().to_owned();
    (text("value"), text("source"))
}

#[test]
fn switches_are_turned_while_it_runs_and_stand_after_a_restart() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let (running, api) = daemon(&home);
    let mut on = api.get("/switches");
    let days = on.as_object_mut().unwrap().remove("forget_after_days");
    assert_eq!(days, Some(Value::Null), "nothing is forgotten");
    assert!(
        on.as_object().unwrap().values().all(|value| value == true),
        "{on}"
    );
    let (status, turned) = turn(&api, "", json!({ "sync": false }));
    assert_eq!((status, &turned["sync"]), (200, &json!(false)), "{turned}");
    let unknown = json!({ "uploads": false, "no such switch": false });
    assert_eq!(turn(&api, "", unknown).0, 400);
    let now = api.get("/switches");
    assert_eq!((&now["sync"], &now["uploads"]), (&false.into(), &true.into()));
    let sent = api.post("/conversations/talk/messages", json!({ "text": "hello" }));
    assert_eq!(
        (sent.status, &sent.json()["state"]),
        (201, &"draft".into()),
        "{sent:?}"
    );
    assert_eq!(configured(&home, "sync"), ("false".to_owned(), "file".to_owned()));
    home.run(&["sync"]).refused(4, "switched off");

    let (status, turned) = turn(&api, "?for_now=true", json!({ "live": false }));
    assert_eq!(
        (status, &turned["live"], &turned["sync"]),
        (200, &json!(false), &json!(false))
    );
    assert_eq!(
        configured(&home, "live"),
        ("true".to_owned(), "default".to_owned())
    );
    drop(running);
    let (_running, api) = daemon(&home);
    let now = api.get("/switches");
    assert_eq!((&now["sync"], &now["live"]), (&false.into(), &true.into()));
    assert_eq!(turn(&api, "", json!({ "sync": true })).0, 200);
    assert_eq!(configured(&home, "sync"), ("true".to_owned(), "file".to_owned()));
}

#[test]
fn switches_that_cannot_be_kept_are_not_turned_and_the_file_keeps_its_comments() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let file = home.data().join("config.toml");
    std::fs::write(&file, "# mine\n[switches]\nauth = false  # for now\n").unwrap();
    let (_running, api) = daemon(&home);
    assert_eq!(api.get("/switches")["auth"], false);
    // Nothing can be written where this is.
    let unfinished = home.data().join("config.toml.new");
    std::fs::create_dir(&unfinished).unwrap();
    let (status, refused) = turn(&api, "", json!({ "auth": true }));
    assert_eq!(status, 500, "{refused}");
    assert!(
        refused["error"].as_str().unwrap().contains("for_now"),
        "{refused}"
    );
    assert_eq!(api.get("/switches")["auth"], false);
    std::fs::remove_dir(&unfinished).unwrap();
    assert_eq!(turn(&api, "", json!({ "auth": true, "parts": false })).0, 200);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        text,
        "# mine\n[switches]\nauth = true  # for now\nparts = false\n"
    );
}

#[test]
fn how_long_messages_are_kept_is_turned_checked_and_stands_after_a_restart() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let (running, api) = daemon(&home);
    let keep = |days: Value| turn(&api, "", json!({ "forget_after_days": days }));
    let (status, turned) = keep(30.into());
    assert_eq!(
        (status, &turned["forget_after_days"]),
        (200, &json!(30)),
        "{turned}"
    );
    for wrong in [
        json!(0),
        json!(true),
        json!(-1),
        json!("30"),
        json!(40_000),
        json!(1.5),
    ] {
        let (status, refused) = keep(wrong);
        assert_eq!(status, 400, "{refused}");
        assert!(
            refused["error"].as_str().unwrap().contains("from 1 to 36500"),
            "{refused}"
        );
    }
    assert_eq!(
        configured(&home, "forget_after_days"),
        ("30".to_owned(), "file".to_owned())
    );
    drop(running);
    let (_running, api) = daemon(&home);
    assert_eq!(api.get("/switches")["forget_after_days"], 30);
    let (status, turned) = turn(&api, "", json!({ "forget_after_days": null }));
    assert_eq!(
        (status, &turned["forget_after_days"]),
        (200, &Value::Null),
        "{turned}"
    );
    assert_eq!(configured(&home, "forget_after_days").0, "false");
}
