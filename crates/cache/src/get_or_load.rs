//! A read that loads what is missing.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use russet_codec::Payload;
use russet_core::{Error, Key, KeyPart, part};

use crate::builder::{check_tags, check_ttl};
use crate::error::LoadError;
use crate::flight::{Landing, Leader, Passenger, Seat};
use crate::freshness::Age;
use crate::load::{Before, Cx, Wish, lead};
use crate::loaded::{IntoLoaded, answer_of};
use crate::look::{Found, Look};
use crate::scope::Scope;
use crate::stats::one_more;
use crate::store::Store;

/// A read that is yet to be awaited; made by [`Cache::get_or_load`](crate::Cache::get_or_load) and
/// [`get_or_load_local`](crate::Cache::get_or_load_local).
#[must_use = "a read does nothing until it is awaited"]
pub struct GetOrLoad<'c, V, L, H = Spawned> {
    store: &'c Arc<Store<V>>,
    memory: InMemory<V>,
    wish: Wish,
    load: L,
    how: PhantomData<H>,
}

/// What memory had. A key costs an allocation, which a value there does without.
pub(crate) enum InMemory<V> {
    Value(Arc<V>),
    /// It is known that there is none; this loader may want to know better.
    Missing(Key),
    Nothing(Key),
    /// A value that is to be loaded anew although it is fresh.
    Early(Key),
    /// It was not looked for: the source is asked whatever is cached.
    Ignored(Key),
    /// The call cannot be served at all.
    Refused(Error),
}

/// The load runs in a task of its own.
#[derive(Debug)]
#[non_exhaustive]
pub struct Spawned;

/// The load runs in its caller's task.
#[derive(Debug)]
#[non_exhaustive]
pub struct Local;

impl<'c, V, L, H> GetOrLoad<'c, V, L, H> {
    pub(crate) fn new(
        store: &'c Arc<Store<V>>,
        scope: &'c Scope,
        memory: InMemory<V>,
        load: L,
    ) -> Self {
        GetOrLoad {
            wish: Wish::of(&store.options, scope),
            store,
            memory,
            load,
            how: PhantomData,
        }
    }
}

impl<V, L, H> GetOrLoad<'_, V, L, H> {
    /// Caches what is loaded for this long instead of the cache's TTL, before jitter: between 1 ms and 10 years.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.wish.ttl = Some(ttl);
        self
    }

    /// Caches that there is no such thing for this long instead of the cache's negative TTL.
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.wish.negative_ttl = Some(ttl);
        self
    }

    /// Caches what is loaded under a tag, for [`invalidate_tag`](crate::Cache::invalidate_tag).
    pub fn tag<T: KeyPart + ?Sized>(mut self, tag: &T) -> Self {
        self.wish.tags.push(part(tag));
        self
    }

    /// Caches what is loaded under these tags.
    pub fn tags<T: KeyPart>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.wish
            .tags
            .extend(tags.into_iter().map(|tag| part(&tag)));
        self
    }

    /// How long the load may take before it is stopped, instead of the cache's load timeout.
    pub fn load_timeout(mut self, timeout: Duration) -> Self {
        self.wish.timeout = timeout;
        self
    }

    /// How long a load is waited for where a stale value can stand in for it, instead of the cache's soft timeout. The load
    /// goes on.
    pub fn soft_timeout(mut self, timeout: Duration) -> Self {
        self.wish.soft_timeout = Some(timeout);
        self
    }
}

impl<'c, V, L, F, T, E> IntoFuture for GetOrLoad<'c, V, L, Spawned>
where
    V: Payload + Send + Sync + 'static,
    L: FnOnce(Cx<V>) -> F + Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: IntoLoaded<V>,
    E: Send + Sync + 'static,
{
    type Output = Result<T::Answer, LoadError<E>>;
    type IntoFuture = Loading<'c, T::Answer, E>;

    fn into_future(self) -> Self::IntoFuture {
        self.under_way::<T, E, _, _>(true, |store, load| {
            move |leader, before, wish| {
                tokio::spawn(lead(store, leader, before, wish, load));
                std::future::ready(())
            }
        })
    }
}

impl<'c, V, L, F, T, E> IntoFuture for GetOrLoad<'c, V, L, Local>
where
    V: Payload + Send + Sync + 'static,
    L: FnOnce(Cx<V>) -> F + Send + 'c,
    F: Future<Output = Result<T, E>> + Send + 'c,
    T: IntoLoaded<V>,
    E: Send + Sync + 'static,
{
    type Output = Result<T::Answer, LoadError<E>>;
    type IntoFuture = Loading<'c, T::Answer, E>;

    fn into_future(self) -> Self::IntoFuture {
        self.under_way::<T, E, _, _>(false, |store, load| {
            move |leader: Leader<V>, before, wish| {
                lead(store, leader.hands_on(), before, wish, load)
            }
        })
    }
}

