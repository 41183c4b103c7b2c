//! What the handles of a process have said that they write.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::key::{KeySpec, Stem};

/// More handles than this are some that are made over and over; what they write is known by then.
const MOST: usize = 10_000;

/// The keys of one handle: a [`KeySpec`] and the stem that stands for its names.
///
/// Documents, ACLs and audits of a running system are made from these ([`Redis::declared`](crate::Redis::declared)).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Declared {
    /// What the keys are.
    pub spec: &'static KeySpec,
    /// What they begin with.
    pub stem: Stem,
}

impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.stem.as_str(), self.spec.rest)
    }
}

/// All that was said.
#[derive(Debug, Default)]
pub(crate) struct Declarations(Mutex<Vec<Declared>>);

impl Declarations {
    /// Notes what a handle writes, once however often the handle is made.
    pub(crate) fn note(&self, specs: &'static [KeySpec], stem: &Stem) {
        // A vector that is pushed to is whole.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for spec in specs {
            let is_known = |known: &Declared| known.stem == *stem && known.spec == spec;
            if all.len() < MOST && !all.iter().any(is_known) {
                let stem = stem.clone();
                all.push(Declared { spec, stem });
            }
        }
    }

    pub(crate) fn all(&self) -> Vec<Declared> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
