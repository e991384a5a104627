//! The demo told on stderr, line by line.

use console::style;
use indicatif::ProgressBar;

use crate::output::Output;
use crate::progress;

/// Columns that the lines of a scene stand in from its title.
const INDENT: usize = 3;

/// Tells what happens. On a terminal, what is being done turns until it is done.
pub(super) struct Story {
    output: Output,
    scene: usize,
    doing: Option<ProgressBar>,
}

impl Story {
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            scene: 0,
            doing: None,
        }
    }

    /// The next scene begins.
    pub(super) fn scene(&mut self, title: &str) {
        self.scene += 1;
        let title = style(format!("{}  {title}", self.scene)).for_stderr().bold();
        self.output.talk(&format!("\n{title}"));
    }

    /// What is being done now; replaced by what comes of it.
    pub(super) fn doing(&mut self, what: impl Into<String>) {
        self.stop();
        if self.output.moves() {
            let bar = progress::spinner(INDENT);
            bar.set_message(what.into());
            self.doing = Some(bar);
        }
    }

    /// What came of it.
    pub(super) fn done(&mut self, what: &str) {
        self.stop();
        self.output
            .talk(&format!("   {} {what}", style("✓").for_stderr().green()));
    }

    fn stop(&mut self) {
        if let Some(bar) = self.doing.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        self.stop();
    }
}
