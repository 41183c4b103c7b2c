//! Every pattern of a system, from whoever declared it.

use russet_core::{BuildError, BuildErrorKind, KeySpec, KeyType, Prefix, Redis};

use crate::acl::AclBuilder;
use crate::described::{Described, Place, Ttl};
use crate::document;
use crate::tree::Tree;

/// Every kind of key of a system: what the crates' handles write, and what `keyspace!` declared.
///
/// It answers which pattern a raw key is of; documents, access rules and audits are made from it. Pure: it asks no server.
///
/// ```
/// use russet_keyspace::{Catalogue, Prefix};
///
/// # let cache_keys = russet_core::KEYS;
/// let prefix = Prefix::new("shop")?.env("prod");
/// let catalogue = Catalogue::new().with(&prefix, cache_keys)?;
/// let found = catalogue.find(b"prod:shop:namespace:shards").expect("it is declared");
/// assert_eq!(found.described().owner, "core");
/// assert!(catalogue.find(b"stg:shop:namespace:shards").is_none(), "another environment's");
/// # Ok::<_, russet_keyspace::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Catalogue {
    all: Vec<Described>,
    tree: Tree,
}

impl Default for Catalogue {
    fn default() -> Self {
        Catalogue::new()
    }
}

impl Catalogue {
    /// One without patterns.
    pub fn new() -> Self {
        Catalogue {
            all: Vec::new(),
            tree: Tree::new(),
        }
    }

    /// What the handles of a connection have declared so far: their keys by their names, where
    /// [`with`](Catalogue::with) knows the kinds of keys only. Make it when the service's handles are built.
    ///
    /// # Errors
    /// As [`with`](Catalogue::with).
    pub fn of(redis: &Redis) -> Result<Self, BuildError> {
        let mut catalogue = Catalogue::new();
        for declared in redis.declared() {
            catalogue.add(Described::of_handle(declared.spec, &declared.stem))?;
        }
        Ok(catalogue)
    }

    /// The same with a crate's keys, or a `keyspace!`'s, under a prefix. For a system that is not there yet: a plan, a
    /// document, an ACL file.
    ///
    /// # Errors
    /// [`BuildErrorKind::Name`] for a wrong name of the prefix's, [`BuildErrorKind::Conflict`] for a pattern that may make a
    /// key which is another one's, of another Redis type or another concern.
    pub fn with(mut self, prefix: &Prefix, specs: &[KeySpec]) -> Result<Self, BuildError> {
        for spec in specs {
            self.add(Described::planned(spec, prefix)?)?;
        }
        Ok(self)
    }

    /// The same with the kinds of keys that a crate writes, for documents: prefix and names stay in braces.
    ///
    /// # Errors
    /// As [`with`](Catalogue::with).
    pub fn with_kinds(mut self, specs: &[KeySpec]) -> Result<Self, BuildError> {
        for spec in specs {
            self.add(Described::kind(spec))?;
        }
        Ok(self)
    }

    /// The catalogue that [`to_json`](Catalogue::to_json) wrote.
    ///
    /// # Errors
    /// [`BuildErrorKind::Unsupported`] for a text that is none, else as [`with`](Catalogue::with).
    pub fn from_json(text: &str) -> Result<Self, BuildError> {
        let all: Vec<Described> = serde_json::from_str(text).map_err(|error| {
            let message =
                format!("this is no catalogue ({error}); write one by Catalogue::to_json");
            BuildError::new(BuildErrorKind::Unsupported, message)
        })?;
        let mut catalogue = Catalogue::new();
        for described in all {
            described.check()?;
            catalogue.add(described)?;
        }
        Ok(catalogue)
    }

    /// The catalogue as a file for other programs, such as the command `russet keys`.
    pub fn to_json(&self) -> String {
        // Strings and numbers only: it cannot fail.
        serde_json::to_string_pretty(&self.all).unwrap_or_default()
    }

