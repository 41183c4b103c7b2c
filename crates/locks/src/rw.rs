//! A lock that many may read under, or one write.

use std::fmt;

use crate::claim::Want;
use crate::lock::Lock;
use crate::locks::Locks;

/// A lock that many may read under at once, or one write; who waits to write goes before whoever waits to read.
///
/// Each reader has a lease and a fence of its own: a reader that died holds nobody up for longer than its lease, however many others come and go.
/// So long as there is always somebody who waits to write, nobody reads.
#[derive(Clone)]
pub struct RwLock {
    locks: Locks,
    name: String,
}

impl RwLock {
    pub(crate) fn new(locks: &Locks, name: &str) -> Self {
        RwLock {
            locks: locks.clone(),
            name: name.to_owned(),
        }
    }

    /// What those who read take: 1,000 at once at most.
    pub fn read(&self) -> Lock {
        self.side(Want::Read)
    }

    /// What who writes takes.
    pub fn write(&self) -> Lock {
        self.side(Want::Write)
    }

    fn side(&self, want: Want) -> Lock {
        Lock::new(self.locks.0.clone(), &self.name, want)
    }
}

impl fmt::Debug for RwLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RwLock({})", self.name)
    }
}
