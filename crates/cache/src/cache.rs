//! The handle.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use russet_codec::Payload;
use russet_core::{Error, FromKeyPart, Key, KeyPart, Namespace, Pace, ServerInfo, Stem};

use crate::builder::{Builder, Options, check_ttl};
use crate::error::LoadError;
use crate::flight::{Landing, Seat};
use crate::insert::{Insert, Inserted};
use crate::keys::is_lease;
use crate::load::{Cx, bulk, lead};
use crate::matching::Keys;
use crate::remove::Removed;
use crate::stats::Stats;
use crate::store::Store;

/// A named cache of `V` by `K`. Cheap to clone; all clones share loads.
///
/// Do not wrap it in a lock: every method takes `&self`.
pub struct Cache<K, V> {
    store: Arc<Store<V>>,
    key: PhantomData<fn(K)>,
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
        Cache {
            store: Arc::new(Store::new(ns, name, stem, options)),
            key: PhantomData,
        }
    }

    fn place<Q>(&self, key: &Q) -> Key
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        self.store.stem.key(key)
    }

    /// The cached value, or `None` if there is none that can be read. One `GET`; reads that wait at the same moment share one
    /// `MGET`.
    ///
    /// A value that another version of `V` wrote, or that something else wrote under this key, is a miss. So is
    /// Redis being away, unless the cache was built with [`OnOutage::Error`](crate::OnOutage::Error).
    ///
    /// # Errors
    /// What waiting does not heal: a refused permission.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn get<Q>(&self, key: &Q) -> Result<Option<Arc<V>>, Error>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        self.store.read(&self.place(key)).await
    }

    /// The cached values of many keys, in their order. One `MGET`, one for each 128 keys; on a cluster one for each slot.
    ///
    /// # Errors
    /// As [`get`](Cache::get), if one of them fails.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn get_many<'q, Q>(
        &self,
        keys: impl IntoIterator<Item = &'q Q>,
    ) -> Result<Vec<Option<Arc<V>>>, Error>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized + 'q,
    {
        let keys = keys.into_iter().map(|key| self.place(key)).collect();
        self.store.read_many(keys).await
    }

    /// Stores a value for the cache's TTL, or for another: `users.insert(&7, user).ttl(hour).await?`. One `EVALSHA`.
    ///
    /// A load of the same key that is under way, in whichever process, does not overwrite it.
    ///
    /// # Errors
    /// A value that cannot be encoded or is longer than the cache takes, a TTL outside its bounds, and what waiting does not
    /// heal.
    ///
    /// # Cancel safety
    /// A dropped call may still store the value.
    pub fn insert<Q>(&self, key: &Q, value: impl Into<Arc<V>>) -> Insert<'_, V>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        Insert {
            store: &self.store,
            key: self.place(key),
            value: value.into(),
            ttl: None,
        }
    }

    /// Stores many values for the cache's TTL; what became of each, in their order. One `DEL` and one `SET … PX` each, for 128 in
    /// one round trip.
    ///
    /// # Errors
    /// As [`insert`](Cache::insert), if one of them fails; others may be stored all the same.
    ///
    /// # Cancel safety
    /// A dropped call may still store some of the values.
    pub async fn insert_many<'q, Q, T>(
        &self,
        values: impl IntoIterator<Item = (&'q Q, T)>,
    ) -> Result<Vec<Inserted>, Error>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized + 'q,
        T: Into<Arc<V>>,
    {
        let values: Vec<(Key, Arc<V>)> = values
            .into_iter()
            .map(|(key, value)| (self.place(key), value.into()))
            .collect();
        for (key, _) in &values {
            self.store.flights.close(key);
        }
        self.store.write_many(&values, None).await
    }

    /// Removes a value. One `EVALSHA`.
    ///
    /// A load of the same key that is under way, in whichever process, does not bring it back.
    ///
    /// # Errors
    /// What waiting does not heal. While Redis is away the removal is [`Queued`](Removed::Queued), in a strict cache an error;
    /// so it is where 65,536 are queued already, because a removal that is forgotten leaves a stale value behind.
    ///
    /// # Cancel safety
    /// A dropped call may still remove the value.
    pub async fn remove<Q>(&self, key: &Q) -> Result<Removed, Error>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        let key = self.place(key);
        self.store.flights.close(&key);
        let removed = self.store.remove(&key).await;
        // Again: a flight that began meanwhile may have read the value that is gone now.
        self.store.flights.close(&key);
        removed
    }

    /// Whether there is a value, readable or not. One `EXISTS`; `false` while Redis is away.
    ///
    /// # Errors
    /// As [`get`](Cache::get).
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn exists<Q>(&self, key: &Q) -> Result<bool, Error>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        self.store.exists(&self.place(key)).await
    }

    /// Has a value live this long from now on; `false` if there is none, or Redis is away. One `PEXPIRE`.
    ///
    /// # Errors
    /// A TTL outside its bounds (1 ms to 10 years), else as [`get`](Cache::get).
    ///
    /// # Cancel safety
    /// A dropped call may still change the TTL.
    pub async fn expire<Q>(&self, key: &Q, ttl: Duration) -> Result<bool, Error>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        check_ttl("ttl", &self.store.name, ttl)?;
        self.store.expire(&self.place(key), ttl).await
    }

    /// How long a value lives on; `None` if there is none, or Redis is away. One `PTTL`.
    ///
    /// # Errors
    /// As [`get`](Cache::get).
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn ttl<Q>(&self, key: &Q) -> Result<Option<Duration>, Error>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        self.store.ttl(&self.place(key)).await
    }

    /// The cached value, or what `load` brings. One `GET`; after a miss one `EVALSHA` before the load and one behind it.
    ///
    /// Callers of the same key in all processes share one load: whoever misses first takes a lease, the others wait, and are
    /// woken when the value is there. The load runs in a task of its own, so that a caller who is dropped harms nobody, and for
    /// at most the load timeout; so long is another process's load waited for. While Redis is away every process loads for
    /// itself and stores nothing. What changes the value meanwhile (`insert`, `remove`) wins, in every process: the load's callers
    /// have what it brought, and it is not stored.
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
        let key = self.place(key);
        let mut load = Some(load);
        loop {
            let passenger = match self.store.flights.board(&key) {
                Seat::Passenger(passenger) => passenger,
                Seat::Leader(leader, passenger) => {
                    // A leader's flight ends with its own kind of error, so nobody leads twice.
                    let Some(load) = load.take() else {
                        return Err(LoadError::Panicked);
                    };
                    tokio::spawn(lead(self.store.clone(), leader, key.clone(), load));
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
                // A load of many, which did not have this one; this one asks for itself.
                Landing::Absent => continue,
            };
        }
    }

    /// The cached values of many keys, and what `load` brings for the rest, in the keys' order; `None` where it brings nothing.
    /// One `MGET`; for each key that is missing one `EVALSHA` before the load and one behind it.
    ///
    /// `load` gets the keys that are missing here and are not being loaded already, each once; those that are, are waited for. It
    /// runs in a task of its own, for at most the load timeout, and not at all where nothing is missing. What it brings
    /// besides what it was asked for is left. Keys that another process loads at the moment are loaded here too, and not stored.
    ///
    /// # Errors
    /// As [`get_or_load`](Cache::get_or_load); a failed load fails the call.
    ///
    /// # Cancel safety
    /// Safe to drop; the load goes on for the others and for the cache.
    pub async fn get_or_load_many<L, F, M, E>(
        &self,
        keys: &[K],
        load: L,
    ) -> Result<Vec<Option<Arc<V>>>, LoadError<E>>
    where
        K: Clone + Send + 'static,
        L: FnOnce(Vec<K>) -> F + Send + 'static,
        F: Future<Output = Result<M, E>> + Send + 'static,
        M: IntoIterator<Item = (K, V)> + Send + 'static,
        M::IntoIter: Send,
        E: Send + Sync + 'static,
    {
        bulk(&self.store, keys, load).await
    }

    /// The keys that have a value, by a glob over their text (`*`, `user-*`): a walk with `SCAN`, never `KEYS`, page by page.
    ///
    /// # Errors
    /// No connection for the walk within `REDIS_MAX_CONNECTIONS`.
    pub fn keys(&self, glob: &str, pace: Pace) -> Result<Keys<K>, Error>
    where
        K: FromKeyPart,
    {
        Ok(Keys {
            scan: self
                .store
                .server
                .scan(self.store.stem.matching(glob), pace)?,
            stem: self.store.stem.clone(),
            on_outage: self.store.options.on_outage,
            key: PhantomData,
        })
    }

    /// Removes the values of the keys that match a glob; how many there were. A walk with `SCAN`, and `UNLINK` of what it finds.
    ///
    /// A load of one of them that is under way does not bring it back. One of a key that has no value at the moment may, in
    /// another process: the walk does not see it.
    ///
    /// # Errors
    /// Any failure, also while Redis is away: then some values may be gone and others not.
    ///
    /// # Cancel safety
    /// A dropped call has removed some of the values.
    pub async fn remove_matching(&self, glob: &str, pace: Pace) -> Result<u64, Error> {
        let mut walk = self
            .store
            .server
            .scan(self.store.stem.matching(glob), pace)?;
        let mut removed = 0;
        while let Some(mut page) = Box::pin(walk.next_page()).await? {
            page.retain(|key| !is_lease(&self.store.stem, key));
            for key in &page {
                self.store.flights.close(key);
            }
            removed += Box::pin(self.store.unlink(&page)).await?;
            for key in &page {
                self.store.flights.close(key);
            }
        }
        Ok(removed)
    }

    /// What this cache has done in this process since it was built.
    pub fn stats(&self) -> Stats {
        self.store.counts.stats()
    }

    /// What the server says of itself: version, memory, eviction policy. One `INFO`.
    ///
    /// # Errors
    /// Any failure.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn server_info(&self) -> Result<ServerInfo, Error> {
        Box::pin(self.store.server.info()).await
    }
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Cache {
            store: self.store.clone(),
            key: PhantomData,
        }
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({})", self.store.stem.as_str())
    }
}
