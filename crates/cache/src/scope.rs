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

/// Of which [scopes](crate::Cache::scope) a key is.
#[derive(Clone, Debug)]
pub struct Scopes(pub(crate) Scope);

impl Scopes {
    /// Their names, the outermost first; none outside of one.
    pub fn names(&self) -> &[String] {
        self.0.names()
    }
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

/// Whether one of these bytes is among the others, eight at a time: this is on the way of every hit in memory, whose keys are short.
#[inline]
fn holds_either(bytes: &[u8], one: u8, other: u8) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    // A byte that is zero borrows from the bit above it (Lamport, "Multiple Byte Processing with Full-Word Instructions", 1975).
    let has_zero = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    let among = |eight: &[u8; 8]| {
        let word = u64::from_le_bytes(*eight);
        has_zero(word ^ (ONES * u64::from(one))) | has_zero(word ^ (ONES * u64::from(other)))
    };
    let Some(last) = bytes.last_chunk() else {
        return bytes.iter().any(|byte| *byte == one || *byte == other);
    };
    let (eights, _) = bytes.as_chunks();
    eights
        .iter()
        .fold(among(last), |found, eight| found | among(eight))
        != 0
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

    /// The part of the key behind the stem, where it is a text as it stands, or one that is no key's part: what a part has escaped, and
    /// what is between parts, is no text's own.
    #[inline]
    pub(crate) fn as_part<'q, Q: KeyPart + ?Sized>(&self, key: &'q Q) -> Option<&'q str> {
        let text = key.as_text().filter(|_| self.0.is_none())?;
        (!holds_either(text.as_bytes(), b'%', b':')).then_some(text)
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
    fn a_byte_is_found_wherever_it_is() {
        for len in 0..40 {
            let mut bytes = vec![b'9'; len];
            assert!(!holds_either(&bytes, b'%', b':'), "{len}");
            for at in 0..len {
                for byte in [b'%', b':', b'$', b'&', b';', 0, 0xFF, b'%' | 0x80] {
                    bytes[at] = byte;
                    let expected = byte == b'%' || byte == b':';
                    assert_eq!(
                        holds_either(&bytes, b'%', b':'),
                        expected,
                        "{byte} at {at} of {len}"
                    );
                }
                bytes[at] = b'9';
            }
        }
    }

    #[test]
    fn a_text_is_a_part_where_nothing_can_be_mistaken() {
        let all = Scope::default();
        assert_eq!(all.as_part("profile-1"), Some("profile-1"));
        assert_eq!(
            all.as_part(&"a b".to_owned()),
            Some("a b"),
            "no part is like it"
        );
        for text in ["a:b", "a%3Ab", "%-"] {
            assert_eq!(all.as_part(text), None, "{text}");
        }
        assert_eq!(all.as_part(&7), None);
        assert_eq!(all.within("s".to_owned()).as_part("profile-1"), None);
    }

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
