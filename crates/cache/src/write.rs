//! Storing values.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use russet_codec::Payload;
use russet_core::{Error, Key};

use crate::insert::Inserted;
use crate::lease::Lease;
use crate::local::{Offer, Ticket};
use crate::pending::Change;
use crate::stats::one_more;
use crate::store::{PIPELINE, Store};
use crate::wire::{self, Entry, Terms};

/// What became of a value that was stored under a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    Holds,
    /// Its key was changed, or it was invalidated, since it began to be loaded.
    Fails,
    /// Redis did not say.
    Unknown,
    /// It would hold, and is not stored: the server has no room for it.
    NoRoom,
}

impl<V> Store<V>
where
    V: Payload + Send + Sync + 'static,
{
    /// Stores a value for this long, or for the cache's TTL.
    pub(crate) async fn write(
        self: &Arc<Self>,
        key: &Key,
        value: &Arc<V>,
        ttl: Option<Duration>,
        tags: Vec<String>,
    ) -> Result<Inserted, Error> {
        let began = (Instant::now(), self.pending.now());
        let terms = self.terms(ttl.unwrap_or(self.options.ttl), tags);
        let entry = self.entry(key, Some(&**value), &terms)?;
        if !self.room.is_there() {
            return self.without_room(key).await;
        }
        let lives = self.options.freshness.lives(terms.fresh);
        let (ticket, bytes) = (self.ticket(key), entry.len());
        let reply = self.leases.store(key, entry, lives).await;
        match &reply {
            Ok(stamp) => self.keep_written(key, ticket, Some(value), &terms, *stamp, bytes),
            Err(_) => self.changed(key),
        }
        self.stored(key, reply.map(drop), began)
    }

    /// Keeps in memory what Redis holds by now.
    fn keep_written(
        &self,
        key: &Key,
        ticket: Option<Ticket>,
        value: Option<&Arc<V>>,
        terms: &Terms,
        stamp: u64,
        bytes: usize,
    ) {
        if let (Some(local), Some(ticket)) = (&self.local, ticket) {
            let offer = Offer {
                value: value.cloned(),
                fresh: match self.options.freshness.sliding {
                    true => terms.fresh / 2,
                    false => terms.fresh,
                },
                load_took: terms.load_took,
                tags: terms.tags.clone(),
                stamp,
                bytes,
            };
            local.wrote(self.part(key), ticket, offer);
        }
    }

    /// A value is not stored, because the server has no room for it. What was there before is older than it, and goes.
    pub(crate) async fn without_room(self: &Arc<Self>, key: &Key) -> Result<Inserted, Error> {
        self.remove(key).await?;
        one_more(&self.counts.skipped);
        Ok(Inserted::Skipped)
    }

    pub(crate) async fn write_many(
        self: &Arc<Self>,
        values: &[(Key, Arc<V>)],
        tags: &[String],
    ) -> Result<Vec<Inserted>, Error> {
        let mut stored = Vec::with_capacity(values.len());
        for some in values.chunks(PIPELINE) {
            let writes = some
                .iter()
                .map(|(key, value)| self.write(key, value, None, tags.to_vec()));
            for written in join_all(writes).await {
                stored.push(written?);
            }
        }
        Ok(stored)
    }

    /// Stores what was loaded under a lease, unless something has changed the value meanwhile; whether it holds then, as far as
    /// is known. Without a value it stores that there is none.
    pub(crate) async fn fill(
        self: &Arc<Self>,
        lease: &Lease,
        key: &Key,
        value: Option<&Arc<V>>,
        terms: &Terms,
    ) -> Result<Filled, Error> {
        let began = (Instant::now(), lease.point);
        self.check_version(terms.version)?;
        let entry = self.entry(key, value.map(|value| &**value), terms)?;
        if !self.room.is_there() {
            one_more(&self.counts.skipped);
            let is_ours = self.leases.release(lease).await;
            // What was there before is older.
            self.remove(key).await?;
            let holds = is_ours && self.still_holds(lease, key, &entry, None).await?;
            return Ok(if holds { Filled::NoRoom } else { Filled::Fails });
        }
        let ticket = self.ticket(key);
        // That there is none is never served when it is stale.
        let lives = match value {
            Some(_) => self.options.freshness.lives(terms.fresh),
            None => terms.fresh,
        };
        let filled = self.leases.fill(lease, entry.clone(), lives).await;
        if let Ok((false, _)) = filled {
            tracing::debug!(target: "russet::cache", cache = %self.name, "the value changed while it was loaded; not stored");
            self.changed(key);
            return Ok(Filled::Fails);
        }
        let state = filled.as_ref().ok().and_then(|(_, state)| state.clone());
        let is_stored = filled.is_ok();
        self.stored(key, filled.map(drop), began)?;
        let holds = self.still_holds(lease, key, &entry, state).await?;
        match lease.under {
            Some(under) if is_stored && holds => {
                self.keep_written(key, ticket, value, terms, under.clock, entry.len());
            }
            _ => self.changed(key),
        }
        Ok(match holds {
            true if is_stored => Filled::Holds,
            true => Filled::Unknown,
            false => Filled::Fails,
        })
    }

    /// Whether what was just stored was invalidated while it was loaded; that is known as soon as it is stored.
    async fn still_holds(
        &self,
        lease: &Lease,
        key: &Key,
        entry: &Entry,
        state: Option<russet_core::Bytes>,
    ) -> Result<bool, Error> {
        let (Some(control), Some(under)) = (&self.control, lease.under) else {
            return Ok(true);
        };
        let holds = async {
            let state = self.state_with(key, state).await?;
            let head = entry.head_under(under.epoch, under.clock);
            let shard = control.of(&self.stem, key);
            // What was changed here since, and Redis does not know yet, it cannot say.
            let is_changed = self.pending.has(key) || self.pending.has_tag_of(&head);
            Ok(!is_changed && control.holds(shard, &head, state).await?)
        };
        match holds.await {
            Err(error) if self.options.on_outage.hides(&error) => Ok(true),
            holds => holds,
        }
    }

    /// What an entry says of itself, for this TTL.
    pub(crate) fn terms(&self, ttl: Duration, tags: Vec<String>) -> Terms {
        Terms {
            fresh: self.options.freshness.fresh(ttl),
            load_took: Duration::ZERO,
            shape: self.shape,
            tags,
            version: None,
        }
    }

    fn entry(&self, key: &Key, value: Option<&V>, terms: &Terms) -> Result<Entry, Error> {
        let id = self.stem.value_in(key);
        let bytes = value.map(|value| wire::encode(&self.options.codec, &self.name, id, value));
        let bytes = bytes
            .transpose()
            .map_err(|error| Error::encode(error).on("cache insert", Some(key)))?;
        let entry = match (&self.control, bytes) {
            (Some(_), bytes) => wire::entry(terms, bytes.as_deref()),
            // Plain JSON has no way to say that there is none; nobody stores that.
            (None, bytes) => wire::bare(bytes.unwrap_or_default()),
        };
        if entry.len() > self.options.max_value {
            let (len, most) = (entry.len(), self.options.max_value);
            let message = format!(
                "a value of {len} bytes, where cache {:?} takes {most}; compress values, raise max_value, or keep it elsewhere",
                self.name
            );
            return Err(Error::encode(message).on("cache insert", Some(key)));
        }
        Ok(entry)
    }

    pub(crate) fn stored(
        &self,
        key: &Key,
        reply: Result<(), Error>,
        (began, point): (Instant, u64),
    ) -> Result<Inserted, Error> {
        let (count, name, stored) = match reply {
            Ok(()) => {
                // What Redis was to be told of is older than this value.
                self.pending.settle(&Change::Key(key.clone()), point);
                (&self.counts.inserted, "stored", Ok(Inserted::Stored))
            }
            Err(error) if self.options.on_outage.hides(&error) => {
                (&self.counts.skipped, "skipped", Ok(Inserted::Skipped))
            }
            Err(error) => (&self.counts.errors, "error", Err(error)),
        };
        one_more(count);
        self.operations.insert.record(name, began.elapsed());
        stored
    }
}
