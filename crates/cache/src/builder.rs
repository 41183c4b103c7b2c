//! How a cache is configured.

use std::sync::Arc;
use std::time::Duration;

use russet_codec::{Codec, Payload};
use russet_core::{BuildError, BuildErrorKind, KeyPart, Namespace};

use crate::cache::Cache;
use crate::coherence::Coherence;
use crate::freshness::Freshness;
use crate::hot::MOST_HOT;
use crate::keys::{CONCERN, KEYS};
use crate::load::Cx;
use crate::loaded::IntoLoaded;
use crate::options::Options;
use crate::outage::OnOutage;
use crate::pattern::Pattern;
use crate::scope::Scopes;
use crate::source::Source;
use crate::strategies::Strategies;
use crate::wire::MOST_TAGS;

/// Configures a [`Cache`].
///
/// | setting | default |
/// |---|---|
/// | [`ttl`](Builder::ttl) | `REDIS_DEFAULT_TTL`, else `RESPONSE_CACHE_TTL`, else 1 hour; times the profile's factor |
/// | [`jitter`](Builder::jitter) | 0.1: up to a tenth of the TTL less |
/// | [`negative_ttl`](Builder::negative_ttl) | 30 s, at most the TTL |
/// | [`stale_while_revalidate`](Builder::stale_while_revalidate) | off |
/// | [`stale_if_error`](Builder::stale_if_error) | off |
/// | [`error_throttle`](Builder::error_throttle) | 30 s |
/// | [`early_refresh`](Builder::early_refresh) | off |
/// | [`sliding`](Builder::sliding) | off |
/// | [`load_timeout`](Builder::load_timeout) | 30 s |
/// | [`soft_timeout`](Builder::soft_timeout) | off |
/// | [`lease`](Builder::lease) | 5 s |
/// | [`read_deadline`](Builder::read_deadline) | 250 ms |
/// | [`local`](Builder::local) | off |
/// | [`local_ttl`](Builder::local_ttl) | the TTL; 1 s with [`Coherence::None`] |
/// | [`coherence`](Builder::coherence) | [`Coherence::Stream`] |
/// | [`hot_keys`](Builder::hot_keys) | off |
/// | [`codec`](Builder::codec) | MessagePack |
/// | [`schema_version`](Builder::schema_version) | 0 |
/// | [`max_value`](Builder::max_value) | 1 MiB |
/// | [`pattern`](Builder::pattern) | [`Pattern::CacheAside`] |
/// | [`loader`](Builder::loader), [`bulk_loader`](Builder::bulk_loader), [`writer`](Builder::writer) | none |
/// | [`on_outage`](Builder::on_outage) | [`OnOutage::Miss`]; with a strict [`Profile`](russet_core::Profile) [`OnOutage::Error`] |
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder<K, V> {
    ns: Namespace,
    name: String,
    options: Options,
    source: Source<K, V>,
    /// What was wrong with what it was told, until it is built.
    refused: Option<BuildError>,
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
                negative_ttl: Duration::from_secs(30),
                freshness: Freshness {
                    jitter: 0.1,
                    while_revalidate: Duration::ZERO,
                    if_error: Duration::ZERO,
                    throttle: Duration::from_secs(30),
                    early: 0.0,
                    sliding: false,
                },
                load_timeout: Duration::from_secs(30),
                soft_timeout: None,
                lease: Duration::from_secs(5),
                read_deadline: Duration::from_millis(250),
                local: 0,
                local_ttl: None,
                coherence: Coherence::default(),
                hot_keys: 0,
                codec: Codec::default(),
                is_plain: false,
                schema_version: 0,
                max_value: 1 << 20,
                on_outage: OnOutage::of(ns),
                pattern: Pattern::default(),
            },
            source: Source::default(),
            refused: None,
        }
    }

    /// How long a value lives, before the profile's factor. At least 1 ms, at most 10 years; no entry is ever without one.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = ttl;
        self
    }

    /// By what share of its TTL a value may live less, at random, so that what was stored together does not end together: 0 to
    /// 0.9.
    pub fn jitter(mut self, share: f64) -> Self {
        self.options.freshness.jitter = share;
        self
    }

    /// How long it is cached that there is no such thing, before the profile's factor; at most the TTL.
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.options.negative_ttl = ttl;
        self
    }

    /// How long behind its TTL a value is still served by `get_or_load`, while it is loaded anew in the background (RFC 5861).
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.options.freshness.while_revalidate = window;
        self
    }

    /// How long behind its TTL a value is served where loading it anew fails, or takes longer than the
    /// [soft timeout](Builder::soft_timeout) (RFC 5861). One that was invalidated is not.
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.options.freshness.if_error = window;
        self
    }

    /// How long a stale value is served without asking the source again, in all processes, once loading it anew has failed.
    pub fn error_throttle(mut self, throttle: Duration) -> Self {
        self.options.freshness.throttle = throttle;
        self
    }

    /// Loads values anew shortly before they end: the likelier the longer their load took and the less time is left, times this
    /// factor (`XFetch`; 1 is the paper's, 0 is off, 10 the most). One reader or two do so, whatever the traffic.
    pub fn early_refresh(mut self, beta: f64) -> Self {
        self.options.freshness.early = beta;
        self
    }

    /// Has a value live on as long as it is read: a read past half of its life gives it the whole of it again. One `EVALSHA` then,
    /// in the background.
    pub fn sliding(mut self) -> Self {
        self.options.freshness.sliding = true;
        self
    }

    /// How long a loader may run before it is stopped. At least 1 ms.
    pub fn load_timeout(mut self, timeout: Duration) -> Self {
        self.options.load_timeout = timeout;
        self
    }

    /// How long a load is waited for where a stale value can stand in for it ([`stale_if_error`](Builder::stale_if_error)). The load
    /// goes on.
    pub fn soft_timeout(mut self, timeout: Duration) -> Self {
        self.options.soft_timeout = Some(timeout);
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

    /// Keeps values that are read often in this process's memory, up to so many bytes: `64 << 20`. A read of one of them asks
    /// nobody. What this process changes it sees at once; what others change it is told, as [`coherence`](Builder::coherence) says.
    ///
    /// A value has its bytes in Redis, its key and 128 more; what it takes in memory may differ.
    pub fn local(mut self, bytes: u64) -> Self {
        self.options.local = bytes;
        self
    }

    /// How long a value is served from memory at most, however long it lives in Redis.
    pub fn local_ttl(mut self, ttl: Duration) -> Self {
        self.options.local_ttl = Some(ttl);
        self
    }

    /// How the local tier learns what other processes change.
    pub fn coherence(mut self, coherence: Coherence) -> Self {
        self.options.coherence = coherence;
        self
    }

    /// Counts which keys are read most, of every sixteenth hit, so that as many as this can be [saved](Cache::save_hot_keys) at
    /// shutdown and [loaded](Cache::warm_hot_keys) at the next start: 0, which is off, to 10,000.
    pub fn hot_keys(mut self, most: usize) -> Self {
        self.options.hot_keys = most;
        self
    }

    /// How values are stored: the format, and on demand compression, encryption or plain JSON.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.options.codec = codec;
        self
    }

    /// Tells values of one version of `V` from those of another: with another number, stored values are misses. The names of the
    /// fields or variants of `V` itself are told apart without it; what lies inside its fields is not.
    pub fn schema_version(mut self, version: u32) -> Self {
        self.options.schema_version = version;
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

    /// As a table of strategies says of the cache of this name; what is set before it is overridden, as far as the table says
    /// anything of it. A cache that the table does not name is an error of [`build`](Builder::build).
    pub fn strategy(mut self, strategies: &Strategies) -> Self {
        match strategies.of(&self.name) {
            Ok((strategy, local)) => self.options.apply(strategy, local),
            Err(error) => self.refused = Some(error),
        }
        self
    }

    /// How the cache and its source go together. [`Pattern::ReadThrough`] wants a [loader](Builder::loader),
    /// [`Pattern::WriteThrough`] a [writer](Builder::writer).
    pub fn pattern(mut self, pattern: Pattern) -> Self {
        self.options.pattern = pattern;
        self
    }

    /// What brings a value from its source: for [`load`](Cache::load), [`refresh`](Cache::refresh) and [`warm`](Cache::warm).
    ///
    /// It answers what other loaders may ([`IntoLoaded`]), and runs as theirs do: in a task of its own, for at most the load timeout.
    ///
    /// ```
    /// # use russet_cache::{Cache, Redis};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let redis = Redis::connect(&russet_testkit::url()).await?;
    /// # let ns = redis.namespace("loader-doc")?;
    /// let users = Cache::<u64, String>::builder(&ns, "users")
    ///     .loader(|id, _cx| async move { Ok::<_, std::io::Error>((id != 0).then(|| format!("user {id}"))) })
    ///     .build()?;
    /// assert_eq!(users.load(&7).await?.as_deref().map(String::as_str), Some("user 7"));
    /// assert_eq!(users.load(&0).await?, None);
    /// # users.remove_matching("*", Default::default()).await?;
    /// # Ok(()) }
    /// ```
    pub fn loader<L, F, T, E>(mut self, load: L) -> Self
    where
        L: Fn(K, Cx<V>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: IntoLoaded<V>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.source.loads(load);
        self
    }

    /// What brings many values at once: for [`load_many`](Cache::load_many) and [`warm`](Cache::warm).
    ///
    /// It runs as the [loader](Builder::loader) does, and is told of no stale values. For a key that it leaves out nothing is cached; that there is no such thing is cached where it says `(key, None)`.
    pub fn bulk_loader<L, F, M, T, E>(mut self, load: L) -> Self
    where
        L: Fn(Vec<K>, Cx<V>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<M, E>> + Send + 'static,
        M: IntoIterator<Item = (K, T)>,
        T: IntoLoaded<V>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.source.loads_many(load);
        self
    }

    /// What writes a value to its source, of a key of these scopes: for [`write`](Cache::write).
    pub fn writer<W, F, E>(mut self, write: W) -> Self
    where
        W: Fn(K, Arc<V>, Scopes) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.source.writes(write);
        self
    }

    /// The cache.
    ///
    /// # Errors
    /// A wrong name (of the namespace or the cache); a name that the table of strategies does not have, or shares in it that come to
    /// more than 1; a [pattern](Builder::pattern) without what it wants; a duration, jitter, factor or number outside its bounds; codec
    /// settings that exclude each other, or other settings; a local tier on a cluster without shards.
    pub fn build(mut self) -> Result<Cache<K, V>, BuildError> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        let options = &mut self.options;
        options.ttl = self.ns.profile().scaled(options.ttl);
        options.negative_ttl = self
            .ns
            .profile()
            .scaled(options.negative_ttl)
            .min(options.ttl);
        options.is_plain = options.codec.is_plain_json();
        for (what, time) in [
            ("ttl", options.ttl),
            ("negative ttl", options.negative_ttl),
            ("load timeout", options.load_timeout),
            ("soft timeout", options.soft_timeout.unwrap_or(options.ttl)),
            ("read deadline", options.read_deadline),
            ("lease", options.lease),
            ("error throttle", options.freshness.throttle),
        ] {
            check_ttl(what, &self.name, time)?;
        }
        self.check_freshness()?;
        self.check_pattern()?;
        if self.options.hot_keys > MOST_HOT {
            let message = format!(
                "cache {:?} is to know {} hot keys; it can {MOST_HOT}",
                self.name, self.options.hot_keys
            );
            return Err(BuildError::new(BuildErrorKind::Limit, message));
        }
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
        self.check_local(self.ns.on(CONCERN, &stem).is_cluster() && !stem.is_sharded())?;
        self.ns.declare(KEYS, &stem);
        let (ns, name) = (self.ns, self.name);
        Ok(Cache::new(&ns, name, stem, self.options, self.source))
    }
}

