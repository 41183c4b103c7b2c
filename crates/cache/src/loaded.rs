//! What a load brings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use russet_core::{KeyPart, part};

/// What a load brings, where that is more than a value.
///
/// A loader may answer a plain `V`, an `Option<V>` (`None` is that there is no such thing, which is cached too), or this.
///
/// ```
/// use russet_cache::Loaded;
/// use std::time::Duration;
///
/// let short = Loaded::<String>::value("busy".to_owned()).ttl(Duration::from_secs(5)).tag("status");
/// let nobody = Loaded::<String>::missing();
/// ```
#[must_use = "a loader answers it"]
pub struct Loaded<V> {
    pub(crate) what: What<V>,
    pub(crate) ttl: Option<Duration>,
    pub(crate) tags: Vec<String>,
    pub(crate) version: Option<u64>,
}

pub(crate) enum What<V> {
    Value(Arc<V>),
    Missing,
    NotModified,
    Uncached(Arc<V>),
}

impl<V> Loaded<V> {
    /// A value, which is cached.
    pub fn value(value: impl Into<Arc<V>>) -> Self {
        Loaded::new(What::Value(value.into()))
    }

    /// There is no such thing: cached for the negative TTL, so that who asks for what is not there does not ask the source
    /// each time.
    pub fn missing() -> Self {
        Loaded::new(What::Missing)
    }

    /// The stale value of the load's [`Cx`](crate::Cx) is still true: it is fresh again, with its tags. Where there was none, the load
    /// fails.
    pub fn not_modified() -> Self {
        Loaded::new(What::NotModified)
    }

    /// A value for those who wait, which is not cached.
    pub fn uncached(value: impl Into<Arc<V>>) -> Self {
        Loaded::new(What::Uncached(value.into()))
    }

    /// Caches it for so long, instead of what the call or the cache says: between 1 ms and 10 years.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Caches it under a tag, besides those that the call says.
    pub fn tag<T: KeyPart + ?Sized>(mut self, tag: &T) -> Self {
        self.tags.push(part(tag));
        self
    }

    /// Says which version of its data it is, of a row or a document: 0 to 2^53 − 1. It is not cached where a newer one is, or where
    /// this one was [busted](crate::Cache::bust): a source that lags behind does not bring old data back.
    pub fn version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    fn new(what: What<V>) -> Self {
        Loaded {
            what,
            ttl: None,
            tags: Vec::new(),
            version: None,
        }
    }
}

impl<V> fmt::Debug for Loaded<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.what {
            What::Value(_) => "Loaded::value",
            What::Missing => "Loaded::missing",
            What::NotModified => "Loaded::not_modified",
            What::Uncached(_) => "Loaded::uncached",
        })
    }
}

/// What a loader of `V` may answer: `V`, `Arc<V>`, an `Option` of either, or [`Loaded<V>`].
#[diagnostic::on_unimplemented(
    message = "a loader of `{V}` cannot answer `{Self}`",
    note = "answer `{V}`, `Option<{V}>`, `Arc<{V}>` or `Loaded<{V}>`, in a `Result`"
)]
pub trait IntoLoaded<V>: Send + 'static {
    /// What the caller gets: `Arc<V>`, or an `Option` of it where the answer may be that there is none.
    type Answer: Send + Unpin;

    /// What was brought.
    fn into_loaded(self) -> Loaded<V>;

    /// What the caller gets of a value.
    fn found(value: Arc<V>) -> Self::Answer;

    /// What the caller gets where it is known that there is none; nothing from a loader that always brings a value, which is
    /// asked then.
    fn missing() -> Option<Self::Answer>;
}

/// What the caller gets of what is cached.
pub(crate) fn answer_of<V, T: IntoLoaded<V>>(cached: Option<Arc<V>>) -> Option<T::Answer> {
    cached.map_or_else(T::missing, |value| Some(T::found(value)))
}

impl<V: Send + Sync + 'static> IntoLoaded<V> for V {
    type Answer = Arc<V>;

    fn into_loaded(self) -> Loaded<V> {
        Loaded::value(self)
    }

    fn found(value: Arc<V>) -> Arc<V> {
        value
    }

    fn missing() -> Option<Arc<V>> {
        None
    }
}

impl<V: Send + Sync + 'static> IntoLoaded<V> for Arc<V> {
    type Answer = Arc<V>;

    fn into_loaded(self) -> Loaded<V> {
        Loaded::value(self)
    }

    fn found(value: Arc<V>) -> Arc<V> {
        value
    }

    fn missing() -> Option<Arc<V>> {
        None
    }
}

impl<V: Send + Sync + 'static> IntoLoaded<V> for Option<V> {
    type Answer = Option<Arc<V>>;

    fn into_loaded(self) -> Loaded<V> {
        self.map_or_else(Loaded::missing, Loaded::value)
    }

    fn found(value: Arc<V>) -> Option<Arc<V>> {
        Some(value)
    }

    fn missing() -> Option<Option<Arc<V>>> {
        Some(None)
    }
}

impl<V: Send + Sync + 'static> IntoLoaded<V> for Option<Arc<V>> {
    type Answer = Option<Arc<V>>;

    fn into_loaded(self) -> Loaded<V> {
        self.map_or_else(Loaded::missing, Loaded::value)
    }

    fn found(value: Arc<V>) -> Option<Arc<V>> {
        Some(value)
    }

    fn missing() -> Option<Option<Arc<V>>> {
        Some(None)
    }
}

impl<V: Send + Sync + 'static> IntoLoaded<V> for Loaded<V> {
    type Answer = Option<Arc<V>>;

    fn into_loaded(self) -> Loaded<V> {
        self
    }

    fn found(value: Arc<V>) -> Option<Arc<V>> {
        Some(value)
    }

    fn missing() -> Option<Option<Arc<V>>> {
        Some(None)
    }
}
