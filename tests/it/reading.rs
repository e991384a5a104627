//! Looking at conversations: unread counts, the active conversation, versions, pages and searches.

use chat_model::Role;
use chat_sync::{ChatUpdate, Excerpt, Handle, MessageId, NewMessage};
use futures_util::StreamExt;
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};

use crate::bench::{Device, live, write};

fn relay() -> EmbeddedRelay {
    EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap()
}

async fn unread(device: &Handle, conversation: &str) -> usize {
    let list = device.conversations().await.unwrap();
    let line = list.iter().find(|line| line.id == conversation);
    line.map_or(0, |line| line.unread)
}

async fn texts(device: &Handle, conversation: &str) -> Vec<String> {
    let view = device.conversation(conversation).await.unwrap();
    view.branch.into_iter().map(|message| message.content).collect()
}

#[test]
fn the_active_conversation_streams_in_and_others_only_count() {
    live(async {
        let relay = relay();
        let laptop = Device::new(&[&relay.url()]).start();
        write(&laptop, "looked-at", 1).await;
        write(&laptop, "elsewhere", 1).await;
        assert!(laptop.sync().await.unwrap().complete);
        let phone_device = Device::new(&[&relay.url()]);
        let phone = phone_device.start();
        assert!(phone.sync().await.unwrap().complete);
        phone.set_active(Some("looked-at".to_owned())).await.unwrap();
        phone.mark_read("elsewhere").await.unwrap();
        let mut news = Box::pin(phone.watch_conversation("looked-at").await.unwrap());
        let mut counts = Box::pin(phone.watch_counts());

        laptop
            .send(NewMessage::user("elsewhere", "nobody looks"))
            .await
            .unwrap();
        laptop
            .send(NewMessage::user("looked-at", "somebody looks"))
            .await
            .unwrap();
        let landed = loop {
            if let ChatUpdate::Landed(messages) = news.next().await.unwrap() {
                break messages;
            }
        };
        assert_eq!(landed.len(), 1);
        assert_eq!(
            (landed[0].conversation.as_str(), landed[0].content.as_str()),
            ("looked-at", "somebody looks")
        );
        loop {
            let changed = counts.next().await.unwrap();
            if changed
                .iter()
                .any(|line| line.id == "elsewhere" && line.unread == 1)
            {
                break;
            }
        }
        assert_eq!(
            unread(&phone, "looked-at").await,
            0,
            "what comes where somebody looks is read"
        );
        assert_eq!(
            unread(&laptop, "elsewhere").await,
            0,
            "what was written here is read"
        );

        // A device that starts again knows what was not read.
        phone.shutdown().await;
        let phone = phone_device.start();
        assert_eq!(unread(&phone, "elsewhere").await, 1);
        phone.mark_read("elsewhere").await.unwrap();
        assert_eq!(unread(&phone, "elsewhere").await, 0);
        phone.shutdown().await;
        laptop.shutdown().await;
    });
}

#[test]
fn a_picked_version_stays_after_a_restart_and_yields_to_one_that_is_written_here() {
    live(async {
        let device = Device::new(&[]);
        let engine = device.start();
        let question = engine
            .send(NewMessage::user("talk", "first question"))
            .await
            .unwrap();
        let answer = |text: &str, parent: MessageId| NewMessage {
            parent: Some(parent),
            role: Role::Assistant,
            ..NewMessage::user("talk", text)
        };
        engine.send(answer("one answer", question.id)).await.unwrap();
        engine.send(answer("another answer", question.id)).await.unwrap();
        assert_eq!(texts(&engine, "talk").await, ["first question", "another answer"]);
        let view = engine.conversation("talk").await.unwrap();
        assert_eq!((view.branch[1].version, view.branch[1].version_ids.len()), (2, 2));
        let first = view.branch[1].version_ids[0];
        let picked = engine.pick_version(first).await.unwrap();
        assert_eq!(picked.branch[1].content, "one answer");
        engine.shutdown().await;

        let engine = device.start();
        assert_eq!(texts(&engine, "talk").await, ["first question", "one answer"]);
        engine.send(answer("a third answer", question.id)).await.unwrap();
        assert_eq!(texts(&engine, "talk").await, ["first question", "a third answer"]);
        engine.shutdown().await;
    });
}

#[test]
fn a_long_conversation_is_read_in_pages_and_searched() {
    live(async {
        let device = Device::new(&[]);
        let engine = device.start();
        write(&engine, "long", 25).await;
        let last = engine.conversation_page("long", Excerpt::last(10)).await.unwrap();
        assert_eq!((last.branch.len(), last.total, last.more), (10, 25, true));
        assert_eq!(last.branch[0].content, "long 15");
        let before = Excerpt::before(last.branch[0].id, 20);
        let rest = engine.conversation_page("long", before).await.unwrap();
        assert_eq!((rest.branch.len(), rest.more), (15, false));
        assert_eq!(rest.branch[14].content, "long 14");
        assert!(!last.later && rest.later);
        let middle = rest.branch[7].id;
        let around = Excerpt::around(middle, 5);
        let around = engine.conversation_page("long", around).await.unwrap();
        let texts: Vec<_> = around.branch.iter().map(|message| &*message.content).collect();
        assert_eq!(texts, ["long 5", "long 6", "long 7", "long 8", "long 9"]);
        assert_eq!((around.more, around.later, around.total), (true, true, 25));
        let after = Excerpt::after(around.branch[4].id, 100);
        let after = engine.conversation_page("long", after).await.unwrap();
        assert_eq!((after.branch.len(), after.more, after.later), (15, true, false));
        assert_eq!(after.branch[0].content, "long 10");
        let stranger = Excerpt::around(MessageId::Event([9; 32]), 5);
        engine.conversation_page("long", stranger).await.unwrap_err();

        let found = engine.search("LONG 2", 3).await.unwrap();
        assert_eq!((found.hits.len(), found.more), (3, true));
        let all = engine.search("LONG 2", 50).await.unwrap();
        assert_eq!((all.hits.len(), all.more), (6, false), "2 and 20 to 24");
        let (from, to) = all.hits[0].snippet.found;
        assert_eq!(&all.hits[0].snippet.text[from..to], "long 2");
        assert_eq!(engine.search("lemon", 5).await.unwrap().hits, []);
        engine.shutdown().await;
    });
}
