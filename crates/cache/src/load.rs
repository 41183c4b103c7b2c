//! Loading what is missing.

use std::any::Any;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::{Either, join_all, select};
use russet_codec::Payload;
use russet_core::{Bytes, Key, KeyPart};

use crate::error::LoadError;
use crate::flight::{Landing, Leader, Passenger, Seat};
use crate::lease::Lease;
use crate::stats::one_more;
use crate::store::{Leased, Look, Store};

/// The context of one load.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Cx {
    /// When the load will be stopped.
    pub deadline: Instant,
}

/// The leader's flight: look once more, take the lease or wait for who has it, load, store, tell everybody.
pub(crate) async fn lead<V, L, F, E>(store: Arc<Store<V>>, leader: Leader<V>, key: Key, load: L)
where
    V: Payload + Send + Sync + 'static,
    L: FnOnce(Cx) -> F,
    F: Future<Output = Result<V, E>>,
    E: Send + Sync + 'static,
{
    let timeout = store.options.load_timeout;
    let unreadable = match store.look(&key).await {
        Ok(Look::Value(value)) => return leader.land(Landing::Value(value)),
        Ok(Look::Nothing(unreadable)) => unreadable,
        Err(error) => return leader.land(Landing::Cache(error)),
    };
    let lease = match store
        .lease(&key, unreadable, Instant::now() + timeout)
        .await
    {
        Ok(Leased::Ours(lease)) => Some(Held::new(&store, lease)),
        Ok(Leased::Value(value)) => return leader.land(Landing::Value(value)),
        Ok(Leased::TooLate) => return leader.land(Landing::Timeout),
        Ok(Leased::Away) => None,
        Err(error) => return leader.land(Landing::Cache(error)),
    };
    let cx = Cx {
        deadline: Instant::now() + timeout,
    };
    // Counted as failed until it has not; a panic leaves it so.
    one_more(&store.counts.load_errors);
    let loading = tokio::time::timeout(timeout, load(cx));
    let loaded = renewed(&store, lease.iter().collect(), loading).await;
    let landing = match loaded {
        Ok(Ok(value)) => Landing::Value(Arc::new(value)),
        Ok(Err(error)) => Landing::Loader(Arc::new(error) as Arc<dyn Any + Send + Sync>),
        Err(_) => Landing::Timeout,
    };
    let Landing::Value(value) = &landing else {
        // Others are let go on before our own callers are told.
        if let Some(lease) = lease {
            lease.release().await;
        }
        return leader.land(landing);
    };
    store.counts.loaded();
    if let Some(lease) = lease {
        if leader.is_current() {
            lease.fill(&key, value).await;
        } else {
            lease.release().await;
        }
    }
    leader.land(landing);
}

/// Renews leases while something runs. One that is gone is not taken again: what ended it is newer than the load.
async fn renewed<V: Payload + Send + Sync + 'static, T>(
    store: &Store<V>,
    leases: Vec<&Held<V>>,
    running: impl Future<Output = T>,
) -> T {
    let renewal = async {
        loop {
            tokio::time::sleep(store.leases.renewal()).await;
            for lease in leases.iter().filter_map(|held| held.lease.as_ref()) {
                // One that could not be asked for now is asked for again, until the lease has ended by itself.
                let _ = store.leases.renew(lease).await;
            }
        }
    };
    let (running, renewal) = (pin!(running), pin!(renewal));
    match select(running, renewal).await {
        Either::Left((done, _)) => done,
        // It never ends.
        Either::Right((never, _)) => never,
    }
}

/// A lease that is given back whatever happens to its holder, but for the end of the process.
struct Held<V: Payload + Send + Sync + 'static> {
    store: Arc<Store<V>>,
    lease: Option<Lease>,
}

impl<V: Payload + Send + Sync + 'static> Held<V> {
    fn new(store: &Arc<Store<V>>, lease: Lease) -> Self {
        Held {
            store: store.clone(),
            lease: Some(lease),
        }
    }

    async fn fill(mut self, key: &Key, value: &V) {
        let Some(lease) = self.lease.take() else {
            return;
        };
        if let Err(error) = self.store.fill(&lease, key, value).await {
            // The callers have their value; that it could not be kept is for the log.
            tracing::warn!(target: "russet::cache", cache = %self.store.name, %error, "a loaded value was not stored");
            self.store.leases.release(&lease).await;
        }
    }

    async fn release(mut self) {
        if let Some(lease) = self.lease.take() {
            self.store.leases.release(&lease).await;
        }
    }
}

impl<V: Payload + Send + Sync + 'static> Drop for Held<V> {
    fn drop(&mut self) {
        // The loader panicked, or its runtime ends.
        if let Some(lease) = self.lease.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let store = self.store.clone();
            runtime.spawn(async move { store.leases.release(&lease).await });
        }
    }
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
    let mut missing: Vec<(K, Leader<V>, Option<Held<V>>)> = Vec::new();
    for (key, leader) in ours {
        // What somebody else loads at the moment is loaded here too, and left to them to store: nobody waits for the slowest
        // of many.
        match store
            .lease(leader.key(), Bytes::new(), Instant::now())
            .await
        {
            Ok(Leased::Value(value)) => leader.land(Landing::Value(value)),
            Ok(Leased::Ours(lease)) => missing.push((key, leader, Some(Held::new(&store, lease)))),
            Ok(Leased::Away | Leased::TooLate) => missing.push((key, leader, None)),
            Err(error) => leader.land(Landing::Cache(error)),
        }
    }
    if missing.is_empty() {
        return;
    }
    let (keys, leaders): (Vec<K>, Vec<_>) = missing
        .into_iter()
        .map(|(key, leader, lease)| (key, (leader, lease)))
        .unzip();
    one_more(&store.counts.load_errors);
    let loading = tokio::time::timeout(store.options.load_timeout, load(keys));
    let leases = leaders.iter().filter_map(|(_, lease)| lease.as_ref());
    let landing = match renewed(&store, leases.collect(), loading).await {
        Ok(Ok(loaded)) => {
            store.counts.loaded();
            let loaded = loaded.into_iter();
            let mut loaded: HashMap<Key, Arc<V>> = loaded
                .map(|(key, value)| (store.stem.key(&key), Arc::new(value)))
                .collect();
            let landed = leaders.into_iter().map(|(leader, lease)| {
                let value = loaded.remove(leader.key());
                async move {
                    match (lease, &value) {
                        (Some(lease), Some(value)) if leader.is_current() => {
                            lease.fill(leader.key(), value).await;
                        }
                        (Some(lease), _) => lease.release().await,
                        (None, _) => {}
                    }
                    leader.land(value.map_or(Landing::Absent, Landing::Value));
                }
            });
            join_all(landed).await;
            return;
        }
        Ok(Err(error)) => Landing::Loader(Arc::new(error) as Arc<dyn Any + Send + Sync>),
        Err(_) => Landing::Timeout,
    };
    for (leader, lease) in leaders {
        if let Some(lease) = lease {
            lease.release().await;
        }
        leader.land(landing.clone());
    }
}
