//! Whose calls they were, told by a few of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One call in so many is noted, and counts for as many.
const ONE_IN: u64 = 16;

/// The policies of a few of many calls: enough to say how all of them are shared among policies.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    noted: Mutex<Noted>,
    is_begun: AtomicBool,
}

/// What was noted since it was taken last.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    calls: u64,
    /// Of each policy, of how many of those calls it was one.
    by: BTreeMap<String, u64>,
}

impl Sample {
    /// For how many a call counts that is to be noted. By chance it is; the first one counts for itself, so that there is one.
    pub(crate) fn is_due(&self) -> Option<u64> {
        if fastrand::u64(..ONE_IN) == 0 {
            return Some(ONE_IN);
        }
        (!self.is_begun.load(Ordering::Relaxed)).then_some(1)
    }

    pub(crate) fn note<'p>(&self, weight: u64, policies: impl Iterator<Item = &'p str>) {
        let mut noted = self.lock();
        self.is_begun.store(true, Ordering::Relaxed);
        noted.calls += weight;
        for policy in policies {
            match noted.by.get_mut(policy) {
                Some(count) => *count += weight,
                None => drop(noted.by.insert(policy.to_owned(), weight)),
            }
        }
    }

    /// What was noted; nothing if nothing was.
    pub(crate) fn take(&self) -> Option<Noted> {
        let mut noted = self.lock();
        self.is_begun.store(false, Ordering::Relaxed);
        let noted = std::mem::take(&mut *noted);
        (noted.calls > 0).then_some(noted)
    }

    /// What was taken is to be told another time.
    pub(crate) fn put_back(&self, taken: Noted) {
        let mut noted = self.lock();
        noted.calls += taken.calls;
        for (policy, count) in taken.by {
            *noted.by.entry(policy).or_default() += count;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        // Nothing under this lock panics.
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    /// How many of so many calls were by each policy, rounded down.
    pub(crate) fn shares(&self, all: u64) -> impl Iterator<Item = (&str, u64)> {
        self.by.iter().map(move |(policy, count)| {
            let share = u128::from(all) * u128::from(*count) / u128::from(self.calls.max(1));
            (&**policy, u64::try_from(share).unwrap_or(all))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_few_stand_for_all() {
        let sample = Sample::default();
        assert!(sample.take().is_none());
        assert!(sample.is_due().is_some(), "the first");
        sample.note(2, ["second", "hour"].into_iter());
        let taken = sample.take().unwrap();
        assert!(sample.is_due().is_some(), "the first since it was taken");
        sample.note(1, ["hour"].into_iter());
        sample.put_back(taken);
        let both = sample.take().unwrap();
        assert_eq!(
            both.shares(101).collect::<Vec<_>>(),
            [("hour", 101), ("second", 67)]
        );
        assert!(sample.take().is_none());
    }

    #[test]
    fn about_one_in_so_many() {
        let sample = Sample::default();
        sample.note(1, ["hour"].into_iter());
        let due = (0..16_000).filter(|_| sample.is_due().is_some()).count();
        assert!((700..1_300).contains(&due), "{due}");
    }
}
