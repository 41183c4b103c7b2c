//! A flight's keys, slot by slot.

use crate::key::Key;

/// The places of the keys that one command can name together: on a cluster those of one slot, else all.
pub(super) fn by_slot<'k>(
    keys: impl ExactSizeIterator<Item = &'k Key>,
    is_cluster: bool,
) -> Vec<Vec<usize>> {
    if !is_cluster {
        return vec![(0..keys.len()).collect()];
    }
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
        assert_eq!(by_slot(keys.iter(), false), [vec![0, 1, 2]]);
        let mut slots = by_slot(keys.iter(), true);
        slots.sort();
        assert_eq!(slots, [vec![0, 2], vec![1]]);
    }
}
