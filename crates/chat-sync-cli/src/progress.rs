//! Bars on a terminal.

use std::collections::BTreeMap;
use std::time::Duration;

use chat_sync::{RelayState, RelayUrl, Status};
use indicatif::{HumanBytes, HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use status::Speed;

use crate::exit::Failure;
use crate::output::{Output, one_line, plural};
use crate::service::{Seen, Service};

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(100);
/// What a bar is drawn with: done, head, left.
const CHARS: &str = "=> ";

/// A line for each relay, and one over what is to be sent.
pub(crate) struct RelayBars {
    all: MultiProgress,
    bars: BTreeMap<RelayUrl, ProgressBar>,
    /// Messages that wait, out of the most that ever did: a relay's own line counts only what is sealed.
    outgoing: Option<ProgressBar>,
    width: usize,
}

impl RelayBars {
    pub(crate) fn new(relays: &[RelayUrl]) -> Self {
        let width = relays.iter().map(|url| url.as_str().len()).max().unwrap_or(0);
        Self {
            all: MultiProgress::new(),
            bars: BTreeMap::new(),
            outgoing: None,
            width,
        }
    }

    /// Shows where each relay is.
    pub(crate) fn show(&mut self, status: &Status) {
        self.show_outgoing(status.counts.waiting);
        let (all, width) = (&self.all, self.width);
        for relay in &status.relays {
            let bar = self.bars.entry(relay.url.clone()).or_insert_with(|| {
                let bar = all.add(turning(spinner_style()));
                bar.set_prefix(format!("{:width$}", relay.url.as_str()));
                bar
            });
            let counted = match &relay.state {
                RelayState::Fetching { done, total } | RelayState::Sending { done, total } => {
                    Some((*done, *total))
                }
                _ => None,
            };
            bar.set_style(if counted.is_some() {
                bar_style()
            } else {
                spinner_style()
            });
            if let Some((done, total)) = counted {
                bar.set_length(total);
                bar.set_position(done);
            }
            bar.set_message(match &relay.speed {
                Some(speed) => format!("{}, {}", state_words(&relay.state), speed_words(speed)),
                None => state_words(&relay.state),
            });
        }
    }

    fn show_outgoing(&mut self, waiting: u64) {
        if self.outgoing.is_none() && waiting > 0 {
            let bar = self.all.insert(0, turning(bar_style()));
            bar.set_prefix(format!("{:width$}", "to send", width = self.width));
            bar.set_length(0);
            self.outgoing = Some(bar);
        }
        if let Some(bar) = &self.outgoing {
            let most = bar.length().unwrap_or(0).max(waiting);
            bar.set_length(most);
            bar.set_position(most - waiting);
            bar.set_message(format!("{} of {most}", most - waiting));
        }
    }
}

impl Drop for RelayBars {
    /// Takes the bars away, also when the command is interrupted: what follows says the same and more.
    fn drop(&mut self) {
        for bar in self.bars.values().chain(&self.outgoing) {
            bar.finish_and_clear();
        }
        // A terminal that cannot be cleared keeps its last lines.
        let _ = self.all.clear();
    }
}

/// Shows where relays are until `work` is done, where somebody looks at a terminal.
pub(crate) async fn with_bars<T>(output: Output, service: &Service, work: impl Future<Output = T>) -> T {
    if !output.moves() {
        return work.await;
    }
    let mut bars = None;
    let mut work = std::pin::pin!(work);
    let watch = async {
        let mut following = service.follow(None).await?;
        loop {
            if let Seen::Status(known) = following.next().await? {
                let relays = known.status.relays.iter().map(|relay| relay.url.clone());
                bars.get_or_insert_with(|| RelayBars::new(&relays.collect::<Vec<_>>()))
                    .show(&known.status);
            }
        }
        #[expect(unreachable_code, reason = "names the type of the error")]
        Ok::<(), Failure>(())
    };
    tokio::select! {
        biased;
        done = &mut work => return done,
        // Nobody misses bars that cannot be drawn.
        _ = watch => {}
    }
    work.await
}

/// A bar over something that is counted.
pub(crate) fn counter(total: usize, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(total as u64)
        .with_style(style("{prefix} [{bar:24}] {pos} of {len}").progress_chars(CHARS));
    bar.set_prefix(what.to_owned());
    bar
}

/// A line that turns while something is waited for, `indent` columns in.
pub(crate) fn spinner(indent: usize) -> ProgressBar {
    let style = style(&format!("{:indent$}{{spinner}} {{msg}}", ""));
    turning(style)
}

fn turning(style: ProgressStyle) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_style(style);
    bar.enable_steady_tick(TICK);
    bar
}

/// `120 a second, 1.2 MiB/s, 3 s left`.
pub(crate) fn speed_words(speed: &Speed) -> String {
    format!(
        "{:.1} a second, {}/s, {} left",
        speed.events_per_second,
        HumanBytes(speed.bytes_per_second),
        HumanDuration(Duration::from_secs(speed.seconds_left))
    )
}

/// The state of a relay in words.
pub(crate) fn state_words(state: &RelayState) -> String {
    match state {
        RelayState::Off => "not dialled".to_owned(),
        RelayState::Connecting => "connecting".to_owned(),
        RelayState::Comparing { round: 0, .. } => "comparing".to_owned(),
        RelayState::Comparing { round, have, need } => {
            let round = plural(u64::from(*round), "round");
            format!("comparing: {round}, {have} only here, {need} only there")
        }
        RelayState::Fetching { done, total } => format!("fetching {done} of {total}"),
        RelayState::Sending { done, total } => format!("sending {done} of {total}"),
        RelayState::Live => "live".to_owned(),
        RelayState::Compared => "compared".to_owned(),
        RelayState::Waiting { why, .. } => format!("waiting to try again: {}", one_line(why)),
        RelayState::Refused { why } => format!("refused: {}", one_line(why)),
    }
}

fn spinner_style() -> ProgressStyle {
    style("{spinner} {prefix} {msg}")
}

fn bar_style() -> ProgressStyle {
    style("{spinner} {prefix} [{bar:24}] {msg}").progress_chars(CHARS)
}

/// The templates are constants; one that does not parse falls back to a plain bar.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