impl<'c, V, L, H> GetOrLoad<'c, V, L, H>
where
    V: Payload + Send + Sync + 'static,
{
    /// The answer, if it was in memory; else the way to it, on which `starts` begins the load. `goes_on` says that it goes on behind
    /// its caller's back.
    fn under_way<T, E, S, G>(
        mut self,
        goes_on: bool,
        starts: impl FnOnce(Arc<Store<V>>, L) -> S,
    ) -> Loading<'c, T::Answer, E>
    where
        T: IntoLoaded<V>,
        E: Send + Sync + 'static,
        S: FnOnce(Leader<V>, Before<V>, Wish) -> G + Send + 'c,
        G: Future<Output = ()> + Send + 'c,
    {
        let how = How {
            is_early: matches!(self.memory, InMemory::Early(_)),
            refreshes: matches!(self.memory, InMemory::Ignored(_)),
            goes_on,
        };
        let (key, answer) = match self.memory {
            InMemory::Value(value) => return Loading::ready(Ok(T::found(value))),
            InMemory::Refused(error) => return Loading::ready(Err(LoadError::Cache(error))),
            InMemory::Missing(key) => (key, T::missing()),
            InMemory::Nothing(key) | InMemory::Early(key) | InMemory::Ignored(key) => (key, None),
        };
        if let Some(answer) = answer {
            return Loading::ready(Ok(answer));
        }
        self.wish.tags.extend(self.wish.scope.tags());
        self.wish.refreshes = how.refreshes;
        let (store, wish) = (self.store, self.wish);
        let start = starts(store.clone(), self.load);
        Loading(State::Future(Box::pin(async move {
            read::<V, T, E, _>(store, &key, wish, how, start).await
        })))
    }
}

/// A read under way; what a [`GetOrLoad`] becomes when it is awaited. A value in memory is there at once, without an allocation.
#[must_use = "a read does nothing until it is awaited"]
pub struct Loading<'c, A, E>(State<'c, A, E>);

type Reading<'c, A, E> = Pin<Box<dyn Future<Output = Result<A, LoadError<E>>> + Send + 'c>>;

enum State<'c, A, E> {
    Ready(Option<Result<A, LoadError<E>>>),
    Future(Reading<'c, A, E>),
}

impl<A, E> Loading<'_, A, E> {
    fn ready(answer: Result<A, LoadError<E>>) -> Self {
        Loading(State::Ready(Some(answer)))
    }
}

impl<A: Unpin, E> Future for Loading<'_, A, E> {
    type Output = Result<A, LoadError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(answer) => match answer.take() {
                Some(answer) => Poll::Ready(answer),
                // Polled once more than a future may be.
                None => Poll::Pending,
            },
            State::Future(future) => future.as_mut().poll(cx),
        }
    }
}

impl<A, E> fmt::Debug for Loading<'_, A, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Loading")
    }
}

/// How a read goes about it.
#[derive(Clone, Copy)]
struct How {
    /// The value in memory is to be loaded anew although it is fresh.
    is_early: bool,
    /// The source is asked whatever is cached.
    refreshes: bool,
    /// A load goes on behind its caller's back.
    goes_on: bool,
}

fn check<V>(store: &Store<V>, wish: &Wish) -> Result<(), Error> {
    for (what, time) in [
        ("ttl", wish.ttl),
        ("negative ttl", wish.negative_ttl),
        ("load timeout", Some(wish.timeout)),
        ("soft timeout", wish.soft_timeout),
    ] {
        if let Some(time) = time {
            check_ttl(what, &store.name, time)?;
        }
    }
    check_tags(&store.name, store.control.is_some(), &wish.tags)?;
    Ok(())
}

