//! What makes decisions cheap.

use std::sync::Arc;

use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle};
use russet_core::Key;

mod batch;
mod deny_cache;
mod lease;

/// What is known of so many subjects at most; those that were asked about least are forgotten first.
type Subjects<V> = Cache<Key, Arc<V>, UnitWeighter, foldhash::fast::RandomState>;

fn subjects<V>(most: usize) -> Subjects<V> {
    Cache::with(
        most,
        most as u64,
        UnitWeighter,
        foldhash::fast::RandomState::default(),
        DefaultLifecycle::default(),
    )
}

pub(crate) use batch::{Call, Calls, Part, Take, calls, here, take};
pub(crate) use deny_cache::{Asked, Denied, DenyCache};
pub(crate) use lease::{Back, Lease, Leases, Life, smaller};
