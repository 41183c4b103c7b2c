//! The literal beginning of one handle's keys.

use std::fmt;
use std::sync::Arc;

use super::shards::Shards;
use super::{Key, KeyPart, KeyWriter};

/// A handle's key maker: the literal text that its keys share, checked once; making a key cannot fail.
///
/// Cheap to clone. Made by [`Prefix::stem`](super::Prefix::stem) or
/// [`Namespace::stem`](crate::Namespace::stem).
#[derive(Clone, PartialEq, Eq)]
pub struct Stem {
    text: Arc<str>,
    shards: Option<Shards>,
}

impl Stem {
    pub(super) fn new(text: String, shards: Option<Shards>) -> Self {
        Stem {
            text: text.into(),
            shards,
        }
    }

    /// The key of one value: `<stem>:<value>`, the value escaped; `<stem>:{<shard>}:<value>` in a namespace with
    /// [shards](crate::Namespace::shards).
    pub fn key<P: KeyPart + ?Sized>(&self, value: &P) -> Key {
        let mut writer = self.start();
        let at = writer.len();
        writer.value(value);
        self.shard(&mut writer, at);
        writer.finish(at)
    }

    /// The key of one value whose hash tag is that value: `<stem>:{<value>}`, with `:<attribute>` if given; with shards
    /// `<stem>:{<shard>}:<value>`, with `:<attribute>`.
    ///
    /// Keys of the same value live in one cluster slot, whatever their attribute, so that one script may
    /// touch them together. `attribute` is literal text of the crate that calls, not a run-time value.
    pub fn tagged<P: KeyPart + ?Sized>(&self, value: &P, attribute: Option<&'static str>) -> Key {
        let (mut writer, at) = self.start_tagged(value);
        if let Some(attribute) = attribute {
            writer.text(":");
            writer.text(attribute);
        }
        writer.finish(at)
    }

    /// The key of one of the things that a value has, `<stem>:{<value>}:<one>`, with `<attribute>:` before the one if given: in the slot of
    /// [`tagged`](Stem::tagged) keys of that value.
    pub fn tagged_one<P, Q>(&self, value: &P, attribute: Option<&'static str>, one: &Q) -> Key
    where
        P: KeyPart + ?Sized,
        Q: KeyPart + ?Sized,
    {
        let (mut writer, at) = self.start_tagged(value);
        writer.text(":");
        if let Some(attribute) = attribute {
            writer.text(attribute);
            writer.text(":");
        }
        writer.value(one);
        writer.finish(at)
    }

    /// A key as far as its tag, and where the values in it begin.
    fn start_tagged<P: KeyPart + ?Sized>(&self, value: &P) -> (KeyWriter, usize) {
        let mut writer = self.start();
        let at = writer.len();
        let is_tag = self.shards.is_none();
        if is_tag {
            writer.text("{");
        }
        writer.value(value);
        if is_tag {
            writer.text("}");
        }
        self.shard(&mut writer, at);
        (writer, at)
    }

    /// The part of a raw key behind this stem: what [`FromKeyPart`](super::FromKeyPart) reads.
    pub fn strip<'k>(&self, raw: &'k str) -> Option<&'k str> {
        let part = raw.strip_prefix(&*self.text)?.strip_prefix(':')?;
        if self.shards.is_none() {
            return Some(part);
        }
        let (_, part) = part.strip_prefix('{')?.split_once("}:")?;
        Some(part)
    }

    /// The value in a key that [`key`](Stem::key) made here, as the key has it.
    pub fn value_in<'k>(&self, key: &'k Key) -> &'k [u8] {
        let behind = key
            .as_bytes()
            .get(self.text.len() + 1..)
            .unwrap_or_default();
        if self.shards.is_none() {
            return behind;
        }
        let end = behind.iter().position(|&byte| byte == b':');
        end.and_then(|end| behind.get(end + 1..))
            .unwrap_or_default()
    }

    /// The glob of this stem's keys whose value matches a glob: for [`Server::scan`](crate::Server::scan).
    pub fn matching(&self, glob: &str) -> String {
        let shard = if self.shards.is_some() { "{*}:" } else { "" };
        format!("{}:{shard}{glob}", self.text)
    }

    /// The literal text, without the `:` behind it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a shard's tag stands before the first value of its keys.
    pub fn is_sharded(&self) -> bool {
        self.shards.is_some()
    }

    /// The shards' tags, with their braces; none in a namespace without shards.
    pub fn shard_tags(&self) -> impl Iterator<Item = &str> {
        self.shards.iter().flat_map(Shards::tags)
    }

    /// The shard's tag of a key that [`key`](Stem::key) made here, with its braces; nothing without shards.
    pub fn shard_in<'k>(&self, key: &'k Key) -> Option<&'k [u8]> {
        self.shards.as_ref()?;
        let behind = key.as_bytes().get(self.text.len() + 1..)?;
        let end = behind.iter().position(|&byte| byte == b':')?;
        behind.get(..end)
    }

    /// Puts the tag of the value at the text's end before it.
    fn shard(&self, writer: &mut KeyWriter, at: usize) {
        if let Some(shards) = &self.shards {
            let tag = shards.of(&writer.as_str()[at..]);
            writer.insert(at, tag);
        }
    }

    fn start(&self) -> KeyWriter {
        let mut writer = KeyWriter::new();
        writer.text(&self.text);
        writer.text(":");
        writer
    }
}

