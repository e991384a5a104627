//! The crash point list: every durable step on the way out and in, by the scene that takes it. A step of the store is named
//! after the call that commits it; `file:` is a file that appears whole, `send:` an event that goes to the socket, `take:` a
//! frame that came from it.
//!
//! A recorded run of each scene must reach exactly these, so a new durable step shows as a failure until it is listed.

use crate::scene::Scene;

/// `write` commits the header of a new store, `put_value` the login and the list of relays.
const LOGIN: &[&str] = &[
    "file:store.key",
    "write",
    "file:store.redb",
    "put_value",
    "file:account",
];

/// What each scene goes through. Both sides of a step are crash points, and of a `take:` only the one before it is handed on.
pub(crate) const POINTS: [(Scene, &[&[&str]]); 6] = [
    (
        Scene::FirstKey,
        &[
            LOGIN,
            &[
                "add_drafts",
                "put_keyring",
                "place_keyrings",
                "send:1081",
                "take:OK",
                "take:EVENT",
                "put_relay_profile",
                "commit_sealed",
                "send:1080",
                "set_deliveries",
                "record_agreement_without",
            ],
        ],
    ),
    (
        Scene::Phone,
        &[
            LOGIN,
            &[
                "put_keyring",
                "place_keyrings",
                "take:EVENT",
                "keep_records",
                "ingest_opened",
                "put_relay_profile",
                "record_agreement_without",
                "forget_relay",
            ],
        ],
    ),
    (
        Scene::Day,
        &[&[
            "add_drafts",
            "place_keyrings",
            "put_relay_profile",
            "commit_sealed",
            "send:1080",
            "take:OK",
            "take:EVENT",
            "set_deliveries",
            "record_agreement_without",
        ]],
    ),
    (
        Scene::Many,
        &[&[
            "add_drafts",
            "place_keyrings",
            "put_relay_profile",
            "commit_sealed",
            "send:1080",
            "take:OK",
            "take:EVENT",
            "set_deliveries",
            "record_agreement_without",
        ]],
    ),
    (
        Scene::SecondRelay,
        &[&[
            "put_relay_profile",
            "place_keyrings",
            "send:1081",
            "queue_missing",
            "send:1080",
            "take:OK",
            "take:EVENT",
            "set_deliveries",
            "record_agreement_without",
        ]],
    ),
    (
        Scene::OldLaptop,
        &[
            LOGIN,
            &[
                "put_keyring",
                "place_keyrings",
                "take:EVENT",
                "ingest_opened",
                "put_relay_profile",
                "record_agreement_without",
                "forget",
                "recall",
            ],
        ],
    ),
];

/// What a scene goes through or not, as frames happen to arrive. A deleted event that the relay dropped is offered to it
/// again when a comparison is quicker than the deletion. The list of conversations is kept once things are quiet for a second.
pub(crate) const SOMETIMES: [(Scene, &[&str]); 6] = [
    (Scene::FirstKey, &["put_summaries"]),
    (
        Scene::Phone,
        &[
            "queue_missing",
            "send:1080",
            "take:OK",
            "set_deliveries",
            "put_summaries",
        ],
    ),
    (Scene::Day, &["put_summaries"]),
    (Scene::Many, &["put_summaries"]),
    (Scene::SecondRelay, &["put_summaries"]),
    (Scene::OldLaptop, &["put_summaries"]),
];

/// The points that a scene always goes through, as the program writes them.
pub(crate) fn of(scene: Scene) -> Vec<String> {
    let groups = POINTS.iter().filter(|(of, _)| *of == scene);
    sides(groups.flat_map(|(_, groups)| groups.iter().copied().flatten()))
}

/// Those that it may go through.
pub(crate) fn sometimes(scene: Scene) -> Vec<String> {
    let groups = SOMETIMES.iter().filter(|(of, _)| *of == scene);
    sides(groups.flat_map(|(_, steps)| *steps))
}

fn sides<'a>(steps: impl Iterator<Item = &'a &'a str>) -> Vec<String> {
    steps
        .flat_map(|step| {
            let after = (!step.starts_with("take:")).then(|| format!("after:{step}"));
            std::iter::once(format!("before:{step}")).chain(after)
        })
        .collect()
}
