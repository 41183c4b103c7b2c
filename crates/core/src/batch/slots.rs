//! A flight's keys, slot by slot.

use crate::key::Key;

/// The places of the keys that one command can name together on a cluster: those of one slot.
pub(super) fn by_slot<'k>(keys: impl Iterator<Item = &'k Key>) -> Vec<Vec<usize>> {
    let mut places: Vec<(u16, usize)> =
        keys.enumerate().map(|(at, key)| (key.slot(), at)).collect();
    places.sort_unstable();
    places
        .chunk_by(|a, b| a.0 == b.0)
        .map(|chunk| chunk.iter().map(|&(_, at)| at).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_slot_stay_together() {
        let keys = ["{a}1", "{b}1", "{a}2"].map(Key::raw);
        let mut slots = by_slot(keys.iter());
        slots.sort();
        assert_eq!(slots, [vec![0, 2], vec![1]]);
    }
}
