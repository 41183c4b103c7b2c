//! What all handles of one cache share.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use futures_util::future::join;
use russet_codec::Payload;
use russet_core::{Bytes, Error, Key, Lane, Namespace, Operation, Server, Stem, Tally};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::coherence::Coherence;
use crate::control::{Control, States};
use crate::flight::Flights;
use crate::follow::Follower;
use crate::hot::Hot;
use crate::keys::CONCERN;
use crate::lease::Leases;
use crate::local::{Hit, Local, Ticket};
use crate::look::{Found, Look};
use crate::options::Options;
use crate::pending::Pending;
use crate::reads::{Read, Reads};
use crate::room::Room;
use crate::stats::{Counts, Outcome, one_more};

/// How many commands one pipeline has.
pub(crate) const PIPELINE: usize = 128;

pub(crate) struct Store<V> {
    pub(crate) name: String,
    pub(crate) stem: Stem,
    pub(crate) server: Server,
    pub(crate) reads: Reads,
    /// With the deadline of reads.
    pub(crate) quick: Lane,
    pub(crate) lane: Lane,
    pub(crate) options: Options,
    pub(crate) flights: Arc<Flights<V>>,
    pub(crate) leases: Leases,
    /// None in a cache without one.
    pub(crate) local: Option<Arc<Local<V>>>,
    following: OnceLock<Following>,
    /// None in a cache that does not count them.
    pub(crate) hot: Option<Hot>,
    /// None in a cache whose entries have no head.
    pub(crate) control: Option<Arc<Control>>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) room: Arc<Room>,
    pub(crate) counts: Counts,
    pub(crate) pending: Pending,
    pub(crate) operations: Operations,
    /// What entries of this type say of it.
    pub(crate) shape: u32,
    /// The keys that are being extended, each once.
    pub(crate) sliding: Mutex<HashSet<Key>>,
}

pub(crate) struct Operations {
    get: Operation,
    hit: Tally,
    local: Tally,
    pub(crate) insert: Operation,
    pub(crate) remove: Operation,
    pub(crate) invalidate: Operation,
}

