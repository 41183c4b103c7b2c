//! Loading many at once.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use russet_codec::Payload;
use russet_core::{Key, KeyPart};

use crate::error::LoadError;
use crate::flight::{Boarded, Landing, Leader, Passenger, Seat};
use crate::freshness::Age;
use crate::leased::Leased;
use crate::load::{Before, Held, Wish, renewed, settle};
use crate::loaded::{IntoLoaded, Loaded};
use crate::look::{Found, Look};
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
    // Each once, with the places in which it was asked for.
    let mut asked: HashMap<Key, Vec<usize>> = HashMap::new();
    let mut places: Vec<Key> = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        let place = scope.key(&store.stem, key);
        asked
            .entry(place.clone())
            .or_insert_with(|| {
                places.push(place);
                Vec::new()
            })
            .push(at);
    }
    let looks = store.look_many(&places).await.map_err(LoadError::Cache)?;
    let mut values = vec![None; keys.len()];
    let mut ours: Vec<Missing<K, V>> = Vec::new();
    let mut waiting: Vec<(Key, Passenger<V>)> = Vec::new();
    for (look, place) in looks.into_iter().zip(places) {
        let at = asked.get(&place).map_or(&[][..], Vec::as_slice);
        let Some(key) = at.first().and_then(|at| keys.get(*at)) else {
            continue;
        };
        let before = match look {
            Look::Found(found) => {
                if matches!(found.age, Age::Fresh | Age::Revalidated) {
                    at.iter().for_each(|at| values[*at] = found.value.clone());
                    store.count_stale(found.age);
                    let refreshes = found.age == Age::Revalidated || found.is_early;
                    if refreshes && let Some(leader) = store.flights.lead(&place) {
                        one_more(&store.counts.refreshes);
                        ours.push(Missing::new(key, leader, Before::found(found)));
                    }
                    continue;
                }
                Before::found(found)
            }
            Look::Nothing(seen) => Before::found(Found::nothing(seen)),
        };
        let (leader, passenger) = match store.flights.board(&place) {
            // What somebody else loads may fail in their own way, or be from before an invalidation that this caller knows of.
            Seat::Passenger(_) => store.flights.charter(&place),
            Seat::Leader(leader, passenger) => (leader, passenger),
        };
        ours.push(Missing::new(key, leader, before));
        waiting.push((place, passenger));
    }
    if !ours.is_empty() {
        tokio::spawn(lead_many(
            store.clone(),
            scope.clone(),
            ours,
            load,
            Others::LoadToo,
        ));
    }
    for (place, mut passenger) in waiting {
        let value = match passenger.landing().await {
            Landing::Value(value, _) => value,
            landing => match landing.into_error() {
                Some(failed) => store.fallback(&place).await.ok_or(failed)?.value,
                // It did not bring this one.
                None => continue,
            },
        };
        for at in asked.get(&place).into_iter().flatten() {
            values[*at] = value.clone();
        }
    }
    Ok(values)
}

/// What is done about keys that somebody else loads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// They are loaded here too, and left to them to store: nobody waits for the slowest of many.
    LoadToo,
    /// They are left to them.
    Suffice,
}

/// A key that is to be loaded.
pub(crate) struct Missing<K, V> {
    key: K,
    leader: Leader<V>,
    before: Before<V>,
}

impl<K: Clone, V> Missing<K, V> {
    pub(crate) fn new(key: &K, leader: Leader<V>, before: Before<V>) -> Self {
        Missing {
            key: key.clone(),
            leader,
            before,
        }
    }
}

pub(crate) async fn lead_many<K, V, L, F, M, T, E>(
    store: Arc<Store<V>>,
    scope: Scope,
    ours: Vec<Missing<K, V>>,
    load: L,
    others: Others,
) where
    K: KeyPart,
    V: Payload + Send + Sync + 'static,
    L: FnOnce(Vec<K>) -> F,
    F: Future<Output = Result<M, E>>,
    M: IntoIterator<Item = (K, T)>,
    T: IntoLoaded<V>,
    E: Send + Sync + 'static,
{
    let (mut keys, mut loading) = (Vec::new(), Vec::new());
    for some in chunks(ours) {
        let leased = join_all(some.iter().map(|missing| {
            missing.leader.reaches(Boarded::Asking);
            let (place, seen) = (missing.leader.key(), missing.before.seen.clone());
            store.lease(place, seen, true, Instant::now())
        }));
        let leased = leased.await;
        for (missing, leased) in some.into_iter().zip(leased) {
            let Missing {
                key,
                leader,
                before,
            } = missing;
            let lease = match leased {
                Ok(Leased::Value(value)) => {
                    leader.land(Landing::Value(value, Boarded::First));
                    continue;
                }
                Ok(Leased::Ours(lease)) => Ok(Held::new(&store, lease)),
                Ok(Leased::TooLate | Leased::None(_)) if others == Others::Suffice => {
                    leader.land(Landing::Left);
                    continue;
                }
                Ok(Leased::TooLate) => Err(Boarded::Asking),
                Ok(Leased::None(good)) => Err(good),
                Err(error) => {
                    leader.land(Landing::Cache(error));
                    continue;
                }
            };
            leader.reaches(Boarded::Loading);
            keys.push(key);
            loading.push((leader, lease, before));
        }
    }
    if loading.is_empty() {
        return;
    }
    one_more(&store.counts.load_errors);
    let began = Instant::now();
    let brings = tokio::time::timeout(store.options.load_timeout, load(keys));
    let leases = loading
        .iter()
        .filter_map(|(_, lease, _)| lease.as_ref().ok());
    let failed = match renewed(&store, leases.collect(), brings).await {
        Ok(Ok(loaded)) => {
            store.counts.loaded();
            let took = began.elapsed();
            let mut loaded: HashMap<Key, Loaded<V>> = loaded
                .into_iter()
                .map(|(key, brought)| (scope.key(&store.stem, &key), brought.into_loaded()))
                .collect();
            for some in chunks(loading) {
                let landed = some.into_iter().map(|(leader, lease, _)| {
                    let loaded = loaded.remove(leader.key());
                    land(&store, &scope, leader, lease, loaded, took)
                });
                join_all(landed).await;
            }
            return;
        }
        Ok(Err(error)) => Landing::Loader(Arc::new(error) as Arc<dyn Any + Send + Sync>),
        Err(_) => Landing::Timeout,
    };
    for some in chunks(loading) {
        let landed = some.into_iter().map(async |(leader, lease, before)| {
            if let Ok(lease) = lease {
                lease.fail(leader.key(), &before).await;
            }
            leader.land(failed.clone());
        });
        join_all(landed).await;
    }
}

/// What becomes of one key of a load of many.
async fn land<V: Payload + Send + Sync + 'static>(
    store: &Store<V>,
    scope: &Scope,
    leader: Leader<V>,
    lease: Result<Held<V>, Boarded>,
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
            if let Ok(lease) = lease {
                lease.release().await;
            }
            Landing::Absent
        }
    };
    leader.land(landing);
}

/// So many at a time.
fn chunks<T>(all: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    let mut all = all.into_iter();
    std::iter::from_fn(move || {
        let some: Vec<T> = all.by_ref().take(PIPELINE).collect();
        (!some.is_empty()).then_some(some)
    })
}