impl<K, V> Builder<K, V> {
    fn check_freshness(&self) -> Result<(), BuildError> {
        let (options, name) = (&self.options, &self.name);
        let freshness = &options.freshness;
        for (what, number, most) in [
            ("jitter", freshness.jitter, 0.9),
            ("early refresh", freshness.early, 10.0),
        ] {
            if !(0.0..=most).contains(&number) {
                let message =
                    format!("the {what} of cache {name:?} is {number}; it must be 0 to {most}");
                return Err(BuildError::new(BuildErrorKind::Limit, message));
            }
        }
        for (what, window) in [
            ("stale_while_revalidate", freshness.while_revalidate),
            ("stale_if_error", freshness.if_error),
        ] {
            if window > MOST_TTL {
                let message =
                    format!("{what} of cache {name:?} is {window:?}; it must be at most 10 years");
                return Err(BuildError::new(BuildErrorKind::Limit, message));
            }
        }
        let needs_head = [
            (
                !freshness.while_revalidate.is_zero(),
                "stale_while_revalidate",
            ),
            (!freshness.if_error.is_zero(), "stale_if_error"),
            (freshness.early > 0.0, "early_refresh"),
            (freshness.sliding, "sliding"),
            (options.schema_version != 0, "schema_version"),
            (options.local > 0, "local"),
        ];
        let needs_head = needs_head.into_iter().find(|(is_set, _)| *is_set);
        match needs_head {
            Some((_, what)) if options.is_plain => {
                let message = format!(
                    "cache {name:?} stores plain JSON, which has no place for what {what} needs; leave one of them out"
                );
                Err(BuildError::new(BuildErrorKind::Conflict, message))
            }
            _ => Ok(()),
        }
    }
}