impl fmt::Debug for Stem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stem({})", self.text)
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
        let one = stem.tagged_one(&7, None, "a:b");
        assert_eq!(one.as_bytes(), b"shop:cache:users:{7}:a%3Ab");
        let of_a_kind = stem.tagged_one(&7, Some("%seen"), "a");
        assert_eq!(of_a_kind.as_bytes(), b"shop:cache:users:{7}:%seen:a");
        assert_eq!(value.slot(), one.slot());
    }

    #[test]
    fn shards_stand_behind_the_stem_and_are_read_back() {
        let prefix = Prefix::new("shop").unwrap().shards(12).unwrap();
        let stem = prefix.stem("cache", "users").unwrap();
        let [key, lease] = [None, Some("lease")].map(|attribute| stem.tagged("a:b", attribute));
        assert_eq!(stem.key("a:b").as_bytes(), key.as_bytes());
        assert_eq!(key.slot(), lease.slot());
        let raw = std::str::from_utf8(key.as_bytes()).unwrap();
        assert!(raw.starts_with("shop:cache:users:{"), "{raw}");
        assert!(raw.ends_with("}:a%3Ab"), "{raw}");
        let part = stem.strip(raw).and_then(String::from_key_part);
        assert_eq!(part.as_deref(), Some("a:b"));
        assert_eq!(stem.value_in(&key), b"a%3Ab");
        let tags: Vec<_> = stem.shard_tags().collect();
        assert_eq!((tags.len(), tags[0]), (12, "{18}"));
        let shard = std::str::from_utf8(stem.shard_in(&key).unwrap()).unwrap();
        assert!(tags.contains(&shard), "{shard}");
        assert_eq!(stem.matching("a*"), "shop:cache:users:{*}:a*");
        assert_eq!(format!("{key}"), "shop:cache:users:…");
        let slots: std::collections::BTreeSet<u16> =
            (0..500).map(|id| stem.key(&id).slot()).collect();
        assert_eq!(slots.len(), 12);
    }

    #[test]
    fn a_value_cannot_leave_its_place() {
        let stem = Prefix::new("shop").unwrap().stem("cache", "users").unwrap();
        assert_eq!(
            stem.key("7:admin}").as_bytes(),
            b"shop:cache:users:7%3Aadmin%7D"
        );
        let key = stem.key("a:b");
        assert_eq!(stem.value_in(&key), b"a%3Ab");
        assert_eq!(stem.matching("a*"), "shop:cache:users:a*");
        let raw = std::str::from_utf8(key.as_bytes()).unwrap();
        assert_eq!(
            String::from_key_part(stem.strip(raw).unwrap()).as_deref(),
            Some("a:b")
        );
        assert_eq!(stem.strip("shop:cache:users2:7"), None);
    }
}
