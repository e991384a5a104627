//! One text as a frame of either side.

use relay_link::{ClientFrame, OkClass, Refusal, RelayFrame};

/// Reads it, classifies what it says, writes it and reads it again.
pub(super) fn check(text: &str) {
    if let Ok(frame) = RelayFrame::parse(text) {
        classify(&frame);
        assert_eq!(RelayFrame::parse(&frame.encode()).as_ref(), Ok(&frame));
    }
    if let Ok(frame) = ClientFrame::parse(text) {
        assert_eq!(ClientFrame::parse(&frame.encode()).as_ref(), Ok(&frame));
    }
}

fn classify(frame: &RelayFrame) {
    match frame {
        RelayFrame::Ok { accepted, reason, .. } => {
            OkClass::classify(*accepted, reason);
        }
        RelayFrame::Closed { reason, .. } => {
            Refusal::classify(reason, None);
        }
        RelayFrame::NegErr { reason, cap, .. } => {
            Refusal::classify(reason, *cap);
        }
        RelayFrame::Notice { message } => {
            Refusal::classify(message, None);
            OkClass::classify(false, message);
        }
        RelayFrame::Event { .. }
        | RelayFrame::Eose { .. }
        | RelayFrame::Auth { .. }
        | RelayFrame::NegMsg { .. } => {}
    }
}
