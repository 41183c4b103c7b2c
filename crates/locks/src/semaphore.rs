//! A number of permits, which several may hold.

use std::fmt;

use crate::claim::Want;
use crate::lock::Lock;
use crate::locks::Locks;

/// So many permits, of which everybody who holds some has a lease and a fence of their own: 1,000 holders at most.
///
/// It is served in the order of coming: who waits for many permits is not passed by who wants few. All processes should say the same number. While
/// they do not, as during a deployment, nobody takes a permit that would be one more than their own number.
#[derive(Clone)]
pub struct Semaphore {
    locks: Locks,
    name: String,
    of: u32,
}

impl Semaphore {
    pub(crate) fn new(locks: &Locks, name: &str, of: u32) -> Self {
        Semaphore {
            locks: locks.clone(),
            name: name.to_owned(),
            of,
        }
    }

    /// One permit.
    pub fn permit(&self) -> Lock {
        self.permits(1)
    }

    /// So many permits at once, under one lease: 1 to all that there are, or taking them is an error.
    pub fn permits(&self, weight: u32) -> Lock {
        let want = Want::Permits {
            weight,
            of: self.of,
        };
        Lock::new(self.locks.0.clone(), &self.name, want)
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Semaphore({} of {})", self.name, self.of)
    }
}
