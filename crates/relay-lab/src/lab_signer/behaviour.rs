//! How a signer takes to being asked, by name.

use std::time::Duration;

use nostr::key::Keys;

/// What a [`LabSigner`](crate::LabSigner) does with requests.
///
/// *Questions* are what a person is asked about: `sign_event`, `nip44_encrypt`, `nip44_decrypt`. Introductions
/// (`connect`, `get_public_key`, `ping`, `switch_relays`) are answered at once, except where it says *all*.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers everything at once.
    #[default]
    Approves,
    /// Answers questions with this error.
    Denies(String),
    /// Answers questions this much later, each time they arrive.
    AnswersAfter(Duration),
    /// Hears questions and says nothing.
    Silent,
    /// Answers questions with `auth_url` at once, each time they arrive.
    AuthUrl {
        /// The page to open.
        url: String,
        /// How much later the answer follows; never without one.
        then: Option<Duration>,
    },
    /// Answers all twice, in two events.
    AnswersTwice,
    /// Answers all as this account: `get_public_key` names it, and questions are answered with its key.
    OtherAccount(Keys),
    /// Ignores all requests whose encrypted content is over this many bytes, as if they had never arrived.
    PayloadLimit(usize),
    /// Of all answers since this was set, the third, the sixth and so on are lost. The word it sends by itself after
    /// a scan is none of them.
    LosesEveryThird,
}
