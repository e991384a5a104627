//! The order of a conversation's messages: a total one, where the web app's comparator is not.
//!
//! By second; inside a second a parent before its reply, then user messages before others, then by source id, then by
//! id. The source id comes before the id because it stays when a draft gets its event id, and is the same on every
//! device.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use crate::{MessageId, Role};

/// Where a message hangs, after aliases and removed messages were looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// Nothing says where: the order does.
    ByOrder,
    /// At the top of the conversation.
    Top,
    /// Under a message, which may not be here yet.
    To(MessageId),
}

/// What ordering and placing need to know of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'a> {
    pub(crate) id: MessageId,
    pub(crate) created_at: u64,
    pub(crate) role: &'a Role,
    pub(crate) source: Option<&'a str>,
    pub(crate) link: Link,
}

/// Puts messages in order. Cost: O(n log n).
pub(crate) fn ordered(mut nodes: Vec<Node<'_>>) -> Vec<Node<'_>> {
    nodes.sort_by_key(|node| node.created_at);
    let mut ordered = Vec::with_capacity(nodes.len());
    for second in nodes.chunk_by(|a, b| a.created_at == b.created_at) {
        match second {
            [only] => ordered.push(*only),
            several => order_second(several, &mut ordered),
        }
    }
    ordered
}

/// Takes, again and again, the best message whose parent was taken: the one that is a user's or leads to one in the
/// fewest steps. So a user message comes before others wherever its own parents allow it.
fn order_second<'a>(nodes: &[Node<'a>], ordered: &mut Vec<Node<'a>>) {
    let place: BTreeMap<MessageId, usize> =
        nodes.iter().enumerate().map(|(at, node)| (node.id, at)).collect();
    let parents: Vec<Option<usize>> = nodes
        .iter()
        .map(|node| match node.link {
            Link::To(parent) => place.get(&parent).copied(),
            Link::Top | Link::ByOrder => None,
        })
        .collect();
    let mut replies = vec![Vec::new(); nodes.len()];
    for (at, parent) in parents.iter().enumerate() {
        if let Some(parent) = parent {
            replies[*parent].push(at);
        }
    }

    let steps = steps_to_a_user(nodes, &parents);
    let key = |at: usize| Reverse((steps[at], nodes[at].source, nodes[at].id, at));
    let mut ready: BinaryHeap<_> = (0..nodes.len())
        .filter(|&at| parents[at].is_none())
        .map(key)
        .collect();
    // Messages in a loop are never ready. Hashed ids cannot make one, but damaged data must not hang or vanish.
    let mut left: BTreeSet<_> = (0..nodes.len()).map(|at| key(at).0).collect();
    while let Some(next) = ready
        .pop()
        .map(|Reverse(next)| next)
        .or_else(|| left.first().copied())
    {
        if !left.remove(&next) {
            continue;
        }
        ordered.push(nodes[next.3]);
        ready.extend(replies[next.3].iter().map(|&reply| key(reply)));
    }
}

/// For each message the number of replies, inside this second, down to the nearest user message.
fn steps_to_a_user(nodes: &[Node<'_>], parents: &[Option<usize>]) -> Vec<usize> {
    let mut steps = vec![usize::MAX; nodes.len()];
    let mut queue: VecDeque<usize> = (0..nodes.len())
        .filter(|&at| *nodes[at].role == Role::User)
        .collect();
    for &user in &queue {
        steps[user] = 0;
    }
    while let Some(at) = queue.pop_front() {
        if let Some(parent) = parents[at]
            && steps[parent] == usize::MAX
        {
            steps[parent] = steps[at] + 1;
            queue.push_back(parent);
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: u8, role: &Role, parent: Option<u8>) -> Node<'_> {
        let link = parent.map_or(Link::Top, |parent| Link::To(MessageId::Event([parent; 32])));
        Node {
            id: MessageId::Event([id; 32]),
            created_at: 5,
            role,
            source: None,
            link,
        }
    }

    fn order_of(nodes: Vec<Node<'_>>) -> Vec<u8> {
        let ids = ordered(nodes).into_iter().map(|node| match node.id {
            MessageId::Event(bytes) => bytes[0],
            MessageId::Local(bytes) => bytes[0],
        });
        ids.collect()
    }

    #[test]
    fn a_note_that_leads_to_a_question_comes_before_an_unrelated_answer() {
        let nodes = vec![
            node(1, &Role::Assistant, None),
            node(2, &Role::User, Some(3)),
            node(3, &Role::System, None),
        ];
        assert_eq!(order_of(nodes), [3, 2, 1]);
    }

    #[test]
    fn every_message_of_a_loop_comes_out_once() {
        let nodes = vec![
            node(1, &Role::User, Some(2)),
            node(2, &Role::Assistant, Some(1)),
            node(3, &Role::Assistant, Some(3)),
            node(4, &Role::User, Some(3)),
        ];
        assert_eq!(order_of(nodes), [1, 2, 4, 3]);
    }

    #[test]
    fn a_long_loop_and_a_long_chain_take_no_time() {
        let chain = |offset: u32, closed: bool| {
            (0..20_000u32).map(move |n| {
                let id = |n: u32| {
                    let mut bytes = [0; 32];
                    bytes[..4].copy_from_slice(&(n + offset).to_be_bytes());
                    MessageId::Event(bytes)
                };
                let parent = if n == 0 && closed {
                    19_999
                } else {
                    n.wrapping_sub(1)
                };
                let link = if n == 0 && !closed {
                    Link::Top
                } else {
                    Link::To(id(parent))
                };
                Node {
                    id: id(n),
                    created_at: 1,
                    role: &Role::User,
                    source: None,
                    link,
                }
            })
        };
        assert_eq!(
            ordered(chain(0, false).chain(chain(50_000, true)).collect()).len(),
            40_000
        );
    }
}
