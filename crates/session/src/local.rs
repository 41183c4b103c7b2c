//! What this process knows of sessions that it has read: each load asks whether it still holds.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use foldhash::fast::RandomState;
use quick_cache::sync::Cache;
use quick_cache::{OptionsBuilder, Weighter};

use crate::etag::Etag;
use crate::stored::Stored;
use crate::token::Digest;
use crate::wire::{About, Head};

/// What sessions held when they were read or written here last. It is used only where Redis says that nothing has changed since, so that it is never old; it saves what
/// would be sent and read.
pub(crate) struct Local(Option<Cache<Digest, Arc<Known>, Size, RandomState>>);

#[derive(Clone)]
pub(crate) struct Known {
    /// As it was when it was read or written here last.
    pub(crate) head: Head,
    /// Until when it is valid.
    pub(crate) till: u64,
    /// It is still so while its user's etag is this.
    pub(crate) etag: Etag,
    /// As Redis has it.
    pub(crate) stored: Arc<Stored>,
    pub(crate) about: Arc<About>,
    /// What was made of it: a `T` of `Sessions<T>`.
    pub(crate) data: Arc<dyn Any + Send + Sync>,
}

impl Local {
    /// So many bytes at most; none at all, if that is 0.
    pub(crate) fn new(bytes: u64) -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(usize::try_from(bytes / 4_096).unwrap_or(usize::MAX).max(16))
            .weight_capacity(bytes)
            .build();
        // Without a capacity of its own what is built has one of nothing.
        let options = (bytes > 0).then_some(options).and_then(Result::ok);
        Local(options.map(|options| {
            Cache::with_options(
                options,
                Size,
                RandomState::default(),
                quick_cache::sync::DefaultLifecycle::default(),
            )
        }))
    }

    pub(crate) fn get(&self, digest: &Digest) -> Option<Arc<Known>> {
        self.0.as_ref()?.get(digest)
    }

    pub(crate) fn insert(&self, digest: &Digest, known: impl FnOnce() -> Arc<Known>) {
        if let Some(cache) = &self.0 {
            cache.insert(*digest, known());
        }
    }

    pub(crate) fn remove(&self, digest: &Digest) {
        if let Some(cache) = &self.0 {
            cache.remove(digest);
        }
    }
}

/// How large a session is, as Redis has it and as it was read, with what it takes to find it.
#[derive(Clone)]
struct Size;

impl Weighter<Digest, Arc<Known>> for Size {
    fn weight(&self, _: &Digest, known: &Arc<Known>) -> u64 {
        let bytes = 512 + 2 * known.stored.size() + 96 * known.stored.len();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Local")
    }
}
