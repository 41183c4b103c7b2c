//! Few slots for many keys, so that batches stay full on a cluster.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::slot::{SLOTS, slot};

/// How many shards a namespace may have.
pub(crate) const COUNTS: RangeInclusive<u16> = 1..=256;

/// Hash tags whose slots are evenly spaced, so that each of any few primaries has as many of them.
///
/// What tag a value has follows from the value and the number of shards alone, for ever: keys are named by it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Shards(Arc<[String]>);

impl Shards {
    /// `count` must be one of [`COUNTS`].
    pub(super) fn new(count: u16) -> Self {
        Shards(
            (0..count)
                .map(|at| format!("{{{}}}:", tag(at, count)))
                .collect(),
        )
    }

    /// All of them: `{18}`.
    pub(super) fn tags(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|tag| tag.trim_end_matches(':'))
    }

    /// The tag of a value, as it stands before it: `{18}:`.
    pub(super) fn of(&self, part: &str) -> &str {
        let count = self.0.len();
        let at = usize::from(slot(part.as_bytes())) * count / usize::from(SLOTS);
        self.0.get(at).map_or("", String::as_str)
    }
}

/// The first number whose slot, as text, lies in the middle half of the share of this shard.
fn tag(at: u16, count: u16) -> String {
    let share = u32::from(SLOTS) / u32::from(count);
    let first = u32::from(at) * u32::from(SLOTS) / u32::from(count) + share / 4;
    let mut numbers = (0_u32..).map(|number| number.to_string());
    let fits =
        |tag: &String| (first..=first + share / 2).contains(&u32::from(slot(tag.as_bytes())));
    // There is one: every slot is some small number's.
    numbers.find(fits).unwrap_or_default()
}

impl fmt::Debug for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shards({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn tags_are_evenly_spaced_and_never_change() {
        for count in [1, 2, 3, 12, 100, *COUNTS.end()] {
            let shards = Shards::new(count);
            assert_eq!(shards.0.len(), usize::from(count));
            for (at, tag) in shards.0.iter().enumerate() {
                let share =
                    usize::from(slot(format!("{tag}value").as_bytes())) * usize::from(count);
                assert_eq!(share / usize::from(SLOTS), at, "{tag} of {count}");
            }
        }
        // Golden: a change here renames every key of every sharded namespace.
        let tags = [
            "18", "7", "50", "19", "33", "51", "106", "5", "49", "107", "4", "48",
        ];
        assert_eq!(*Shards::new(12).0, tags.map(|tag| format!("{{{tag}}}:")));
        assert_eq!(Shards::new(12).of("user:42"), "{48}:");
    }

    #[test]
    fn values_spread() {
        let shards = Shards::new(12);
        let mut counts = BTreeMap::new();
        for id in 0..12_000 {
            *counts
                .entry(shards.of(&id.to_string()).to_owned())
                .or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 12);
        assert!(
            counts.values().all(|count| (700..1300).contains(count)),
            "{counts:?}"
        );
    }
}
