//! What a relay does, one line each: frames as text, and what cannot be written by chance.

use relay_link::{RelayFrame, SubId};

/// Lines of one run.
pub(crate) const LINES_MAX: usize = 200;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// `e 17`: the event with this number, under the open subscription.
    Event(usize),
    /// `r`: what an honest relay answers to the last question.
    Honest,
    /// `rr`: what it answered last, once more (N-14).
    Again,
    /// `t 30`: so many seconds pass.
    Seconds(u64),
    /// `a`: one of our own parts answers, when answers are slow.
    Answer,
    /// Anything else is what the relay sends.
    Frame(&'a str),
}

impl<'a> Line<'a> {
    pub(crate) fn read(line: &'a str) -> Self {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rest.parse()) {
            ("e", Ok(number)) => Self::Event(number),
            ("t", Ok(seconds)) => Self::Seconds(u64::from(u16::MAX).min(seconds as u64)),
            ("r", _) => Self::Honest,
            ("rr", _) => Self::Again,
            ("a", _) => Self::Answer,
            _ => Self::Frame(line),
        }
    }
}

/// A frame about the subscription `s` is about the one that is open.
pub(crate) fn retarget(frame: RelayFrame, open: Option<&SubId>) -> RelayFrame {
    let aim = |sub: SubId| match open {
        Some(open) if sub.as_str() == "s" => open.clone(),
        _ => sub,
    };
    match frame {
        RelayFrame::Event { sub, event } => RelayFrame::Event { sub: aim(sub), event },
        RelayFrame::Eose { sub, hints } => RelayFrame::Eose { sub: aim(sub), hints },
        RelayFrame::Closed { sub, reason } => RelayFrame::Closed {
            sub: aim(sub),
            reason,
        },
        RelayFrame::NegMsg { sub, message } => RelayFrame::NegMsg {
            sub: aim(sub),
            message,
        },
        RelayFrame::NegErr { sub, reason, cap } => RelayFrame::NegErr {
            sub: aim(sub),
            reason,
            cap,
        },
        other => other,
    }
}
