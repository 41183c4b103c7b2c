//! Writing to the source and to the cache.

use std::fmt;
use std::sync::Arc;

use russet_codec::Payload;
use russet_core::{Error, Key};

use crate::insert::Inserted;
use crate::load::{Held, renewed};
use crate::store::Store;
use crate::write::Filled;

/// Why [`write_through`](crate::Cache::write_through) has not written.
#[derive(Debug)]
#[non_exhaustive]
pub enum WriteError<E> {
    /// The writer failed. The cache has no value then.
    Writer(E),
    /// The cache failed before the writer was called, which it was not; only under [`OnOutage::Error`](crate::OnOutage::Error), or
    /// for a fault that waiting does not heal.
    Cache(Error),
}

impl<E: fmt::Display> fmt::Display for WriteError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Writer(error) => write!(f, "the writer failed: {error}"),
            WriteError::Cache(error) => {
                write!(f, "the cache failed, and nothing was written: {error}")
            }
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for WriteError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            WriteError::Writer(error) => Some(error),
            WriteError::Cache(error) => Some(error),
        }
    }
}

/// Removes the value and takes its lease, writes, and, where it is to be cached, stores it under the lease and these tags; where
/// somebody else has written or removed meanwhile, nobody knows whose value the source has, and the cache has none.
pub(crate) async fn written<V, F, E>(
    store: &Arc<Store<V>>,
    key: &Key,
    value: Arc<V>,
    cached_under: Option<Vec<String>>,
    write: impl FnOnce(Arc<V>) -> F,
) -> Result<Inserted, WriteError<E>>
where
    V: Payload + Send + Sync + 'static,
    F: Future<Output = Result<(), E>>,
{
    store.flights.close(key);
    let lease = match store.claim(key, false).await {
        Ok(lease) => Some(Held::new(store, lease)),
        // What is in Redis is of before, whenever it is back.
        Err(error) if store.options.on_outage.hides(&error) => {
            store.remove(key).await.map_err(WriteError::Cache)?;
            None
        }
        Err(error) => return Err(WriteError::Cache(error)),
    };
    store.changed(key);
    let written = renewed(store, lease.iter().collect(), write(value.clone())).await;
    store.flights.close(key);
    // Whether nobody can have cached what the source had before.
    let is_kept_out = match (lease, cached_under) {
        (Some(lease), Some(tags)) if written.is_ok() => {
            let terms = store.terms(store.options.ttl, tags);
            match lease.fill(key, Some(&value), &terms).await {
                Filled::Holds => return Ok(Inserted::Stored),
                Filled::NoRoom => true,
                Filled::Unknown | Filled::Fails => false,
            }
        }
        (Some(lease), _) => lease.release().await,
        (None, _) => false,
    };
    // Where not even this can be told, it is queued.
    if !is_kept_out && let Err(error) = store.remove(key).await {
        tracing::warn!(target: "russet::cache", cache = %store.name, %error, "a value that was written is not removed from the cache");
    }
    written.map_err(WriteError::Writer)?;
    Ok(Inserted::Skipped)
}
