//! Loading values before anybody asks for them.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use russet_codec::Payload;
use russet_core::{Bytes, Command, Error, ErrorKind, FromKeyPart, Key, KeyPart, Policy};
use tokio::task::JoinHandle;

use crate::builder::{check_tags, check_ttl};
use crate::bulk::{Missing, Others, lead_many};
use crate::cache::Cache;
use crate::flight::{Landing, Seat};
use crate::freshness::Age;
use crate::keys;
use crate::load::{Before, Cx, Wish, lead};
use crate::look::{Found, Look};
use crate::read_through::LOADS;
use crate::store::{PIPELINE, Store, millis};

/// How long a snapshot of hot keys lives.
const SNAPSHOT_LIVES: Duration = Duration::from_hours(7 * 24);
/// How long a snapshot is at most, in bytes.
const MOST_SNAPSHOT: usize = 1 << 20;
/// What a snapshot begins with.
const SNAPSHOT_VERSION: &str = "1";

/// A warming that is yet to be awaited; made by [`Cache::warm`] and [`Cache::warm_hot_keys`].
#[must_use = "nothing is warmed until it is awaited, or repeated by `every`"]
pub struct Warm<K, V> {
    cache: Cache<K, V>,
    which: Which<K>,
    at_once: usize,
    progress: Option<Box<dyn Fn(Warmed) + Send + Sync>>,
}

/// The keys that are to be loaded.
enum Which<K> {
    These(Vec<K>),
    /// Those of the snapshot, which this reads.
    Hot(fn(&str) -> Option<K>),
}

/// How far a warming is, or has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warmed {
    /// The keys that were asked for.
    pub keys: usize,
    /// Those that were cached already, or that somebody is loading.
    pub cached: usize,
    /// Those whose value was loaded, by this process or another one.
    pub loaded: usize,
    /// Those of which it is known now that there is no value, or of which the loader of many said nothing.
    pub missing: usize,
    /// Those whose load failed, panicked or took too long.
    pub failed: usize,
    /// Those that were left: Redis is away, and would not have kept them.
    pub skipped: usize,
}

impl Warmed {
    /// The keys that are done with.
    pub fn done(&self) -> usize {
        self.cached + self.loaded + self.missing + self.failed + self.skipped
    }

    fn landed<V>(&mut self, landing: &Landing<V>) {
        *match landing {
            Landing::Value(Some(_), _) => &mut self.loaded,
            Landing::Value(None, _) | Landing::Absent => &mut self.missing,
            Landing::Left => &mut self.cached,
            _ => &mut self.failed,
        } += 1;
    }
}

/// A warming that repeats itself; it ends when this is dropped, or Redis is shut down. Made by [`Warm::every`].
#[must_use = "dropped, it ends"]
#[derive(Debug)]
pub struct Warming(JoinHandle<()>);

impl Drop for Warming {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<K, V> Warm<K, V> {
    /// How many loads run at once, 16 unless set; at least 1. A [loader of many](crate::Builder::bulk_loader) is called for 128 keys
    /// at a time, once at a time.
    pub fn concurrency(mut self, at_once: usize) -> Self {
        self.at_once = at_once.max(1);
        self
    }

