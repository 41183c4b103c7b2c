//! Names that no other test uses.

use std::{
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// Makes a name that no other call makes, in this process or in another one, now or later.
///
/// The name begins with `stem` and holds only ASCII letters, digits, `-` and `_` (whatever else `stem` holds becomes
/// `-`), so it is a valid Russet name, file name and container name. It is at most 64 bytes long.
#[must_use]
pub fn unique_name(stem: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    let stem: String = stem
        .chars()
        .take(24)
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '-'
            }
        })
        .collect();
    let stem = if stem.is_empty() { "t" } else { stem.as_str() };
    // 2^64 ns are 584 years: 64 bits of the clock are enough, and keep the name short.
    format!("{stem}-{:x}-{:x}-{count:x}", process::id(), nanos as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::unique_name;

    #[test]
    fn names_are_unique_and_plain() {
        let names: HashSet<String> = (0..1_000).map(|_| unique_name("a::b {c}*")).collect();
        assert_eq!(names.len(), 1_000);
        for name in names {
            assert!(name.starts_with("a--b--c--"), "{name}");
            assert!(name.len() <= 64, "{name}");
            assert!(
                name.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
                "{name}"
            );
        }
    }

    #[test]
    fn a_long_or_empty_stem_is_no_problem() {
        assert!(unique_name(&"x".repeat(500)).len() <= 64);
        assert!(unique_name("").starts_with("t-"));
    }
}
