//! A cache that reads and writes its source itself.

use std::borrow::Borrow;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use russet_codec::Payload;
use russet_core::{BuildError, BuildErrorKind, Error, KeyPart};

use crate::builder::check_tags;
use crate::bulk::bulk;
use crate::cache::Cache;
use crate::error::LoadError;
use crate::get_or_load::{GetOrLoad, InMemory};
use crate::load::Cx;
use crate::pattern::Pattern;
use crate::scope::Scopes;
use crate::source::{LoadingOne, SourceError};
use crate::write_through::{WriteError, written};

/// How many loads of single keys one call has under way.
pub(crate) const LOADS: usize = 16;

impl<K, V> Cache<K, V>
where
    K: KeyPart,
    V: Payload + Send + Sync + 'static,
{
    /// The cached value, or what the [loader](crate::Builder::loader) of the cache's builder brings; `None` if it says that there is
    /// none. As [`get_or_load`](Cache::get_or_load) otherwise.
    ///
    /// # Errors
    /// As [`get_or_load`](Cache::get_or_load); and that the builder was given no loader.
    ///
    /// # Cancel safety
    /// Safe to drop; the load goes on for the others and for the cache.
    pub fn load<Q>(
        &self,
        key: &Q,
    ) -> GetOrLoad<'_, V, impl FnOnce(Cx<V>) -> LoadingOne<V> + Send + 'static + use<K, V, Q>>
    where
        K: Borrow<Q> + Send + 'static,
        Q: KeyPart + ToOwned<Owned = K> + ?Sized,
    {
        if self.source.load.is_none() {
            return self.reading(
                InMemory::Refused(self.lacks("loader")),
                self.loader_of(None),
            );
        }
        let memory = self.look_in_memory(key);
        // Who asks for what is in memory does not pay for a key of the loader's own.
        let owned = (!matches!(memory, InMemory::Value(_))).then(|| key.to_owned());
        self.reading(memory, self.loader_of(owned))
    }

    /// What the [loader](crate::Builder::loader) of the cache's builder brings now, whatever is cached. Others are served what is
    /// cached until that is replaced; if the load fails, it stays. One `MGET`, one `EVALSHA` before the load and one behind it.
    ///
    /// What others load at the moment is left to them and not stored. Each call is a load of its own, and takes the lease from the
    /// one before: of many at once the last one is stored. Neither a soft timeout nor a stale value stands in for it.
    ///
    /// # Errors
    /// As [`load`](Cache::load).
    ///
    /// # Cancel safety
    /// Safe to drop; the load goes on.
    pub fn refresh<Q>(
        &self,
        key: &Q,
    ) -> GetOrLoad<'_, V, impl FnOnce(Cx<V>) -> LoadingOne<V> + Send + 'static + use<K, V, Q>>
    where
        K: Borrow<Q> + Send + 'static,
        Q: KeyPart + ToOwned<Owned = K> + ?Sized,
    {
        let memory = match self.source.load {
            Some(_) => InMemory::Ignored(self.place(key)),
            None => InMemory::Refused(self.lacks("loader")),
        };
        self.reading(memory, self.loader_of(Some(key.to_owned())))
    }

    /// As [`refresh`](Cache::refresh), by this loader: [`get_or_load`](Cache::get_or_load) that asks the source whatever is cached.
    ///
    /// # Errors
    /// As [`get_or_load`](Cache::get_or_load).
    ///
    /// # Cancel safety
    /// Safe to drop; the load goes on.
    pub fn refresh_with<Q, L>(&self, key: &Q, load: L) -> GetOrLoad<'_, V, L>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        self.reading(InMemory::Ignored(self.place(key)), load)
    }

    /// [`load`](Cache::load) of many keys, in their order. One `MGET`; then, for what is missing, the
    /// [loader of many](crate::Builder::bulk_loader), as in [`get_or_load_many`](Cache::get_or_load_many); where the builder was given
    /// none, the loader of one, for 16 keys at once.
    ///
    /// # Errors
    /// As [`load`](Cache::load); a failed load fails the call.
    ///
    /// # Cancel safety
    /// Safe to drop; loads that have begun go on.
    pub async fn load_many(&self, keys: &[K]) -> Result<Vec<Option<Arc<V>>>, LoadError<SourceError>>
    where
        K: Clone + Send + Sync + 'static,
    {
        if let Some(load_many) = &self.source.load_many {
            let has_head = self.store.control.is_some();
            check_tags(&self.store.name, has_head, &self.scope.tags())
                .map_err(|error| LoadError::Cache(error.into()))?;
            let load_many = load_many.clone();
            let cx = Cx::of(&self.store.options, &self.scope);
            let load = move |missing| load_many(missing, cx);
            return bulk(&self.store, &self.scope, keys, load).await;
        }
        let cached = self.get_many(keys).await.map_err(LoadError::Cache)?;
        // Their own keys: a future that lends some of a slice is not known to be `Send`.
        let asked = cached.into_iter().zip(keys.to_vec());
        let values = asked.map(|(value, key)| async move {
            match value {
                Some(value) => Ok(Some(value)),
                None => self.load(&key).await,
            }
        });
        stream::iter(values).buffered(LOADS).try_collect().await
    }

    /// The loader of the builder, for one key.
    fn loader_of(
        &self,
        key: Option<K>,
    ) -> impl FnOnce(Cx<V>) -> LoadingOne<V> + Send + 'static + use<K, V>
    where
        K: Send + 'static,
    {
        let load = key.and_then(|key| Some((self.source.load.clone()?, key)));
        move |cx| match load {
            Some((load, key)) => load(key, cx),
            // Nobody calls it then.
            None => Box::pin(std::future::ready(Err(SourceError::new("no loader")))),
        }
    }

    pub(crate) fn lacks(&self, what: &str) -> Error {
        let name = &self.store.name;
        let message = format!(
            "cache {name:?} was built without a {what}; give its builder one, by `.{what}(..)`"
        );
        BuildError::new(BuildErrorKind::Conflict, message).into()
    }

    /// Writes a value to its source by the [writer](crate::Builder::writer) of the cache's builder. Under
    /// [`Pattern::WriteThrough`] the value is cached then, as by [`write_through`](Cache::write_through); under the others there is
    /// none.
    ///
    /// # Errors
    /// As [`write_through`](Cache::write_through); and that the builder was given no writer.
    ///
    /// # Cancel safety
    /// A dropped call drops the writer; the cache has no value then.
    pub async fn write<Q>(
        &self,
        key: &Q,
        value: impl Into<Arc<V>>,
    ) -> Result<(), WriteError<SourceError>>
    where
        K: Borrow<Q>,
        Q: KeyPart + ToOwned<Owned = K> + ?Sized,
    {
        let Some(write) = &self.source.write else {
            return Err(WriteError::Cache(self.lacks("writer")));
        };
        let write = |value| write(key.to_owned(), value, Scopes(self.scope.clone()));
        let keeps = self.store.options.pattern == Pattern::WriteThrough;
        let (key, tags) = (self.place(key), self.scope.tags());
        check_tags(&self.store.name, self.store.control.is_some(), &tags)
            .map_err(|error| WriteError::Cache(error.into()))?;
        written(
            &self.store,
            &key,
            value.into(),
            keeps.then_some(tags),
            write,
        )
        .await?;
        Ok(())
    }
}