/// The task that follows what others change; it ends with the cache.
struct Following(JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<V> Store<V>
where
    V: Payload + Send + Sync + 'static,
{
    pub(crate) fn new(ns: &Namespace, name: String, stem: Stem, options: Options) -> Self {
        let lane = ns.on(CONCERN, &stem);
        let operation = |name| Operation::new(CONCERN, ns, &stem, name);
        let control = (!options.is_plain).then(|| {
            let changes = options.coherence.changes();
            Arc::new(Control::new(
                lane.clone(),
                &stem,
                &name,
                options.ttl,
                changes,
            ))
        });
        let local = control.as_ref().filter(|_| options.local > 0);
        let local = local.map(|control| {
            let ttl = options.local_ttl.unwrap_or(options.ttl);
            let local = Local::new(options.local, ttl, control.shards.len());
            if options.coherence == Coherence::None {
                local.is_always_sure();
            }
            Arc::new(local)
        });
        let clock = Arc::new(Clock::new());
        let quick = lane.clone().deadline(options.read_deadline);
        let beside = control.clone().filter(|control| control.is_beside);
        Store {
            server: ns.server(CONCERN, &stem),
            reads: match beside {
                Some(control) => Reads::Beside(quick.getter_beside(States(control))),
                None => Reads::Alone(quick.getter()),
            },
            quick,
            operations: Operations {
                hit: operation("get").tally("hit"),
                local: operation("get").tally("local"),
                get: operation("get"),
                insert: operation("insert"),
                remove: operation("remove"),
                invalidate: operation("invalidate"),
            },
            leases: Leases::new(
                lane.clone(),
                ns.server(CONCERN, &stem),
                stem.clone(),
                options.lease,
                control.clone(),
                clock.clone(),
            ),
            local,
            hot: (options.hot_keys > 0).then(|| Hot::new(options.hot_keys)),
            following: OnceLock::new(),
            control,
            clock,
            lane,
            flights: Arc::new(Flights::new()),
            room: Arc::new(Room::new(ns.server(CONCERN, &stem), &name)),
            counts: Counts::default(),
            pending: Pending::default(),
            shape: V::shape() ^ options.schema_version,
            sliding: Mutex::default(),
            name,
            stem,
            options,
        }
    }

    /// The value, if there is one that holds and is fresh.
    pub(crate) async fn read(self: &Arc<Self>, key: &Key) -> Result<Option<Arc<V>>, Error> {
        Ok(self.look(key).await?.fresh())
    }

    /// What stands for a key.
    pub(crate) async fn look(self: &Arc<Self>, key: &Key) -> Result<Look<V>, Error> {
        let began = Instant::now();
        if self.pending.has(key) {
            self.note(Outcome::Invalidated, began);
            // Nothing was waited for; whoever reads in a loop shall let others run.
            tokio::task::coop::consume_budget().await;
            return Ok(Look::Nothing(Bytes::new()));
        }
        let ticket = self.ticket(key);
        let read = if self.must_ask_time(began) {
            join(self.bytes(key), self.ask_time()).await.0
        } else {
            self.bytes(key).await
        };
        self.received(key, ticket, read, began).await
    }

    /// A value in this process's memory.
    #[inline]
    pub(crate) fn look_local(&self, part: &str) -> Option<Hit<V>> {
        let local = self.local.as_ref()?;
        let hit = local.get(part)?;
        match hit.value {
            Some(_) => self.counts.local.one_more(),
            None => one_more(&self.counts.local_missing),
        }
        self.operations.local.one_more();
        if let Some(hot) = &self.hot {
            hot.read(part);
        }
        tracing::debug!(target: "russet::cache", cache = %self.name, outcome = "local", "read");
        Some(hit)
    }

    /// The part of a key that names it in the local tier.
    pub(crate) fn part<'k>(&self, key: &'k Key) -> &'k str {
        // Keys of ours are text.
        std::str::from_utf8(self.stem.value_in(key)).unwrap_or_default()
    }

    /// The state of a key before Redis is asked for it, where there is a local tier to keep the answer.
    pub(crate) fn ticket(&self, key: &Key) -> Option<Ticket> {
        let (local, control) = (self.local.as_ref()?, self.control.as_ref()?);
        if self.options.coherence != Coherence::None {
            self.following.get_or_init(|| {
                let server = self.server.clone();
                let follower =
                    Follower::new(server, self.lane.clone(), control.clone(), local.clone());
                Following(tokio::spawn(follower.run()))
            });
        }
        let shard = control.of(&self.stem, key);
        Some(local.ticket(self.part(key), shard.at))
    }

    /// A key was changed here.
    pub(crate) fn changed(&self, key: &Key) {
        if let Some(local) = &self.local {
            local.changed(self.part(key));
        }
    }

    /// What stands for many keys.
    pub(crate) async fn look_many(self: &Arc<Self>, keys: &[Key]) -> Result<Vec<Look<V>>, Error> {
        let began = Instant::now();
        let tickets: Vec<_> = keys.iter().map(|key| self.ticket(key)).collect();
        let all = self.bytes_of_all(keys);
        let read = if self.must_ask_time(began) {
            join(all, self.ask_time()).await.0
        } else {
            all.await
        };
        let mut looks = Vec::with_capacity(keys.len());
        for ((key, ticket), read) in keys.iter().zip(tickets).zip(read) {
            looks.push(if self.pending.has(key) {
                self.note(Outcome::Invalidated, began);
                Look::Nothing(Bytes::new())
            } else {
                self.received(key, ticket, read, began).await?
            });
        }
        Ok(looks)
    }

    /// What a reply means to whoever reads.
    async fn received(
        self: &Arc<Self>,
        key: &Key,
        ticket: Option<Ticket>,
        read: Result<Read, Error>,
        began: Instant,
    ) -> Result<Look<V>, Error> {
        let opened = match read {
            Ok((Some(bytes), state)) => self.opened(key, ticket, bytes, state, began).await,
            Ok((None, _)) => Ok((Outcome::Absent, Look::Nothing(Bytes::new()))),
            Err(error) => Err(error),
        };
        let (outcome, look) = match opened {
            Ok((outcome, look)) => (outcome, Ok(look)),
            Err(error) if self.options.on_outage.hides(&error) => {
                (Outcome::Outage, Ok(self.stand_in(key)))
            }
            Err(error) => (Outcome::Error, Err(error)),
        };
        if let (Outcome::Hit, Some(hot)) = (outcome, &self.hot) {
            hot.read(self.part(key));
        }
        self.note(outcome, began);
        look
    }

    /// What this process keeps in memory, where Redis is away.
    fn stand_in(&self, key: &Key) -> Look<V> {
        let freshness = &self.options.freshness;
        let window = freshness.if_error.max(freshness.while_revalidate);
        // Where nothing stale is asked for, nothing is served of which it is not sure that it holds.
        let local = self.local.as_ref().filter(|_| !window.is_zero());
        match local.and_then(|local| local.stand_in(self.part(key), window)) {
            Some(value) => {
                one_more(&self.counts.stale_served);
                Look::Found(Found::bare(value, Bytes::new()))
            }
            None => Look::Nothing(Bytes::new()),
        }
    }

    fn note(&self, outcome: Outcome, began: Instant) {
        self.counts.read(outcome);
        match outcome {
            // The one that nearly all are is counted without looking for its name.
            Outcome::Hit => self.operations.hit.one_more_after(began.elapsed()),
            _ => self.operations.get.record(outcome.name(), began.elapsed()),
        }
        tracing::debug!(target: "russet::cache", cache = %self.name, outcome = outcome.name(), "read");
    }
}

pub(crate) fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1)
}
