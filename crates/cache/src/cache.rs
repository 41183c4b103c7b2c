//! The handle.

use std::any::Any;
use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use russet_codec::{DecodeError, Payload};
use russet_core::{Bytes, Command, Error, Key, KeyPart, Lane, Namespace, Policy, Stem, part};

use crate::builder::{Builder, Options};
use crate::error::LoadError;
use crate::flight::{Flights, Landing, Leader, Seat};
use crate::keys::CONCERN;
use crate::load::Cx;
use crate::wire;

/// A named cache of `V` by `K`. Cheap to clone; all clones share loads.
///
/// Do not wrap it in a lock: every method takes `&self`.
pub struct Cache<K, V> {
    shared: Arc<Shared<V>>,
    key: PhantomData<fn(K)>,
}

struct Shared<V> {
    name: String,
    stem: Stem,
    reads: Lane,
    writes: Lane,
    options: Options,
    flights: Arc<Flights<V>>,
}

/// What became of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inserted {
    /// Redis holds the value.
    Stored,
    /// Redis is away; nothing is stored, as far as is known.
    Skipped,
}

impl<K, V> Cache<K, V>
where
    K: KeyPart,
    V: Payload + Send + Sync + 'static,
{
    /// A cache of this name, unique within the namespace.
    pub fn builder(ns: &Namespace, name: &str) -> Builder<K, V> {
        Builder::new(ns, name)
    }

    pub(crate) fn new(ns: &Namespace, name: String, stem: Stem, options: Options) -> Self {
        let writes = ns.on(CONCERN, &stem);
        let reads = writes.clone().deadline(options.read_deadline);
        Cache {
            shared: Arc::new(Shared {
                name,
                stem,
                reads,
                writes,
                options,
                flights: Arc::new(Flights::new()),
            }),
            key: PhantomData,
        }
    }

    /// The cached value, or `None` if there is none that can be read. One `GET`.
    ///
    /// A value that another version of `V` wrote, or that something else wrote under this key, is a miss. So is
    /// Redis being away, unless the cache was built with [`OnOutage::Error`](crate::OnOutage::Error).
    ///
    /// # Errors
    /// What waiting does not heal: a refused permission, a key of another Redis type.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn get<Q>(&self, key: &Q) -> Result<Option<Arc<V>>, Error>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        self.shared.read(&Place::of(&self.shared.stem, key)).await
    }

    /// Stores a value for the cache's TTL. One `SET … PX`.
    ///
    /// A load of the same key that is under way does not overwrite it.
    ///
    /// # Errors
    /// A value that cannot be encoded, and what waiting does not heal.
    ///
    /// # Cancel safety
    /// A dropped call may still store the value.
    pub async fn insert<Q>(&self, key: &Q, value: impl Into<Arc<V>>) -> Result<Inserted, Error>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        let place = Place::of(&self.shared.stem, key);
        self.shared.flights.close(&place.key);
        self.shared.write(&place, &value.into()).await
    }

    /// Removes a value; says whether there was one. One `DEL`.
    ///
    /// A load of the same key that is under way here does not bring it back.
    ///
    /// # Errors
    /// Any failure, also while Redis is away: a removal that did not happen leaves a stale value behind.
    ///
    /// # Cancel safety
    /// A dropped call may still remove the value.
    pub async fn remove<Q>(&self, key: &Q) -> Result<bool, Error>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        let place = Place::of(&self.shared.stem, key);
        self.shared.flights.close(&place.key);
        let delete = Command::new("DEL").key(&place.key);
        let removed = Box::pin(self.shared.writes.run(delete, Policy::Idempotent)).await;
        // Again: a flight that began meanwhile may have read the value that is gone now.
        self.shared.flights.close(&place.key);
        removed
    }

    /// The cached value, or what `load` brings. One `GET`; after a miss the load and one `SET`.
    ///
    /// Callers of the same key in this process share one load. It runs in a task of its own, so that a caller who
    /// is dropped harms nobody, and for at most the load timeout. While Redis is away every flight loads.
    ///
    /// # Errors
    /// The loader's error, a load that timed out or panicked, or what waiting does not heal.
    ///
    /// # Cancel safety
    /// Safe to drop; the load goes on for the others and for the cache.
    pub async fn get_or_load<Q, L, F, E>(&self, key: &Q, load: L) -> Result<Arc<V>, LoadError<E>>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
        L: FnOnce(Cx) -> F + Send + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
        E: Send + Sync + 'static,
    {
        let place = Place::of(&self.shared.stem, key);
        let mut load = Some(load);
        loop {
            let passenger = match self.shared.flights.board(&place.key) {
                Seat::Passenger(passenger) => passenger,
                Seat::Leader(leader, passenger) => {
                    // A leader's flight ends with its own kind of error, so nobody leads twice.
                    let Some(load) = load.take() else {
                        return Err(LoadError::Panicked);
                    };
                    tokio::spawn(self.shared.clone().lead(leader, place.clone(), load));
                    passenger
                }
            };
            return match passenger.landing().await {
                Landing::Value(value) => Ok(value),
                Landing::Timeout => Err(LoadError::Timeout),
                Landing::Panicked => Err(LoadError::Panicked),
                Landing::Cache(error) => Err(LoadError::Cache(error)),
                Landing::Loader(error) => match error.downcast() {
                    Ok(error) => Err(LoadError::Loader(error)),
                    // Another call site, whose error is of another type, has loaded; this one asks for itself.
                    Err(_) => continue,
                },
            };
        }
    }
}

