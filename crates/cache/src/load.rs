//! Loading what is missing.

use std::any::Any;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{Either, join_all, select};
use russet_codec::Payload;
use russet_core::{Bytes, Error, Key};

use crate::builder::{check_tags, check_ttl};
use crate::flight::{Boarded, Landing, Leader};
use crate::lease::Lease;
use crate::leased::Leased;
use crate::loaded::{IntoLoaded, Loaded, What};
use crate::look::Found;
use crate::options::Options;
use crate::scope::Scope;
use crate::stats::one_more;
use crate::store::{PIPELINE, Store};
use crate::wire::{Terms, kept_in_use};
use crate::write::Filled;

/// The context of one load.
#[derive(Debug)]
#[non_exhaustive]
pub struct Cx<V> {
    /// When the load will be stopped.
    pub deadline: Instant,
    /// The value of before, which is stale or soon will be. A loader that finds it still true may say so with
    /// [`Loaded::not_modified`].
    pub stale: Option<Arc<V>>,
    pub(crate) scope: Scope,
}

impl<V> Cx<V> {
    /// Of a load that begins now, of what is not cached.
    pub(crate) fn of(options: &Options, scope: &Scope) -> Self {
        Cx {
            deadline: Instant::now() + options.load_timeout,
            stale: None,
            scope: scope.clone(),
        }
    }

    /// The names of the [scopes](crate::Cache::scope) that the key is of, the outermost first; none outside of one.
    pub fn scopes(&self) -> &[String] {
        self.scope.names()
    }
}

/// What a call says of its load.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) ttl: Option<Duration>,
    pub(crate) negative_ttl: Option<Duration>,
    pub(crate) tags: Vec<String>,
    pub(crate) timeout: Duration,
    pub(crate) soft_timeout: Option<Duration>,
    /// The source is asked whatever is cached.
    pub(crate) refreshes: bool,
    pub(crate) scope: Scope,
}

impl Wish {
    /// What a cache wishes where a call says nothing; the tags of its scope are yet to be added.
    pub(crate) fn of(options: &Options, scope: &Scope) -> Self {
        Wish {
            ttl: None,
            negative_ttl: None,
            tags: Vec::new(),
            timeout: options.load_timeout,
            soft_timeout: options.soft_timeout,
            refreshes: false,
            scope: scope.clone(),
        }
    }
}

/// What was there when a load was found to be necessary.
pub(crate) struct Before<V> {
    /// How what stands there begins, if anything does.
    pub(crate) seen: Bytes,
    /// The value that holds, stale or soon to be, with its tags.
    pub(crate) stale: Option<(Arc<V>, Vec<String>)>,
    /// How long it is fresh yet.
    left: Duration,
}

impl<V> Before<V> {
    pub(crate) fn found(found: Found<V>) -> Self {
        Before {
            seen: found.begins(),
            left: found.left.unwrap_or_default(),
            stale: found.value.map(|value| (value, found.tags)),
        }
    }
}

/// A leader's flight: take the lease or wait for who has it, load, store, tell everybody.
pub(crate) async fn lead<V, L, F, T, E>(
    store: Arc<Store<V>>,
    leader: Leader<V>,
    before: Before<V>,
    wish: Wish,
    load: L,
) where
    V: Payload + Send + Sync + 'static,
    L: FnOnce(Cx<V>) -> F,
    F: Future<Output = Result<T, E>>,
    T: IntoLoaded<V>,
    E: Send + Sync + 'static,
{
    let key = leader.key().clone();
    let takes_missing = T::missing().is_some();
    let deadline = Instant::now() + wish.timeout;
    leader.reaches(Boarded::Asking);
    let leased = match wish.refreshes {
        true => store.take_over(&key).await,
        false => {
            let seen = before.seen.clone();
            store.lease(&key, seen, takes_missing, deadline).await
        }
    };
    let lease = match leased {
        Ok(Leased::Ours(lease)) => Ok(Held::new(&store, lease)),
        Ok(Leased::Value(value)) => return leader.land(Landing::Value(value, Boarded::First)),
        Ok(Leased::TooLate) => return leader.land(Landing::Timeout),
        Ok(Leased::None(good)) => Err(good),
        Err(error) => return leader.land(Landing::Cache(error)),
    };
    leader.reaches(Boarded::Loading);
    let began = Instant::now();
    let cx = Cx {
        deadline: began + wish.timeout,
        stale: before.stale.as_ref().map(|(value, _)| value.clone()),
        scope: wish.scope.clone(),
    };
    // Counted as failed until it has not; a panic leaves it so.
    one_more(&store.counts.load_errors);
    let loading = tokio::time::timeout(wish.timeout, load(cx));
    let landing = match renewed(&store, lease.iter().collect(), loading).await {
        Ok(Ok(loaded)) => {
            store.counts.loaded();
            let landed = settle(
                &store,
                &leader,
                lease,
                before.stale.as_ref(),
                wish,
                began.elapsed(),
                loaded.into_loaded(),
            );
            landed.await.unwrap_or_else(Landing::Cache)
        }
        failed => {
            // Others are let go on before our own callers are told.
            if let Ok(lease) = lease {
                lease.fail(&key, &before).await;
            }
            match failed {
                Ok(Err(error)) => Landing::Loader(Arc::new(error) as Arc<dyn Any + Send + Sync>),
                _ => Landing::Timeout,
            }
        }
    };
    leader.land(landing);
}

