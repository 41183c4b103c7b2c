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
use crate::lease::{Lease, Leases, Taken};
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
    pub(crate) leases: Leases,
    pub(crate) counts: Counts,
    pending: Pending,
    operations: Operations,
}

/// What a read found.
pub(crate) enum Look<V> {
    Value(Arc<V>),
    /// No value; the bytes that stand there and cannot be read, if any do.
    Nothing(Bytes),
}

/// What came of asking for the right to load.
pub(crate) enum Leased<V> {
    Ours(Lease),
    Value(Arc<V>),
    /// Redis is away: everybody loads for themselves, and stores nothing.
    Away,
    TooLate,
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
            leases: Leases::new(
                lane.clone(),
                ns.server(CONCERN, &stem),
                stem.clone(),
                options.lease,
            ),
            lane,
            stem,
            options,
            flights: Arc::new(Flights::new()),
            counts: Counts::default(),
            pending: Pending::default(),
        }
    }

    pub(crate) async fn read(&self, key: &Key) -> Result<Option<Arc<V>>, Error> {
        match self.look(key).await? {
            Look::Value(value) => Ok(Some(value)),
            Look::Nothing(_) => Ok(None),
        }
    }

    /// The value, or what stands there that cannot be read.
    pub(crate) async fn look(&self, key: &Key) -> Result<Look<V>, Error> {
        let began = Instant::now();
        if self.pending.has(key) {
            self.note(Outcome::Invalidated, began);
            // Nothing was waited for; whoever reads in a loop shall let others run.
            tokio::task::coop::consume_budget().await;
            return Ok(Look::Nothing(Bytes::new()));
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
            Ok(match self.received(key, reply, began)? {
                Look::Value(value) => Some(value),
                Look::Nothing(_) => None,
            })
        });
        read.collect()
    }

    /// What a reply means to whoever reads.
    fn received(
        &self,
        key: &Key,
        reply: Result<Option<Bytes>, Error>,
        began: Instant,
    ) -> Result<Look<V>, Error> {
        let nothing = || Ok(Look::Nothing(Bytes::new()));
        let (outcome, look) = match reply {
            Ok(Some(bytes)) => match self.decode(key, &bytes) {
                Some(value) => (Outcome::Hit, Ok(Look::Value(Arc::new(value)))),
                None => (Outcome::Undecodable, Ok(Look::Nothing(bytes))),
            },
            Ok(None) => (Outcome::Absent, nothing()),
            Err(error) if self.options.on_outage.hides(&error) => (Outcome::Outage, nothing()),
            Err(error) => (Outcome::Error, Err(error)),
        };
        self.note(outcome, began);
        look
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
        let bytes = self.encode(key, value)?;
        let ttl = ttl.unwrap_or(self.options.ttl);
        let reply = self.leases.store(key, bytes, ttl).await;
        self.stored(key, reply, began)
    }

    /// The right to load a value, or the value that somebody else has brought meanwhile; nothing while Redis is away, or where
    /// somebody else has loaded until the deadline.
    pub(crate) async fn lease(
        &self,
        key: &Key,
        unreadable: Bytes,
        deadline: Instant,
    ) -> Result<Leased<V>, Error> {
        let mut unreadable = unreadable;
        loop {
            // Its value in Redis was removed, and Redis does not know it yet.
            if self.pending.has(key) {
                return Ok(Leased::Away);
            }
            let bytes = match self.leases.take(key, &unreadable, deadline).await {
                Ok(Taken::Lease(lease)) => return Ok(Leased::Ours(lease)),
                Ok(Taken::TooLate) => return Ok(Leased::TooLate),
                Ok(Taken::Value(bytes)) => bytes,
                Err(error) if self.options.on_outage.hides(&error) => return Ok(Leased::Away),
                Err(error) => return Err(error),
            };
            match self.decode(key, &bytes) {
                Some(value) => return Ok(Leased::Value(Arc::new(value))),
                // Of a process with another version of the type, say: ours replaces it.
                None => unreadable = bytes,
            }
        }
    }

    /// Stores what was loaded under a lease, unless something has changed the value meanwhile.
    pub(crate) async fn fill(&self, lease: &Lease, key: &Key, value: &V) -> Result<bool, Error> {
        let began = Instant::now();
        let bytes = self.encode(key, value)?;
        let filled = self.leases.fill(lease, bytes, self.options.ttl).await;
        let is_ours = *filled.as_ref().unwrap_or(&true);
        if !is_ours {
            tracing::debug!(target: "russet::cache", cache = %self.name, "the value changed while it was loaded; not stored");
            return Ok(false);
        }
        let stored = self.stored(key, filled.map(drop), began)?;
        Ok(stored == Inserted::Stored)
    }

    pub(crate) async fn write_many(
        &self,
        values: &[(Key, Arc<V>)],
        ttl: Option<Duration>,
    ) -> Result<Vec<Inserted>, Error> {
        let ttl = millis(ttl.unwrap_or(self.options.ttl));
        let mut stored = Vec::with_capacity(values.len());
        for some in values.chunks(PIPELINE) {
            let began = Instant::now();
            let mut commands = Vec::with_capacity(2 * some.len());
            for (key, value) in some {
                // First: a load that has its lease until then is older than the value, and one that takes it behind is not.
                commands.push(Command::new("DEL").key(&self.leases.of(key)));
                let set = Command::new("SET").key(key).arg(self.encode(key, value)?);
                commands.push(set.arg("PX").arg(ttl));
            }
            let replies = self.lane.pipeline(&commands, Policy::Idempotent).await;
            for ((key, _), reply) in some.iter().zip(replies.chunks(2)) {
                let reply = reply.iter().try_for_each(|reply| reply.as_ref().map(drop));
                stored.push(self.stored(key, reply.map_err(Error::clone), began)?);
            }
        }
        Ok(stored)
    }

    fn encode(&self, key: &Key, value: &V) -> Result<Bytes, Error> {
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
        Ok(bytes.into())
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
        let removed = match self.leases.remove(key).await {
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
                .map(|key| Command::new("DEL").key(key).key(&self.leases.of(key)))
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
            let mut commands = Vec::with_capacity(2 * some.len());
            for key in some {
                commands.push(Command::new("DEL").key(&self.leases.of(key)));
                commands.push(Command::new("UNLINK").key(key));
            }
            let replies = self.lane.pipeline(&commands, Policy::Idempotent).await;
            for (at, reply) in replies.into_iter().enumerate() {
                // Leases are not counted.
                removed += u64::from(bool::from_reply(reply?)?) * (at as u64 % 2);
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
