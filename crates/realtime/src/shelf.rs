//! The conversations: a few of them open, the others as lines of a list. Everything is read from the store, which knows
//! what happened even when nobody could say so; facts from others only tell when to look.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chat_model::{ConversationSummary, Doomed, FindError, MessageId, Picks, Removed, Selection, Wanted};
use event_index::{
    Advance, ConversationTag, IndexError, LocalId, Marks, OpenConversation, SEARCH_MAX, Stale, Store,
    SummaryRow,
};
use tokio::sync::broadcast;

use crate::excerpt::Excerpt;
use crate::list::List;
use crate::messages::{ChatUpdate, ConversationView, Found, FoundMessage};
use crate::news;
use crate::watching::Watchers;

/// Open conversations beside those that are watched: what a person looks at and writes to in turn.
const OPEN_MAX: usize = 16;
/// Bytes of contents in them. The newest stays open whatever its size.
const OPEN_BYTES_MAX: usize = 8 << 20;
/// Lines of the list made anew while others wait for the shelf.
const LINES_AT_ONCE: usize = 64;
/// More messages at once than this are no news but another history: watchers read it anew.
pub(crate) const NEWS_MAX: usize = 1000;

/// What looking came to.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// Copies of deleted messages that nobody has deleted: from wherever they came, they come again.
    pub(crate) late: Vec<Removed>,
    /// Lines of the list are behind still.
    pub(crate) behind: bool,
    /// How many conversations there are, when that is known.
    pub(crate) count: Option<u64>,
}

/// Every conversation, and whoever must be told about changes.
pub(crate) struct Shelf {
    store: Arc<Store>,
    watchers: Watchers,
    updates: broadcast::Sender<ChatUpdate>,
    open: BTreeMap<ConversationTag, Kept>,
    uses: u64,
    pub(crate) list: List,
    /// Whoever watches everything was told of what is stored up to here.
    announced: Marks,
    /// Drafts they were told of, and that have no event yet.
    announced_drafts: BTreeSet<MessageId>,
    late: Vec<Removed>,
    /// Conversations with such copies: their lines are made again by the next start, so that nobody forgets them.
    unfinished: BTreeSet<ConversationTag>,
}

struct Kept {
    conversation: OpenConversation,
    used: u64,
}

impl Shelf {
    /// `announced` is how far watchers know what is stored.
    pub(crate) fn new(
        store: Arc<Store>,
        watchers: Watchers,
        updates: broadcast::Sender<ChatUpdate>,
        announced: Marks,
    ) -> Self {
        Self {
            store,
            watchers,
            updates,
            open: BTreeMap::new(),
            uses: 0,
            list: List::default(),
            announced,
            announced_drafts: BTreeSet::new(),
            late: Vec::new(),
            unfinished: BTreeSet::new(),
        }
    }

    /// Whether copies of deleted messages turned up since the last look.
    pub(crate) fn has_late(&self) -> bool {
        !self.late.is_empty()
    }

    /// Looks at what was stored since: tells watchers, and makes lines of the list anew that fell behind, all of them
    /// when `whole`, otherwise when they are few.
    pub(crate) fn look(&mut self, whole: bool) -> Result<Looked, IndexError> {
        self.announce()?;
        let behind = self.catch_up_lines(whole)?;
        let count = if behind { None } else { Some(self.count()?) };
        Ok(Looked {
            late: std::mem::take(&mut self.late),
            behind,
            count,
        })
    }

    /// Tells watchers what came. A conversation that somebody watches is read even when nobody else needs it.
    fn announce(&mut self) -> Result<(), IndexError> {
        if self.watches_all() {
            let (conversations, seen) = self.store.landed_since(self.announced)?;
            for id in conversations {
                let tag = self.store.conversation_tag(&id);
                self.open(tag)?;
            }
            self.announced = seen;
        } else {
            self.announced = self.store.marks()?;
            self.announced_drafts.clear();
        }
        for id in self.watchers.ids() {
            let tag = self.store.conversation_tag(&id);
            self.open(tag)?;
        }
        Ok(())
    }

    /// Makes lines of the list anew; true when some are left behind.
    fn catch_up_lines(&mut self, whole: bool) -> Result<bool, IndexError> {
        let stale = self.store.stale()?;
        let stale = self.list.behind(stale);
        if !whole && stale.len() > LINES_AT_ONCE {
            return Ok(true);
        }
        let mut changed = Vec::new();
        let few = stale.len() <= OPEN_MAX;
        for stale in stale {
            let (summary, row) = self.line(stale, few)?;
            changed.extend(self.list.make(stale, summary, row));
        }
        self.watchers.tell_counts(changed);
        Ok(false)
    }

