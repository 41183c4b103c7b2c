//! What stands for a key, and what it is good for.

use std::collections::HashSet;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use russet_codec::{DecodeError, Payload};
use russet_core::{Bytes, Error, Key};

use crate::control::State;
use crate::freshness::Age;
use crate::local::{Offer, Ticket};
use crate::stats::{Outcome, one_more};
use crate::store::Store;
use crate::wire::{self, Head, SEEN};

/// What a read found.
pub(crate) enum Look<V> {
    Found(Found<V>),
    /// Nothing that holds; how what stands there begins, if anything does.
    Nothing(Bytes),
}

/// An entry that holds, fresh or not.
pub(crate) struct Found<V> {
    /// Nothing where it is known that there is none.
    pub(crate) value: Option<Arc<V>>,
    pub(crate) age: Age,
    /// How long it is fresh yet, as far as that is known.
    pub(crate) left: Option<Duration>,
    /// Whether this reader is the one to load it anew although it is fresh.
    pub(crate) is_early: bool,
    /// The entry, or how it begins.
    pub(crate) seen: Bytes,
    pub(crate) tags: Vec<String>,
}

impl<V> Store<V>
where
    V: Payload + Send + Sync + 'static,
{
    /// What an entry's bytes are good for.
    pub(crate) async fn opened(
        self: &Arc<Self>,
        key: &Key,
        ticket: Option<Ticket>,
        bytes: Bytes,
        state: Option<State>,
        now: Instant,
    ) -> Result<(Outcome, Look<V>), Error> {
        let seen = || bytes.slice(..bytes.len().min(SEEN));
        let Some(control) = &self.control else {
            return Ok(match self.decode(key, &bytes) {
                Some(value) => (
                    Outcome::Hit,
                    Look::Found(Found::bare(Arc::new(value), seen())),
                ),
                None => (Outcome::Undecodable, Look::Nothing(seen())),
            });
        };
        let Some((head, value)) = Head::read(&bytes) else {
            return Ok((Outcome::Undecodable, Look::Nothing(seen())));
        };
        if self.pending.has_tag_of(&head)
            || !control
                .holds(control.of(&self.stem, key), &head, state)
                .await?
        {
            return Ok((Outcome::Invalidated, Look::Nothing(seen())));
        }
        let value = match head.found_nothing() {
            true => None,
            false if head.shape != self.shape => {
                return Ok((Outcome::Undecodable, Look::Nothing(seen())));
            }
            false => match self.decode(key, value) {
                Some(value) => Some(Arc::new(value)),
                None => return Ok((Outcome::Undecodable, Look::Nothing(seen()))),
            },
        };
        let freshness = &self.options.freshness;
        let age = self.clock.age(head.born, now);
        let found = Found {
            age: freshness.of(age, head.fresh, head.kept_in_use()),
            left: Some(head.fresh.saturating_sub(age)),
            is_early: freshness.is_early(age, head.fresh, head.load_took),
            tags: head.tags().map(str::to_owned).collect(),
            value,
            seen: Bytes::new(),
        };
        if found.age == Age::Fresh {
            if head.kept_in_use() {
                one_more(&self.counts.stale_served);
            }
            if freshness.slides(age, head.fresh) {
                self.slide(key, &head, seen());
            }
            if let (Some(local), Some(ticket)) = (&self.local, ticket) {
                let fresh = match freshness.sliding {
                    // Somebody has to be seen reading it in the second half of its life.
                    true => head.fresh / 2,
                    false => head.fresh,
                };
                let offer = Offer {
                    value: found.value.clone(),
                    fresh: fresh.saturating_sub(age),
                    load_took: head.load_took,
                    tags: found.tags.clone(),
                    stamp: head.stamp,
                    bytes: bytes.len(),
                };
                local.keep(self.part(key), ticket, offer);
            }
        }
        let outcome = match (found.age, &found.value) {
            (Age::Fresh, Some(_)) => Outcome::Hit,
            (Age::Fresh, None) => Outcome::Missing,
            _ => Outcome::Stale,
        };
        // Moved, not counted once more; most are thrown away.
        Ok((
            outcome,
            Look::Found(Found {
                seen: bytes,
                ..found
            }),
        ))
    }

    fn decode(&self, key: &Key, bytes: &[u8]) -> Option<V> {
        let id = self.stem.value_in(key);
        match wire::decode(&self.options.codec, &self.name, id, bytes) {
            Ok(value) => Some(value),
            Err(error) => {
                if matches!(error, DecodeError::ForeignValue) {
                    self.lane.distrust(key, "a cached value of another key");
                }
                tracing::debug!(target: "russet::cache", cache = %self.name, %error, "an unreadable value is a miss");
                None
            }
        }
    }

    /// Has an entry that is being read live on.
    fn slide(self: &Arc<Self>, key: &Key, head: &Head<'_>, seen: Bytes) {
        if !self.sliding().insert(key.clone()) {
            return;
        }
        let (store, key) = (self.clone(), key.clone());
        let (flags, fresh) = (head.flags(), head.fresh);
        tokio::spawn(async move {
            let lives = store.options.freshness.lives(fresh);
            let extended = store
                .leases
                .extend(&key, &seen, flags, fresh, Some(lives), false)
                .await;
            if let Err(error) = extended {
                tracing::debug!(target: "russet::cache", cache = %store.name, %error, "a value that was read does not live longer");
            }
            store.sliding().remove(&key);
        });
    }

    fn sliding(&self) -> MutexGuard<'_, HashSet<Key>> {
        // No code that can panic runs under this lock.
        self.sliding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Look<V> {
    pub(crate) fn fresh(self) -> Option<Arc<V>> {
        match self {
            Look::Found(found) if found.age == Age::Fresh => found.value,
            _ => None,
        }
    }
}

impl<V> Found<V> {
    /// Nothing that is good for anything.
    pub(crate) fn nothing(seen: Bytes) -> Self {
        Found {
            value: None,
            age: Age::Over,
            left: None,
            is_early: false,
            seen,
            tags: Vec::new(),
        }
    }

    /// How the entry begins: what tells it from another one of its key.
    pub(crate) fn begins(&self) -> Bytes {
        self.seen.slice(..self.seen.len().min(SEEN))
    }

    /// A value of whose age nothing is known: it is fresh as long as it is there.
    pub(crate) fn bare(value: Arc<V>, seen: Bytes) -> Self {
        Found {
            value: Some(value),
            age: Age::Fresh,
            left: None,
            is_early: false,
            seen,
            tags: Vec::new(),
        }
    }
}
