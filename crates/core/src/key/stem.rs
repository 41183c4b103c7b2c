//! The literal beginning of one handle's keys.

use std::fmt;
use std::sync::Arc;

use super::part::write_part;
use super::{Key, KeyPart};

/// A handle's key maker: the literal text that its keys share, checked once; making a key cannot fail.
///
/// Cheap to clone. Made by [`Prefix::stem`](super::Prefix::stem) or
/// [`Namespace::stem`](crate::Namespace::stem).
#[derive(Clone, PartialEq, Eq)]
pub struct Stem(Arc<str>);

impl Stem {
    pub(crate) fn new(text: String) -> Self {
        Stem(text.into())
    }

    /// The key of one value: `<stem>:<value>`, the value escaped.
    pub fn key<P: KeyPart + ?Sized>(&self, value: &P) -> Key {
        let mut text = self.start();
        write_part(value, &mut text);
        self.finish(text)
    }

    /// The key of one value whose hash tag is that value: `<stem>:{<value>}`, with `:<attribute>` if given.
    ///
    /// Keys of the same value live in one cluster slot, whatever their attribute, so that one script may
    /// touch them together. `attribute` is literal text of the crate that calls, not a run-time value.
    pub fn tagged<P: KeyPart + ?Sized>(&self, value: &P, attribute: Option<&'static str>) -> Key {
        let mut text = self.start();
        text.push('{');
        write_part(value, &mut text);
        text.push('}');
        if let Some(attribute) = attribute {
            text.push(':');
            text.push_str(attribute);
        }
        self.finish(text)
    }

    /// The part of a raw key behind this stem: what [`FromKeyPart`](super::FromKeyPart) reads.
    pub fn strip<'k>(&self, raw: &'k str) -> Option<&'k str> {
        raw.strip_prefix(&*self.0)?.strip_prefix(':')
    }

    /// The literal text, without the `:` behind it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn start(&self) -> String {
        // Most ids are short; one allocation is then enough.
        let mut text = String::with_capacity(self.0.len() + 40);
        text.push_str(&self.0);
        text.push(':');
        text
    }

    fn finish(&self, text: String) -> Key {
        Key::new(text, self.0.len() + 1)
    }
}

impl fmt::Debug for Stem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stem({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use crate::key::{FromKeyPart as _, Prefix};

    #[test]
    fn keys_of_one_value_share_a_slot() {
        let stem = Prefix::new("shop").unwrap().stem("cache", "users").unwrap();
        let (value, lease) = (stem.tagged(&7, None), stem.tagged(&7, Some("lease")));
        assert_eq!(value.as_bytes(), b"shop:cache:users:{7}");
        assert_eq!(lease.as_bytes(), b"shop:cache:users:{7}:lease");
        assert_eq!(value.slot(), lease.slot());
    }

    #[test]
    fn a_value_cannot_leave_its_place() {
        let stem = Prefix::new("shop").unwrap().stem("cache", "users").unwrap();
        assert_eq!(
            stem.key("7:admin}").as_bytes(),
            b"shop:cache:users:7%3Aadmin%7D"
        );
        let key = stem.key("a:b");
        let raw = std::str::from_utf8(key.as_bytes()).unwrap();
        assert_eq!(
            String::from_key_part(stem.strip(raw).unwrap()).as_deref(),
            Some("a:b")
        );
        assert_eq!(stem.strip("shop:cache:users2:7"), None);
    }
}