    /// A line of the list, made from its conversation. `keep` leaves that open.
    fn line(
        &mut self,
        stale: Stale,
        keep: bool,
    ) -> Result<(Option<ConversationSummary>, SummaryRow), IndexError> {
        if keep || self.open.contains_key(&stale.tag) {
            let conversation = self.open(stale.tag)?;
            let (summary, row) = (conversation.summary(), SummaryRow::of(stale, conversation));
            let unfinished = self.unfinished.contains(&stale.tag);
            return Ok((summary, row.unfinished(unfinished)));
        }
        let mut conversation = self.store.open_conversation(stale.tag, Marks::END)?;
        let late = conversation.take_late();
        let row = SummaryRow::of(stale, &conversation).unfinished(!late.is_empty());
        self.late.extend(late);
        Ok((conversation.summary(), row))
    }

    fn watches_all(&self) -> bool {
        self.updates.receiver_count() > 0
    }

    /// A conversation as it is on disk now; empty when there is none. Watchers are told what came into it.
    fn open(&mut self, tag: ConversationTag) -> Result<&mut OpenConversation, IndexError> {
        self.bring_up(tag)?;
        let kept = self.open.get_mut(&tag);
        kept.map(|kept| &mut kept.conversation)
            .ok_or(IndexError::Unavailable)
    }

    /// Reads what came into a conversation, tells watchers of it, and returns it.
    fn bring_up(&mut self, tag: ConversationTag) -> Result<Advance, IndexError> {
        let announced = match self.open.get(&tag) {
            Some(kept) if !kept.conversation.is_outdated(&self.store) => None,
            Some(kept) => Some(kept.conversation.read_to()),
            None if self.watches_all() => Some(self.announced),
            None => Some(Marks::END),
        };
        self.uses += 1;
        let used = self.uses;
        if let Some(announced) = announced {
            let conversation = self.store.open_conversation(tag, announced)?;
            self.unfinished.remove(&tag);
            self.open.insert(tag, Kept { conversation, used });
        }
        let Some(kept) = self.open.get_mut(&tag) else {
            return Err(IndexError::Unavailable);
        };
        kept.used = used;
        let told = &self.announced_drafts;
        let advance = kept
            .conversation
            .advance(&self.store, &|local| told.contains(local))?;
        let late = kept.conversation.take_late();
        if !late.is_empty() {
            self.late.extend(late);
            self.unfinished.insert(tag);
        }
        self.tell(tag, &advance);
        self.close_unused(tag);
        Ok(advance)
    }

    fn close_unused(&mut self, current: ConversationTag) {
        let watched: BTreeSet<ConversationTag> = self
            .watchers
            .ids()
            .iter()
            .map(|id| self.store.conversation_tag(id))
            .collect();
        loop {
            let idle = || {
                self.open
                    .iter()
                    .filter(|(tag, _)| **tag != current && !watched.contains(tag))
            };
            let bytes: usize = self.open.values().map(|kept| kept.conversation.bytes()).sum();
            let oldest = idle().min_by_key(|(_, kept)| kept.used).map(|(tag, _)| *tag);
            match oldest {
                Some(oldest) if bytes > OPEN_BYTES_MAX || idle().count() >= OPEN_MAX => {
                    self.open.remove(&oldest);
                }
                _ => return,
            }
        }
    }

    /// Tells whoever watches this conversation, or everything.
    fn tell(&mut self, tag: ConversationTag, advance: &Advance) {
        let Some(kept) = self.open.get(&tag) else { return };
        let Some(id) = kept.conversation.id() else { return };
        let all = self.watches_all();
        let watcher = self.watchers.of(id);
        if !advance.changed || (!all && watcher.is_none()) {
            return;
        }
        let updates = news::of(id, kept.conversation.library(), advance);
        if let Some(watcher) = watcher {
            for update in &updates {
                // Nobody watches: then nobody misses it.
                let _ = watcher.send(update.clone());
            }
        }
        if all {
            for (local, _) in &advance.renamed {
                self.announced_drafts.remove(local);
            }
            self.announced_drafts
                .extend(advance.new.iter().filter(|id| id.is_local()));
            for update in updates {
                let _ = self.updates.send(update);
            }
        }
    }

    /// Tells watchers that messages are gone.
    pub(crate) fn tell_removed(&mut self, ids: &[MessageId]) -> Result<(), IndexError> {
        if ids.is_empty() {
            return Ok(());
        }
        let _ = self.updates.send(ChatUpdate::Removed(ids.to_vec()));
        let mut gone: BTreeMap<String, Vec<MessageId>> = BTreeMap::new();
        for id in ids {
            let mut homes: Vec<String> = self
                .open
                .values()
                .filter(|kept| kept.conversation.library().resolve(id).is_some())
                .filter_map(|kept| Some(kept.conversation.id()?.to_owned()))
                .collect();
            if homes.is_empty() {
                // Somebody looked at the conversation since, and it is not there any more.
                let tombstone = self.store.tombstone_of(id)?;
                homes.extend(tombstone.map(|tombstone| tombstone.conversation));
            }
            for home in homes {
                gone.entry(home).or_default().push(*id);
            }
        }
        for (conversation, ids) in gone {
            if let Some(watcher) = self.watchers.of(&conversation) {
                let _ = watcher.send(ChatUpdate::Removed(ids));
            }
        }
        Ok(())
    }

