//! Which operations have which limits, in one table.

use std::collections::BTreeMap;
use std::sync::Arc;

use russet_core::{BuildError, BuildErrorKind, Lane};
use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::policy::Policy;

/// Which operations of a service have which limits: one table, in code or in a configuration file, that a [`Limiter`](crate::Limiter)
/// reads, and that may change while it runs.
///
/// ```
/// use russet_ratelimit::Limits;
///
/// let limits: Limits = toml::from_str(r#"
///     [[default]]                      # of operations that have none of their own
///     kind = "token_bucket"
///     rate = 10
///     per = "1s"
///     burst = 20
///
///     [["POST /login"]]
///     kind = "sliding_window"
///     limit = 5
///     window = "1m"
///
///     [["POST /login"]]
///     kind = "calendar"
///     limit = 100
///     period = "day"
///     zone = "Europe/Berlin"
/// "#)?;
/// assert_eq!(limits.operations().collect::<Vec<_>>(), ["POST /login"]);
/// assert!(toml::from_str::<Limits>("[[default]]\nkind = 'token_bucket'\nlimit = 5").is_err());
/// # Ok::<_, toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Limits(BTreeMap<String, Vec<Policy>>);

/// Whose policies those operations have that have none of their own.
const DEFAULT: &str = "default";

impl Limits {
    /// An empty table.
    pub fn new() -> Self {
        Limits::default()
    }

    /// Holds an operation to one more policy.
    #[must_use]
    pub fn with(mut self, operation: impl Into<String>, policy: Policy) -> Self {
        self.0.entry(operation.into()).or_default().push(policy);
        self
    }

    /// Holds every operation that has none of its own to one more policy.
    #[must_use]
    pub fn by_default(self, policy: Policy) -> Self {
        self.with(DEFAULT, policy)
    }

    /// The operations that have policies of their own.
    pub fn operations(&self) -> impl Iterator<Item = &str> {
        self.0
            .keys()
            .map(String::as_str)
            .filter(|name| *name != DEFAULT)
    }
}

/// A table that was checked.
#[derive(Debug, Default)]
pub(crate) struct Table {
    limits: Limits,
    plans: BTreeMap<String, Arc<Plan>>,
}

impl Table {
    /// What did not change keeps its plan, and what is known by it.
    pub(crate) fn new(
        limits: &Limits,
        lane: &Lane,
        options: &crate::plan::Options,
        before: &Table,
    ) -> Result<Self, BuildError> {
        let plans = limits.0.iter().map(|(operation, policies)| {
            let is_known = before.limits.0.get(operation) == Some(policies);
            if let Some(known) = before.plans.get(operation).filter(|_| is_known) {
                return Ok((operation.clone(), known.clone()));
            }
            let plan = Plan::new(policies.clone(), options, lane).map_err(|wrong| {
                BuildError::new(
                    BuildErrorKind::Limit,
                    format!("the operation {operation:?}: {wrong}"),
                )
            })?;
            Ok((operation.clone(), plan))
        });
        Ok(Table {
            plans: plans.collect::<Result<_, BuildError>>()?,
            limits: limits.clone(),
        })
    }

    pub(crate) fn of(&self, operation: &str) -> Option<Arc<Plan>> {
        self.plans
            .get(operation)
            .or_else(|| self.plans.get(DEFAULT))
            .cloned()
    }
}
