//! The handle.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use russet_codec::Payload;
use russet_core::{
    Error, FromKeyPart, Key, KeyPart, KeyWriter, Namespace, Pace, ServerInfo, Stem, part,
};

use crate::builder::{Builder, check_tags, check_ttl};
use crate::bulk::bulk;
use crate::error::LoadError;
use crate::get_or_load::{GetOrLoad, InMemory, Local};
use crate::insert::{Insert, Inserted};
use crate::keys::is_beside;
use crate::loaded::IntoLoaded;
use crate::local::Hit;
use crate::matching::Keys;
use crate::options::Options;
use crate::remove::{Invalidated, Removed};
use crate::scope::Scope;
use crate::source::Source;
use crate::stats::Stats;
use crate::store::Store;
use crate::write_through::{WriteError, written};

/// A named cache of `V` by `K`. Cheap to clone; all clones share loads.
///
/// Do not wrap it in a lock: every method takes `&self`.
pub struct Cache<K, V> {
    pub(crate) store: Arc<Store<V>>,
    pub(crate) scope: Scope,
    pub(crate) source: Arc<Source<K, V>>,
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

    pub(crate) fn new(
        ns: &Namespace,
        name: String,
        stem: Stem,
        options: Options,
        source: Source<K, V>,
    ) -> Self {
        Cache {
            store: Arc::new(Store::new(ns, name, stem, options)),
            scope: Scope::default(),
            source: Arc::new(source),
        }
    }

