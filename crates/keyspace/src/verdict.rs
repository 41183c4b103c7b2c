//! What an audit says of one key that it has seen.

use std::time::Duration;

use russet_core::{KeyType, Profile};

use crate::catalogue::Catalogue;
use crate::described::Ttl;

/// A key as a server has it.
#[derive(Clone, Copy, Debug)]
#[allow(
    clippy::exhaustive_structs,
    reason = "whoever audits makes it, from the replies to TYPE and PTTL"
)]
pub struct Seen<'k> {
    /// The raw key.
    pub key: &'k [u8],
    /// Its type.
    pub kind: KeyType,
    /// How long it lives on; nothing for ever.
    pub ttl: Option<Duration>,
}

/// What is not as declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Complaint {
    /// It is of no pattern.
    Unknown,
    /// It is of another Redis type than the pattern.
    Type,
    /// It has no TTL and should have one.
    NoTtl,
    /// It has a TTL and should have none.
    HasTtl,
    /// It lives longer than the pattern says.
    TooLong,
    /// It is of a pattern that shall not be written any more.
    Deprecated,
}

impl Catalogue {
    /// What is wrong with a key: its type, its TTL, its being there at all. `profile` is that under which it was
    /// written. Pure; the walk over the keys is the caller's.
    ///
    /// A TTL only ever runs down, so that one that is short says nothing.
    pub fn judge(&self, seen: &Seen<'_>, profile: &Profile) -> Vec<Complaint> {
        let Some(found) = self.find(seen.key) else {
            return vec![Complaint::Unknown];
        };
        let described = found.described();
        let mut complaints = Vec::new();
        if described.kind != seen.kind {
            complaints.push(Complaint::Type);
        }
        let longest = match &described.ttl {
            Ttl::Persistent => None,
            Ttl::Configured => Some(Duration::MAX),
            Ttl::Exactly(ttl) => Some(*ttl),
            Ttl::Tier { longest, .. } => Some(profile.scaled(*longest)),
        };
        match (longest, seen.ttl) {
            (None, Some(_)) => complaints.push(Complaint::HasTtl),
            (Some(_), None) => complaints.push(Complaint::NoTtl),
            (Some(longest), Some(ttl)) if ttl > longest => complaints.push(Complaint::TooLong),
            _ => {}
        }
        if described.deprecated.is_some() {
            complaints.push(Complaint::Deprecated);
        }
        complaints
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use russet_core::{Deprecated, KeySpec, KeyTtl, Prefix, Tier};

    use super::*;

    #[test]
    fn each_deviation_is_told() {
        const HOT: Tier = Tier::new(
            "hot",
            Duration::from_secs(30),
            Duration::from_secs(45),
            Duration::from_secs(60),
        );
        const fn spec(rest: &'static str, ttl: KeyTtl) -> KeySpec {
            KeySpec::new("app", "{prefix}", rest, KeyType::String, ttl, "x")
        }
        let specs = [
            spec("hot", KeyTtl::Tier(HOT)),
            spec("exact", KeyTtl::Seconds(10)),
            spec("ever", KeyTtl::Persistent),
            spec("any", KeyTtl::Configured),
            spec("old", KeyTtl::Persistent).deprecated(Deprecated::new("1", "new")),
        ];
        let catalogue = Catalogue::new().with(&Prefix::root(), &specs).unwrap();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (key, ttl, factor, expected) in [
            ("hot", seconds(60), 1.0, &[][..]),
            ("hot", seconds(1), 1.0, &[]),
            ("hot", seconds(61), 1.0, &[Complaint::TooLong]),
            ("hot", seconds(120), 2.0, &[]),
            ("hot", None, 1.0, &[Complaint::NoTtl]),
            ("exact", seconds(10), 1.0, &[]),
            ("exact", seconds(11), 2.0, &[Complaint::TooLong]),
            ("ever", None, 1.0, &[]),
            ("ever", seconds(1), 1.0, &[Complaint::HasTtl]),
            ("any", seconds(100_000), 1.0, &[]),
            ("any", None, 1.0, &[Complaint::NoTtl]),
            ("old", None, 1.0, &[Complaint::Deprecated]),
            ("none", None, 1.0, &[Complaint::Unknown]),
        ] {
            let (key, kind) = (key.as_bytes(), KeyType::String);
            let seen = Seen { key, kind, ttl };
            let mut profile = Profile::default();
            profile.ttl_factor = factor;
            assert_eq!(catalogue.judge(&seen, &profile), expected, "{seen:?}");
        }
        let list = Seen {
            key: b"ever",
            kind: KeyType::List,
            ttl: None,
        };
        assert_eq!(
            catalogue.judge(&list, &Profile::default()),
            [Complaint::Type]
        );
    }
}
