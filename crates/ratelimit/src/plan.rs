//! Policies, and the way on which they are asked.

use std::fmt;
use std::sync::Arc;

use russet_core::{BuildError, Lane};

use crate::escalation::Escalation;
use crate::policy::Policy;
use crate::rules::Rules;
use crate::speed::{Life, Take, smaller, take};

/// What holds of all policies of a limiter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) charges_denied: bool,
    pub(crate) escalation: Option<Escalation>,
    /// Whether processes fetch ahead.
    pub(crate) leases: bool,
}

/// Policies, and the short way on which they are asked, if they have one.
pub(crate) struct Plan {
    pub(crate) rules: Arc<Rules>,
    pub(crate) take: Option<Take>,
    /// How long what is fetched ahead may be spent, where that is done.
    pub(crate) life: Option<Life>,
}

impl Plan {
    pub(crate) fn new(
        policies: Vec<Policy>,
        options: &Options,
        lane: &Lane,
    ) -> Result<Arc<Self>, BuildError> {
        let policies = match options.leases {
            true => policies
                .into_iter()
                .map(smaller)
                .collect::<Result<_, _>>()?,
            false => policies,
        };
        let rules = Rules::new(policies, options.charges_denied, options.escalation)?;
        Ok(Arc::new(Plan {
            take: take(lane, &rules),
            life: options.leases.then(|| Life::under(&rules)).transpose()?,
            rules,
        }))
    }

    /// Policies of one call, which has nobody to share the short way with.
    pub(crate) fn of_one(policy: Policy, options: &Options) -> Result<Arc<Self>, BuildError> {
        Ok(Arc::new(Plan {
            rules: Rules::new(vec![policy], options.charges_denied, options.escalation)?,
            take: None,
            life: None,
        }))
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.rules)
    }
}