/// What becomes of what a load brought.
pub(crate) async fn settle<V: Payload + Send + Sync + 'static>(
    store: &Store<V>,
    leader: &Leader<V>,
    lease: Result<Held<V>, Boarded>,
    stale: Option<&(Arc<V>, Vec<String>)>,
    wish: Wish,
    load_took: Duration,
    loaded: Loaded<V>,
) -> Result<Landing<V>, Error> {
    let mut tags = wish.tags;
    tags.extend(loaded.tags);
    let checked = loaded
        .ttl
        .map_or(Ok(()), |ttl| check_ttl("ttl", &store.name, ttl));
    let checked = checked.and_then(|()| check_tags(&store.name, store.control.is_some(), &tags));
    if let Err(error) = checked {
        if let Ok(lease) = lease {
            lease.release().await;
        }
        return Err(error.into());
    }
    let mut ttl = loaded.ttl.or(wish.ttl).unwrap_or(store.options.ttl);
    let value = match loaded.what {
        What::Value(value) => Some(value),
        What::Missing => {
            let negative = wish.negative_ttl.unwrap_or(store.options.negative_ttl);
            ttl = loaded.ttl.unwrap_or(negative);
            None
        }
        What::NotModified => match stale {
            Some((value, its)) => {
                tags.extend(
                    its.iter()
                        .filter(|tag| !tags.contains(tag))
                        .cloned()
                        .collect::<Vec<_>>(),
                );
                Some(value.clone())
            }
            None => {
                if let Ok(lease) = lease {
                    lease.release().await;
                }
                return Err(Error::encode(
                    "the loader answered `Loaded::not_modified`, and there is no stale value; see `Cx::stale`",
                ));
            }
        },
        What::Uncached(value) => {
            if let Ok(lease) = lease {
                lease.release().await;
            }
            return Ok(Landing::Value(Some(value), Boarded::Asking));
        }
    };
    // While Redis is away nobody knows of any invalidation but this process's own, which has closed the flight.
    let lease = match lease {
        Ok(lease) => lease,
        Err(good) => return Ok(Landing::Value(value, good)),
    };
    // Plain JSON has no way to say that there is none.
    if !leader.is_current() || (value.is_none() && store.control.is_none()) {
        lease.release().await;
        return Ok(Landing::Value(value, Boarded::Asking));
    }
    let terms = Terms {
        load_took,
        version: loaded.version,
        ..store.terms(ttl, tags)
    };
    leader.reaches(Boarded::Storing);
    let filled = lease.fill(leader.key(), value.as_ref(), &terms).await;
    Ok(Landing::Value(value, good_for(filled)))
}

/// For whom a loaded value is good.
fn good_for(filled: Filled) -> Boarded {
    match filled {
        Filled::Holds | Filled::Unknown | Filled::NoRoom => Boarded::Loading,
        Filled::Fails => Boarded::Asking,
    }
}

/// Renews leases while something runs. One that is gone is not taken again: what ended it is newer than the load.
pub(crate) async fn renewed<V: Payload + Send + Sync + 'static, T>(
    store: &Store<V>,
    leases: Vec<&Held<V>>,
    running: impl Future<Output = T>,
) -> T {
    let renewal = async {
        loop {
            tokio::time::sleep(store.leases.renewal()).await;
            let leases: Vec<_> = leases
                .iter()
                .filter_map(|held| held.lease.as_ref())
                .collect();
            for some in leases.chunks(PIPELINE) {
                // One that could not be asked for now is asked for again, until the lease has ended by itself.
                join_all(some.iter().map(|lease| store.leases.renew(lease))).await;
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
pub(crate) struct Held<V: Payload + Send + Sync + 'static> {
    store: Arc<Store<V>>,
    lease: Option<Lease>,
}

impl<V: Payload + Send + Sync + 'static> Held<V> {
    pub(crate) fn new(store: &Arc<Store<V>>, lease: Lease) -> Self {
        Held {
            store: store.clone(),
            lease: Some(lease),
        }
    }

    /// Stores what was loaded.
    pub(crate) async fn fill(self, key: &Key, value: Option<&Arc<V>>, terms: &Terms) -> Filled {
        let store = self.store.clone();
        self.stored(key, value, terms).await.unwrap_or_else(|error| {
            // The callers have their value; that it could not be kept is for the log.
            tracing::warn!(target: "russet::cache", cache = %store.name, %error, "a loaded value was not stored");
            Filled::Unknown
        })
    }

    /// Stores a value under the lease, which is over then; where nobody knows whether it is, it is given back.
    pub(crate) async fn stored(
        mut self,
        key: &Key,
        value: Option<&Arc<V>>,
        terms: &Terms,
    ) -> Result<Filled, Error> {
        let Some(lease) = &self.lease else {
            return Ok(Filled::Unknown);
        };
        let filled = self.store.fill(lease, key, value, terms).await?;
        if filled != Filled::Unknown {
            self.lease = None;
        }
        Ok(filled)
    }

    /// The load has failed. A stale value that may stand in for it is kept in use for a while, in all processes, so that the
    /// source is not asked again at once.
    pub(crate) async fn fail(self, key: &Key, before: &Before<V>) {
        let freshness = &self.store.options.freshness;
        let is_stale = before.stale.is_some() && before.left < freshness.throttle;
        if !freshness.if_error.is_zero() && is_stale {
            let flags = kept_in_use(&before.seen);
            let kept =
                self.store
                    .leases
                    .extend(key, &before.seen, flags, freshness.throttle, None, false);
            if let Err(error) = kept.await {
                tracing::debug!(target: "russet::cache", cache = %self.store.name, %error, "a stale value was not kept in use");
            }
        }
        self.release().await;
    }

    /// Gives the lease back; whether it was still there.
    pub(crate) async fn release(mut self) -> bool {
        let was_there = match &self.lease {
            Some(lease) => self.store.leases.release(lease).await,
            None => false,
        };
        self.lease = None;
        was_there
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
