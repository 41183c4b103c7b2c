//! How a cache is configured.

use std::marker::PhantomData;
use std::time::Duration;

use russet_codec::{Codec, Payload};
use russet_core::{BuildError, BuildErrorKind, KeyPart, Namespace};

use crate::cache::Cache;
use crate::keys::KEYS;
use crate::outage::OnOutage;

/// Configures a [`Cache`].
///
/// | setting | default |
/// |---|---|
/// | [`ttl`](Builder::ttl) | `REDIS_DEFAULT_TTL`, else `RESPONSE_CACHE_TTL`, else 1 hour; times the profile's factor |
/// | [`load_timeout`](Builder::load_timeout) | 30 s |
/// | [`lease`](Builder::lease) | 5 s |
/// | [`read_deadline`](Builder::read_deadline) | 250 ms |
/// | [`codec`](Builder::codec) | MessagePack |
/// | [`max_value`](Builder::max_value) | 1 MiB |
/// | [`on_outage`](Builder::on_outage) | [`OnOutage::Miss`]; with a strict [`Profile`](russet_core::Profile) [`OnOutage::Error`] |
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder<K, V> {
    ns: Namespace,
    name: String,
    options: Options,
    types: PhantomData<fn(K) -> V>,
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) ttl: Duration,
    pub(crate) load_timeout: Duration,
    pub(crate) lease: Duration,
    pub(crate) read_deadline: Duration,
    pub(crate) codec: Codec,
    pub(crate) max_value: usize,
    pub(crate) on_outage: OnOutage,
}

impl<K, V> Builder<K, V>
where
    K: KeyPart,
    V: Payload + Send + Sync + 'static,
{
    pub(crate) fn new(ns: &Namespace, name: &str) -> Self {
        Builder {
            ns: ns.clone(),
            name: name.to_owned(),
            options: Options {
                ttl: ns.redis().default_ttl(),
                load_timeout: Duration::from_secs(30),
                lease: Duration::from_secs(5),
                read_deadline: Duration::from_millis(250),
                codec: Codec::default(),
                max_value: 1 << 20,
                on_outage: OnOutage::of(ns),
            },
            types: PhantomData,
        }
    }

    /// How long a value lives, before the profile's factor. At least 1 ms, at most 10 years; no entry is ever without one.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = ttl;
        self
    }

    /// How long a loader may run before it is stopped. At least 1 ms.
    pub fn load_timeout(mut self, timeout: Duration) -> Self {
        self.options.load_timeout = timeout;
        self
    }

    /// How long other processes wait for one that loads and has crashed. At least 100 ms; whoever loads renews its lease each
    /// third of that.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.options.lease = lease;
        self
    }

    /// How long a read may take before it counts as a miss. At least 1 ms.
    pub fn read_deadline(mut self, deadline: Duration) -> Self {
        self.options.read_deadline = deadline;
        self
    }

    /// How values are stored: the format, and on demand compression, encryption or plain JSON.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.options.codec = codec;
        self
    }

    /// How many bytes a stored value may have, its header among them; a longer one is an error of the insert. One that is very
    /// long stalls everybody who shares the connection.
    pub fn max_value(mut self, bytes: usize) -> Self {
        self.options.max_value = bytes;
        self
    }

    /// What callers see while Redis is away.
    pub fn on_outage(mut self, on_outage: OnOutage) -> Self {
        self.options.on_outage = on_outage;
        self
    }

    /// The cache.
    ///
    /// # Errors
    /// A wrong name (of the namespace or the cache), a duration outside its bounds, or codec settings that exclude
    /// each other.
    pub fn build(mut self) -> Result<Cache<K, V>, BuildError> {
        self.options.ttl = self.ns.profile().scaled(self.options.ttl);
        check_ttl("ttl", &self.name, self.options.ttl)?;
        check_ttl("load timeout", &self.name, self.options.load_timeout)?;
        check_ttl("read deadline", &self.name, self.options.read_deadline)?;
        check_ttl("lease", &self.name, self.options.lease)?;
        if self.options.lease < Duration::from_millis(100) {
            let lease = self.options.lease;
            let message = format!(
                "the lease of cache {:?} is {lease:?}; under 100ms a load would lose it by a hiccup",
                self.name
            );
            return Err(BuildError::new(BuildErrorKind::Limit, message));
        }
        self.options.codec.check().map_err(|error| {
            let message = format!("the codec of cache {:?}: {error}", self.name);
            BuildError::new(BuildErrorKind::Conflict, message)
        })?;
        let stem = self.ns.stem("cache", &self.name)?;
        self.ns.declare(KEYS, &stem);
        Ok(Cache::new(&self.ns, self.name, stem, self.options))
    }
}

/// Whether a duration is one that a cache can do with.
pub(crate) fn check_ttl(what: &str, cache: &str, ttl: Duration) -> Result<(), BuildError> {
    let (least, most) = (
        Duration::from_millis(1),
        Duration::from_hours(10 * 365 * 24),
    );
    if (least..=most).contains(&ttl) {
        return Ok(());
    }
    let message =
        format!("the {what} of cache {cache:?} is {ttl:?}; it must be between 1ms and 10 years");
    Err(BuildError::new(BuildErrorKind::Limit, message))
}
