//! What a relay says, read as text and handed to a session and a pass.

mod parse;
mod pass;
mod relay;
mod session;

use std::sync::LazyLock;
use std::time::Instant;

use crate::script::{LINES_MAX, Line};

/// Times only count from it.
#[expect(
    clippy::disallowed_methods,
    reason = "cores take an Instant, and this is the only way to have one"
)]
static NOON: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The first line names the scene in words of [`Scene`], each other line is one of [`Line`].
///
/// # Panics
/// When a frame panics or reads otherwise once it is written again, or when a session or a pass does not end exactly
/// once.
pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let scene = Scene::read(lines.next().unwrap_or_default());
    let lines: Vec<Line<'_>> = lines.take(LINES_MAX).map(Line::read).collect();
    for line in &lines {
        if let Line::Frame(text) = line {
            parse::check(text);
        }
    }
    if scene.session {
        session::run(scene, &lines);
    } else {
        pass::run(scene, &lines);
    }
}

/// What is known before, and how our own parts behave.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of its own")]
pub(crate) struct Scene {
    /// `session`: one session; otherwise a pass.
    session: bool,
    /// `proven`: the relay spoke NEG before.
    proven: bool,
    /// `pages`: it refused NEG lately.
    pages: bool,
    /// `agreed`: an agreement is on record.
    agreed: bool,
    /// `slow`: our own parts answer when told to.
    slow: bool,
    /// `deleted`: what is needed is deleted here.
    deleted: bool,
    /// `moved`: the transfers move something each time.
    moved: bool,
    /// `left`: and leave something behind.
    left: bool,
    /// `cap`: it compares few items at once.
    cap: bool,
    /// `one`: it takes one author per filter.
    one: bool,
    /// `absent`: it refused some of what is held, serves what is not taken, and forged one.
    absent: bool,
    /// `small`: the relay's frames are as small as they may be.
    small: bool,
}

impl Scene {
    fn read(line: &str) -> Self {
        let has = |word| line.split(' ').any(|found| found == word);
        Self {
            session: has("session"),
            proven: has("proven"),
            pages: has("pages"),
            agreed: has("agreed"),
            slow: has("slow"),
            deleted: has("deleted"),
            moved: has("moved"),
            left: has("left"),
            cap: has("cap"),
            one: has("one"),
            absent: has("absent"),
            small: has("small"),
        }
    }
}
