//! The globs of access rules, which know no parts: `user:*` covers `user:7:profile` too.

use std::collections::BTreeSet;

use russet_core::glob_matches;

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

/// Whether a glob covers a key, or all that another glob of ours covers: those have no special character but `*`.
pub(super) fn is_covered(glob: &str, key: &str) -> bool {
    glob_matches(glob.as_bytes(), key.as_bytes())
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
