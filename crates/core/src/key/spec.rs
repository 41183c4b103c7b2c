//! The static description of a key pattern, from which documents, ACLs and audits are made.

use serde::{Deserialize, Serialize};

use super::part::PartShape;
use super::tier::Tier;

/// What a crate or a service says of one kind of key that it writes.
///
/// Every crate of Russet lists its own as `pub const KEYS: &[KeySpec]` in its `keys.rs`; `docs/keys.md` is made from them.
/// A service declares its own with `keyspace!` of russet-keyspace.
///
/// A key is `<stem>:<rest>`. The stem is the literal text that a handle's keys share, checked when the handle is built; in
/// a spec it stands with names in braces for what the handle's builder was given: `{prefix}:cache:{cache}`. The rest is
/// names with `:` between them, and places for values that come at run time:
///
/// | in the rest | stands for |
/// |---|---|
/// | `profile` | itself |
/// | `{user}` | one value, escaped as [`KeyPart`](super::KeyPart) says |
/// | `{{user}}` | one value that is the key's hash tag, with its braces |
/// | `{key..}` | one value or several, with `:` between them: a tuple |
///
/// In a namespace with shards the shard's tag and a `:` stand before the first value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySpec {
    /// The concern that writes the key, as in [`Concern::name`](crate::Concern::name).
    pub concern: &'static str,
    /// What the keys of one handle begin with, without the `:` behind it.
    pub stem: &'static str,
    /// What stands behind it.
    pub rest: &'static str,
    /// The types of the values in `rest`, in their order; none where the handle's user chooses them.
    pub parts: &'static [PartSpec],
    /// The Redis type.
    pub kind: KeyType,
    /// The Rust type that is stored, or what is if there is none.
    pub value: &'static str,
    /// The module that writes the key.
    pub owner: &'static str,
    /// How long the key lives.
    pub ttl: KeyTtl,
    /// The commands that are sent with such a key, those inside scripts left out.
    pub commands: &'static [&'static str],
    /// The sources of the scripts that are called with such a key; the line `COMMANDS` in their head says what they call.
    pub scripts: &'static [&'static str],
    /// What to use instead, where it shall not be written any more.
    pub deprecated: Option<Deprecated>,
    /// What the key holds, in one sentence.
    pub meaning: &'static str,
}

impl KeySpec {
    /// A description of one pattern; what else there is to say is said by the functions below.
    pub const fn new(
        concern: &'static str,
        stem: &'static str,
        rest: &'static str,
        kind: KeyType,
        ttl: KeyTtl,
        meaning: &'static str,
    ) -> Self {
        KeySpec {
            concern,
            stem,
            rest,
            parts: &[],
            kind,
            value: "",
            owner: "",
            ttl,
            commands: &[],
            scripts: &[],
            deprecated: None,
            meaning,
        }
    }

    /// Says which types the values in the pattern have.
    #[must_use]
    pub const fn parts(mut self, parts: &'static [PartSpec]) -> Self {
        self.parts = parts;
        self
    }

    /// Says what is stored.
    #[must_use]
    pub const fn value(mut self, value: &'static str) -> Self {
        self.value = value;
        self
    }

    /// Says who writes it.
    #[must_use]
    pub const fn owner(mut self, owner: &'static str) -> Self {
        self.owner = owner;
        self
    }

    /// Says which commands are sent with such a key; a subcommand as `XGROUP CREATE`.
    #[must_use]
    pub const fn commands(mut self, commands: &'static [&'static str]) -> Self {
        self.commands = commands;
        self
    }

    /// Says which scripts are called with such a key, by their sources.
    #[must_use]
    pub const fn scripts(mut self, sources: &'static [&'static str]) -> Self {
        self.scripts = sources;
        self
    }

    /// Says that it shall not be written any more.
    #[must_use]
    pub const fn deprecated(mut self, deprecated: Deprecated) -> Self {
        self.deprecated = Some(deprecated);
        self
    }
}

/// One value in a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartSpec {
    /// Its name there.
    pub name: &'static str,
    /// Its Rust type.
    pub type_name: &'static str,
    /// What text it makes.
    pub shape: PartShape,
}

impl PartSpec {
    /// A value by its name, its type as the source has it, and what it makes.
    pub const fn new(name: &'static str, type_name: &'static str, shape: PartShape) -> Self {
        PartSpec {
            name,
            type_name,
            shape,
        }
    }
}

/// Since when a pattern shall not be written any more, and what to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deprecated {
    /// The version or the day.
    pub since: &'static str,
    /// What to use instead.
    pub instead: &'static str,
}

impl Deprecated {
    /// Since when, and what instead.
    pub const fn new(since: &'static str, instead: &'static str) -> Self {
        Deprecated { since, instead }
    }
}

/// The Redis type of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum KeyType {
    /// A string.
    String,
    /// A hash.
    Hash,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set.
    #[serde(rename = "zset")]
    SortedSet,
    /// A stream.
    Stream,
    /// A channel: no key at all, but a name that an ACL must allow.
    Channel,
}

impl KeyType {
    /// As the server's `TYPE` says it; `channel` for a channel.
    pub const fn name(self) -> &'static str {
        match self {
            KeyType::String => "string",
            KeyType::Hash => "hash",
            KeyType::List => "list",
            KeyType::Set => "set",
            KeyType::SortedSet => "zset",
            KeyType::Stream => "stream",
            KeyType::Channel => "channel",
        }
    }
}

/// How long a key lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyTtl {
    /// As long as the handle's configuration says; always set.
    Configured,
    /// As long as a tier says.
    Tier(Tier),
    /// A fixed number of seconds.
    Seconds(u64),
    /// For ever, on purpose.
    Persistent,
}
