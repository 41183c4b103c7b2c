//! A part of a cache with keys of its own.

use std::sync::Arc;

use russet_core::{Key, KeyPart, KeyWriter, PartShape, PartWriter, Stem, part};

/// Which part of a cache a handle is of: all of it, or a scope, perhaps within another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope(Option<Arc<Named>>);

#[derive(Debug)]
struct Named {
    names: Vec<String>,
    /// One for each name: who clears a scope clears those within it.
    tags: Vec<String>,
}

/// A key behind the names of its scope.
struct Within<'a, Q: ?Sized>(&'a [String], &'a Q);

impl<Q: KeyPart + ?Sized> KeyPart for Within<'_, Q> {
    const SHAPE: PartShape = PartShape::Several;

    fn write_part(&self, out: &mut PartWriter<'_>) {
        for name in self.0 {
            out.text(name);
            out.next_part();
        }
        self.1.write_part(out);
    }
}

impl Scope {
    pub(crate) fn within(&self, name: String) -> Self {
        let mut names = self.0.as_ref().map_or_else(Vec::new, |of| of.names.clone());
        names.push(name);
        let tags = (1..=names.len()).map(|depth| {
            // No tag that somebody says begins with `%s`.
            let names = names.iter().take(depth).map(part);
            format!("%s:{}", names.collect::<Vec<_>>().join(":"))
        });
        Scope(Some(Arc::new(Named {
            tags: tags.collect(),
            names,
        })))
    }

    pub(crate) fn key<Q: KeyPart + ?Sized>(&self, stem: &Stem, key: &Q) -> Key {
        match &self.0 {
            None => stem.key(key),
            Some(of) => stem.key(&Within(&of.names, key)),
        }
    }

    /// The part of the key behind the stem.
    pub(crate) fn write<Q: KeyPart + ?Sized>(&self, writer: &mut KeyWriter, key: &Q) {
        match &self.0 {
            None => writer.value(key),
            Some(of) => writer.value(&Within(&of.names, key)),
        }
    }

    /// What the entries of the scope are stored under.
    pub(crate) fn tags(&self) -> Vec<String> {
        self.0.as_ref().map_or_else(Vec::new, |of| of.tags.clone())
    }

    pub(crate) fn names(&self) -> &[String] {
        self.0.as_ref().map_or(&[], |of| &of.names)
    }

    /// What invalidates the scope; nothing for the whole cache.
    pub(crate) fn tag(&self) -> Option<&String> {
        self.0.as_ref()?.tags.last()
    }

    /// What stands in keys before the part that the caller names, with a `:` behind it.
    pub(crate) fn prefix(&self) -> String {
        let names = self.names().iter();
        names.map(|name| part(name) + ":").collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use russet_core::Prefix;

    use super::*;

    #[test]
    fn names_stand_before_the_key_and_stay_in_their_place() {
        let stem = Prefix::new("shop").unwrap().stem("cache", "users").unwrap();
        let all = Scope::default();
        let one = all.within("ws:1".to_owned());
        let inner = one.within("x".to_owned());
        let text = |scope: &Scope| String::from_utf8(scope.key(&stem, &7).as_bytes().to_vec());
        assert_eq!(text(&all).unwrap(), "shop:cache:users:7");
        assert_eq!(text(&one).unwrap(), "shop:cache:users:ws%3A1:7");
        assert_eq!(text(&inner).unwrap(), "shop:cache:users:ws%3A1:x:7");
        assert_eq!(inner.tags(), ["%s:ws%3A1", "%s:ws%3A1:x"]);
        assert_eq!(
            (all.tag(), one.tag()),
            (None, Some(&"%s:ws%3A1".to_owned()))
        );
        assert_eq!(
            (all.prefix(), inner.prefix()),
            (String::new(), "ws%3A1:x:".to_owned())
        );
    }
}
