//! What one session or one walk is about.

use std::sync::Arc;

use event_index::{IndexError, Window};
use nostr::filter::Filter;
use nostr::key::PublicKey;

use super::span::Span;
use crate::engine::SharedView;

/// A part of the set.
#[derive(Clone)]
pub(super) struct Part {
    /// All of them, or one.
    pub(super) author: Option<PublicKey>,
    /// Our items of those authors.
    pub(super) view: SharedView,
    pub(super) span: Span,
    pub(super) how: How,
}

/// How a part is to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// By NEG, as long as that works; then by pages.
    Compare,
    /// By pages.
    Page,
    /// By pages, one second: it was too big for NEG, which compares the rest.
    Overflowed {
        /// How many items the relay would have compared.
        cap: Option<u64>,
    },
    /// By NEG, one second: it was too full for a page.
    Crowded,
    /// Author by author, one second: it was too full for a page, and too big for NEG.
    ByAuthor,
    /// By pages, one second and one author: whatever a page cannot show of it is unproven.
    Last,
}

impl Part {
    pub(super) fn whole(view: SharedView) -> Self {
        Self {
            author: None,
            view,
            span: Span::ALL,
            how: How::Compare,
        }
    }

    pub(super) fn over(&self, span: Span, how: How) -> Self {
        Self {
            span,
            how,
            ..self.clone()
        }
    }

    /// Whether it is one of the stretches that everything was cut into.
    pub(super) fn is_stretch(&self) -> bool {
        matches!(self.how, How::Compare | How::Page)
    }

    /// What a relay is asked for.
    pub(super) fn filter(&self, of_all: &Filter) -> Filter {
        let mut filter = self.span.on(of_all);
        if let Some(author) = self.author {
            filter.authors = None;
            filter = filter.author(author);
        }
        filter
    }

    /// Our items in it.
    pub(super) fn items(&self) -> Result<SharedView, IndexError> {
        if self.span == Span::ALL {
            return Ok(self.view.clone());
        }
        let ranks = self.span.ranks(&*self.view)?;
        Ok(Arc::new(Window::of(self.view.clone(), ranks)))
    }
}
