//! Storing a value.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use russet_codec::Payload;
use russet_core::{Error, Key, KeyPart, part};

use crate::builder::{check_tags, check_ttl};
use crate::store::Store;
use crate::wire::Terms;

/// What became of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inserted {
    /// Redis holds the value.
    Stored,
    /// A newer [version](Insert::version) is cached, or was busted, or somebody has changed the value meanwhile; it is not stored.
    Stale,
    /// Redis is away, or has no room for it; nothing is stored, as far as is known.
    Skipped,
}

/// An insert that is yet to be awaited; made by [`Cache::insert`](crate::Cache::insert).
#[must_use = "an insert does nothing until it is awaited"]
pub struct Insert<'c, V> {
    pub(crate) store: &'c Arc<Store<V>>,
    pub(crate) key: Key,
    pub(crate) value: Arc<V>,
    pub(crate) ttl: Option<Duration>,
    pub(crate) tags: Vec<String>,
    pub(crate) version: Option<u64>,
}

impl<V> Insert<'_, V> {
    /// Stores it for this long instead of the cache's TTL, before jitter: between 1 ms and 10 years, as it is (no profile's
    /// factor).
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Stores it under a tag, for [`invalidate_tag`](crate::Cache::invalidate_tag).
    pub fn tag<T: KeyPart + ?Sized>(mut self, tag: &T) -> Self {
        self.tags.push(part(tag));
        self
    }

    /// Says which version of its data it is, of a row or a document: 0 to 2^53 − 1. It is stored unless a newer one is cached, or it was
    /// [busted](crate::Cache::bust). Two `EVALSHA` then, in a row.
    pub fn version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    /// Stores it under these tags.
    pub fn tags<T: KeyPart>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags.extend(tags.into_iter().map(|tag| part(&tag)));
        self
    }
}

impl<'c, V> IntoFuture for Insert<'c, V>
where
    V: Payload + Send + Sync + 'static,
{
    type Output = Result<Inserted, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'c>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            if let Some(ttl) = self.ttl {
                check_ttl("ttl", &self.store.name, ttl)?;
            }
            let store = self.store;
            check_tags(&store.name, store.control.is_some(), &self.tags)?;
            store.flights.close(&self.key);
            if self.version.is_some() {
                store.check_version(self.version)?;
                let terms = Terms {
                    version: self.version,
                    ..store.terms(self.ttl.unwrap_or(store.options.ttl), self.tags)
                };
                let written = store.write_version(&self.key, &self.value, &terms).await;
                store.flights.close(&self.key);
                return written;
            }
            store
                .write(&self.key, &self.value, self.ttl, self.tags)
                .await
        })
    }
}

impl<V> std::fmt::Debug for Insert<'_, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Insert({})", self.key)
    }
}
