//! What tells whether a user's sessions are as a process remembers them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use russet_core::{Bytes, Error, Getter, Key, Lane};

use crate::token::random;

/// A user's etag, and when Redis told it: whatever changes or ends one of their sessions takes it away or makes it another one.
#[derive(Clone, Debug)]
pub(crate) struct Etag {
    text: Bytes,
    told: Instant,
}

impl Etag {
    /// As a script tells it; it says nothing where there is none.
    pub(crate) fn told(text: Bytes) -> Option<Self> {
        let told = Instant::now();
        (!text.is_empty()).then_some(Etag { text, told })
    }

    pub(crate) fn text(&self) -> &Bytes {
        &self.text
    }

    /// The one that a write has made of it. Only a load makes a session last longer, so that one is due when it was.
    pub(crate) fn next(&self, text: Bytes) -> Self {
        let told = self.told;
        Etag { text, told }
    }
}

/// The way to etags.
#[derive(Debug)]
pub(crate) struct Etags {
    getter: Getter,
    /// After so long the session itself is looked at, which makes it last longer.
    good_for: Duration,
    ours: [u8; 8],
    count: AtomicU64,
}

impl Etags {
    pub(crate) fn new(lane: &Lane, good_for: Duration) -> Result<Self, Error> {
        Ok(Etags {
            getter: lane.getter(),
            good_for,
            ours: random()?,
            count: AtomicU64::new(0),
        })
    }

    /// Whether this one is young enough to be asked for.
    pub(crate) fn is_good(&self, etag: &Etag) -> bool {
        etag.told.elapsed() < self.good_for
    }

    /// Whether it is still what Redis has.
    pub(crate) async fn holds(&self, key: Key, etag: &Etag) -> Result<bool, Error> {
        let now = self.getter.get(key).await?;
        Ok(now.is_some_and(|now| now == etag.text))
    }

    /// What nobody else says, and this process once.
    pub(crate) fn unique(&self) -> Bytes {
        let count = self.count.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        Bytes::copy_from_slice([self.ours, count].as_flattened())
    }
}
