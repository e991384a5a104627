//! `sync` that only looks, only sends, only fetches, or starts over.

use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};

use crate::program::Home;
use crate::{NOBODY, SECRET};

/// Two devices of one account that are level, and a message on each that the other lacks; the second one's has not left.
fn apart(relay: &EmbeddedRelay) -> Home {
    let (one, two) = (Home::new(), Home::new());
    for home in [&one, &two] {
        home.log_in(SECRET, &[&relay.url()]);
    }
    one.run(&["chats", "send", "talk", "old"]).succeeded();
    one.run(&["sync"]).succeeded();
    two.run(&["sync"]).succeeded();
    one.run(&["chats", "send", "talk", "from one"]).succeeded();
    one.run(&["sync"]).succeeded();
    two.run(&["chats", "send", "talk", "from two", "--relay", NOBODY])
        .succeeded();
    two
}

#[test]
fn a_dry_run_says_what_would_move_and_exits_0() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let two = apart(&relay);
    let said = two.run(&["sync", "--dry-run"]).succeeded().stdout;
    assert!(
        said.contains("Would send 1 message and fetch 1 message."),
        "{said}"
    );
    let report = two.run(&["sync", "--dry-run", "--json"]).succeeded().json();
    assert_eq!(
        (&report["complete"], &report["relays"][0]["need"]),
        (&false.into(), &1.into())
    );
    assert_eq!(
        (&report["messages"], &report["waiting"]),
        (&2.into(), &1.into()),
        "nothing moved"
    );

    two.run(&["sync", "--down", "-q"]).refused(3, "1 message stays");
    let list = two.run(&["chats", "list", "--json"]).succeeded().json();
    assert_eq!(list["conversations"][0]["messages"], 3, "it came");
    two.run(&["sync", "--up"]).succeeded();
    let report = two.run(&["sync", "--full", "--json"]).succeeded().json();
    assert_eq!(
        (&report["complete"], &report["messages"]),
        (&true.into(), &3.into())
    );
    two.run(&["sync", "--dry-run", "--relay", NOBODY, "-q"])
        .refused(4, "no relay");
    two.run(&["sync", "--up", "--down"]).refused(2, "--down");
}
