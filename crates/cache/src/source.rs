//! Where a cache's values come from.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::load::Cx;
use crate::loaded::{IntoLoaded, Loaded};
use crate::scope::Scopes;

/// One value on its way from the source.
pub(crate) type LoadingOne<V> = Answer<Loaded<V>>;

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, SourceError>> + Send>>;
type LoadOne<K, V> = Arc<dyn Fn(K, Cx<V>) -> Answer<Loaded<V>> + Send + Sync>;
type LoadMany<K, V> = Arc<dyn Fn(Vec<K>, Cx<V>) -> Answer<Vec<(K, Loaded<V>)>> + Send + Sync>;
type Write<K, V> = Arc<dyn Fn(K, Arc<V>, Scopes) -> Answer<()> + Send + Sync>;

/// What a cache knows of its source, by its builder.
pub(crate) struct Source<K, V> {
    pub(crate) load: Option<LoadOne<K, V>>,
    pub(crate) load_many: Option<LoadMany<K, V>>,
    pub(crate) write: Option<Write<K, V>>,
}

impl<K, V> Source<K, V> {
    pub(crate) fn loads<L, F, T, E>(&mut self, load: L)
    where
        L: Fn(K, Cx<V>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: IntoLoaded<V>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.load = Some(Arc::new(move |key, cx| {
            let loading = load(key, cx);
            Box::pin(async move {
                let loaded = loading.await.map_err(SourceError::new)?;
                Ok(loaded.into_loaded())
            })
        }));
    }

    pub(crate) fn loads_many<L, F, M, T, E>(&mut self, load: L)
    where
        L: Fn(Vec<K>, Cx<V>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<M, E>> + Send + 'static,
        M: IntoIterator<Item = (K, T)>,
        T: IntoLoaded<V>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.load_many = Some(Arc::new(move |keys, cx| {
            let loading = load(keys, cx);
            Box::pin(async move {
                let loaded = loading.await.map_err(SourceError::new)?.into_iter();
                Ok(loaded
                    .map(|(key, brought)| (key, brought.into_loaded()))
                    .collect())
            })
        }));
    }

    pub(crate) fn writes<W, F, E>(&mut self, write: W)
    where
        W: Fn(K, Arc<V>, Scopes) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.write = Some(Arc::new(move |key, value, scopes| {
            let writing = write(key, value, scopes);
            Box::pin(async move { writing.await.map_err(SourceError::new) })
        }));
    }
}

impl<K, V> Default for Source<K, V> {
    fn default() -> Self {
        Source {
            load: None,
            load_many: None,
            write: None,
        }
    }
}

impl<K, V> fmt::Debug for Source<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("loads", &self.load.is_some())
            .field("loads_many", &self.load_many.is_some())
            .field("writes", &self.write.is_some())
            .finish()
    }
}

/// What the loader or the writer of a cache's builder failed with, of whichever type.
///
/// It stands in for an error that is no [`std::error::Error`] too, such as a boxed one or one of the crate `anyhow`: a
/// [`LoadError`](crate::LoadError) of it can be passed on with `?`.
///
/// ```
/// use russet_cache::{LoadError, SourceError};
///
/// let boxed: Box<dyn std::error::Error + Send + Sync> = "no database".into();
/// let error = LoadError::Loader(std::sync::Arc::new(SourceError::new(boxed)));
/// assert_eq!(error.to_string(), "the loader failed: no database");
/// ```
pub struct SourceError(Box<dyn std::error::Error + Send + Sync>);

impl SourceError {
    /// Of any error.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        SourceError(error.into())
    }

    /// The error itself, if it is of this type.
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SourceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
