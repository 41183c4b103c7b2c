//! Storing a value.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use russet_codec::Payload;
use russet_core::{Error, Key};

use crate::builder::check_ttl;
use crate::store::Store;

/// What became of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inserted {
    /// Redis holds the value.
    Stored,
    /// Redis is away; nothing is stored, as far as is known.
    Skipped,
}

/// An insert that is yet to be awaited; made by [`Cache::insert`](crate::Cache::insert).
#[must_use = "an insert does nothing until it is awaited"]
pub struct Insert<'c, V> {
    pub(crate) store: &'c Store<V>,
    pub(crate) key: Key,
    pub(crate) value: Arc<V>,
    pub(crate) ttl: Option<Duration>,
}

impl<V> Insert<'_, V> {
    /// Stores it for this long instead of the cache's TTL: between 1 ms and 10 years, as it is (no profile's factor).
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
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
            self.store.flights.close(&self.key);
            self.store.write(&self.key, &self.value, self.ttl).await
        })
    }
}

impl<V> std::fmt::Debug for Insert<'_, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Insert({})", self.key)
    }
}