    /// Tells watchers of messages that were stored before, and could not be opened until now.
    pub(crate) fn tell_opened(&mut self, opened: &[MessageId]) -> Result<(), IndexError> {
        if !self.watches_all() && self.watchers.ids().is_empty() {
            return Ok(());
        }
        if opened.len() > NEWS_MAX {
            self.tell_reloaded();
            return Ok(());
        }
        let mut new: BTreeMap<String, BTreeSet<MessageId>> = BTreeMap::new();
        for id in opened {
            if let Some(conversation) = self.store.conversation_of(id)? {
                new.entry(conversation).or_default().insert(*id);
            }
        }
        for (conversation, ids) in new {
            let tag = self.store.conversation_tag(&conversation);
            // What was opened before anybody looked is told like everything that came.
            let told = self.bring_up(tag)?.new;
            let Some(kept) = self.open.get(&tag) else { continue };
            let library = kept.conversation.library();
            // A copy of what was here before is no news.
            let alone = ids.into_iter().filter(|id| {
                let held = library.get(id);
                !told.contains(id) && held.is_some_and(|held| held.id == *id && held.aliases.is_empty())
            });
            let advance = Advance {
                new: alone.collect(),
                renamed: Vec::new(),
                changed: true,
            };
            self.tell(tag, &advance);
        }
        Ok(())
    }

    /// Tells every watcher that what it was told may be out of date.
    pub(crate) fn tell_reloaded(&self) {
        let _ = self.updates.send(ChatUpdate::Reloaded);
        self.watchers.tell_reloaded();
    }

    /// Opens a conversation that somebody begins to watch, so that what comes from now on is news.
    pub(crate) fn watch(&mut self, id: &str) -> Result<(), IndexError> {
        let tag = self.store.conversation_tag(id);
        self.open(tag).map(|_| ())
    }

    pub(crate) fn count(&mut self) -> Result<u64, IndexError> {
        let (kept, behind) = self.store.summary_count()?;
        if !behind && self.list.is_kept() {
            return Ok(kept);
        }
        self.list.load(&self.store)?;
        self.catch_up_lines(true)?;
        Ok(self.list.len() as u64)
    }

    /// Every line, newest activity first, as of now.
    pub(crate) fn list(&mut self) -> Result<Vec<ConversationSummary>, IndexError> {
        self.list.load(&self.store)?;
        self.catch_up_lines(true)?;
        Ok(self.list.lines().cloned().collect())
    }

    /// The conversation with this very id.
    fn exact(&mut self, id: &str) -> Result<Option<ConversationTag>, IndexError> {
        let tag = self.store.conversation_tag(id);
        let is_here = self.open(tag)?.summary().is_some();
        if !is_here && self.watchers.of(id).is_none() {
            self.open.remove(&tag);
        }
        Ok(is_here.then_some(tag))
    }

    /// Which conversation a person means. See [`chat_model::Library::find`].
    fn find(&mut self, selector: &str) -> Result<Result<ConversationTag, FindError>, IndexError> {
        if let Some(exact) = self.exact(selector)? {
            return Ok(Ok(exact));
        }
        self.list.load(&self.store)?;
        self.catch_up_lines(true)?;
        let found = ConversationSummary::find(self.list.lines(), selector);
        Ok(found.map(|summary| self.store.conversation_tag(&summary.id)))
    }

    /// What a message is called on disk: a draft that was sealed, by its event.
    fn name(&self, id: &MessageId) -> Result<MessageId, IndexError> {
        let MessageId::Local(local) = id else {
            return Ok(*id);
        };
        let event = self.store.resolve(&LocalId::from_bytes(*local))?;
        Ok(event.map_or(*id, |event| MessageId::Event(event.to_bytes())))
    }

    /// The conversation that has a message, and what the message is called on disk.
    fn home(&mut self, id: &MessageId) -> Result<Option<(MessageId, &mut OpenConversation)>, IndexError> {
        let name = self.name(id)?;
        let Some(conversation) = self.store.conversation_of(&name)? else {
            return Ok(None);
        };
        let tag = self.store.conversation_tag(&conversation);
        Ok(Some((name, self.open(tag)?)))
    }

    pub(crate) fn resolve(&mut self, id: &MessageId) -> Result<Option<MessageId>, IndexError> {
        Ok(self
            .home(id)?
            .and_then(|(name, conversation)| conversation.library().shown_id(&name)))
    }

