//! Long messages: cut into pieces that envelopes can carry, and made whole again.

use chat_model::{
    Content, Library, Message, MessageId, PIECES_MAX, Parent, Part, RUMOR_BYTES_MAX, Role, Selection,
    SplitError,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::shuffled;

const AUTHOR: &str = "57b92b0bc7c4d8c5a9716c56a09e3b730c94a853f16dad0692876cbe38e43195";

fn event(n: usize) -> MessageId {
    let mut id = [0x5a; 32];
    // Ids in no order that follows from the number.
    id[..8].copy_from_slice(&(n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    id[8..16].copy_from_slice(&(n as u64).to_be_bytes());
    MessageId::Event(id)
}

fn long(content: impl Into<String>) -> Message {
    let mut message = Message::new("chat", Role::User, Content::new(content), 10);
    message.parent = Parent::Top;
    message.source = Some("src-long".into());
    message
}

/// A text in words and lines, `bytes` long.
fn words(bytes: usize) -> String {
    let text = (0u64..).flat_map(|n| {
        let end = if n % 17 == 16 { '\n' } else { ' ' };
        n.wrapping_mul(2_654_435_761)
            .to_string()
            .chars()
            .chain([end])
            .collect::<Vec<_>>()
    });
    text.take(bytes).collect()
}

/// The pieces as events `from`, `from + 1`, … of one device.
fn sealed(message: &Message, from: usize) -> Vec<(MessageId, Message)> {
    let mut pieces = message.clone().into_pieces().unwrap();
    for (at, piece) in pieces.iter_mut().enumerate().skip(1) {
        piece.parent = Parent::Message(event(from + at - 1));
    }
    pieces
        .into_iter()
        .enumerate()
        .map(|(at, piece)| (event(from + at), piece))
        .collect()
}

fn library(messages: &[(MessageId, Message)]) -> Library {
    let mut library = Library::new();
    for (id, message) in messages {
        library.insert(*id, 100, message.clone());
    }
    library
}

fn texts(library: &Library) -> Vec<String> {
    let chat = library.conversation("chat").unwrap();
    let branch = chat.branch(&Selection::new());
    branch
        .iter()
        .map(|shown| shown.message.content.raw().to_owned())
        .collect()
}

fn reply(words: &str, role: Role, parent: MessageId, second: u64) -> Message {
    let mut message = Message::new("chat", role, Content::new(words), second);
    message.parent = Parent::Message(parent);
    message
}

#[test]
fn what_fits_into_one_envelope_stays_one_message_to_the_last_byte() {
    let room = RUMOR_BYTES_MAX - long("").to_rumor(AUTHOR).unwrap().len();
    let fits = long("x".repeat(room));
    assert_eq!(fits.to_rumor(AUTHOR).unwrap().len(), RUMOR_BYTES_MAX);
    assert_eq!(fits.clone().into_pieces().unwrap(), [fits]);
    let pieces = long("x".repeat(room + 1)).into_pieces().unwrap();
    assert_eq!(pieces.len(), 2);
    // A reply to a draft will name an outer id.
    let mut draft = long("x".repeat(room));
    draft.parent = Parent::Message(MessageId::Local([1; 16]));
    assert_eq!(draft.into_pieces().unwrap().len(), 1);
}

/// Devices of different releases cut alike, or their copies of one message could not be told to be copies.
#[test]
fn where_a_message_is_cut_never_changes() {
    let pieces = long(words(100_000)).into_pieces().unwrap();
    let described: Vec<_> = pieces
        .iter()
        .map(|piece| {
            let [place, hash] = piece.part.unwrap().to_tag();
            (
                piece.content.raw().len(),
                piece.source.clone().unwrap(),
                place,
                hash[..8].to_owned(),
            )
        })
        .collect();
    let expected = [
        (39_318, "src-long", "1/3"),
        (39_361, "src-long#2/3:eac95c8053a5345e", "2/3"),
        (21_321, "src-long#3/3:eac95c8053a5345e", "3/3"),
    ];
    let expected = expected
        .map(|(bytes, source, place)| (bytes, source.to_owned(), place.to_owned(), "eac95c80".to_owned()));
    assert_eq!(described, expected);
}

#[test]
fn cuts_come_after_line_breaks_else_after_blanks() {
    for piece in &long(words(200_000)).into_pieces().unwrap()[..4] {
        assert!(piece.content.raw().ends_with('\n'));
    }
    let pieces = long(words(200_000).replace('\n', " ")).into_pieces().unwrap();
    for piece in &pieces[..pieces.len() - 1] {
        assert!(piece.content.raw().ends_with(' '));
    }
}

#[test]
fn only_the_first_piece_has_the_parent_the_source_and_the_cost() {
    let mut answer = long(words(90_000));
    answer.role = Role::Assistant;
    answer.model = Some("m".into());
    answer.sats = Some(2.5);
    let pieces = answer.into_pieces().unwrap();
    assert_eq!((pieces[0].sats, &pieces[0].parent), (Some(2.5), &Parent::Top));
    assert_eq!(pieces[0].source.as_deref(), Some("src-long"));
    for piece in &pieces[1..] {
        assert_eq!((piece.sats, piece.model.as_deref()), (None, Some("m")));
        assert!(piece.source.as_deref().unwrap().starts_with("src-long#"));
    }
}

#[test]
fn a_stretch_of_a_text_that_reads_as_parts_is_not_shown_as_parts() {
    let line = format!("[{{\"type\":\"text\",\"text\":\"{}\"}}]\n", "y".repeat(30_000));
    let text = line.repeat(5);
    assert!(!Content::new(text.as_str()).is_parts());
    let pieces = sealed(&long(text.as_str()), 0);
    assert!(pieces.iter().all(|(_, piece)| !piece.content.is_parts()));
    assert_eq!(texts(&library(&pieces)), [text]);
}

#[test]
fn what_cannot_be_cut_is_refused_with_what_it_is() {
    let image = serde_json::json!([{"type":"text","text":"look"},{"type":"image_url","image_url":"z".repeat(50_000)}]);
    match long(image.to_string()).into_pieces() {
        Err(SplitError::PartTooLong { kind, bytes, max }) => {
            assert_eq!(kind, "image_url");
            assert!(bytes > 50_000 && max < 40_000);
        }
        other => panic!("{other:?}"),
    }
    let endless = "w".repeat(PIECES_MAX * RUMOR_BYTES_MAX);
    assert!(matches!(
        long(endless).into_pieces(),
        Err(SplitError::TooLong { .. })
    ));
    let mut named = long("n".repeat(2_000));
    named.conversation = "c".repeat(39_000);
    assert_eq!(named.into_pieces(), Err(SplitError::NoRoom));
    let deep = format!(
        r#"[{{"type":"x","x":{}{}}}]"#,
        "[".repeat(30_000),
        "]".repeat(30_000)
    );
    assert_eq!(long(deep).into_pieces(), Err(SplitError::TooDeep));
}

#[test]
fn pieces_become_one_message_when_the_last_of_them_arrives() {
    let text = words(190_000);
    let pieces = sealed(&long(text.as_str()), 0);
    assert_eq!(pieces.len(), 5);
    for seed in 0..10 {
        let mut library = Library::new();
        for (n, (id, piece)) in shuffled(&pieces, seed).into_iter().enumerate() {
            library.insert(id, 100, piece);
            let expected = if n == 4 { 1 } else { n + 1 };
            assert_eq!(
                library.message_count(),
                expected,
                "an incomplete set shows as its pieces"
            );
            assert_eq!(library.conversations()[0].messages, expected);
        }
        assert_eq!(texts(&library), [text.as_str()]);
        let shown = library.conversation("chat").unwrap().messages()[0];
        assert_eq!(
            (shown.id, shown.parent),
            (event(4), None),
            "it is called by its last piece"
        );
        assert_eq!(
            (shown.message.part, shown.message.source.as_deref()),
            (None, Some("src-long"))
        );
        for n in 0..5 {
            assert_eq!(library.shown_id(&event(n)), Some(event(4)));
            assert_eq!(library.ids_of(&event(n)), (0..5).map(event).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_title_and_the_shown_text_do_not_care_about_pieces() {
    let text = words(90_000);
    let whole = library(&sealed(&long(text.as_str()), 0));
    assert_eq!(whole.conversations()[0].title, format!("{}...", &text[..50]));
}

#[test]
fn a_title_that_somebody_asked_for_becomes_that_of_the_whole_when_a_piece_of_a_later_second_comes() {
    let pieces = sealed(&long(words(60_000)), 0);
    assert_eq!(pieces.len(), 2);
    for first in [0, 1] {
        let mut pieces = pieces.clone();
        // Another program gives each piece a second of its own.
        pieces[1 - first].1.created_at += 1;
        let mut kept = library(&pieces[first..=first]);
        let alone = kept.summary("chat").unwrap().title;
        let (id, late) = pieces[1 - first].clone();
        kept.insert(id, 100, late);
        let title = kept.summary("chat").unwrap().title;
        assert_eq!(title, library(&pieces).summary("chat").unwrap().title);
        assert_eq!(title, format!("{}...", &words(60_000)[..50]));
        assert_eq!(
            alone == title,
            first == 0,
            "the second piece alone is called otherwise"
        );
    }
}

#[test]
fn replies_hang_off_the_whole_and_one_of_the_same_role_in_the_middle_is_a_version() {
    let mut messages = sealed(&long(words(120_000)), 0);
    let last = messages.len() - 1;
    messages.push((event(10), reply("answer", Role::Assistant, event(last), 20)));
    messages.push((event(11), reply("to the middle", Role::Assistant, event(1), 21)));
    let with_replies = library(&messages);
    let chat = with_replies.conversation("chat").unwrap();
    for n in [10, 11] {
        let shown = chat.shown(&event(n)).unwrap();
        assert_eq!((shown.parent, shown.versions), (Some(event(last)), 2));
    }
    // Another program shows pieces, and its user edits one of them.
    messages.push((event(12), reply("edited", Role::User, event(0), 22)));
    messages.extend(sealed(
        &Message {
            parent: Parent::Message(event(1)),
            source: Some("e2".into()),
            ..reply(&words(80_000), Role::User, event(1), 23)
        },
        20,
    ));
    let edited = library(&messages);
    let chat = edited.conversation("chat").unwrap();
    for (id, version) in [(event(last), 1), (event(12), 2), (event(22), 3)] {
        let shown = chat.shown(&id).unwrap();
        assert_eq!((shown.parent, shown.version, shown.versions), (None, version, 3));
    }
    assert_eq!(edited.message_count(), 5);
}

#[test]
fn a_removed_piece_leaves_the_others_and_a_removed_set_leaves_nothing() {
    let pieces = sealed(&long(words(120_000)), 0);
    let mut messages = pieces.clone();
    messages.push((
        event(10),
        reply("answer", Role::Assistant, event(pieces.len() - 1), 20),
    ));
    let mut some = library(&messages);
    assert_eq!(some.message_count(), 2);
    some.remove(&event(1));
    assert_eq!(
        some.message_count(),
        pieces.len(),
        "three of four, and the answer"
    );
    assert_eq!(texts(&some).len(), pieces.len());

    let mut all = library(&messages);
    for id in all.ids_of(&event(2)) {
        all.remove(&id);
    }
    assert_eq!(texts(&all), ["answer"]);
}

#[test]
fn two_devices_that_import_one_long_message_hold_it_once() {
    let text = words(150_000);
    let (one, two) = (sealed(&long(text.as_str()), 0), sealed(&long(text.as_str()), 100));
    for seed in 0..10 {
        let mut library = Library::new();
        let both: Vec<_> = one.iter().chain(&two).cloned().collect();
        for (n, (id, piece)) in shuffled(&both, seed).into_iter().enumerate() {
            // Now the one, now the other device was first.
            library.insert(id, (n as u64 * 7) % 5, piece);
        }
        assert_eq!(texts(&library), [text.as_str()]);
        assert_eq!(library.ids_of(&event(0)).len(), both.len());
    }
}

#[test]
fn a_draft_in_pieces_is_whole_and_stays_whole_while_its_pieces_are_sealed() {
    let text = words(100_000);
    let local = |n: usize| MessageId::Local([n as u8 + 1; 16]);
    let mut pieces = long(text.as_str()).into_pieces().unwrap();
    let mut library = Library::new();
    for (n, piece) in pieces.iter_mut().enumerate() {
        if n > 0 {
            piece.parent = Parent::Message(local(n - 1));
        }
        library.insert(local(n), 0, piece.clone());
    }
    assert_eq!(library.shown_id(&local(0)), Some(local(2)));
    for n in 0..pieces.len() {
        library.rename(local(n), event(n), 100);
        assert_eq!(texts(&library), [text.as_str()]);
    }
    assert_eq!(library.shown_id(&local(0)), Some(event(2)));
}

#[test]
fn a_set_with_another_hash_a_gap_or_another_role_shows_as_its_pieces() {
    let pieces = sealed(&long(words(120_000)), 0);
    let spoil = |spoiled: &dyn Fn(&mut Message)| {
        let mut pieces = pieces.clone();
        spoiled(&mut pieces[1].1);
        library(&pieces).message_count()
    };
    assert_eq!(spoil(&|_| {}), 1);
    assert_eq!(spoil(&|piece| piece.content = Content::new("other words")), 4);
    assert_eq!(spoil(&|piece| piece.role = Role::Assistant), 4);
    assert_eq!(spoil(&|piece| piece.parent = Parent::Top), 4);
    assert_eq!(spoil(&|piece| piece.part.as_mut().unwrap().whole = [1; 32]), 4);
    assert_eq!(spoil(&|piece| piece.part.as_mut().unwrap().count += 1), 4);
}

/// Messages that lie about being pieces cost what other messages cost.
#[test]
fn thousands_of_false_pieces_cost_no_more_than_their_bytes() {
    let part = |index, count| Part {
        index,
        count,
        whole: [7; 32],
    };
    let mut library = Library::new();
    let mut add = |n: usize, index, count, parent: usize| {
        let mut message = reply("some words", Role::User, event(parent), 10);
        message.part = Some(part(index, count));
        library.insert(event(n), 100, message);
    };
    for n in 0..255 {
        add(n, n as u32 + 1, 256, n.saturating_sub(1));
    }
    for n in 1_000..21_000 {
        add(n, 256, 256, 254);
    }
    for n in 30_000..40_000 {
        // Circles, and counts past every bound.
        add(n, 2, 2, n ^ 1);
        add(n + 20_000, u32::MAX, u32::MAX, n);
    }
    assert_eq!(library.message_count(), 40_255);
    assert_eq!(library.conversation("chat").unwrap().messages().len(), 40_255);
}

#[test]
fn wholes_that_are_versions_of_each_other_in_a_circle_are_all_shown() {
    let mut messages = Vec::new();
    for n in 0..3 {
        let mut message = long(format!("{n}{}", words(60_000)));
        message.source = Some(format!("s{n}"));
        message.parent = Parent::Message(event(((n + 1) % 3) * 10));
        messages.extend(sealed(&message, n * 10));
    }
    let circle = library(&messages);
    assert_eq!(circle.message_count(), 3);
    assert_eq!(
        circle
            .conversation("chat")
            .unwrap()
            .branch(&Selection::new())
            .len(),
        1
    );
}

fn any_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[a-zé🚀\u{301}]{1,12}",
        "[\"\\\\\n\t\u{1}\u{7f}]{1,8}",
        "\\PC{0,10}"
    ];
    (vec(word, 1..12), 1..4_000_usize).prop_map(|(words, times)| {
        let mut text = words.join(" ").repeat(times);
        let mut end = text.len().min(150_000);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text
    })
}

fn parts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        (any_text(), option::of(any::<bool>())).prop_map(|(text, hidden)| match hidden {
            None => serde_json::json!({ "type": "text", "text": text }),
            Some(hidden) => serde_json::json!({ "hidden": hidden, "text": text, "type": "text" }),
        }),
        Just(serde_json::json!({ "type": "text", "text": "" })),
        (0..30_000_usize)
            .prop_map(|bytes| serde_json::json!({ "type": "image_url", "u": "i".repeat(bytes), "n": 1.5 })),
    ];
    vec(part, 1..8).prop_map(|parts| serde_json::Value::from(parts).to_string())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever a person says comes back, in pieces that envelopes take.
    #[test]
    fn cutting_and_joining_gives_the_same_content(
        content in prop_oneof![any_text(), parts()], seed: u64, model in option::of("\\PC{0,20}"),
    ) {
        let mut message = long(content.as_str());
        message.role = Role::Assistant;
        message.model = model;
        let pieces = sealed(&message, 0);
        prop_assert!(pieces.len() == 1 || pieces.iter().all(|(_, piece)| !piece.content.raw().is_empty()));
        for (_, piece) in &pieces {
            let rumor = piece.to_rumor(AUTHOR).unwrap();
            prop_assert!(rumor.len() <= RUMOR_BYTES_MAX, "{} bytes", rumor.len());
            prop_assert_eq!(&Message::from_rumor(&rumor, &[AUTHOR]).unwrap(), &Message {
                model: Some(piece.model.clone().unwrap_or_else(|| chat_model::UNKNOWN_MODEL.to_owned())), ..piece.clone()
            });
            prop_assert_eq!(piece.content.is_parts(), Content::new(content.as_str()).is_parts());
        }
        let library = library(&shuffled(&pieces, seed));
        prop_assert_eq!(texts(&library), [content]);
    }

    /// No set of pieces makes a library panic, lose a message, or depend on the order.
    #[test]
    fn pieces_of_any_kind_are_each_shown_once(
        steps in vec((0..4u32, 1..5u32, 0..12usize, any::<bool>(), 0..3u8), 1..12), seed: u64,
    ) {
        let whole: [u8; 32] = sha256("ab");
        let messages: Vec<_> = steps.into_iter().enumerate().map(|(n, (index, count, parent, user, words))| {
            let role = if user { Role::User } else { Role::Assistant };
            let mut message = reply(["a", "b", ""][words as usize], role, event(parent), 10);
            message.part = Some(Part { index: index % count + 1, count, whole });
            (event(n), message)
        }).collect();
        let (one, two) = (library(&messages), library(&shuffled(&messages, seed)));
        let shown = |library: &Library| {
            let chat = library.conversation("chat").unwrap();
            chat.messages().iter().map(|m| (m.id, m.parent, m.version, m.versions, m.message.content.raw().to_owned())).collect::<Vec<_>>()
        };
        prop_assert_eq!(shown(&one), shown(&two));
        let mut pieces: Vec<_> = shown(&one).iter().flat_map(|m| one.pieces_of(&m.0)).collect();
        pieces.sort();
        let mut all: Vec<_> = messages.iter().map(|(id, _)| *id).collect();
        all.sort();
        prop_assert_eq!(pieces, all);
        prop_assert_eq!(shown(&one).len(), one.message_count());
    }
}

/// What a `part` tag says about a text.
fn sha256(text: &str) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::digest(text.as_bytes()).into()
}
