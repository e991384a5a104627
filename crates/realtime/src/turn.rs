//! Batches are checked side by side and stored one after the other, in the order in which they came.

use tokio::sync::oneshot;

/// Hands out turns.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    last: Option<oneshot::Receiver<()>>,
}

/// Comes when the batch before is through.
#[derive(Debug)]
pub(crate) struct Turn {
    before: Option<oneshot::Receiver<()>>,
}

/// A batch is through when this is dropped, however it ended.
#[derive(Debug)]
pub(crate) struct Through(#[expect(dead_code, reason = "dropping it is the signal")] oneshot::Sender<()>);

impl Turns {
    /// The turn after all that were handed out.
    pub(crate) fn next(&mut self) -> (Turn, Through) {
        let (through, last) = oneshot::channel();
        let before = self.last.replace(last);
        (Turn { before }, Through(through))
    }
}

impl Turn {
    /// Waits for it; at once when it has come before.
    pub(crate) async fn comes(&mut self) {
        if let Some(before) = self.before.take() {
            // Nothing is ever sent: the end of the sender is what was waited for.
            let _ = before.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_turn_comes_when_the_batch_before_is_through_whatever_became_of_it() {
        let mut turns = Turns::default();
        let (mut first, first_through) = turns.next();
        let (mut second, second_through) = turns.next();
        let (mut third, _third_through) = turns.next();
        assert!(
            first.comes().now_or_never().is_some(),
            "nobody is before the first"
        );

        let mut waiting = pin!(second.comes());
        assert!(
            waiting.as_mut().now_or_never().is_none(),
            "the first is under way"
        );
        drop(first_through);
        assert!(waiting.as_mut().now_or_never().is_some());

        assert!(third.comes().now_or_never().is_none(), "the second is under way");
        drop(second_through);
        assert!(
            turns.next().0.comes().now_or_never().is_none(),
            "the third is under way"
        );
    }
}
