//! How a cache and its source go together.

use serde::{Deserialize, Serialize};

/// How a cache and its source go together: what its builder needs, and what [`Cache::write`](crate::Cache::write) does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Pattern {
    /// Whoever calls reads the cache, and on a miss the source. A write goes to the source, and removes the value.
    #[default]
    CacheAside,
    /// The cache reads the source itself: its builder needs a [loader](crate::Builder::loader). A write goes to the source, and
    /// removes the value.
    ReadThrough,
    /// A write goes to the source, and what it has written is cached: its builder needs a [writer](crate::Builder::writer).
    WriteThrough,
}
