//! Batches are checked one after the other and handed to the store in the order in which they came.

use tokio::sync::oneshot;

/// Hands out turns.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    last: Option<Before>,
}

/// The batch before. Nothing is ever sent: the end of a sender is what is waited for.
#[derive(Debug)]
struct Before {
    handed: Option<oneshot::Receiver<()>>,
    through: Option<oneshot::Receiver<()>>,
}

/// Comes with the batch before.
#[derive(Debug)]
pub(crate) struct Turn {
    before: Option<Before>,
    handed: Option<oneshot::Sender<()>>,
}

/// A batch is through when this is dropped, however it ended.
#[derive(Debug)]
pub(crate) struct Through(#[expect(dead_code, reason = "dropping it is the signal")] oneshot::Sender<()>);

impl Turns {
    /// The turn after all that were handed out.
    pub(crate) fn next(&mut self) -> (Turn, Through) {
        let (handed, last_handed) = oneshot::channel();
        let (through, last_through) = oneshot::channel();
        let last = Before {
            handed: Some(last_handed),
            through: Some(last_through),
        };
        let turn = Turn {
            before: self.last.replace(last),
            handed: Some(handed),
        };
        (turn, Through(through))
    }
}

impl Turn {
    /// Waits until the batch before lies with the store, which takes them in order; at once when it did before.
    pub(crate) async fn is_next(&mut self) {
        if let Some(handed) = self.before.as_mut().and_then(|before| before.handed.take()) {
            let _ = handed.await;
        }
    }

    /// Waits until the batch before is through; at once when it was before.
    pub(crate) async fn comes(&mut self) {
        if let Some(through) = self.before.as_mut().and_then(|before| before.through.take()) {
            let _ = through.await;
        }
    }

    /// This batch lies with the store. One that ends without that holds up nobody either.
    pub(crate) fn handed(&mut self) {
        self.handed = None;
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

    #[test]
    fn a_turn_is_next_when_the_batch_before_lies_with_the_store_or_ended() {
        let mut turns = Turns::default();
        let (mut first, _first_through) = turns.next();
        let (mut second, _second_through) = turns.next();
        let (mut third, _third_through) = turns.next();
        assert!(
            first.is_next().now_or_never().is_some(),
            "nobody is before the first"
        );

        {
            let mut waiting = pin!(second.is_next());
            assert!(
                waiting.as_mut().now_or_never().is_none(),
                "the first is not ready"
            );
            first.handed();
            assert!(waiting.as_mut().now_or_never().is_some());
        }
        assert!(
            second.comes().now_or_never().is_none(),
            "the first is not through"
        );

        assert!(
            third.is_next().now_or_never().is_none(),
            "the second is not ready"
        );
        drop(second);
        assert!(
            turns.next().0.is_next().now_or_never().is_none(),
            "the third is not ready"
        );
    }
}