    /// Is called after each 128 keys with how far it is.
    pub fn progress(mut self, progress: impl Fn(Warmed) + Send + Sync + 'static) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }
}

impl<K, V> Warm<K, V>
where
    K: KeyPart + Clone + Send + Sync + 'static,
    V: Payload + Send + Sync + 'static,
{
    /// Repeats it now and after each interval, so that the values do not end in between: what would end before the next time is loaded
    /// anew, by one process of all that do so. Failures go to the log.
    ///
    /// # Errors
    /// A cache that was built without a loader, or an interval under 1 ms or over 10 years.
    pub fn every(self, interval: Duration) -> Result<Warming, Error> {
        self.check()?;
        check_ttl("warming interval", &self.cache.store.name, interval)?;
        Ok(Warming(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(interval);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                // One that cannot be done now may be the next time; a round says in the log what has failed.
                if let Err(error) = self.round(interval).await {
                    let cache = &self.cache.store.name;
                    tracing::warn!(target: "russet::cache", %cache, %error, "a cache was not warmed");
                    if error.kind() == ErrorKind::Shutdown {
                        return;
                    }
                }
            }
        })))
    }

    fn check(&self) -> Result<(), Error> {
        let cache = &self.cache;
        if cache.source.load.is_none() && cache.source.load_many.is_none() {
            return Err(cache.lacks("loader"));
        }
        let has_head = cache.store.control.is_some();
        check_tags(&cache.store.name, has_head, &cache.scope.tags())?;
        Ok(())
    }

    /// Loads what is missing or ends within this time.
    async fn round(&self, ends_within: Duration) -> Result<Warmed, Error> {
        let read;
        let keys = match &self.which {
            Which::These(keys) => keys,
            Which::Hot(read_back) => {
                read = self.cache.snapshot(*read_back).await?;
                &read
            }
        };
        let store = &self.cache.store;
        let began = Instant::now();
        let mut warmed = Warmed {
            keys: keys.len(),
            ..Warmed::default()
        };
        for some in keys.chunks(PIPELINE) {
            let places: Vec<Key> = some.iter().map(|key| self.cache.place(key)).collect();
            let due = match store.due(&places, ends_within).await {
                Ok(due) => due,
                Err(error) if store.is_away(&error) => {
                    warmed.skipped = warmed.keys - warmed.done();
                    break;
                }
                Err(error) => return Err(error),
            };
            let mut ours = Vec::new();
            for ((key, place), due) in some.iter().zip(places).zip(due) {
                match due {
                    Some(before) => ours.push((key.clone(), place, before)),
                    None => warmed.cached += 1,
                }
            }
            self.load(ours, &mut warmed).await;
            if let Some(progress) = &self.progress {
                progress(warmed);
            }
        }
        let Warmed {
            loaded,
            failed,
            skipped,
            ..
        } = warmed;
        let (cache, took) = (&store.name, began.elapsed());
        if failed + skipped > 0 {
            tracing::warn!(target: "russet::cache", %cache, loaded, failed, skipped, ?took, "a cache was not warmed whole");
        } else {
            tracing::info!(target: "russet::cache", %cache, loaded, ?took, "a cache was warmed");
        }
        Ok(warmed)
    }

    /// Loads these; each in a task of its own, so that a loader that panics takes nobody with it. Somebody who asks for one
    /// meanwhile waits for its load alone, and who loads it already is left to it.
    async fn load(&self, ours: Vec<(K, Key, Before<V>)>, warmed: &mut Warmed) {
        let (store, scope, source) = (&self.cache.store, &self.cache.scope, &self.cache.source);
        if let Some(load_many) = source.load_many.clone() {
            let (mut missing, mut passengers) = (Vec::new(), Vec::new());
            for (key, place, before) in ours {
                match store.flights.board(&place) {
                    Seat::Leader(leader, passenger) => {
                        missing.push(Missing::new(&key, leader, before));
                        passengers.push(passenger);
                    }
                    Seat::Passenger(_) => warmed.cached += 1,
                }
            }
            let cx = Cx::of(&store.options, scope);
            let load = move |keys| load_many(keys, cx);
            let lead = lead_many(store.clone(), scope.clone(), missing, load, Others::Suffice);
            tokio::spawn(lead);
            for mut passenger in passengers {
                warmed.landed(&passenger.landing().await);
            }
            return;
        }
        let Some(load) = &source.load else {
            return;
        };
        let loads = ours.into_iter().map(|(key, place, before)| {
            let mut wish = Wish::of(&store.options, scope);
            wish.tags = scope.tags();
            let (store, load) = (store.clone(), load.clone());
            async move {
                let Seat::Leader(leader, mut passenger) = store.flights.board(&place) else {
                    return Landing::Left;
                };
                let load = move |cx| load(key, cx);
                tokio::spawn(lead(store, leader, before, wish, load));
                passenger.landing().await
            }
        });
        let mut landings = stream::iter(loads).buffer_unordered(self.at_once);
        while let Some(landing) = landings.next().await {
            warmed.landed(&landing);
        }
    }
}

impl<K, V> IntoFuture for Warm<K, V>
where
    K: KeyPart + Clone + Send + Sync + 'static,
    V: Payload + Send + Sync + 'static,
{
    type Output = Result<Warmed, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.check()?;
            self.round(Duration::ZERO).await
        })
    }
}