    fn add(&mut self, described: Described) -> Result<(), BuildError> {
        // What a registry says of a cache's keys may be said more exactly than the cache crate says it; but one key is of
        // one type, and on one server.
        // A channel is no key, and may be called like one.
        let is_channel = |one: &Described| one.kind == KeyType::Channel;
        let meet = |other: &&Described| {
            is_channel(other) == is_channel(&described) && other.meets(&described)
        };
        for other in self.all.iter().filter(meet) {
            let (what, one, two) = if other.kind != described.kind {
                ("types", other.kind.name(), described.kind.name())
            } else if other.concern != described.concern {
                ("concerns", &*other.concern, &*described.concern)
            } else {
                continue;
            };
            let message = format!(
                "{} and {} may make the same key, and are of different {what}: {one} and {two}; give one of them a name \
                 that the other has not",
                other.pattern, described.pattern
            );
            return Err(BuildError::new(BuildErrorKind::Conflict, message));
        }
        match self.tree.add(&described, self.all.len()) {
            Some(known) => self.all[known].learn(described),
            None => self.all.push(described),
        }
        Ok(())
    }

    /// Every pattern.
    pub fn all(&self) -> &[Described] {
        &self.all
    }

    /// The pattern that a raw key is of; of several the one that is narrower where they first differ (a name, digits, any
    /// value, several).
    pub fn find<'c, 'k>(&'c self, key: &'k [u8]) -> Option<Found<'c, 'k>> {
        // What is no text is no key of ours.
        let key = std::str::from_utf8(key).ok()?;
        let described = self.all.get(self.tree.find(key)?)?;
        Some(Found { described, key })
    }

    /// The patterns whose keys have no TTL, on purpose.
    pub fn persistent(&self) -> impl Iterator<Item = &Described> {
        self.all
            .iter()
            .filter(|described| described.ttl == Ttl::Persistent)
    }

    /// The catalogue as a Markdown table: every pattern, its type, value, TTL, owner and meaning.
    pub fn markdown(&self) -> String {
        document::table(&self.all)
    }

    /// Access rules for these keys.
    pub fn acl(&self) -> AclBuilder<'_> {
        AclBuilder::new(self)
    }
}

/// A raw key's pattern.
#[derive(Clone, Copy, Debug)]
pub struct Found<'c, 'k> {
    described: &'c Described,
    key: &'k str,
}

impl<'c, 'k> Found<'c, 'k> {
    /// The pattern.
    pub fn described(&self) -> &'c Described {
        self.described
    }

    /// The text of a value in the key, as [`FromKeyPart`](russet_core::FromKeyPart) reads it.
    pub fn value(&self, name: &str) -> Option<&'k str> {
        let segments: Vec<_> = self.described.segments().collect();
        let at = segments
            .iter()
            .position(|segment| segment.place != Place::Name && segment.text == name)?;
        let parts: Vec<&str> = self.key.split(':').collect();
        // Those before and behind a place of several parts take one each.
        let surplus = parts.len().checked_sub(segments.len())?;
        let is_several = |place| matches!(place, Place::Several | Place::SeveralTag);
        let before = segments[..at]
            .iter()
            .any(|segment| is_several(segment.place));
        let start = if before { at + surplus } else { at };
        let count = if is_several(segments[at].place) {
            surplus + 1
        } else {
            1
        };
        let from: usize = parts[..start].iter().map(|part| part.len() + 1).sum();
        let len = parts[start..start + count].join(":").len();
        let text = &self.key[from..from + len];
        Some(match segments[at].place {
            Place::Tag | Place::SeveralTag => text.trim_matches(['{', '}']),
            _ => text,
        })
    }
}

#[cfg(test)]
#[allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
mod tests {
    use russet_core::{KeyTtl, PartShape, PartSpec};

    use super::*;

    const fn spec(rest: &'static str) -> KeySpec {
        KeySpec::new(
            "app",
            "{prefix}",
            rest,
            KeyType::String,
            KeyTtl::Persistent,
            "x",
        )
    }

    const ID: &[PartSpec] = &[PartSpec::new("id", "u64", PartShape::Integer)];

    fn catalogue(specs: &[KeySpec]) -> Catalogue {
        let shop = Prefix::new("shop").unwrap();
        Catalogue::new().with(&shop, specs).unwrap()
    }

