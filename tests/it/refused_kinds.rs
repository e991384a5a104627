//! Relays that will not have our kinds of events: it is said, and messages go where they are taken.

use chat_sync::{Handle, MessageState, NewMessage};
use relay_lab::Taking;

use crate::bench::{Device, simulate, write};
use crate::deliveries::{
    ONE, THREE, TWO, held, line, offered, relay, reopened, start, start_later, started, wait,
};

#[test]
fn f30_what_two_of_three_relays_refuse_is_delivered_to_the_third_and_kept_for_the_others() {
    simulate(async {
        let (one, two, three) = (relay(), relay(), relay());
        one.set(Taking::RefusesKind(1080));
        two.set(Taking::RefusesKind(1080));
        three.set(Taking::RefusesKind(1081));
        let device = Device::new(&[ONE, TWO, THREE]);
        let engine = start(&device, 1, &[(ONE, &one), (TWO, &two), (THREE, &three)]).await;
        write(&engine, "groceries", 5).await;
        wait(300).await;
        assert_eq!(
            (held(&one).len(), held(&two).len(), held(&three).len()),
            (0, 0, 5)
        );
        for url in [ONE, TWO] {
            let trouble = line(&engine, url).trouble.unwrap();
            assert!(trouble.contains("event kind is blocked by relay"), "{trouble}");
            assert_eq!(line(&engine, url).parked, 5);
        }
        let status = engine.status();
        let warning = status.warning.expect("a person has to know");
        assert!(warning.contains("only 1 of 3"), "{warning}");
        assert_eq!(
            (status.safe, status.complete, status.counts.parked),
            (0, false, 5)
        );
        let offers = offered(&one).len();
        wait(3_600).await;
        assert_eq!(offered(&one).len(), offers, "a refusal is not argued with");

        // Relays change their rules.
        one.set(Taking::Well);
        two.set(Taking::Well);
        wait(25 * 3_600).await;
        assert_eq!((held(&one).len(), held(&two).len()), (5, 5));
        assert_eq!(
            (engine.status().warning, engine.status().counts.parked),
            (None, 0)
        );
    });
}

#[test]
fn a_message_is_not_safe_while_its_keyring_is_on_one_relay_only() {
    simulate(async {
        let (one, two) = (relay(), relay());
        two.set(Taking::RefusesKind(1081));
        let device = Device::new(&[ONE, TWO]);
        let engine = start(&device, 4, &[(ONE, &one), (TWO, &two)]).await;
        let sent = engine.send(NewMessage::user("groceries", "milk")).await.unwrap();
        wait(180).await;
        assert_eq!((held(&one).len(), held(&two).len()), (1, 1));
        let known = engine.receipts(vec![sent.id]).await.unwrap().remove(0);
        assert_eq!((known.state, known.safe), (MessageState::Verified, false));
        assert_eq!((engine.status().safe, engine.status().complete), (0, true));
        // It is offered again, and read back.
        two.set(Taking::Well);
        wait(3_600).await;
        assert_eq!(engine.status().safe, 1);
        assert!(engine.receipts(vec![sent.id]).await.unwrap()[0].safe);
    });
}

#[test]
fn each_relay_says_what_it_does_and_the_message_is_not_called_safe() {
    let (refusing, forgetting, healthy) = (relay(), relay(), relay());
    let device = Device::new(&[ONE, TWO, THREE]);
    simulate(async {
        let relays = [(ONE, &refusing), (TWO, &forgetting), (THREE, &healthy)];
        let engine = started(&device, 2, &relays).await;
        refusing.set(Taking::RefusesKind(1080));
        forgetting.set(Taking::Forgets);
        engine.send(NewMessage::user("groceries", "milk")).await.unwrap();
        wait(180).await;
        engine.sync().await.unwrap();
        wait(10).await;
        expect_words(&engine);
        assert_eq!(held(&healthy).len(), 1);
        engine.shutdown().await;
    });
    // What is known is on disk.
    let refusing = reopened(&refusing, Taking::RefusesKind(1080));
    let forgetting = reopened(&forgetting, Taking::Forgets);
    let healthy = reopened(&healthy, Taking::Well);
    simulate(async {
        let relays = [(ONE, &refusing), (TWO, &forgetting), (THREE, &healthy)];
        let engine = start_later(&device, 3, 300, &relays).await;
        wait(60).await;
        expect_words(&engine);
        assert!(offered(&refusing).is_empty() && offered(&forgetting).is_empty());
    });
}

fn expect_words(engine: &Handle) {
    assert_eq!(
        line(engine, ONE).trouble.as_deref(),
        Some("does not keep 1 message: blocked: event kind is blocked by relay")
    );
    assert_eq!(
        line(engine, TWO).trouble.as_deref(),
        Some(
            "does not keep 1 message: the relay said yes twice and did not hold it when asked: it accepts messages \
             and forgets them"
        )
    );
    assert_eq!(line(engine, THREE).trouble, None);
    let status = engine.status();
    assert_eq!(
        (status.counts.messages, status.safe, status.complete),
        (1, 0, false)
    );
    assert_eq!(
        status.warning.as_deref(),
        Some("only 1 of 3 relays keep your messages; add another one that does")
    );
}