impl<K, V> Cache<K, V>
where
    K: KeyPart,
    V: Payload + Send + Sync + 'static,
{
    /// Loads those of these keys that are not cached, by the [loader of many](crate::Builder::bulk_loader) of the cache's builder, else by
    /// its [loader](crate::Builder::loader); at start-up, say. Several processes that do so share the loads. `.concurrency(..)`, `.progress(..)` and `.every(..)` go before the `await`.
    ///
    /// One `MGET` for each 128 keys; for each that is missing one `EVALSHA` before its load and one behind it. While Redis is away
    /// nothing is loaded. Its reads are not counted.
    ///
    /// # Errors
    /// A cache that was built without a loader, and what waiting does not heal. A load that fails is counted, and no error.
    ///
    /// # Cancel safety
    /// Safe to drop; loads that have begun go on.
    pub fn warm(&self, keys: impl IntoIterator<Item = K>) -> Warm<K, V> {
        self.warming(Which::These(keys.into_iter().collect()))
    }

    /// As [`warm`](Cache::warm), with the keys that [`save_hot_keys`](Cache::save_hot_keys) has saved last, those of this scope; none
    /// if nothing was saved within a week. One `GET` more.
    ///
    /// # Errors
    /// As [`warm`](Cache::warm).
    ///
    /// # Cancel safety
    /// Safe to drop; loads that have begun go on.
    pub fn warm_hot_keys(&self) -> Warm<K, V>
    where
        K: FromKeyPart,
    {
        self.warming(Which::Hot(K::from_key_part))
    }

    fn warming(&self, which: Which<K>) -> Warm<K, V> {
        Warm {
            cache: self.clone(),
            which,
            at_once: LOADS,
            progress: None,
        }
    }

    /// Saves which keys this process has read most, for a week or until another process does; before it ends, say. How many: none in
    /// a cache that was built without [`hot_keys`](crate::Builder::hot_keys), that nobody has read, or while Redis is away; what was
    /// saved before stays then. One `SET`.
    ///
    /// # Errors
    /// What waiting does not heal.
    ///
    /// # Cancel safety
    /// A dropped call may still save them.
    pub async fn save_hot_keys(&self) -> Result<usize, Error> {
        let hottest = self.store.hot.as_ref().map(|hot| hot.hottest());
        let mut text = SNAPSHOT_VERSION.to_owned();
        let mut saved = 0;
        for part in hottest.unwrap_or_default() {
            if text.len() + 1 + part.len() > MOST_SNAPSHOT {
                break;
            }
            // No part of a key holds a line's end.
            text.push('\n');
            text.push_str(&part);
            saved += 1;
        }
        if saved == 0 {
            return Ok(0);
        }
        let set = Command::new("SET")
            .key(&keys::hot(&self.store.stem))
            .arg(text);
        let set = set.arg("PX").arg(millis(SNAPSHOT_LIVES));
        match Box::pin(self.store.lane.run::<()>(set, Policy::Idempotent)).await {
            Ok(()) => Ok(saved),
            Err(error) if self.store.options.on_outage.hides(&error) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// The keys of the snapshot that are of this scope.
    async fn snapshot(&self, read_back: fn(&str) -> Option<K>) -> Result<Vec<K>, Error> {
        let get = Command::new("GET").key(&keys::hot(&self.store.stem));
        let text = Box::pin(
            self.store
                .lane
                .run::<Option<Bytes>>(get, Policy::Idempotent),
        )
        .await;
        let text = match text {
            Ok(text) => text.unwrap_or_default(),
            Err(error) if self.store.is_away(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut lines = std::str::from_utf8(&text).unwrap_or_default().lines();
        if lines.next() != Some(SNAPSHOT_VERSION) {
            return Ok(Vec::new());
        }
        let prefix = self.scope.prefix();
        Ok(lines
            .filter_map(|part| read_back(part.strip_prefix(&*prefix)?))
            .collect())
    }
}

impl<V> Store<V>
where
    V: Payload + Send + Sync + 'static,
{
    /// Whether this failure is an outage that will be over one day.
    fn is_away(&self, error: &Error) -> bool {
        error.kind() != ErrorKind::Shutdown && self.options.on_outage.hides(error)
    }

    /// What stands for those keys whose value is not there, or ends within this time; nothing for the others.
    async fn due(
        self: &Arc<Self>,
        keys: &[Key],
        ends_within: Duration,
    ) -> Result<Vec<Option<Before<V>>>, Error> {
        let now = Instant::now();
        if self.must_ask_time(now) {
            self.ask_time().await;
        }
        let tickets: Vec<_> = keys.iter().map(|key| self.ticket(key)).collect();
        let read = self.bytes_of_all(keys).await;
        let mut due = Vec::with_capacity(keys.len());
        for ((key, ticket), read) in keys.iter().zip(tickets).zip(read) {
            // What was removed here is not kept, even if Redis does not know of it yet.
            if self.pending.has(key) {
                due.push(None);
                continue;
            }
            let found = match read? {
                (Some(bytes), state) => {
                    match self.opened(key, ticket, bytes, state, now).await?.1 {
                        Look::Found(found) => found,
                        Look::Nothing(seen) => Found::nothing(seen),
                    }
                }
                (None, _) => Found::nothing(Bytes::new()),
            };
            let is_due =
                found.age != Age::Fresh || found.left.is_some_and(|left| left < ends_within);
            due.push(is_due.then(|| Before::found(found)));
        }
        Ok(due)
    }
}

impl<K, V> fmt::Debug for Warm<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: &dyn fmt::Debug = match &self.which {
            Which::These(keys) => &keys.len(),
            Which::Hot(_) => &"hot",
        };
        f.debug_struct("Warm")
            .field("cache", &self.cache)
            .field("keys", keys)
            .field("at_once", &self.at_once)
            .finish_non_exhaustive()
    }
}