    #[test]
    fn a_key_is_of_the_narrowest_pattern() {
        let catalogue = catalogue(&[
            spec("{a}:x"),
            spec("user:{id}").parts(ID),
            spec("user:{{id}}"),
            spec("user:me"),
            spec("user:{name}:x"),
            spec("user:{all..}"),
            spec("list:{all..}:end"),
        ]);
        let found = |key: &str| {
            let found = catalogue.find(key.as_bytes())?;
            Some(found.described().pattern.as_str())
        };
        for (key, expected) in [
            ("shop:user:me", Some("shop:user:me")),
            ("shop:user:7", Some("shop:user:{id}")),
            ("shop:user:-7", Some("shop:user:{id}")),
            ("shop:user:{7}", Some("shop:user:{{id}}")),
            ("shop:user:bob", Some("shop:user:{all..}")),
            ("shop:user:bob:x", Some("shop:user:{name}:x")),
            ("shop:user:bob:y:z", Some("shop:user:{all..}")),
            ("shop:user:x", Some("shop:user:{all..}")),
            ("shop:other:x", Some("shop:{a}:x")),
            ("shop:list:a:end", Some("shop:list:{all..}:end")),
            ("shop:list:a:end:end", Some("shop:list:{all..}:end")),
            ("shop:list:end", None),
            ("shop:list:a:b", None),
            ("shop", None),
            ("shop:", None),
            ("shop:user:", None),
            ("other:user:me", None),
            ("", None),
        ] {
            assert_eq!(found(key), expected, "{key}");
        }
        assert!(catalogue.find(b"shop:user:\xff").is_none());
    }

    #[test]
    fn values_are_read_back() {
        let catalogue = catalogue(&[
            spec("pair:{all..}:{last}"),
            spec("lock:{{name}}:fence"),
            spec("all:{{pair..}}:x"),
        ]);
        let found = catalogue.find(b"shop:pair:a:b%3A:c").unwrap();
        assert_eq!(found.value("all"), Some("a:b%3A"));
        assert_eq!(found.value("last"), Some("c"));
        assert_eq!(found.value("pair"), None, "that is a name");
        let found = catalogue.find(b"shop:lock:{posting}:fence").unwrap();
        assert_eq!(found.value("name"), Some("posting"));
        let found = catalogue.find(b"shop:all:{a:b}:x").unwrap();
        assert_eq!(found.value("pair"), Some("a:b"));
    }

    #[test]
    fn one_key_is_of_one_type_and_one_concern() {
        let shop = Prefix::new("shop").unwrap();
        let mut list = spec("cache:{name}:{id}");
        list.kind = KeyType::List;
        let base = catalogue(&[spec("cache:users:{key..}")]);
        let error = base.clone().with(&shop, &[list]).unwrap_err();
        assert_eq!(error.kind(), BuildErrorKind::Conflict);
        assert!(error.to_string().contains("string and list"), "{error}");
        let mut other = spec("cache:{name}:{id}");
        other.concern = "other";
        assert!(base.clone().with(&shop, &[other]).is_err());
        let mut channel = spec("cache:{name}:{id}");
        channel.kind = KeyType::Channel;
        assert!(base.clone().with(&shop, &[channel]).is_ok(), "no key");
        // Said more exactly is no conflict.
        let both = base
            .with(&shop, &[spec("cache:users:{id}").parts(ID)])
            .unwrap();
        let found = both.find(b"shop:cache:users:7").unwrap();
        assert_eq!(found.described().pattern, "shop:cache:users:{id}");
    }

    #[test]
    fn a_file_holds_all_of_it() {
        let catalogue = catalogue(&[spec("user:{id}").parts(ID), spec("b")]);
        let read = Catalogue::from_json(&catalogue.to_json()).unwrap();
        assert_eq!(read.all(), catalogue.all());
        assert!(read.find(b"shop:user:7").is_some());
        assert!(Catalogue::from_json("[1]").is_err());
        let wrong = catalogue.to_json().replace("user:{id}", "user:{id");
        assert!(Catalogue::from_json(&wrong).is_err());
    }
}
