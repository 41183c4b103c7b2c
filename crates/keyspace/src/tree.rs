//! Patterns as a tree of their segments, to find the one that a key is of.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::described::{Described, Place};
use crate::grammar::{is_integer, is_part};

/// What leads on from one segment to the next.
#[derive(Clone, Debug, Default)]
struct Node {
    names: HashMap<Box<str>, usize, RandomState>,
    /// The other places, the narrowest first.
    values: Vec<(Place, usize)>,
    /// Which pattern ends here.
    ends: Option<usize>,
}

/// The tree; patterns by their number.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    pub(crate) fn new() -> Self {
        Tree {
            nodes: vec![Node::default()],
        }
    }

    /// Puts in a pattern; the number of the one that has this shape already, if one has.
    pub(crate) fn add(&mut self, described: &Described, number: usize) -> Option<usize> {
        let mut at = 0;
        for segment in described.segments() {
            let next = self.nodes.len();
            let node = &mut self.nodes[at];
            at = match segment.place {
                Place::Name => *node.names.entry(segment.text.into()).or_insert(next),
                place => match node.values.iter().find(|(other, _)| *other == place) {
                    Some(&(_, known)) => known,
                    None => {
                        node.values.push((place, next));
                        node.values.sort_by_key(|&(place, _)| width(place));
                        next
                    }
                },
            };
            if at == next {
                self.nodes.push(Node::default());
            }
        }
        let known = self.nodes[at].ends;
        self.nodes[at].ends = known.or(Some(number));
        known
    }

    /// The pattern that a key is of; of several the one that is narrower where they first differ.
    pub(crate) fn find(&self, key: &str) -> Option<usize> {
        self.walk(0, Some(key))
    }

    fn walk(&self, node: usize, key: Option<&str>) -> Option<usize> {
        let node = &self.nodes[node];
        let Some(key) = key else {
            return node.ends;
        };
        let (part, rest) = first(key);
        if let Some(&next) = node.names.get(part)
            && let Some(found) = self.walk(next, rest)
        {
            return Some(found);
        }
        for &(place, next) in &node.values {
            let found = match place {
                Place::Several | Place::SeveralTag => self.several(place, next, key),
                _ if fits(place, part) => self.walk(next, rest),
                _ => None,
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// One part more at a time; a pattern has one such place at most.
    fn several(&self, place: Place, next: usize, key: &str) -> Option<usize> {
        let mut end = 0;
        loop {
            end += first(&key[end..]).0.len();
            let rest = key.get(end + 1..);
            if fits(place, &key[..end])
                && let Some(found) = self.walk(next, rest)
            {
                return Some(found);
            }
            rest?;
            end += 1;
        }
    }
}

/// A key's first part, and what stands behind its `:`.
fn first(key: &str) -> (&str, Option<&str>) {
    match key.as_bytes().iter().position(|&byte| byte == b':') {
        Some(at) => (&key[..at], Some(&key[at + 1..])),
        None => (key, None),
    }
}

/// Whether a part of a key may stand at a place.
pub(crate) fn fits(place: Place, part: &str) -> bool {
    match place {
        Place::Integer => !part.is_empty() && is_integer(part.as_bytes(), 0, part.len()),
        Place::Tag | Place::SeveralTag => part
            .strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'))
            .is_some_and(is_value),
        _ => is_value(part),
    }
}

/// Whether it may be what [`KeyPart`](russet_core::KeyPart) writes: not empty, no brace in it, and `%` as it escapes.
fn is_value(part: &str) -> bool {
    is_part(part.as_bytes(), 0, part.len()) && !part.bytes().any(|byte| matches!(byte, b'{' | b'}'))
}

fn width(place: Place) -> u8 {
    match place {
        Place::Name => 0,
        Place::Integer => 1,
        Place::Text => 2,
        Place::Tag => 3,
        Place::Several => 4,
        Place::SeveralTag => 5,
    }
}
