//! What the attributes `#[cached]` and `#[invalidates]` expand to. Not for use by hand: it may change with any version.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use russet_codec::Payload;
use russet_core::{Error, KeyPart, Pace};

use crate::cache::Cache;
use crate::error::LoadError;
use crate::get_or_load::{GetOrLoad, InMemory, Local, Spawned};
use crate::load::Cx;
use crate::loaded::IntoLoaded;

pub use russet_core::part;

/// A `Result`, whose parts have names here.
#[diagnostic::on_unimplemented(
    message = "a function that answers `{Self}` cannot be cached, nor invalidate",
    label = "not a `Result`",
    note = "an `Err` is never cached, and invalidates nothing: answer a `Result`"
)]
pub trait Answered {
    /// What it holds.
    type Value;
    /// Its error.
    type Error;

    /// Whether it is `Ok`.
    fn is_ok(&self) -> bool;

    /// It.
    fn of(result: Result<Self::Value, Self::Error>) -> Self;
}

impl<T, E> Answered for Result<T, E> {
    type Value = T;
    type Error = E;

    fn is_ok(&self) -> bool {
        self.is_ok()
    }

    fn of(result: Result<T, E>) -> Self {
        result
    }
}

/// What a cached function answers of a cache of `V`: `V`, if it can be cloned, `Arc<V>`, or an `Option` of either.
#[diagnostic::on_unimplemented(
    message = "a function that answers `{Self}` cannot be cached by a cache of `{V}`",
    label = "not what the cache holds",
    note = "answer `Arc<{V}>`, or `{V}` if it is `Clone`, or an `Option` of either, in a `Result`"
)]
pub trait Returned<V>: IntoLoaded<V> {
    /// It, of what the cache answers.
    fn returned(answer: Self::Answer) -> Self;
}

impl<V: Clone + Send + Sync + 'static> Returned<V> for V {
    fn returned(answer: Arc<V>) -> V {
        Arc::unwrap_or_clone(answer)
    }
}

impl<V: Send + Sync + 'static> Returned<V> for Arc<V> {
    fn returned(answer: Arc<V>) -> Arc<V> {
        answer
    }
}

impl<V: Clone + Send + Sync + 'static> Returned<V> for Option<V> {
    fn returned(answer: Option<Arc<V>>) -> Option<V> {
        answer.map(Arc::unwrap_or_clone)
    }
}

impl<V: Send + Sync + 'static> Returned<V> for Option<Arc<V>> {
    fn returned(answer: Option<Arc<V>>) -> Option<Arc<V>> {
        answer
    }
}

/// An error that a cached function can answer, where its body fails with a `B`.
#[diagnostic::on_unimplemented(
    message = "a cached function cannot answer the error `{Self}`",
    label = "cannot say that a load took too long, panicked, or failed for another caller",
    note = "answer `LoadError<{B}>`, or write `impl From<LoadError<{B}>> for {Self}`, or say `map_err = …`"
)]
pub trait FromLoadError<B>: Sized {
    /// It, of why there is no value.
    fn from_load_error(error: LoadError<B>) -> Self;
}

impl<B, E: From<LoadError<B>>> FromLoadError<B> for E {
    fn from_load_error(error: LoadError<B>) -> E {
        error.into()
    }
}

/// The error of a cached function, of why there is no value.
pub fn from_load_error<B, E: FromLoadError<B>>(error: LoadError<B>) -> E {
    E::from_load_error(error)
}

/// A read that has looked into memory, and has yet to be given its load.
pub struct Begun<'c, K, V> {
    cache: &'c Cache<K, V>,
    memory: InMemory<V>,
}

impl<'c, K, V> Begun<'c, K, V>
where
    K: KeyPart,
    V: Payload + Send + Sync + 'static,
{
    /// The load runs in its caller's task.
    pub fn local<L, F, T, B>(self, load: L) -> GetOrLoad<'c, V, L, Local>
    where
        L: FnOnce(Cx<V>) -> F,
        F: Future<Output = Result<T, B>>,
        T: Returned<V>,
    {
        self.cache.reading(self.memory, load)
    }

    /// The load runs in a task of its own.
    pub fn spawned<L, F, T, B>(self, load: L) -> GetOrLoad<'c, V, L, Spawned>
    where
        L: FnOnce(Cx<V>) -> F,
        F: Future<Output = Result<T, B>>,
        T: Returned<V>,
    {
        self.cache.reading(self.memory, load)
    }
}

impl<K, V> Begun<'_, K, V> {
    /// Whether memory does not have it.
    pub fn is_miss(&self) -> bool {
        !matches!(self.memory, InMemory::Value(_))
    }
}

impl<K, V> fmt::Debug for Begun<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Begun({:?})", self.cache)
    }
}