    pub(crate) fn pieces_of(&mut self, ids: &[MessageId]) -> Result<Vec<Vec<MessageId>>, IndexError> {
        ids.iter()
            .map(|id| {
                let home = self.home(id)?;
                Ok(home.map_or_else(Vec::new, |(name, conversation)| {
                    conversation.library().pieces_of(&name)
                }))
            })
            .collect()
    }

    pub(crate) fn doomed(&mut self, selector: &str) -> Result<Result<Doomed, FindError>, IndexError> {
        if self.exact(selector)?.is_none()
            && let Ok(id) = selector.parse()
            && let Some((name, conversation)) = self.home(&id)?
            && conversation.library().resolve(&name).is_some()
        {
            return Ok(conversation.library().doomed(&name.to_string()));
        }
        Ok(match self.find(selector)? {
            Err(error) => Err(error),
            Ok(tag) => {
                let conversation = self.open(tag)?;
                let id = conversation.id().unwrap_or_default();
                conversation.library().doomed(id)
            }
        })
    }

    pub(crate) fn show(
        &mut self,
        selector: &str,
        page: &Excerpt,
    ) -> Result<Result<ConversationView, FindError>, IndexError> {
        let named = page.place.message();
        let at = named.map(|id| self.name(&id)).transpose()?;
        Ok(match self.find(selector)? {
            Err(error) => Err(error),
            Ok(tag) => {
                let conversation = self.open(tag)?;
                view_of(conversation, page, at)
            }
        })
    }

    /// What is chosen in a message's conversation once it is chosen too.
    pub(crate) fn pick(&mut self, id: &MessageId) -> Result<Option<(String, Picks)>, IndexError> {
        let Some((name, conversation)) = self.home(id)? else {
            return Ok(None);
        };
        let Some(id) = conversation.id() else {
            return Ok(None);
        };
        let picks = conversation.library().pick(id, conversation.picks(), &name);
        Ok(picks.map(|picks| (id.to_owned(), picks)))
    }

    /// Puts hits into what people see: whole messages of conversations with titles, each once.
    pub(crate) fn found(
        &mut self,
        wanted: &Wanted,
        hits: Vec<event_index::Hit>,
        limit: usize,
    ) -> Result<Found, IndexError> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut hits_of: BTreeMap<String, Vec<MessageId>> = BTreeMap::new();
        for hit in hits.into_iter().take(SEARCH_MAX) {
            hits_of.entry(hit.conversation).or_default().push(hit.id);
        }
        for (id, ids) in hits_of {
            let tag = self.store.conversation_tag(&id);
            let conversation = self.open(tag)?;
            let title = conversation.summary().map(|summary| summary.title);
            let library = conversation.library();
            let Some(tree) = library.conversation(&id) else {
                continue;
            };
            for hit in ids {
                let shown = library.shown_id(&hit).and_then(|shown| tree.shown(&shown));
                let Some(shown) = shown.filter(|shown| seen.insert(shown.id)) else {
                    continue;
                };
                let Some(snippet) = wanted.find(&shown.message.content) else {
                    continue;
                };
                found.push(FoundMessage {
                    conversation: id.clone(),
                    title: title.clone().unwrap_or_default(),
                    message: shown.id,
                    role: shown.message.role.clone(),
                    created_at: shown.message.created_at,
                    snippet,
                });
            }
        }
        found.sort_by_key(|hit| Reverse((hit.created_at, hit.message)));
        let more = found.len() > limit;
        found.truncate(limit);
        Ok(Found { hits: found, more })
    }
}

/// A page of the shown branch; `at` is what the message that it is told by is called now.
fn view_of(
    conversation: &OpenConversation,
    page: &Excerpt,
    at: Option<MessageId>,
) -> Result<ConversationView, FindError> {
    let library = conversation.library();
    let (Some(id), Some(summary)) = (conversation.id(), conversation.summary()) else {
        return Err(FindError::NotFound);
    };
    let Some(tree) = library.conversation(id) else {
        return Err(FindError::NotFound);
    };
    let picks = conversation.picks();
    let selection: Selection = library.selection(id, picks);
    let branch = tree.branch(&selection);
    let at = match at {
        None => 0,
        Some(at) => {
            let at = library.shown_id(&at);
            let at = branch.iter().position(|shown| Some(shown.id) == at);
            at.ok_or(FindError::NotFound)?
        }
    };
    let shown = page.range(branch.len(), at);
    Ok(ConversationView {
        summary,
        total: branch.len(),
        more: shown.start > 0,
        later: shown.end < branch.len(),
        picked: !picks.is_empty(),
        branch: branch[shown]
            .iter()
            .map(|shown| news::view(id, &tree, shown))
            .collect(),
    })
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf")
            .field("open", &self.open.len())
            .field("listed", &self.list.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