impl<K, V> Builder<K, V> {
    fn check_pattern(&self) -> Result<(), BuildError> {
        let lacks = match self.options.pattern {
            Pattern::ReadThrough if self.source.load.is_none() => "loader",
            Pattern::WriteThrough if self.source.write.is_none() => "writer",
            _ => return Ok(()),
        };
        let (pattern, name) = (self.options.pattern, &self.name);
        let message = format!(
            "cache {name:?} is to be {pattern:?}, for which it wants a {lacks}; give its builder one, by `.{lacks}(..)`"
        );
        Err(BuildError::new(BuildErrorKind::Conflict, message))
    }

    fn check_local(&mut self, is_scattered: bool) -> Result<(), BuildError> {
        let (options, name) = (&mut self.options, &self.name);
        if options.local == 0 {
            return Ok(());
        }
        if is_scattered {
            let message = format!(
                "cache {name:?} has a local tier on a cluster without shards, where no script can tell of a change; give the namespace shards, or leave the local tier out"
            );
            return Err(BuildError::new(BuildErrorKind::Conflict, message));
        }
        let ttl = match options.coherence {
            Coherence::None => {
                let ttl = options.local_ttl.unwrap_or(Duration::from_secs(1));
                if ttl > Duration::from_secs(10) {
                    let message = format!(
                        "the local ttl of cache {name:?} is {ttl:?}; without coherence it must be at most 10s"
                    );
                    return Err(BuildError::new(BuildErrorKind::Limit, message));
                }
                ttl
            }
            Coherence::Stream | Coherence::PubSub => options.local_ttl.unwrap_or(options.ttl),
        };
        check_ttl("local ttl", name, ttl)?;
        options.local_ttl = Some(ttl);
        Ok(())
    }
}