impl<K, V> Cache<K, V>
where
    K: KeyPart,
    V: Payload + Send + Sync + 'static,
{
    /// Looks into memory.
    #[doc(hidden)]
    pub fn __begin<Q>(&self, key: &Q) -> Begun<'_, K, V>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        Begun {
            cache: self,
            memory: self.look_in_memory(key),
        }
    }

    /// Looks nowhere.
    #[doc(hidden)]
    pub fn __begin_anew<Q>(&self, key: &Q) -> Begun<'_, K, V>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        Begun {
            cache: self,
            memory: InMemory::Ignored(self.place(key)),
        }
    }

    /// An invalidation of nothing yet.
    #[doc(hidden)]
    pub fn __invalidation(&self) -> Invalidation<K, V>
    where
        K: 'static,
    {
        Invalidation(Some(What {
            cache: self.clone(),
            key: None,
            tags: Vec::new(),
            pattern: None,
        }))
    }
}

/// Remembers what a cache holds while a read of it is awaited. (Awaited as a type that names its load, the future of a cached function
/// would not be known to be `Send`.)
pub struct Of<V>(PhantomData<fn() -> V>);

impl<V, L, H> GetOrLoad<'_, V, L, H> {
    /// The read, under way.
    #[doc(hidden)]
    pub fn __under_way(self) -> (<Self as IntoFuture>::IntoFuture, Of<V>)
    where
        Self: IntoFuture,
    {
        (self.into_future(), Of(PhantomData))
    }
}

impl<V> Of<V> {
    /// The answer of a cached function.
    pub fn answer<A, B>(
        self,
        loaded: Result<<A::Value as IntoLoaded<V>>::Answer, LoadError<B>>,
        map_err: impl FnOnce(LoadError<B>) -> A::Error,
    ) -> A
    where
        A: Answered,
        A::Value: Returned<V>,
    {
        A::of(loaded.map(A::Value::returned).map_err(map_err))
    }
}

impl<V> fmt::Debug for Of<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Of")
    }
}

/// What is to be invalidated behind a function's body. Dropped while the body runs, or behind a panic, nobody knows what has been
/// done by then, and it is invalidated too.
pub struct Invalidation<K, V>(Option<What<K, V>>)
where
    K: KeyPart + 'static,
    V: Payload + Send + Sync + 'static;

struct What<K, V> {
    cache: Cache<K, V>,
    key: Option<russet_core::Key>,
    tags: Vec<String>,
    pattern: Option<String>,
}

impl<K, V> Invalidation<K, V>
where
    K: KeyPart + 'static,
    V: Payload + Send + Sync + 'static,
{
    /// Of a key.
    #[must_use]
    pub fn key<Q>(mut self, key: &Q) -> Self
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        if let Some(what) = &mut self.0 {
            what.key = Some(what.cache.place(key));
        }
        self
    }

    /// Of a tag.
    #[must_use]
    pub fn tag(mut self, tag: &str) -> Self {
        if let Some(what) = &mut self.0 {
            what.tags.push(part(tag));
        }
        self
    }

    /// Of the keys that match a glob.
    #[must_use]
    pub fn pattern(mut self, glob: String) -> Self {
        if let Some(what) = &mut self.0 {
            what.pattern = Some(glob);
        }
        self
    }

    /// Behind this body, if it answers `Ok`; the answer comes when it is invalidated.
    pub async fn behind<A: Answered>(mut self, body: impl Future<Output = A>) -> A {
        let answer = body.await;
        let what = self.0.take();
        if answer.is_ok()
            && let Some(what) = what
        {
            // In a task of its own: a caller who is dropped now does not leave it half done.
            let _ = tokio::spawn(what.invalidate()).await;
        }
        answer
    }
}

impl<K, V> What<K, V>
where
    K: KeyPart + 'static,
    V: Payload + Send + Sync + 'static,
{
    async fn invalidate(self) {
        let store = &self.cache.store;
        if let Some(key) = &self.key {
            self.told(store.remove(key).await.map(drop));
        }
        if !self.tags.is_empty() {
            self.told(store.invalidate(self.tags.clone()).await.map(drop));
        }
        if let Some(glob) = &self.pattern {
            let removed = self.cache.remove_matching(glob, Pace::default()).await;
            self.told(removed.map(drop));
        }
    }

    fn told(&self, done: Result<(), Error>) {
        // The function has done its work, and answers so.
        if let Err(error) = done {
            let cache = &self.cache.store.name;
            tracing::error!(target: "russet::cache", %cache, %error, "what a function has changed is not invalidated; it is stale until its TTL ends");
        }
    }
}

impl<K, V> Drop for Invalidation<K, V>
where
    K: KeyPart + 'static,
    V: Payload + Send + Sync + 'static,
{
    fn drop(&mut self) {
        if let Some(what) = self.0.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(what.invalidate());
        }
    }
}

impl<K, V> fmt::Debug for Invalidation<K, V>
where
    K: KeyPart + 'static,
    V: Payload + Send + Sync + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invalidation")
    }
}
