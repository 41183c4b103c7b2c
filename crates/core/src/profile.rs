//! What differs between environments besides the servers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{BuildError, BuildErrorKind};

/// How a namespace's handles behave in one environment, where their builders are not told: as configuration, so that
/// staging and production run the same code.
///
/// | | default | [`staging`](Profile::staging) | [`production`](Profile::production) |
/// |---|---|---|---|
/// | [`ttl_factor`](Profile::ttl_factor) | 1 | 2 | 1 |
/// | [`queue_capacity`](Profile::queue_capacity) | 65,536 | 4,096 | 65,536 |
/// | [`log_filter`](Profile::log_filter) | `info` | `info,russet=debug` | `info` |
/// | [`strict`](Profile::strict) | no | no | yes |
///
/// ```
/// use russet_core::Profile;
///
/// let staging: Profile = toml::from_str("ttl_factor = 3.0\nlog_filter = 'debug'")?;
/// assert_eq!(staging.queue_capacity, Profile::default().queue_capacity);
/// # Ok::<_, toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Profile {
    /// What the TTLs of caches and tiers are multiplied by; between 0.001 and 1,000. A fixed TTL stays.
    pub ttl_factor: f64,
    /// How much a bounded queue holds: jobs, buffered events; at least 1.
    pub queue_capacity: usize,
    /// Which log lines are written, in the words of `tracing_subscriber::EnvFilter`; whoever installs the subscriber reads it.
    pub log_filter: String,
    /// Whether trouble is told rather than borne: a cache's callers see its errors, and locks and queues want a replica's
    /// acknowledgement.
    pub strict: bool,
}

impl Default for Profile {
    fn default() -> Self {
        Profile {
            ttl_factor: 1.0,
            queue_capacity: 65_536,
            log_filter: "info".to_owned(),
            strict: false,
        }
    }
}

impl Profile {
    /// For trying out: longer TTLs, small capacities, many log lines.
    pub fn staging() -> Self {
        Profile {
            ttl_factor: 2.0,
            queue_capacity: 4_096,
            log_filter: "info,russet=debug".to_owned(),
            strict: false,
        }
    }

    /// For users: strict.
    pub fn production() -> Self {
        Profile {
            strict: true,
            ..Profile::default()
        }
    }

    /// A TTL times the factor.
    pub fn scaled(&self, ttl: Duration) -> Duration {
        let seconds = ttl.as_secs_f64() * self.ttl_factor;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    pub(crate) fn check(&self) -> Result<(), BuildError> {
        let wrong = |message| Err(BuildError::new(BuildErrorKind::Limit, message));
        if !(0.001..=1_000.0).contains(&self.ttl_factor) {
            let factor = self.ttl_factor;
            return wrong(format!(
                "the profile's ttl_factor is {factor}; it must be between 0.001 and 1000"
            ));
        }
        if self.queue_capacity == 0 {
            return wrong("the profile's queue_capacity is 0; it must be at least 1".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_bounds() {
        for factor in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let profile = Profile {
                ttl_factor: factor,
                ..Profile::default()
            };
            assert!(profile.check().is_err(), "{factor}");
        }
        let profile = Profile {
            queue_capacity: 0,
            ..Profile::default()
        };
        assert!(profile.check().is_err());
        assert!(Profile::staging().check().is_ok());
    }

    #[test]
    fn a_word_that_is_none_is_refused() {
        assert!(toml::from_str::<Profile>("ttl = 3").is_err());
    }
}
