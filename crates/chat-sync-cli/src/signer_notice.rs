//! What a person has to know while a signer is asked.

use chat_sync::{AccountState, Status};

use crate::exit::Failure;
use crate::output::{Output, one_line};

/// Says once that the signer is asked, and each page that it wants opened.
pub(crate) struct SignerNotice {
    output: Output,
    asked: bool,
    page: Option<String>,
}

impl SignerNotice {
    /// `remote`: a signer that is here answers before anybody could read about it.
    pub(crate) fn new(output: Output, remote: bool) -> Self {
        Self {
            output,
            asked: !remote,
            page: None,
        }
    }

    /// To be called with every status.
    pub(crate) fn show(&mut self, status: &Status) -> Result<(), Failure> {
        let account = &status.account;
        if let AccountState::Locked(why) = &account.state
            && account.asking
            && !std::mem::replace(&mut self.asked, true)
        {
            self.output.talk(&one_line(why));
        }
        if account.page.is_some() && account.page != self.page {
            self.page.clone_from(&account.page);
            // Even with --quiet: without it the signer does not answer.
            if let Some(page) = &self.page {
                self.output.insist(&page_words(page))?;
            }
        }
        Ok(())
    }
}

/// The line about a page that a signer wants opened.
pub(crate) fn page_words(url: &str) -> String {
    format!(
        "The signer wants this page opened in a browser: {}",
        one_line(url)
    )
}