impl<V> Shared<V>
where
    V: Payload + Send + Sync + 'static,
{
    /// The leader's flight: look once more, load, store, tell everybody.
    async fn lead<L, F, E>(self: Arc<Self>, leader: Leader<V>, place: Place, load: L)
    where
        L: FnOnce(Cx) -> F,
        F: Future<Output = Result<V, E>>,
        E: Send + Sync + 'static,
    {
        match self.read(&place).await {
            Ok(Some(value)) => return leader.land(Landing::Value(value)),
            Ok(None) => {}
            Err(error) => return leader.land(Landing::Cache(error)),
        }
        let cx = Cx {
            deadline: Instant::now() + self.options.load_timeout,
        };
        let value = match tokio::time::timeout(self.options.load_timeout, load(cx)).await {
            Ok(Ok(value)) => Arc::new(value),
            Ok(Err(error)) => {
                return leader.land(Landing::Loader(
                    Arc::new(error) as Arc<dyn Any + Send + Sync>
                ));
            }
            Err(_) => return leader.land(Landing::Timeout),
        };
        if leader.is_current()
            && let Err(error) = self.write(&place, &value).await
        {
            // The callers have their value; that it could not be kept is for the log.
            tracing::warn!(target: "russet::cache", cache = %self.name, %error, "a loaded value was not stored");
        }
        leader.land(Landing::Value(value));
    }

    async fn read(&self, place: &Place) -> Result<Option<Arc<V>>, Error> {
        let get = Command::new("GET").key(&place.key);
        // Boxed, as the other commands here: each is a future of 6 KiB, and callers' futures would hold and move it.
        let reply = Box::pin(self.reads.run::<Option<Bytes>>(get, Policy::Idempotent));
        let bytes = match reply.await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(error) if self.options.on_outage.hides(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        match wire::decode(&self.options.codec, &self.name, &place.id, &bytes) {
            Ok(value) => Ok(Some(Arc::new(value))),
            Err(error) => {
                if matches!(error, DecodeError::ForeignValue) {
                    self.reads
                        .distrust(&place.key, "a cached value of another key");
                }
                tracing::debug!(target: "russet::cache", cache = %self.name, %error, "an unreadable value is a miss");
                Ok(None)
            }
        }
    }

    async fn write(&self, place: &Place, value: &Arc<V>) -> Result<Inserted, Error> {
        let bytes = wire::encode(&self.options.codec, &self.name, &place.id, &**value)
            .map_err(|error| Error::encode(error).on("cache insert", Some(&place.key)))?;
        let millis = u64::try_from(self.options.ttl.as_millis()).unwrap_or(u64::MAX);
        let set = Command::new("SET")
            .key(&place.key)
            .arg(bytes)
            .arg("PX")
            .arg(millis);
        match Box::pin(self.writes.run::<()>(set, Policy::Idempotent)).await {
            Ok(()) => Ok(Inserted::Stored),
            Err(error) if self.options.on_outage.hides(&error) => Ok(Inserted::Skipped),
            Err(error) => Err(error),
        }
    }
}

/// Where a value is kept, and who it is.
#[derive(Clone)]
struct Place {
    key: Key,
    id: String,
}

impl Place {
    fn of<Q: KeyPart + ?Sized>(stem: &Stem, key: &Q) -> Self {
        let id = part(key);
        Place {
            key: stem.key(key),
            id,
        }
    }
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Cache {
            shared: self.shared.clone(),
            key: PhantomData,
        }
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({})", self.shared.stem.as_str())
    }
}
