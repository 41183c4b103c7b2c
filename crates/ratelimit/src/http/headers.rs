//! What a response says of its limits.

use std::fmt::Write as _;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::decision::{Decision, Verdict};
use crate::policy::Policy;

/// Which header fields tell of limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fields {
    /// `RateLimit` and `RateLimit-Policy`, as the IETF has them (draft-ietf-httpapi-ratelimit-headers-11).
    #[default]
    Standard,
    /// Those, and `X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds from now on), as many have had them.
    Legacy,
    /// None but `Retry-After`.
    Few,
}

/// A wait that is longer is told longer by up to a tenth, so that not all come back at the same time.
const LONG: u64 = 60;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// `RateLimit-Policy`: `"burst";q=100;w=60`, of all policies that do more than watch.
pub(super) fn policies<'p>(policies: impl Iterator<Item = &'p Policy>) -> Option<HeaderValue> {
    let mut text = String::new();
    for policy in policies.filter(|policy| !policy.watches()) {
        let (limit, window) = policy.as_bucket();
        let comma = if text.is_empty() { "" } else { ", " };
        // Names hold nothing that a string of a structured field would escape.
        let _ = write!(
            text,
            "{comma}\"{}\";q={limit};w={}",
            policy.name(),
            seconds(window).max(1)
        );
    }
    HeaderValue::try_from(text)
        .ok()
        .filter(|value| !value.is_empty())
}

/// Adds what a decision says.
pub(super) fn tell(
    headers: &mut HeaderMap,
    decision: &Decision,
    policies: Option<&HeaderValue>,
    fields: Fields,
) {
    let wait = decision.retry_after().map(seconds);
    // Who is told by `t` that there is more, and comes then, shall not be told otherwise by `Retry-After`.
    let comes = wait.map(|wait| match wait {
        LONG.. => wait + fastrand::u64(0..=wait / 10),
        _ => wait,
    });
    if let Some(comes) = comes.or((decision.verdict() == Verdict::Unavailable).then_some(1)) {
        headers.insert(RETRY_AFTER, comes.into());
    }
    let Some(policy) = decision.policy() else {
        return;
    };
    // A layer inside that denies says more than one that does not.
    if fields == Fields::Few || (wait.is_none() && headers.contains_key(RATE_LIMIT)) {
        return;
    }
    let reset = wait.unwrap_or_else(|| seconds(decision.reset_after()));
    let remaining = decision.remaining();
    if let Ok(value) = HeaderValue::try_from(format!("\"{policy}\";r={remaining};t={reset}")) {
        headers.insert(RATE_LIMIT, value);
    }
    if let Some(policies) = policies {
        headers.insert(RATE_LIMIT_POLICY, policies.clone());
    }
    if fields == Fields::Legacy {
        for (name, number) in [
            ("x-ratelimit-limit", decision.limit()),
            ("x-ratelimit-remaining", remaining),
            ("x-ratelimit-reset", reset),
        ] {
            headers.insert(HeaderName::from_static(name), number.into());
        }
    }
}

/// Whole seconds, and what is begun of one is one.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn policies_as_the_draft_has_them() {
        let all = [
            Policy::sliding_window(100, Duration::from_mins(1)),
            Policy::token_bucket(10, Duration::from_secs(1))
                .burst(25)
                .named("burst"),
            Policy::fixed_window(1, Duration::from_mins(1))
                .named("new")
                .shadow(),
        ];
        let value = policies(all.iter()).unwrap();
        assert_eq!(value, "\"sliding_window\";q=100;w=60, \"burst\";q=25;w=3");
        assert_eq!(policies(all[2..].iter()), None);
    }
}