    pub(crate) fn place<Q>(&self, key: &Q) -> Key
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        self.scope.key(&self.store.stem, key)
    }

    /// The cached value, or `None` if there is none that can be read. One `MGET`, which reads
    /// that wait at the same moment share; a second round trip where it has tags that are not known. A stale value is a miss.
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
        if let Some(hit) = self.look_local(key) {
            return Ok(hit.value);
        }
        self.store.read(&self.place(key)).await
    }

    /// A value in this process's memory; no allocation.
    #[inline]
    fn look_local<Q>(&self, key: &Q) -> Option<Hit<V>>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        self.store.local.as_ref()?;
        if let Some(part) = self.scope.as_part(key)
            && let Some(hit) = self.store.look_local(part)
        {
            return Some(hit);
        }
        let mut writer = KeyWriter::new();
        self.scope.write(&mut writer, key);
        self.store.look_local(writer.as_str())
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
        let (mut values, mut asked, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (at, key) in keys.into_iter().enumerate() {
            let hit = self.look_local(key);
            if hit.is_none() {
                asked.push(self.place(key));
                places.push(at);
            }
            values.push(hit.and_then(|hit| hit.value));
        }
        let looks = self.store.look_many(&asked).await?;
        for (at, look) in places.into_iter().zip(looks) {
            values[at] = look.fresh();
        }
        Ok(values)
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
            tags: self.scope.tags(),
            version: None,
        }
    }

    /// Writes a value to its source, and stores it: write-through. One `EVALSHA` before the writer, which removes the value, and one
    /// behind it.
    ///
    /// What is read afterwards is what the source has: where two write the same key at once, or one writes while another removes it,
    /// nobody knows whose value the source took last, and the cache has none ([`Inserted::Skipped`]). Those who load the key meanwhile
    /// wait for the writer. A process that dies in between leaves no value behind. While Redis is away the writer is called all the
    /// same, and the removal of what Redis has is queued.
    ///
    /// # Errors
    /// The writer's; then the cache has no value. Or, before the writer is called, what waiting does not heal.
    ///
    /// # Cancel safety
    /// A dropped call drops the writer; the cache has no value then.
    pub async fn write_through<Q, W, F, E>(
        &self,
        key: &Q,
        value: impl Into<Arc<V>>,
        writer: W,
    ) -> Result<Inserted, WriteError<E>>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
        W: FnOnce(Arc<V>) -> F,
        F: Future<Output = Result<(), E>>,
    {
        let (key, tags) = (self.place(key), self.scope.tags());
        check_tags(&self.store.name, self.store.control.is_some(), &tags)
            .map_err(|error| WriteError::Cache(error.into()))?;
        written(&self.store, &key, value.into(), Some(tags), writer).await
    }

    /// Stores many values for the cache's TTL; what became of each, in their order. One `EVALSHA` for each
    /// 32, at most 128 values on their way at once.
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
        let tags = self.scope.tags();
        check_tags(&self.store.name, self.store.control.is_some(), &tags)?;
        self.store.write_many(&values, &tags).await
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
        self.store.remove(&self.place(key)).await
    }

    /// Has versions of a value that are older than this count no more, in no process, nor be stored: version busting, for what is read
    /// from a source that lags behind. What is cached without a version goes too. Kept for as long as the cache's TTL. One `EVALSHA`.
    ///
    /// Values say their version when they are [inserted](crate::Insert::version) or [loaded](crate::Loaded::version). Those that do not
    /// are stored all the same.
    ///
    /// ```
    /// # use russet_cache::{Cache, Inserted, Redis};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let redis = Redis::connect(&russet_testkit::url()).await?;
    /// # let ns = redis.namespace("bust-doc")?;
    /// let config = Cache::<String, String>::builder(&ns, "config").build()?;
    /// config.insert("limits", "old".to_owned()).version(41).await?;
    /// config.bust("limits", 42).await?; // version 42 is in the database
    /// assert_eq!(config.get("limits").await?, None);
    /// // Of a replica that has not heard of it.
    /// assert_eq!(config.insert("limits", "old".to_owned()).version(41).await?, Inserted::Stale);
    /// assert_eq!(config.insert("limits", "new".to_owned()).version(42).await?, Inserted::Stored);
    /// assert_eq!(config.version("limits").await?, Some(42));
    /// # config.remove_matching("*", Default::default()).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`remove`](Cache::remove); while Redis is away it is [`Queued`](Removed::Queued) as a removal, without the version. And a
    /// version beyond 2^53 − 1, or a cache of plain JSON.
    ///
    /// # Cancel safety
    /// A dropped call may still bust it.
    pub async fn bust<Q>(&self, key: &Q, version: u64) -> Result<Removed, Error>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        self.store.bust(&self.place(key), version).await
    }

    /// Which version of its data a cached value is; `None` if it has none, there is no value, or Redis is away. One `EVALSHA`.
    ///
    /// # Errors
    /// As [`get`](Cache::get).
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn version<Q>(&self, key: &Q) -> Result<Option<u64>, Error>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        self.store.version(&self.place(key)).await
    }

    /// Whether there is a value that holds and is fresh. One `EVALSHA`; `false` while Redis is away.
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

    /// Has a value live this long from now on; `false` if there is none, or Redis is away. Two `EVALSHA`.
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

    /// How long a value is fresh yet; `None` if there is none, or Redis is away. One `EVALSHA`.
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
        self.store.fresh_for(&self.place(key)).await
    }

    /// The cached value, or what `load` brings. One `MGET`; after a miss one `EVALSHA` before the load and one behind it.
    ///
    /// Callers of the same key in all processes share one load: whoever misses first takes a lease, the others wait, and are
    /// woken when the value is there. The load runs in a task of its own, so that a caller who is dropped harms nobody, and for
    /// at most the load timeout; so long is another process's load waited for. While Redis is away every process loads for
    /// itself and stores nothing. What changes the value meanwhile (`insert`, `remove`, an invalidation) wins, in every process:
    /// those who called before have what the load brought, and it is not served to anybody else.
    ///
    /// A loader may answer `V`, an `Option<V>` or a [`Loaded`](crate::Loaded); with the latter two the call answers an `Option`, and that
    /// there is no such thing is cached too. What the call says of its load goes between it and the `await`:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use russet_cache::{Cache, LoadError};
    /// # async fn doc(users: Cache<u64, String>) -> Result<(), LoadError<std::io::Error>> {
    /// let name = users
    ///     .get_or_load(&7, |_cx| async { Ok("Alice".to_owned()) })
    ///     .ttl(Duration::from_mins(5))
    ///     .tag("org:3")
    ///     .await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The loader's error, a load that timed out or panicked, or what waiting does not heal.
    ///
    /// # Cancel safety
    /// Safe to drop; the load goes on for the others and for the cache.
    pub fn get_or_load<Q, L>(&self, key: &Q, load: L) -> GetOrLoad<'_, V, L>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        self.reading(self.look_in_memory(key), load)
    }

    /// A read that begins with what memory has.
    pub(crate) fn reading<L, H>(&self, memory: InMemory<V>, load: L) -> GetOrLoad<'_, V, L, H> {
        GetOrLoad::new(&self.store, &self.scope, memory, load)
    }

    pub(crate) fn look_in_memory<Q>(&self, key: &Q) -> InMemory<V>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        let freshness = &self.store.options.freshness;
        match self.look_local(key) {
            Some(hit) if hit.is_early(freshness) => InMemory::Early(self.place(key)),
            Some(hit) => match hit.value {
                Some(value) => InMemory::Value(value),
                None => InMemory::Missing(self.place(key)),
            },
            None => InMemory::Nothing(self.place(key)),
        }
    }

    /// As [`get_or_load`](Cache::get_or_load), for a loader that borrows: it runs in its caller's task.
    ///
    /// A stale value is loaded anew while this caller waits, and a soft timeout does nothing.
    ///
    /// # Errors
    /// As [`get_or_load`](Cache::get_or_load), but that a loader's panic is its caller's.
    ///
    /// # Cancel safety
    /// Safe to drop; the load ends, and one of those who wait for it begins theirs.
    pub fn get_or_load_local<Q, L>(&self, key: &Q, load: L) -> GetOrLoad<'_, V, L, Local>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        self.reading(self.look_in_memory(key), load)
    }

    /// The cached values of many keys, and what `load` brings for the rest, in the keys' order; `None` where it brings nothing.
    /// One `MGET`; for each key that is missing one `EVALSHA` before the load and one behind it.
    ///
    /// `load` answers pairs of a key and what a loader may answer: a `V`, an `Option<V>`, a [`Loaded`](crate::Loaded) with a TTL and tags
    /// of its own. For a key that it leaves out nothing is cached; that there is no such thing is cached where it says so.
    ///
    /// `load` gets the keys that are missing here, each once. It runs in a task of its own, for at most the load timeout, and not at
    /// all where nothing is missing. What it brings besides what it was asked for is left. Keys whose load is under way already,
    /// here or in another process, are loaded once more and not stored: what that brings may be from before an invalidation that
    /// this caller knows of, and nobody waits for the slowest of many.
    ///
    /// # Errors
    /// As [`get_or_load`](Cache::get_or_load); a failed load fails the call.
    ///
    /// # Cancel safety
    /// Safe to drop; the load goes on for the others and for the cache.
    pub async fn get_or_load_many<L, F, M, T, E>(
        &self,
        keys: &[K],
        load: L,
    ) -> Result<Vec<Option<Arc<V>>>, LoadError<E>>
    where
        K: Clone + Send + 'static,
        L: FnOnce(Vec<K>) -> F + Send + 'static,
        F: Future<Output = Result<M, E>> + Send + 'static,
        M: IntoIterator<Item = (K, T)> + Send + 'static,
        M::IntoIter: Send,
        T: IntoLoaded<V>,
        E: Send + Sync + 'static,
    {
        let has_head = self.store.control.is_some();
        check_tags(&self.store.name, has_head, &self.scope.tags())
            .map_err(|error| LoadError::Cache(error.into()))?;
        bulk(&self.store, &self.scope, keys, load).await
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
            scan: self.store.server.scan(self.glob(glob), pace)?,
            stem: self.store.stem.clone(),
            prefix: self.scope.prefix(),
            on_outage: self.store.options.on_outage,
            key: std::marker::PhantomData,
        })
    }

    /// Removes the values of the keys that match a glob; how many there were. A walk with `SCAN`, `UNLINK` of
    /// what it finds, and one `EVALSHA` before and one behind it.
    ///
    /// No load that is under way when it begins is stored, in whichever process, of whichever key: the walk could not see it.
    /// On a cluster without shards nothing that was stored before holds any more, as after [`clear`](Cache::clear).
    ///
    /// # Errors
    /// Any failure, also while Redis is away: then some values may be gone and others not.
    ///
    /// # Cancel safety
    /// A dropped call has removed some of the values.
    pub async fn remove_matching(&self, glob: &str, pace: Pace) -> Result<u64, Error> {
        let store = &self.store;
        let mut walk = store.server.scan(self.glob(glob), pace)?;
        store.flights.close_all();
        let pattern = self.scope.prefix() + glob;
        Box::pin(store.close_gate(&pattern)).await?;
        let mut removed = 0;
        while let Some(mut page) = Box::pin(walk.next_page()).await? {
            page.retain(|key| !is_beside(&store.stem, key));
            for key in &page {
                store.flights.close(key);
            }
            removed += Box::pin(store.unlink(&page)).await?;
            for key in &page {
                store.flights.close(key);
            }
        }
        // Again: what was read meanwhile may be kept in somebody's memory.
        Box::pin(store.close_gate(&pattern)).await?;
        Ok(removed)
    }

    fn glob(&self, glob: &str) -> String {
        let prefix = self.scope.prefix();
        self.store.stem.matching(&format!("{prefix}{glob}"))
    }

    /// Invalidates what was stored under a tag: no process reads it from Redis any more, whatever it has in flight. One `EVALSHA`,
    /// however many entries there are; with shards one for each of them, at once.
    ///
    /// # Errors
    /// What waiting does not heal, and, in a cache of plain JSON, that it has no tags. While Redis is away the invalidation is
    /// [`Queued`](Invalidated::Queued), in a strict cache an error; so it is where 65,536 changes are queued already.
    ///
    /// # Cancel safety
    /// A dropped call may still invalidate.
    pub async fn invalidate_tag<T: KeyPart + ?Sized>(&self, tag: &T) -> Result<Invalidated, Error> {
        Box::pin(self.store.invalidate(vec![part(tag)])).await
    }

    /// As [`invalidate_tag`](Cache::invalidate_tag), for several at once: one `EVALSHA` for each 500 tags.
    ///
    /// # Errors
    /// As [`invalidate_tag`](Cache::invalidate_tag); some of them may be invalid then and others not.
    ///
    /// # Cancel safety
    /// A dropped call may still invalidate.
    pub async fn invalidate_tags<T: KeyPart>(
        &self,
        tags: impl IntoIterator<Item = T>,
    ) -> Result<Invalidated, Error> {
        let tags = tags.into_iter().map(|tag| part(&tag)).collect();
        Box::pin(self.store.invalidate(tags)).await
    }

    /// Invalidates the whole cache, or the whole [scope](Cache::scope). One `EVALSHA`, however many entries there are; with shards one
    /// for each of them, at once.
    ///
    /// What was stored stands in Redis until its TTL ends, and is read no more; [`remove_matching`](Cache::remove_matching) frees
    /// it.
    ///
    /// # Errors
    /// As [`invalidate_tag`](Cache::invalidate_tag).
    ///
    /// # Cancel safety
    /// A dropped call may still clear.
    pub async fn clear(&self) -> Result<Invalidated, Error> {
        match self.scope.tag() {
            Some(tag) => Box::pin(self.store.invalidate(vec![tag.clone()])).await,
            None => Box::pin(self.store.clear()).await,
        }
    }

    /// A part of the cache with keys of its own, `<scope>:<key>`: of one workspace or one tenant, say. It shares everything
    /// else with the cache, and [`clear`](Cache::clear) clears it alone. A scope of a scope lies within it.
    #[must_use]
    pub fn scope(&self, name: impl Into<String>) -> Self {
        Cache {
            scope: self.scope.within(name.into()),
            ..self.clone()
        }
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
            scope: self.scope.clone(),
            source: self.source.clone(),
        }
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({})", self.store.stem.as_str())
    }
}
