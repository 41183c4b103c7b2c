//! Loading what is missing.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use russet_codec::Payload;
use russet_core::{Key, KeyPart};

use crate::error::LoadError;
use crate::flight::{Landing, Leader, Passenger, Seat};
use crate::stats::one_more;
use crate::store::Store;

/// The context of one load.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Cx {
    /// When the load will be stopped.
    pub deadline: Instant,
}

/// The leader's flight: look once more, load, store, tell everybody.
pub(crate) async fn lead<V, L, F, E>(store: Arc<Store<V>>, leader: Leader<V>, key: Key, load: L)
where
    V: Payload + Send + Sync + 'static,
    L: FnOnce(Cx) -> F,
    F: Future<Output = Result<V, E>>,
    E: Send + Sync + 'static,
{
    match store.read(&key).await {
        Ok(Some(value)) => return leader.land(Landing::Value(value)),
        Ok(None) => {}
        Err(error) => return leader.land(Landing::Cache(error)),
    }
    let timeout = store.options.load_timeout;
    let cx = Cx {
        deadline: Instant::now() + timeout,
    };
    // Counted as failed until it has not; a panic leaves it so.
    one_more(&store.counts.load_errors);
    let landing = match tokio::time::timeout(timeout, load(cx)).await {
        Ok(Ok(value)) => Landing::Value(Arc::new(value)),
        Ok(Err(error)) => Landing::Loader(Arc::new(error) as Arc<dyn Any + Send + Sync>),
        Err(_) => Landing::Timeout,
    };
    if let Landing::Value(value) = &landing {
        store.counts.loaded();
        if leader.is_current()
            && let Err(error) = store.write(&key, value, None).await
        {
            // The callers have their value; that it could not be kept is for the log.
            tracing::warn!(target: "russet::cache", cache = %store.name, %error, "a loaded value was not stored");
        }
    }
    leader.land(landing);
}

/// One load for all keys that are missing and that nobody loads already.
pub(crate) async fn bulk<K, V, L, F, M, E>(
    store: &Arc<Store<V>>,
    keys: &[K],
    load: L,
) -> Result<Vec<Option<Arc<V>>>, LoadError<E>>
where
    K: KeyPart + Clone + Send + 'static,
    V: Payload + Send + Sync + 'static,
    L: FnOnce(Vec<K>) -> F + Send + 'static,
    F: Future<Output = Result<M, E>> + Send + 'static,
    M: IntoIterator<Item = (K, V)> + Send + 'static,
    M::IntoIter: Send,
    E: Send + Sync + 'static,
{
    let places: Vec<Key> = keys.iter().map(|key| store.stem.key(key)).collect();
    let mut values = store
        .read_many(places.clone())
        .await
        .map_err(LoadError::Cache)?;
    let mut ours: Vec<(K, Leader<V>)> = Vec::new();
    let mut waiting: Vec<(usize, Passenger<V>)> = Vec::new();
    for (at, value) in values.iter().enumerate() {
        if value.is_none() {
            let passenger = match store.flights.board(&places[at]) {
                Seat::Passenger(passenger) => passenger,
                Seat::Leader(leader, passenger) => {
                    ours.push((keys[at].clone(), leader));
                    passenger
                }
            };
            waiting.push((at, passenger));
        }
    }
    if !ours.is_empty() {
        tokio::spawn(lead_many(store.clone(), ours, load));
    }
    for (at, passenger) in waiting {
        values[at] = match passenger.landing().await {
            Landing::Value(value) => Some(value),
            Landing::Absent => None,
            Landing::Timeout => return Err(LoadError::Timeout),
            Landing::Panicked => return Err(LoadError::Panicked),
            Landing::Cache(error) => return Err(LoadError::Cache(error)),
            Landing::Loader(error) => match error.downcast() {
                Ok(error) => return Err(LoadError::Loader(error)),
                // Another call site's load, whose error is of another type: this key has no value here.
                Err(_) => None,
            },
        };
    }
    Ok(values)
}

async fn lead_many<K, V, L, F, M, E>(store: Arc<Store<V>>, ours: Vec<(K, Leader<V>)>, load: L)
where
    K: KeyPart,
    V: Payload + Send + Sync + 'static,
    L: FnOnce(Vec<K>) -> F,
    F: Future<Output = Result<M, E>>,
    M: IntoIterator<Item = (K, V)>,
    E: Send + Sync + 'static,
{
    let (keys, leaders): (Vec<K>, Vec<Leader<V>>) = ours.into_iter().unzip();
    one_more(&store.counts.load_errors);
    let landing = match tokio::time::timeout(store.options.load_timeout, load(keys)).await {
        Ok(Ok(loaded)) => {
            store.counts.loaded();
            let loaded = loaded.into_iter();
            let mut loaded: HashMap<Key, Arc<V>> = loaded
                .map(|(key, value)| (store.stem.key(&key), Arc::new(value)))
                .collect();
            let current = leaders.iter().filter(|leader| leader.is_current());
            let values: Vec<(Key, Arc<V>)> = current
                .filter_map(|leader| {
                    Some((leader.key().clone(), loaded.get(leader.key())?.clone()))
                })
                .collect();
            if let Err(error) = store.write_many(&values, None).await {
                tracing::warn!(target: "russet::cache", cache = %store.name, %error, "loaded values were not stored");
            }
            for leader in leaders {
                let value = loaded.remove(leader.key());
                leader.land(value.map_or(Landing::Absent, Landing::Value));
            }
            return;
        }
        Ok(Err(error)) => Landing::Loader(Arc::new(error) as Arc<dyn Any + Send + Sync>),
        Err(_) => Landing::Timeout,
    };
    for leader in leaders {
        leader.land(landing.clone());
    }
}
