//! What is to be written.

use std::cmp::Ordering;

use russet_core::Bytes;
use sha1::{Digest as _, Sha1};

use crate::counter::Add;
use crate::error::SessionError;
use crate::fields::Shape;
use crate::plain::Plain;
use crate::stored::Stored;

/// Changes of a session's fields, as `commit.lua` is told of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    /// What fields must hold.
    checks: Vec<(String, Option<Bytes>)>,
    /// What they shall hold; nothing where they go.
    pub(crate) sets: Vec<(String, Option<Bytes>)>,
    pub(crate) adds: Vec<Add>,
}

impl Changes {
    /// From what a session's data was to what it is now; each field that changed must still hold what it did.
    pub(crate) fn between(
        before: &Plain,
        after: &Plain,
        stored: &Stored,
        (shape, id): (&Shape, &[u8; 16]),
    ) -> Result<Self, SessionError> {
        let mut changes = Changes::default();
        let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
        // Both are in order of names.
        loop {
            let order = match (before.peek(), after.peek()) {
                (Some((was, _)), Some((is, _))) => was.cmp(is),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return Ok(changes),
            };
            let was = order.is_le().then(|| before.next()).flatten();
            let is = order.is_ge().then(|| after.next()).flatten();
            let Some((field, _)) = is.or(was).filter(|_| was != is) else {
                continue;
            };
            let sealed = is
                .map(|(_, plain)| shape.seal(id, field, plain))
                .transpose()?;
            changes.set(field, sealed);
            let held = stored.get(field.as_bytes()).cloned();
            changes.checks.push((field.to_owned(), held));
        }
    }

    pub(crate) fn set(&mut self, field: &str, sealed: Option<Vec<u8>>) {
        // The last one counts, as with any assignment.
        self.sets.retain(|(earlier, _)| earlier != field);
        self.sets.push((field.to_owned(), sealed.map(Bytes::from)));
    }

    /// Counts, together with what is counted there already.
    pub(crate) fn add(&mut self, field: &str, by: i64) -> Result<(), SessionError> {
        if let Some(add) = self.adds.iter_mut().find(|add| add.field == field) {
            let sum = add.by.checked_add(by);
            add.by = sum.ok_or_else(|| SessionError::data("a step is an `i64`"))?;
            return Ok(());
        }
        self.adds.push(Add {
            field: field.to_owned(),
            by,
            bound: None,
        });
        Ok(())
    }

    /// A field that is counted and set at once: nobody could say what it is then.
    pub(crate) fn twice(&self) -> Option<&str> {
        let mut adds = self.adds.iter().map(|add| add.field.as_str());
        adds.find(|add| self.sets.iter().any(|(field, _)| field == add))
    }

    /// Writes whatever others have written.
    pub(crate) fn unchecked(mut self) -> Self {
        self.checks.clear();
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sets.is_empty() && self.adds.is_empty()
    }

    /// How many fields there are when all of it was written, and how many bytes they have, names included; but for what was incremented.
    pub(crate) fn size_after(&self, stored: &Stored) -> (usize, usize) {
        let (mut fields, mut bytes) = (stored.len(), stored.size());
        for (field, value) in &self.sets {
            if let Some(held) = stored.get(field.as_bytes()) {
                fields -= 1;
                bytes -= field.len() + held.len();
            }
            if let Some(value) = value {
                fields += 1;
                bytes += field.len() + value.len();
            }
        }
        (fields, bytes)
    }

    /// Fields as they are when all of it was written, but for what was incremented.
    pub(crate) fn apply(&self, stored: &mut Stored) {
        for (field, value) in &self.sets {
            match value {
                Some(value) => stored.insert(field, value.clone()),
                None => stored.remove(field),
            }
        }
    }

    pub(crate) fn args(&self) -> impl Iterator<Item = Bytes> {
        let checks = self.checks.iter().map(|(field, held)| {
            let sha = held.as_deref().map_or_else(Bytes::new, sha1_hex);
            ("c", field, sha)
        });
        let sets = self.sets.iter().map(|(field, value)| match value {
            Some(value) => ("s", field, value.clone()),
            None => ("d", field, Bytes::new()),
        });
        let adds = self.adds.iter().map(|add| {
            let value = match add.bound {
                Some(bound) => format!("{} {bound}", add.by),
                None => add.by.to_string(),
            };
            ("i", &add.field, value.into())
        });
        checks
            .chain(sets)
            .chain(adds)
            .flat_map(|(what, field, value)| {
                [what.into(), Bytes::copy_from_slice(field.as_bytes()), value]
            })
    }
}

/// As `redis.sha1hex` has it: that two values are one, and no secret.
fn sha1_hex(bytes: &[u8]) -> Bytes {
    let digits =
        |byte: u8| [byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]);
    let hex = Sha1::digest(bytes).0.map(digits);
    Bytes::copy_from_slice(hex.as_flattened())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_known_before_it_is_written() {
        let value = |text: &str| Some(text.as_bytes().to_vec());
        let mut stored = Stored::default();
        for field in ["kept", "changed", "removed"] {
            stored.insert(field, "before".into());
        }
        let mut changes = Changes::default();
        changes.set("changed", value("another one"));
        changes.set("new", value("x"));
        changes.set("removed", None);
        changes.set("never there", None);
        let told = changes.size_after(&stored);
        changes.apply(&mut stored);
        assert_eq!(told, (stored.len(), stored.size()));
        assert_eq!(told.0, 3);
    }
}
