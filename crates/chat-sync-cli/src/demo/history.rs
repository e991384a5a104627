//! Histories as the Routstr web app exported them before it synced: the same ones in every run.

use chat_model::Message;
use chat_model::import::{ImportError, read_saved_conversations};
use serde_json::{Value, json};

/// Messages of one conversation: enough for several conversations among a few dozen messages.
const CONVERSATION_MESSAGES: usize = 22;
/// When the first conversation could have begun; the others follow each other, all of them before 2026.
const FIRST_SECOND: u64 = 1_730_000_000;
/// From one conversation to the next.
const APART: u64 = 1_800;
/// Conversations of one part: more than 100,000 messages are.
const PART: u64 = 5_000;
/// What the web app names as the parent of a first message.
const TOP: &str = "0000000000000000000000000000000000000000000000000000000000000000";

const QUESTIONS: [&str; 6] = [
    "What is a Cashu mint?",
    "How do I keep sourdough alive for two weeks?",
    "Explain set reconciliation to a gardener.",
    "Translate “Feierabend” into one English word.",
    "Why does my test only fail on Fridays?",
    "Plan three rainy days in Porto.",
];
const ANSWERS: [&str; 4] = [
    "A server that issues ecash; its operator can refuse to redeem it.",
    "Keep it cold, feed it once, and forget about it.",
    "Two gardeners compare baskets by weight first, and open only those that differ. 🌱",
    "It depends on the clock: look for a date that is not a constant.",
];
const MODELS: [&str; 3] = ["gpt-5", "claude-sonnet-4.5", "llama-3"];

/// The text of an export that holds `messages` messages to import, beside what an import leaves out: notes of the web
/// app, and copies of what it had synced. Exports with different `part` numbers share no conversation.
pub(super) fn export(part: u64, messages: usize) -> String {
    let mut conversations = Vec::new();
    let mut left = messages;
    while left > 0 {
        let take = left.min(CONVERSATION_MESSAGES);
        conversations.push(conversation(part, conversations.len(), take));
        left -= take;
    }
    Value::from(conversations).to_string()
}

fn conversation(part: u64, number: usize, messages: usize) -> Value {
    let second = FIRST_SECOND + (part * PART + number as u64) * APART;
    let question = QUESTIONS[number % QUESTIONS.len()];
    let mut items = Vec::new();
    for position in 0..messages {
        items.push(message(part, number, position, question));
    }
    if number.is_multiple_of(2) {
        items.push(json!({ "role": "system", "content": "Uncaught Error: Failed to fetch" }));
    } else {
        items.push(json!({ "role": "user", "content": "A synced copy", "_eventId": "5e".repeat(32), "_prevId": TOP }));
    }
    json!({ "id": (second * 1000).to_string(), "title": question, "messages": items })
}

/// A question, an edited version of it, and then answers and questions in turn. Every text occurs once.
fn message(part: u64, number: usize, position: usize, question: &str) -> Value {
    let mark = format!("[{part}.{number}.{position}]");
    match position {
        0 => json!({ "role": "user", "content": format!("{question} {mark}"), "_prevId": TOP }),
        1 => {
            json!({ "role": "user", "content": format!("{question} Briefly, please. {mark}"), "_prevId": TOP })
        }
        _ if position.is_multiple_of(2) => {
            let text = format!("{} {mark}", ANSWERS[(number + position) % ANSWERS.len()]);
            let model = MODELS[position % MODELS.len()];
            let content = match position % 8 {
                // Answers with thinking are lists of parts.
                4 => json!([{ "type": "text", "text": text, "thinking": "backing, not trust" }]),
                _ => json!(text),
            };
            json!({ "role": "assistant", "content": content, "_modelId": model, "satsSpent": 1.25 })
        }
        _ => json!({ "role": "user", "content": format!("And then? {mark}") }),
    }
}

/// The messages of an export, as `import` takes them.
pub(super) fn messages(export: &str) -> Result<Vec<Message>, ImportError> {
    let import = read_saved_conversations(export.as_bytes(), FIRST_SECOND)?;
    Ok(import.messages.into_iter().map(Message::from).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_export_holds_as_many_messages_as_asked_for_and_each_once() {
        for wanted in [1, 22, 23, 100] {
            let messages = messages(&export(1, wanted)).unwrap();
            assert_eq!(messages.len(), wanted);
            let texts: BTreeSet<&str> = messages.iter().map(|message| message.content.raw()).collect();
            assert_eq!(texts.len(), wanted);
        }
    }

    #[test]
    fn exports_are_the_same_in_every_run_and_share_nothing() {
        assert_eq!(export(1, 50), export(1, 50));
        let conversations = |part| -> BTreeSet<String> {
            messages(&export(part, 50))
                .unwrap()
                .into_iter()
                .map(|message| message.conversation)
                .collect()
        };
        assert!(conversations(1).is_disjoint(&conversations(2)));
        let largest: Vec<Message> = [1, 2, 3]
            .iter()
            .flat_map(|part| messages(&export(*part, 50_000)).unwrap())
            .collect();
        let ids: BTreeSet<&str> = largest
            .iter()
            .map(|message| message.conversation.as_str())
            .collect();
        assert_eq!(ids.len(), 3 * 50_000_usize.div_ceil(CONVERSATION_MESSAGES));
        let newest = largest.iter().map(|message| message.created_at).max();
        assert!(newest < Some(1_767_225_600), "nothing of it is from after 2025");
    }
}
