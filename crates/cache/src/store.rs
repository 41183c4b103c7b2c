//! One cache's side to Redis.

use std::sync::Arc;
use std::time::{Duration, Instant};

use russet_codec::{DecodeError, Payload};
use russet_core::{
    Bytes, Command, Error, ErrorKind, FromReply as _, Getter, Key, Lane, Namespace, Operation,
    Policy, Reply, Server, Stem,
};

use crate::builder::Options;
use crate::flight::Flights;
use crate::insert::Inserted;
use crate::keys::CONCERN;
use crate::pending::{Pending, Queued};
use crate::remove::Removed;
use crate::stats::{Counts, Outcome, one_more};
use crate::wire;

/// How many commands one pipeline carries.
const PIPELINE: usize = 128;

/// What all clones of a cache share.
pub(crate) struct Store<V> {
    pub(crate) name: String,
    pub(crate) stem: Stem,
    pub(crate) server: Server,
    reads: Getter,
    lane: Lane,
    pub(crate) options: Options,
    pub(crate) flights: Arc<Flights<V>>,
    pub(crate) counts: Counts,
    pending: Pending,
    operations: Operations,
}

struct Operations {
    get: Operation,
    insert: Operation,
    remove: Operation,
}

impl<V> Store<V>
where
    V: Payload + Send + Sync + 'static,
{
    pub(crate) fn new(ns: &Namespace, name: String, stem: Stem, options: Options) -> Self {
        let lane = ns.on(CONCERN, &stem);
        let operation = |name| Operation::new(CONCERN, ns, &stem, name);
        Store {
            name,
            server: ns.server(CONCERN, &stem),
            reads: lane.clone().deadline(options.read_deadline).getter(),
            operations: Operations {
                get: operation("get"),
                insert: operation("insert"),
                remove: operation("remove"),
            },
            lane,
            stem,
            options,
            flights: Arc::new(Flights::new()),
            counts: Counts::default(),
            pending: Pending::default(),
        }
    }

    pub(crate) async fn read(&self, key: &Key) -> Result<Option<Arc<V>>, Error> {
        let began = Instant::now();
        if self.pending.has(key) {
            self.note(Outcome::Invalidated, began);
            // Nothing was waited for; whoever reads in a loop shall let others run.
            tokio::task::coop::consume_budget().await;
            return Ok(None);
        }
        self.received(key, self.reads.get(key.clone()).await, began)
    }

    pub(crate) async fn read_many(&self, keys: Vec<Key>) -> Result<Vec<Option<Arc<V>>>, Error> {
        let began = Instant::now();
        let replies = self.reads.get_many(keys.clone()).await;
        let read = keys.iter().zip(replies).map(|(key, reply)| {
            if self.pending.has(key) {
                self.note(Outcome::Invalidated, began);
                return Ok(None);
            }
            self.received(key, reply, began)
        });
        read.collect()
    }

    /// What a reply means to whoever reads.
    fn received(
        &self,
        key: &Key,
        reply: Result<Option<Bytes>, Error>,
        began: Instant,
    ) -> Result<Option<Arc<V>>, Error> {
        let (outcome, read) = match reply {
            Ok(Some(bytes)) => match self.decode(key, &bytes) {
                Some(value) => (Outcome::Hit, Ok(Some(Arc::new(value)))),
                None => (Outcome::Undecodable, Ok(None)),
            },
            Ok(None) => (Outcome::Absent, Ok(None)),
            Err(error) if self.options.on_outage.hides(&error) => (Outcome::Outage, Ok(None)),
            Err(error) => (Outcome::Error, Err(error)),
        };
        self.note(outcome, began);
        read
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

    fn note(&self, outcome: Outcome, began: Instant) {
        self.counts.read(outcome);
        self.operations.get.record(outcome.name(), began.elapsed());
        tracing::debug!(target: "russet::cache", cache = %self.name, outcome = outcome.name(), "read");
    }

    /// Stores a value for this long, or for the cache's TTL.
    pub(crate) async fn write(
        &self,
        key: &Key,
        value: &V,
        ttl: Option<Duration>,
    ) -> Result<Inserted, Error> {
        let began = Instant::now();
        let set = self.set(key, value, ttl)?;
        // Boxed, as the other commands here: each is a future of 6 KiB, and callers' futures would hold and move it.
        let reply = Box::pin(self.lane.run::<()>(set, Policy::Idempotent)).await;
        self.stored(key, reply, began)
    }

    pub(crate) async fn write_many(
        &self,
        values: &[(Key, Arc<V>)],
        ttl: Option<Duration>,
    ) -> Result<Vec<Inserted>, Error> {
        let mut stored = Vec::with_capacity(values.len());
        for some in values.chunks(PIPELINE) {
            let began = Instant::now();
            let sets = some.iter().map(|(key, value)| self.set(key, value, ttl));
            let sets = sets.collect::<Result<Vec<_>, _>>()?;
            let replies = self.lane.pipeline(&sets, Policy::Idempotent).await;
            for ((key, _), reply) in some.iter().zip(replies) {
                stored.push(self.stored(key, reply.map(drop), began)?);
            }
        }
        Ok(stored)
    }

    fn set(&self, key: &Key, value: &V, ttl: Option<Duration>) -> Result<Command, Error> {
        let id = self.stem.value_in(key);
        let bytes = wire::encode(&self.options.codec, &self.name, id, value)
            .map_err(|error| Error::encode(error).on("cache insert", Some(key)))?;
        if bytes.len() > self.options.max_value {
            let (len, most) = (bytes.len(), self.options.max_value);
            let message = format!(
                "a value of {len} bytes, where cache {:?} takes {most}; compress values, raise max_value, or keep it elsewhere",
                self.name
            );
            return Err(Error::encode(message).on("cache insert", Some(key)));
        }
        let ttl = ttl.unwrap_or(self.options.ttl);
        let set = Command::new("SET").key(key).arg(bytes);
        Ok(set.arg("PX").arg(millis(ttl)))
    }

    fn stored(
        &self,
        key: &Key,
        reply: Result<(), Error>,
        began: Instant,
    ) -> Result<Inserted, Error> {
        let (count, name, stored) = match reply {
            Ok(()) => {
                // What Redis was to be told of is older than this value.
                self.pending.settle(key);
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

    pub(crate) async fn remove(self: &Arc<Self>, key: &Key) -> Result<Removed, Error> {
        let began = Instant::now();
        let delete = Command::new("DEL").key(key);
        let reply = Box::pin(self.lane.run::<bool>(delete, Policy::Idempotent)).await;
        let removed = match reply {
            Ok(true) => Ok(Removed::Removed),
            Ok(false) => Ok(Removed::Absent),
            Err(error) if self.options.on_outage.hides(&error) => self.queue(key, error),
            Err(error) => Err(error),
        };
        let (count, name) = match removed {
            Ok(Removed::Queued) => (&self.counts.queued, "queued"),
            Ok(Removed::Absent) => (&self.counts.removed, "absent"),
            Ok(Removed::Removed) => (&self.counts.removed, "removed"),
            Err(_) => (&self.counts.errors, "error"),
        };
        if !matches!(removed, Ok(Removed::Absent)) {
            one_more(count);
        }
        self.operations.remove.record(name, began.elapsed());
        removed
    }

    /// Keeps a removal until Redis is back. `error` is why it is not done at once.
    fn queue(self: &Arc<Self>, key: &Key, error: Error) -> Result<Removed, Error> {
        // A handle that was shut down tells nobody any more.
        if error.kind() == ErrorKind::Shutdown {
            return Err(error);
        }
        match self.pending.push(key.clone()) {
            Queued::Full => return Err(error),
            Queued::First => drop(tokio::spawn(self.clone().settle())),
            Queued::More => {}
        }
        Ok(Removed::Queued)
    }

    /// Tells Redis what was removed, until it knows all of it.
    async fn settle(self: Arc<Self>) {
        let mut pause = Duration::from_millis(25);
        loop {
            let keys = self.pending.some(PIPELINE);
            if keys.is_empty() {
                return;
            }
            let deletes: Vec<Command> = keys
                .iter()
                .map(|key| Command::new("DEL").key(key))
                .collect();
            let mut is_away = false;
            for (key, reply) in keys
                .iter()
                .zip(self.lane.pipeline(&deletes, Policy::Idempotent).await)
            {
                match reply {
                    Ok(_) => self.pending.settle(key),
                    Err(error) if error.is_retryable() => is_away = true,
                    // It never will be: the handle was shut down, or this user may not.
                    Err(error) => {
                        tracing::error!(target: "russet::cache", cache = %self.name, %key, %error, "a queued removal is given up; the value stays until its TTL ends");
                        self.pending.settle(key);
                    }
                }
            }
            if is_away {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    }

    /// Removes keys that were found; how many there were.
    pub(crate) async fn unlink(&self, keys: &[Key]) -> Result<u64, Error> {
        let mut removed = 0;
        for some in keys.chunks(PIPELINE) {
            let unlinks: Vec<Command> = some
                .iter()
                .map(|key| Command::new("UNLINK").key(key))
                .collect();
            for reply in self.lane.pipeline(&unlinks, Policy::Idempotent).await {
                removed += u64::from(bool::from_reply(reply?)?);
            }
        }
        self.counts
            .removed
            .fetch_add(removed, std::sync::atomic::Ordering::Relaxed);
        Ok(removed)
    }

    pub(crate) async fn exists(&self, key: &Key) -> Result<bool, Error> {
        if self.pending.has(key) {
            return Ok(false);
        }
        let exists = Command::new("EXISTS").key(key);
        self.answer(exists, false).await
    }

    pub(crate) async fn expire(&self, key: &Key, ttl: Duration) -> Result<bool, Error> {
        if self.pending.has(key) {
            return Ok(false);
        }
        let expire = Command::new("PEXPIRE").key(key).arg(millis(ttl));
        self.answer(expire, false).await
    }

    pub(crate) async fn ttl(&self, key: &Key) -> Result<Option<Duration>, Error> {
        if self.pending.has(key) {
            return Ok(None);
        }
        let ttl: i64 = self.answer(Command::new("PTTL").key(key), -2).await?;
        // Without a key, or, where somebody else wrote it, without a TTL.
        Ok(u64::try_from(ttl).ok().map(Duration::from_millis))
    }

    /// A command's reply, or what stands for it while Redis is away.
    async fn answer<T: russet_core::FromReply>(
        &self,
        command: Command,
        away: T,
    ) -> Result<T, Error> {
        let reply = Box::pin(self.lane.run::<Reply>(command, Policy::Idempotent)).await;
        match reply {
            Ok(reply) => T::from_reply(reply),
            Err(error) if self.options.on_outage.hides(&error) => Ok(away),
            Err(error) => {
                one_more(&self.counts.errors);
                Err(error)
            }
        }
    }
}

pub(crate) fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1)
}
