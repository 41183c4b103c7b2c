//! The static description of a key pattern, from which documents, ACLs and audits are made.

/// What a crate says of one kind of key that it writes.
///
/// Every crate lists its own as `pub const KEYS: &[KeySpec]` in its `keys.rs`; `docs/keys.md` names each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySpec {
    /// The concern that writes the key, as in [`Concern::name`](crate::Concern::name).
    pub concern: &'static str,
    /// The pattern, with run-time parts in braces: `{prefix}:cache:{name}:{key}`.
    pub pattern: &'static str,
    /// The Redis type.
    pub kind: KeyType,
    /// How long the key lives.
    pub ttl: KeyTtl,
    /// What the key holds, in one sentence.
    pub meaning: &'static str,
}

impl KeySpec {
    /// A description of one pattern.
    pub const fn new(
        concern: &'static str,
        pattern: &'static str,
        kind: KeyType,
        ttl: KeyTtl,
        meaning: &'static str,
    ) -> Self {
        KeySpec {
            concern,
            pattern,
            kind,
            ttl,
            meaning,
        }
    }
}

/// The Redis type of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    SortedSet,
    /// A stream.
    Stream,
    /// A channel: no key at all, but a name that an ACL must allow.
    Channel,
}

/// How long a key lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyTtl {
    /// As long as the handle's configuration says; always set.
    Configured,
    /// A fixed number of seconds.
    Seconds(u64),
    /// For ever, on purpose.
    Persistent,
}
