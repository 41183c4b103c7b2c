//! Which node is the primary of which slot.

use crate::key::SLOTS;
use crate::reply::{FromReply as _, Reply};
use crate::topology::Node;

/// A cluster's primaries and their slots, as one node told them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SlotMap {
    /// The cluster's own clock: a view with a lower one is older. 0 where it may not be asked.
    pub(crate) epoch: u64,
    primaries: Vec<Node>,
    replicas: Vec<Node>,
    /// For each slot its place among the primaries, or [`NOBODY`].
    owners: Box<[u16]>,
}

const NOBODY: u16 = u16::MAX;

impl SlotMap {
    /// Reads the answer to `CLUSTER SLOTS` of a node that was reached at `from`; nothing if no slot is served.
    pub(crate) fn read(reply: Reply, epoch: u64, from: &Node) -> Option<Self> {
        let mut map = SlotMap {
            epoch,
            primaries: Vec::new(),
            replicas: Vec::new(),
            owners: vec![NOBODY; usize::from(SLOTS)].into(),
        };
        for range in Vec::<Vec<Reply>>::from_reply(reply).ok()? {
            let mut parts = range.into_iter();
            let first = usize::from(u16::from_reply(parts.next()?).ok()?);
            let last = usize::from(u16::from_reply(parts.next()?).ok()?);
            // A primary that has no address yet serves nobody.
            let Some(primary) = node(parts.next()?, from) else {
                continue;
            };
            let owner = map.place(primary)?;
            map.owners.get_mut(first..=last)?.fill(owner);
            for replica in parts.filter_map(|replica| node(replica, from)) {
                if !map.replicas.contains(&replica) {
                    map.replicas.push(replica);
                }
            }
        }
        (!map.primaries.is_empty()).then_some(map)
    }

    /// The primary of a slot, if it has one.
    pub(crate) fn owner(&self, slot: u16) -> Option<usize> {
        let owner = *self.owners.get(usize::from(slot))?;
        (owner != NOBODY).then_some(usize::from(owner))
    }

    /// The primary of a slot, by name.
    pub(crate) fn node_of(&self, slot: u16) -> Option<&Node> {
        self.primaries.get(self.owner(slot)?)
    }

    /// All primaries that serve a slot.
    pub(crate) fn primaries(&self) -> &[Node] {
        &self.primaries
    }

    /// Every node that may be asked.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.primaries.iter().chain(&self.replicas)
    }

    /// The same map but for one slot; nothing if it says so already.
    pub(crate) fn moved(&self, slot: u16, to: &Node) -> Option<Self> {
        if self.node_of(slot) == Some(to) {
            return None;
        }
        let mut map = self.clone();
        let owner = map.place(to.clone())?;
        *map.owners.get_mut(usize::from(slot))? = owner;
        Some(map)
    }

    /// Whether both say the same of every slot, whatever order and age they are of.
    pub(crate) fn agrees(&self, other: &SlotMap) -> bool {
        (0..SLOTS).all(|slot| self.node_of(slot) == other.node_of(slot))
    }

    fn place(&mut self, primary: Node) -> Option<u16> {
        let known = self.primaries.iter().position(|known| *known == primary);
        let at = known.unwrap_or_else(|| {
            self.primaries.push(primary);
            self.primaries.len() - 1
        });
        u16::try_from(at).ok().filter(|&at| at != NOBODY)
    }
}

/// `[host, port, id, …]`; without a host it is the one that the answer came from.
fn node(reply: Reply, from: &Node) -> Option<Node> {
    let mut parts = Vec::<Reply>::from_reply(reply).ok()?.into_iter();
    let host = match parts.next()? {
        Reply::Nil => from.host.clone(),
        host => String::from_reply(host).ok()?,
    };
    let port = u16::from_reply(parts.next()?).ok()?;
    match (&*host, port) {
        // Named, and the name is not known.
        ("?", _) | (_, 0) => None,
        ("", _) => Some(Node {
            host: from.host.clone(),
            port,
        }),
        _ => Some(Node { host, port }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn text(text: &'static str) -> Reply {
        Reply::Bytes(Bytes::from_static(text.as_bytes()))
    }

    fn range(first: i64, last: i64, nodes: Vec<(Reply, i64)>) -> Reply {
        let node = |(host, port)| Reply::Array(vec![host, Reply::Int(port), text("id")]);
        let head = [Reply::Int(first), Reply::Int(last)];
        Reply::Array(
            head.into_iter()
                .chain(nodes.into_iter().map(node))
                .collect(),
        )
    }

    fn seed() -> Node {
        Node {
            host: "seed".to_owned(),
            port: 1,
        }
    }

    #[test]
    fn a_server_s_answer_is_read() {
        let reply = Reply::Array(vec![
            range(0, 99, vec![(text("a"), 1), (text("c"), 1)]),
            range(100, 199, vec![(Reply::Nil, 2)]),
            range(200, 299, vec![(text("a"), 1)]),
            range(300, 399, vec![(text("?"), 0)]),
        ]);
        let map = SlotMap::read(reply, 7, &seed()).unwrap();
        assert_eq!(map.primaries().len(), 2);
        assert_eq!(map.node_of(0), map.node_of(299));
        assert_eq!(map.node_of(150).unwrap().to_string(), "seed:2");
        assert_eq!((map.owner(300), map.owner(16_383)), (None, None));
        assert_eq!(map.nodes().count(), 3);
    }

    #[test]
    fn what_cannot_be_meant_is_nothing() {
        let read = |reply| SlotMap::read(reply, 0, &seed());
        assert_eq!(read(Reply::Array(Vec::new())), None);
        assert_eq!(read(Reply::Int(1)), None);
        let beyond = range(0, 16_384, vec![(text("a"), 1)]);
        assert_eq!(read(Reply::Array(vec![beyond])), None);
        let backwards = range(9, 3, vec![(text("a"), 1)]);
        assert_eq!(read(Reply::Array(vec![backwards])), None);
    }

    #[test]
    fn one_slot_moves_alone() {
        let reply = Reply::Array(vec![range(0, 16_383, vec![(text("a"), 1)])]);
        let map = SlotMap::read(reply, 0, &seed()).unwrap();
        let moved = map.moved(5, &seed()).unwrap();
        assert_eq!(moved.node_of(5), Some(&seed()));
        assert_eq!(moved.node_of(4), map.node_of(4));
        assert!(!moved.agrees(&map));
        assert_eq!(moved.moved(5, &seed()), None, "known already");
    }
}
