//! A policy as configuration has it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Period, Policy, Rule};

/// Every setting that any policy has; which of them one has, its algorithm says.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Config {
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    window: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<u64>,
    #[serde(skip_serializing_if = "is_false")]
    interpolated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<u64>,
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    per: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    burst: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<Period>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    lasts: Option<Duration>,
    #[serde(skip_serializing_if = "is_false")]
    shadow: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_false(value: &bool) -> bool {
    !value
}

impl TryFrom<Config> for Policy {
    type Error = String;

    fn try_from(mut config: Config) -> Result<Self, String> {
        let kind = std::mem::take(&mut config.kind);
        let needs = |setting: &str| format!("a policy of the kind {kind:?} needs {setting:?}");
        let limit = config.limit.take();
        let limit = || limit.ok_or_else(|| needs("limit"));
        let window = config.window.take();
        let window = || window.ok_or_else(|| needs("window"));
        let mut policy = match &*kind {
            "token_bucket" => {
                let rate = config.rate.take().ok_or_else(|| needs("rate"))?;
                let per = config.per.take().ok_or_else(|| needs("per"))?;
                let policy = Policy::token_bucket(rate, per);
                match config.burst.take() {
                    Some(burst) => policy.burst(burst),
                    None => policy,
                }
            }
            "sliding_window" => {
                let mut policy = Policy::sliding_window(limit()?, window()?);
                if let Some(resolution) = config.resolution.take() {
                    policy = policy.resolution(resolution);
                }
                if std::mem::take(&mut config.interpolated) {
                    policy = policy.interpolated();
                }
                policy
            }
            "fixed_window" => Policy::fixed_window(limit()?, window()?),
            "sliding_log" => Policy::sliding_log(limit()?, window()?),
            "calendar" => {
                let period = config.period.take().ok_or_else(|| needs("period"))?;
                let zone = config.zone.take().unwrap_or_else(|| "UTC".to_owned());
                Policy::calendar(limit()?, period, zone)
            }
            "cooldown" => Policy::cooldown(config.lasts.take().ok_or_else(|| needs("lasts"))?),
            _ => {
                return Err(format!(
                    "{kind:?} is no kind of policy; there are sliding_window, token_bucket, fixed_window, calendar, sliding_log and cooldown"
                ));
            }
        };
        policy.name = config.name.take();
        policy.watches = std::mem::take(&mut config.shadow);
        // What is left no such policy has; `limit` and `window` are taken, whether it has them or not.
        let uses = |setting: &str| match setting {
            "limit" => !matches!(
                policy.rule,
                Rule::TokenBucket { .. } | Rule::Cooldown { .. }
            ),
            _ => matches!(
                policy.rule,
                Rule::SlidingWindow { .. } | Rule::FixedWindow { .. } | Rule::SlidingLog { .. }
            ),
        };
        let left = [
            ("limit", limit().is_ok() && !uses("limit")),
            ("window", window().is_ok() && !uses("window")),
            ("resolution", config.resolution.is_some()),
            ("interpolated", config.interpolated),
            ("rate", config.rate.is_some()),
            ("per", config.per.is_some()),
            ("burst", config.burst.is_some()),
            ("period", config.period.is_some()),
            ("zone", config.zone.is_some()),
            ("lasts", config.lasts.is_some()),
        ];
        if let Some((setting, _)) = left.iter().find(|(_, is_left)| *is_left) {
            return Err(format!("a policy of the kind {kind:?} has no {setting:?}"));
        }
        policy.settings().map_err(|wrong| wrong.to_string())?;
        Ok(policy)
    }
}

impl From<Policy> for Config {
    fn from(policy: Policy) -> Self {
        let mut config = Config {
            kind: policy.kind().name().to_owned(),
            name: policy.name,
            shadow: policy.watches,
            ..Config::default()
        };
        match policy.rule {
            Rule::TokenBucket { rate, per, burst } => {
                (config.rate, config.per, config.burst) = (Some(rate), Some(per), Some(burst));
            }
            Rule::SlidingWindow {
                limit,
                window,
                resolution,
                is_interpolated,
            } => {
                (config.limit, config.window) = (Some(limit), Some(window));
                (config.resolution, config.interpolated) = (Some(resolution), is_interpolated);
            }
            Rule::FixedWindow { limit, window } | Rule::SlidingLog { limit, window } => {
                (config.limit, config.window) = (Some(limit), Some(window));
            }
            Rule::Calendar {
                limit,
                period,
                zone,
            } => {
                (config.limit, config.period, config.zone) =
                    (Some(limit), Some(period), Some(zone));
            }
            Rule::Cooldown { lasts } => config.lasts = Some(lasts),
        }
        config
    }
}
