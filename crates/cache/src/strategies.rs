//! How each type of data is cached, in one table.

use std::collections::BTreeMap;
use std::time::Duration;

use russet_core::{BuildError, BuildErrorKind};
use serde::{Deserialize, Serialize};

use crate::pattern::Pattern;

/// How each type of data of a service is cached: one table, in code or in a configuration file, that the builders of its caches
/// read. A cache that it does not name is an error when it is built, hence at start.
///
/// ```
/// # use russet_cache::{Cache, Redis, Strategies};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let redis = Redis::connect(&russet_testkit::url()).await?;
/// # let ns = redis.namespace("strategies-doc")?;
/// let strategies: Strategies = toml::from_str(r#"
///     local_bytes = 67_108_864     # for all of them; each has its share
///
///     [types.guild_config]
///     pattern = "read-through"
///     ttl = "24h"
///     jitter = 0.2
///     negative_ttl = "1m"
///     local_share = 0.5
///
///     [types.levels]
///     pattern = "write-through"
///     ttl = "5m"
/// "#)?;
/// let guilds = Cache::<u64, String>::builder(&ns, "guild_config")
///     .strategy(&strategies)
///     .loader(|id, _cx| async move { Ok::<_, std::io::Error>(format!("guild {id}")) })
///     .build()?;
/// let unknown = Cache::<u64, String>::builder(&ns, "guildconfig").strategy(&strategies).build();
/// assert!(unknown.unwrap_err().to_string().contains("did you mean \"guild_config\"?"));
/// # drop(guilds);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strategies {
    /// How many bytes of this process's memory their local tiers have together.
    #[serde(default)]
    local_bytes: u64,
    types: BTreeMap<String, Strategy>,
}

/// How one type of data is cached. What is not set is as the builder has it: see [`Builder`](crate::Builder).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Strategy {
    /// See [`Builder::pattern`](crate::Builder::pattern).
    pub pattern: Pattern,
    /// See [`Builder::ttl`](crate::Builder::ttl). In a file `"24h"`, `"1h 30m"`, `"500ms"`, as all times.
    #[serde(with = "humantime_serde")]
    pub ttl: Duration,
    /// See [`Builder::jitter`](crate::Builder::jitter).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<f64>,
    /// See [`Builder::negative_ttl`](crate::Builder::negative_ttl).
    #[serde(
        default,
        with = "humantime_serde",
        skip_serializing_if = "Option::is_none"
    )]
    pub negative_ttl: Option<Duration>,
    /// Its share of the table's bytes for local tiers, 0 to 1; without one it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_share: Option<f64>,
    /// See [`Builder::local_ttl`](crate::Builder::local_ttl).
    #[serde(
        default,
        with = "humantime_serde",
        skip_serializing_if = "Option::is_none"
    )]
    pub local_ttl: Option<Duration>,
    /// See [`Builder::stale_while_revalidate`](crate::Builder::stale_while_revalidate).
    #[serde(
        default,
        with = "humantime_serde",
        skip_serializing_if = "Option::is_none"
    )]
    pub stale_while_revalidate: Option<Duration>,
    /// See [`Builder::stale_if_error`](crate::Builder::stale_if_error).
    #[serde(
        default,
        with = "humantime_serde",
        skip_serializing_if = "Option::is_none"
    )]
    pub stale_if_error: Option<Duration>,
    /// See [`Builder::error_throttle`](crate::Builder::error_throttle).
    #[serde(
        default,
        with = "humantime_serde",
        skip_serializing_if = "Option::is_none"
    )]
    pub error_throttle: Option<Duration>,
    /// See [`Builder::early_refresh`](crate::Builder::early_refresh).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_refresh: Option<f64>,
    /// See [`Builder::sliding`](crate::Builder::sliding).
    #[serde(default)]
    pub sliding: bool,
    /// See [`Builder::load_timeout`](crate::Builder::load_timeout).
    #[serde(
        default,
        with = "humantime_serde",
        skip_serializing_if = "Option::is_none"
    )]
    pub load_timeout: Option<Duration>,
    /// See [`Builder::soft_timeout`](crate::Builder::soft_timeout).
    #[serde(
        default,
        with = "humantime_serde",
        skip_serializing_if = "Option::is_none"
    )]
    pub soft_timeout: Option<Duration>,
    /// See [`Builder::max_value`](crate::Builder::max_value), in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_value: Option<usize>,
    /// See [`Builder::schema_version`](crate::Builder::schema_version).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<u32>,
}

impl Strategy {
    /// A pattern and a TTL; the rest is as the builder has it.
    pub fn new(pattern: Pattern, ttl: Duration) -> Self {
        Strategy {
            pattern,
            ttl,
            jitter: None,
            negative_ttl: None,
            local_share: None,
            local_ttl: None,
            stale_while_revalidate: None,
            stale_if_error: None,
            error_throttle: None,
            early_refresh: None,
            sliding: false,
            load_timeout: None,
            soft_timeout: None,
            max_value: None,
            schema_version: None,
        }
    }
}

impl Strategies {
    /// An empty table.
    pub fn new() -> Self {
        Strategies::default()
    }

    /// How many bytes of this process's memory their local tiers have together.
    #[must_use]
    pub fn local_bytes(mut self, bytes: u64) -> Self {
        self.local_bytes = bytes;
        self
    }

    /// Adds a type of data, or replaces it: the name of its cache, and how it is cached.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, strategy: Strategy) -> Self {
        self.types.insert(name.into(), strategy);
        self
    }

    /// The types of data, by name.
    pub fn types(&self) -> impl Iterator<Item = (&str, &Strategy)> {
        self.types
            .iter()
            .map(|(name, strategy)| (&**name, strategy))
    }

    /// How this type is cached, and how many bytes its local tier has, if the table says so.
    pub(crate) fn of(&self, name: &str) -> Result<(&Strategy, Option<u64>), BuildError> {
        let shares = self
            .types
            .values()
            .filter_map(|strategy| strategy.local_share);
        let all: f64 = shares.clone().sum();
        if shares.clone().any(|share| !(0.0..=1.0).contains(&share)) || all > 1.0 + 1e-9 {
            let message = format!(
                "the shares of the local tier in the table of strategies must each be 0 to 1, and 1 together at most; they are {all} together"
            );
            return Err(BuildError::new(BuildErrorKind::Limit, message));
        }
        match self.types.get(name) {
            Some(strategy) if strategy.local_share.is_some() && self.local_bytes == 0 => {
                let message = format!(
                    "the table of strategies gives cache {name:?} a share of the local tier, and has no bytes for it; say local_bytes"
                );
                Err(BuildError::new(BuildErrorKind::Conflict, message))
            }
            Some(strategy) => {
                let local = strategy
                    .local_share
                    .map(|share| share_of(self.local_bytes, share));
                Ok((strategy, local))
            }
            None => Err(BuildError::new(BuildErrorKind::Name, self.unknown(name))),
        }
    }

    fn unknown(&self, name: &str) -> String {
        let near = self
            .types
            .keys()
            .map(|known| (strsim::jaro_winkler(known, name), known));
        let near = near.max_by(|(one, _), (other, _)| one.total_cmp(other));
        let hint = match near {
            Some((nearness, known)) if nearness > 0.8 => format!("did you mean {known:?}?"),
            _ => {
                let known: Vec<_> = self.types.keys().map(String::as_str).collect();
                format!("it has {}", known.join(", "))
            }
        };
        format!("cache {name:?} is not in the table of strategies; {hint}")
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a share of bytes, between none and all of them"
)]
fn share_of(bytes: u64, share: f64) -> u64 {
    (bytes as f64 * share) as u64
}
