//! Which keys are read most.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

pub(crate) const MOST_HOT: usize = 10_000;
/// One read in so many is counted.
const EVERY: u8 = 16;
/// So many times the keys that are asked for are counted, so that one that becomes hot is seen to.
const SPARE: usize = 8;

/// Counts of reads: roughly, in bounded memory.
pub(crate) struct Hot {
    most: usize,
    counts: Mutex<Counts>,
}

type Counts = HashMap<Box<str>, u32, RandomState>;

impl Hot {
    pub(crate) fn new(most: usize) -> Self {
        Hot {
            most,
            counts: Mutex::default(),
        }
    }

    /// A key was read.
    #[inline]
    pub(crate) fn read(&self, part: &str) {
        if fastrand::u8(..EVERY) == 0 {
            self.count(part);
        }
    }

    fn count(&self, part: &str) {
        let mut counts = self.counts();
        match counts.get_mut(part) {
            Some(count) => *count = count.saturating_add(1),
            None => {
                counts.insert(part.into(), 1);
            }
        }
        if counts.len() > self.most * SPARE {
            // What was hot long ago counts for less and less. Half of them stay, so that this is not done at each read.
            let mut ranked: Vec<_> = counts
                .drain()
                .map(|(part, count)| (count / 2, part))
                .collect();
            let half = self.most * SPARE / 2;
            ranked.select_nth_unstable_by_key(half, |(count, _)| Reverse(*count));
            counts.extend(
                ranked
                    .into_iter()
                    .take(half)
                    .map(|(count, part)| (part, count)),
            );
        }
    }

    /// Those that were read most, the first the most.
    pub(crate) fn hottest(&self) -> Vec<Box<str>> {
        let counts = self.counts();
        let mut ranked: Vec<_> = counts.iter().map(|(part, count)| (*count, part)).collect();
        ranked.sort_unstable_by(|one, other| other.cmp(one));
        let hottest = ranked.into_iter().take(self.most);
        hottest.map(|(_, part)| part.clone()).collect()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Counts are no worse for one that was half done.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_most_is_known_in_bounded_memory() {
        let hot = Hot::new(10);
        for round in 0..1_000_u32 {
            for key in 0..10_u32 {
                // The first ones more often.
                for _ in key..12 {
                    hot.count(&format!("hot-{key}"));
                }
            }
            for key in 0..10 {
                hot.count(&format!("once-{round}-{key}"));
            }
        }
        assert!(hot.counts().len() <= 10 * SPARE);
        let hottest = hot.hottest();
        assert_eq!(&*hottest[0], "hot-0");
        assert_eq!(hottest.len(), 10);
        assert!(
            hottest.iter().all(|key| key.starts_with("hot-")),
            "{hottest:?}"
        );
    }

    #[test]
    fn one_in_sixteen_is_counted_and_what_was_hot_once_cools() {
        let hot = Hot::new(1);
        for _ in 0..16_000 {
            hot.read("a");
        }
        let counted = hot.counts().get("a").copied().unwrap_or(0);
        assert!((800..1_200).contains(&counted), "{counted}");
        for round in 0..20 {
            for key in 0..SPARE {
                hot.count(&format!("{round}-{key}"));
            }
            for _ in 0..20 {
                hot.count("b");
            }
        }
        assert_eq!(
            &*hot.hottest()[0],
            "b",
            "what was read a thousand times long ago"
        );
    }
}