/// What is cached, else what a load brings: this caller's or somebody else's. `start` begins this caller's, and ends when it
/// has begun or is over.
async fn read<V, T, E, G>(
    store: &Arc<Store<V>>,
    key: &Key,
    wish: Wish,
    how: How,
    start: impl FnOnce(Leader<V>, Before<V>, Wish) -> G,
) -> Result<T::Answer, LoadError<E>>
where
    V: Payload + Send + Sync + 'static,
    G: Future<Output = ()>,
    T: IntoLoaded<V>,
    E: Send + Sync + 'static,
{
    check(store, &wish).map_err(LoadError::Cache)?;
    if how.refreshes {
        return refresh::<V, T, E, _>(store, key, wish, start).await;
    }
    let mut start = Some(start);
    loop {
        let found = match store.look(key).await.map_err(LoadError::Cache)? {
            Look::Found(found) => found,
            Look::Nothing(seen) => Found::nothing(seen),
        };
        let is_early = found.age == Age::Fresh && (found.is_early || how.is_early);
        let refreshes = found.age == Age::Revalidated || is_early;
        let serves = found.age == Age::Fresh || found.age == Age::Revalidated;
        let answer = answer_of::<V, T>(found.value.clone())
            .filter(|_| serves && (how.goes_on || !refreshes));
        if let Some(answer) = answer {
            store.count_stale(found.age);
            if refreshes
                && let Some(start) = start.take()
                && let Some(leader) = store.flights.lead(key)
            {
                one_more(&store.counts.refreshes);
                // It begins, and goes on behind our back.
                start(leader, Before::found(found), wish).await;
            }
            return Ok(answer);
        }
        let may_fall_back = matches!(found.age, Age::Fresh | Age::Revalidated | Age::Fallback)
            && found.value.is_some();
        let mut passenger = match store.flights.board(key) {
            Seat::Passenger(passenger) => passenger,
            Seat::Leader(leader, passenger) => {
                // A leader's flight ends with its own kind of error, and what it brings is its answer; so nobody leads twice.
                let Some(start) = start.take() else {
                    return Err(LoadError::Panicked);
                };
                Box::pin(start(leader, Before::found(found), wish.clone())).await;
                passenger
            }
        };
        let soft = wish.soft_timeout.filter(|_| may_fall_back);
        let landing = match landing(store, key, &mut passenger, soft).await {
            Landed::Stale(found) => match answer_of::<V, T>(found.value) {
                Some(answer) => return Ok(answer),
                None => passenger.landing().await,
            },
            Landed::Landing(landing) => landing,
        };
        let failed = match landing {
            // What it brought may be from before an invalidation that this caller knows of; it asks once more.
            Landing::Value(_, good_for) if passenger.boarded > good_for => continue,
            Landing::Value(value, _) => match answer_of::<V, T>(value) {
                Some(answer) => return Ok(answer),
                None => continue,
            },
            // A load of many, which did not have this one; this one asks for itself.
            Landing::Absent | Landing::Left => continue,
            // Another call site, whose error is of another type, has loaded; this one asks for itself.
            failed => match failed.into_error() {
                Some(failed) => failed,
                None => continue,
            },
        };
        let fallback = match may_fall_back {
            true => store.fallback(key).await,
            false => None,
        };
        return fallback
            .and_then(|found| answer_of::<V, T>(found.value))
            .ok_or(failed);
    }
}

/// What a load brings now, whatever is cached and whoever loads. What is cached is served to others until it is replaced, and
/// stays if the load fails.
async fn refresh<V, T, E, G>(
    store: &Arc<Store<V>>,
    key: &Key,
    wish: Wish,
    start: impl FnOnce(Leader<V>, Before<V>, Wish) -> G,
) -> Result<T::Answer, LoadError<E>>
where
    V: Payload + Send + Sync + 'static,
    G: Future<Output = ()>,
    T: IntoLoaded<V>,
    E: Send + Sync + 'static,
{
    let before = match store.look(key).await.map_err(LoadError::Cache)? {
        Look::Found(found) => Before::found(found),
        Look::Nothing(seen) => Before::found(Found::nothing(seen)),
    };
    let (leader, mut passenger) = store.flights.charter(key);
    Box::pin(start(leader, before, wish)).await;
    match passenger.landing().await {
        // A loader that cannot say that there is none has brought what there is.
        Landing::Value(value, _) => answer_of::<V, T>(value).ok_or(LoadError::Panicked),
        landing => Err(landing.into_error().unwrap_or(LoadError::Panicked)),
    }
}

/// How waiting for a flight ended.
enum Landed<V> {
    Landing(Landing<V>),
    /// It takes long, and a stale value stands in for it.
    Stale(Found<V>),
}

async fn landing<V>(
    store: &Arc<Store<V>>,
    key: &Key,
    passenger: &mut Passenger<V>,
    soft: Option<Duration>,
) -> Landed<V>
where
    V: Payload + Send + Sync + 'static,
{
    if let Some(soft) = soft
        && let Err(_late) = tokio::time::timeout(soft, passenger.landing()).await
        && let Some(found) = store.fallback(key).await
    {
        return Landed::Stale(found);
    }
    Landed::Landing(passenger.landing().await)
}

impl<V> Store<V>
where
    V: Payload + Send + Sync + 'static,
{
    /// A value that stands in for a load that failed or takes long: read once more, because it may have been invalidated since
    /// it was seen.
    pub(crate) async fn fallback(self: &Arc<Self>, key: &Key) -> Option<Found<V>> {
        if self.options.freshness.if_error.is_zero() {
            return None;
        }
        match self.look(key).await {
            Ok(Look::Found(found)) if found.age != Age::Over => {
                self.count_stale(found.age);
                Some(found)
            }
            _ => None,
        }
    }

    /// Counts that a value was served although it was stale.
    pub(crate) fn count_stale(&self, age: Age) {
        if age != Age::Fresh {
            one_more(&self.counts.stale_served);
        }
    }
}

impl<V, L, H> fmt::Debug for GetOrLoad<'_, V, L, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.memory {
            InMemory::Missing(key)
            | InMemory::Nothing(key)
            | InMemory::Early(key)
            | InMemory::Ignored(key) => write!(f, "GetOrLoad({key})"),
            InMemory::Refused(error) => write!(f, "GetOrLoad({error})"),
            InMemory::Value(_) => f.write_str("GetOrLoad(in memory)"),
        }
    }
}
