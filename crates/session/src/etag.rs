//! What tells whether a user's sessions are as a process remembers them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use russet_core::{Bytes, Error, FromReply as _, Key, Lane, Policy, ScriptCalls};

use crate::keys::ETAGS;
use crate::token::random;
use crate::wire::Version;

/// A user's etag, and when Redis told it: whatever changes or ends one of their sessions makes it another one.
#[derive(Clone, Debug)]
pub(crate) struct Etag {
    text: Bytes,
    told: Instant,
    /// Whether nobody had changed it when it was asked for last.
    pub(crate) is_quiet: bool,
}

impl Etag {
    /// As a script tells it; it says nothing where there is none.
    pub(crate) fn told(text: &[u8]) -> Option<Self> {
        (!text.is_empty()).then(|| Etag {
            // A copy: what is remembered shall not keep the reply that it came with.
            text: Bytes::copy_from_slice(text),
            told: Instant::now(),
            is_quiet: true,
        })
    }

    /// The same, told again.
    pub(crate) fn again(&self) -> Self {
        Etag {
            text: self.text.clone(),
            told: Instant::now(),
            is_quiet: true,
        }
    }

    pub(crate) fn text(&self) -> &Bytes {
        &self.text
    }

    /// The one that a write has made of it, which began so and made this version. A write makes no session last longer: that one is due when it was.
    pub(crate) fn next(&self, begins: &[u8], version: Version) -> Self {
        Etag {
            text: [begins, version.at()].concat().into(),
            ..*self
        }
    }
}

/// The way to etags.
#[derive(Debug)]
pub(crate) struct Etags {
    calls: ScriptCalls,
    /// After so long the session itself is looked at, which makes it last longer. Nothing is remembered, if zero.
    good_for: Duration,
    ours: [u8; 8],
    count: AtomicU64,
}

impl Etags {
    pub(crate) fn new(lane: &Lane, good_for: Duration) -> Result<Self, Error> {
        Ok(Etags {
            calls: lane.script_calls(&ETAGS, [0; 0], Policy::Idempotent),
            good_for,
            ours: random()?,
            count: AtomicU64::new(0),
        })
    }

    /// Whether what this one stands for need not be looked at yet.
    pub(crate) fn is_good(&self, etag: &Etag) -> bool {
        etag.told.elapsed() < self.good_for
    }

    /// Whether it is still what Redis has.
    pub(crate) async fn holds(&self, key: Key, etag: &Etag) -> Result<bool, Error> {
        let now = self.calls.call(key, [0; 0]).await?;
        Ok(Option::<Bytes>::from_reply(now)?.is_some_and(|now| now == etag.text))
    }

    /// What nobody else says, and this process once: 16 bytes. Nothing where nothing is remembered.
    pub(crate) fn unique(&self) -> Bytes {
        if self.good_for.is_zero() {
            return Bytes::new();
        }
        let count = self.count.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        Bytes::copy_from_slice([self.ours, count].as_flattened())
    }

    /// What `load.lua` is told: that, and the etag that is known.
    pub(crate) fn asked(&self, known: Option<&Etag>) -> Bytes {
        let known = known.map_or(&[][..], |known| &known.text);
        [&self.unique(), known].concat().into()
    }
}