const MOST_TTL: Duration = Duration::from_hours(10 * 365 * 24);

/// Whether an entry may have these tags.
pub(crate) fn check_tags(cache: &str, has_head: bool, tags: &[String]) -> Result<(), BuildError> {
    if tags.is_empty() {
        return Ok(());
    }
    if !has_head {
        let message = format!(
            "cache {cache:?} stores plain JSON, which has no place for tags; use another codec, or no tags and no scope"
        );
        return Err(BuildError::new(BuildErrorKind::Conflict, message));
    }
    let bytes: usize = tags.iter().map(|tag| 2 + tag.len()).sum();
    if bytes > MOST_TAGS {
        let message = format!(
            "the tags of an entry of cache {cache:?} have {bytes} bytes; they may have {MOST_TAGS}"
        );
        return Err(BuildError::new(BuildErrorKind::Limit, message));
    }
    Ok(())
}

/// Whether a duration is one that a cache can do with.
pub(crate) fn check_ttl(what: &str, cache: &str, ttl: Duration) -> Result<(), BuildError> {
    if (Duration::from_millis(1)..=MOST_TTL).contains(&ttl) {
        return Ok(());
    }
    let message =
        format!("the {what} of cache {cache:?} is {ttl:?}; it must be between 1ms and 10 years");
    Err(BuildError::new(BuildErrorKind::Limit, message))
}
