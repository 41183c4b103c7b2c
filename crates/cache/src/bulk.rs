//! Loading many at once.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use russet_codec::Payload;
use russet_core::{Bytes, Key, KeyPart};

use crate::error::LoadError;
use crate::flight::{Boarded, Landing, Leader, Passenger, Seat};
use crate::freshness::Age;
use crate::leased::Leased;
use crate::load::{Held, Wish, renewed, settle};
use crate::loaded::{IntoLoaded, Loaded};
use crate::look::Look;
use crate::scope::Scope;
use crate::stats::one_more;
use crate::store::{PIPELINE, Store};

/// One load for all keys that are missing and that nobody loads already.
pub(crate) async fn bulk<K, V, L, F, M, T, E>(
    store: &Arc<Store<V>>,
    scope: &Scope,
    keys: &[K],
    load: L,
) -> Result<Vec<Option<Arc<V>>>, LoadError<E>>
where
    K: KeyPart + Clone + Send + 'static,
    V: Payload + Send + Sync + 'static,
    L: FnOnce(Vec<K>) -> F + Send + 'static,
    F: Future<Output = Result<M, E>> + Send + 'static,
    M: IntoIterator<Item = (K, T)> + Send + 'static,
    M::IntoIter: Send,
    T: IntoLoaded<V>,
    E: Send + Sync + 'static,
{
    let places: Vec<Key> = keys.iter().map(|key| scope.key(&store.stem, key)).collect();
    let looks = store.look_many(&places).await.map_err(LoadError::Cache)?;
    let mut values = vec![None; keys.len()];
    let mut ours: Vec<Missing<K, V>> = Vec::new();
    let mut waiting: Vec<(usize, Passenger<V>)> = Vec::new();
    for (at, look) in looks.into_iter().enumerate() {
        let (key, place) = (&keys[at], &places[at]);
        let seen = match look {
            Look::Found(found) => {
                if matches!(found.age, Age::Fresh | Age::Revalidated) {
                    let refreshes = found.age == Age::Revalidated || found.is_early;
                    if refreshes && let Some(leader) = store.flights.lead(place) {
                        one_more(&store.counts.refreshes);
                        ours.push(Missing::new(key, leader, found.begins()));
                    }
                    store.count_stale(found.age);
                    values[at] = found.value;
                    continue;
                }
                found.begins()
            }
            Look::Nothing(seen) => seen,
        };
        let (leader, passenger) = match store.flights.board(place) {
            // What is under way may be from before an invalidation that this caller knows of.
            Seat::Passenger(passenger) if passenger.boarded > Boarded::First => {
                let (leader, passenger) = store.flights.charter(place);
                (Some(leader), passenger)
            }
            Seat::Passenger(passenger) => (None, passenger),
            Seat::Leader(leader, passenger) => (Some(leader), passenger),
        };
        if let Some(leader) = leader {
            ours.push(Missing::new(key, leader, seen));
        }
        waiting.push((at, passenger));
    }
    if !ours.is_empty() {
        tokio::spawn(lead_many(store.clone(), scope.clone(), ours, load));
    }
    for (at, mut passenger) in waiting {
        let failed = match passenger.landing().await {
            Landing::Value(value, _) => {
                values[at] = value;
                continue;
            }
            // It did not bring this one; or another call site's load failed, whose error is of another type: this key has no
            // value here.
            landing => match landing.into_error() {
                Some(failed) => failed,
                None => continue,
            },
        };
        match store.fallback(&places[at]).await {
            Some(found) => values[at] = found.value,
            None => return Err(failed),
        }
    }
    Ok(values)
}

/// A key that is to be loaded.
pub(crate) struct Missing<K, V> {
    key: K,
    leader: Leader<V>,
    seen: Bytes,
}

impl<K: Clone, V> Missing<K, V> {
    pub(crate) fn new(key: &K, leader: Leader<V>, seen: Bytes) -> Self {
        Missing {
            key: key.clone(),
            leader,
            seen,
        }
    }
}

pub(crate) async fn lead_many<K, V, L, F, M, T, E>(
    store: Arc<Store<V>>,
    scope: Scope,
    ours: Vec<Missing<K, V>>,
    load: L,
) where
    K: KeyPart,
    V: Payload + Send + Sync + 'static,
    L: FnOnce(Vec<K>) -> F,
    F: Future<Output = Result<M, E>>,
    M: IntoIterator<Item = (K, T)>,
    T: IntoLoaded<V>,
    E: Send + Sync + 'static,
{
    let (mut keys, mut leaders) = (Vec::new(), Vec::new());
    for some in chunks(ours) {
        let leased = join_all(some.iter().map(|missing| {
            missing.leader.reaches(Boarded::Asking);
            // What somebody else loads at the moment is loaded here too, and left to them to store: nobody waits for the
            // slowest of many.
            store.lease(
                missing.leader.key(),
                missing.seen.clone(),
                true,
                Instant::now(),
            )
        }));
        let leased = leased.await;
        for (missing, leased) in some.into_iter().zip(leased) {
            let lease = match leased {
                Ok(Leased::Value(value)) => {
                    missing.leader.land(Landing::Value(value, Boarded::First));
                    continue;
                }
                Ok(Leased::Ours(lease)) => Some(Held::new(&store, lease)),
                Ok(Leased::Away | Leased::TooLate) => None,
                Err(error) => {
                    missing.leader.land(Landing::Cache(error));
                    continue;
                }
            };
            missing.leader.reaches(Boarded::Loading);
            keys.push(missing.key);
            leaders.push((missing.leader, lease));
        }
    }
    if leaders.is_empty() {
        return;
    }
    one_more(&store.counts.load_errors);
    let began = Instant::now();
    let loading = tokio::time::timeout(store.options.load_timeout, load(keys));
    let leases = leaders.iter().filter_map(|(_, lease)| lease.as_ref());
    let landing = match renewed(&store, leases.collect(), loading).await {
        Ok(Ok(loaded)) => {
            store.counts.loaded();
            let took = began.elapsed();
            let loaded = loaded.into_iter();
            let mut loaded: HashMap<Key, Loaded<V>> = loaded
                .map(|(key, brought)| (scope.key(&store.stem, &key), brought.into_loaded()))
                .collect();
            let landed = leaders.into_iter().map(|(leader, lease)| {
                let loaded = loaded.remove(leader.key());
                land(&store, &scope, leader, lease, loaded, took)
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

/// What becomes of one key of a load of many.
async fn land<V: Payload + Send + Sync + 'static>(
    store: &Store<V>,
    scope: &Scope,
    leader: Leader<V>,
    lease: Option<Held<V>>,
    loaded: Option<Loaded<V>>,
    load_took: Duration,
) {
    let landing = match loaded {
        Some(loaded) => {
            let mut wish = Wish::of(&store.options, scope);
            wish.tags = scope.tags();
            let settled = settle(store, &leader, lease, None, wish, load_took, loaded);
            settled.await.unwrap_or_else(Landing::Cache)
        }
        None => {
            if let Some(lease) = lease {
                lease.release().await;
            }
            Landing::Absent
        }
    };
    leader.land(landing);
}

/// So many at a time ask for their leases.
fn chunks<T>(all: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    let mut all = all.into_iter();
    std::iter::from_fn(move || {
        let some: Vec<T> = all.by_ref().take(PIPELINE).collect();
        (!some.is_empty()).then_some(some)
    })
}
