//! The globs of access rules, which know no parts: `user:*` covers `user:7:profile` too.

use std::collections::BTreeSet;

use crate::described::{Described, Place};

/// The globs of patterns, without those that another one covers by its beginning.
pub(super) fn globs<'d>(patterns: impl Iterator<Item = &'d Described>) -> Vec<String> {
    let all: BTreeSet<String> = patterns.map(Described::glob).collect();
    let is_needed = |narrow: &&String| {
        !all.iter()
            .any(|wide| wide != *narrow && is_covered(wide, narrow))
    };
    all.iter().filter(is_needed).cloned().collect()
}

/// Whether a glob of ours, which has no other special character than `*`, covers a key.
pub(super) fn is_covered(glob: &str, key: &str) -> bool {
    let mut rest = key;
    let mut parts = glob.split('*').peekable();
    let mut is_first = true;
    while let Some(part) = parts.next() {
        let found = if is_first {
            rest.strip_prefix(part)
        } else if parts.peek().is_none() {
            return rest.ends_with(part);
        } else {
            rest.find(part).map(|at| &rest[at + part.len()..])
        };
        let Some(found) = found else { return false };
        (rest, is_first) = (found, false);
    }
    rest.is_empty()
}

/// A key of a pattern.
pub(super) fn example(described: &Described) -> String {
    let parts = described.segments().map(|segment| match segment.place {
        Place::Name => segment.text,
        Place::Tag | Place::SeveralTag => "{1}",
        _ => "1",
    });
    parts.collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::is_covered;

    #[test]
    fn globs_cover_what_redis_says() {
        for (glob, key, expected) in [
            ("a:*", "a:b:c", true),
            ("a:*", "b:a:", false),
            ("a:*:c", "a:b:c", true),
            ("a:*:c", "a:b:d", false),
            ("a:*:b:*", "a:x:b:y", true),
            ("a", "a", true),
            ("a", "ab", false),
        ] {
            assert_eq!(is_covered(glob, key), expected, "{glob} {key}");
        }
    }
}
