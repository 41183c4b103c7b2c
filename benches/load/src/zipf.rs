//! Keys of which some are read much more often than others.

use std::sync::LazyLock;

use crate::Kind;

/// How many keys there are in this process's memory.
const KEYS: usize = 1_000;
/// How many are drawn before they come again: drawing shall not be what is measured.
const DRAWN: usize = 1 << 16;

/// All keys in this process's memory: 20 bytes each, the most popular one first.
pub fn local_keys() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let name = |number| &*format!("profile-{number:012}").leak();
        (0..KEYS).map(name).collect()
    });
    &NAMES
}

/// The key of a turn in this process's memory: the same one each time, or the n-th of all keys an n-th as often as the first.
pub fn local_key(kind: Kind, turn: usize) -> &'static str {
    static TURNS: LazyLock<Vec<&'static str>> = LazyLock::new(draw);
    match kind {
        Kind::LocalHot => local_keys()[0],
        _ => TURNS[turn % DRAWN],
    }
}

/// The same draws in every process.
fn draw() -> Vec<&'static str> {
    let names = local_keys();
    let sums: Vec<f64> = (1..=KEYS)
        .scan(0.0, |sum, rank| {
            *sum += 1.0 / rank as f64;
            Some(*sum)
        })
        .collect();
    let total = sums.last().copied().unwrap_or_default();
    // Marsaglia's xorshift.
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let turn = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let at = (state >> 11) as f64 / (1_u64 << 53) as f64 * total;
        names[sums.partition_point(|sum| *sum <= at).min(KEYS - 1)]
    };
    (0..DRAWN).map(turn).collect()
}
