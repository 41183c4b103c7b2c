//! What a load can end with instead of a value.

use std::fmt;
use std::sync::Arc;

use russet_core::Error;

/// Why [`get_or_load`](crate::Cache::get_or_load) has no value.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError<E> {
    /// The loader failed. Shared, because every caller of the same flight gets it.
    Loader(Arc<E>),
    /// The loader took longer than the load timeout and was stopped.
    Timeout,
    /// The loader panicked, or its runtime ended.
    Panicked,
    /// The cache itself failed; only under [`OnOutage::Error`](crate::OnOutage::Error), or for a fault that waiting
    /// does not heal.
    Cache(Error),
}

impl<E> Clone for LoadError<E> {
    fn clone(&self) -> Self {
        match self {
            LoadError::Loader(error) => LoadError::Loader(error.clone()),
            LoadError::Timeout => LoadError::Timeout,
            LoadError::Panicked => LoadError::Panicked,
            LoadError::Cache(error) => LoadError::Cache(error.clone()),
        }
    }
}

impl<E: fmt::Display> fmt::Display for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Loader(error) => write!(f, "the loader failed: {error}"),
            LoadError::Timeout => f.write_str("the loader took longer than the load timeout"),
            LoadError::Panicked => f.write_str("the loader panicked"),
            LoadError::Cache(error) => write!(f, "the cache failed: {error}"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for LoadError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LoadError::Loader(error) => Some(&**error),
            LoadError::Cache(error) => Some(error),
            LoadError::Timeout | LoadError::Panicked => None,
        }
    }
}
