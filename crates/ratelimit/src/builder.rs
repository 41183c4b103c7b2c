//! How a limiter is configured.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use russet_core::{BuildError, BuildErrorKind, Namespace, Operation, Stem};

use crate::analytics::{Tally, keep_telling};
use crate::escalation::Escalation;
use crate::keys::{CONCERN, of_each};
use crate::limiter::{Inner, Limiter};
use crate::limits::{Limits, Table};
use crate::outage::{OnOutage, Shares, Told};
use crate::plan::{Options, Plan};
use crate::policy::Policy;
use crate::speed::{DenyCache, Leases, calls};
use crate::stats::Counts;
use crate::turns::Turns;

/// Configures a [`Limiter`].
///
/// | setting | default |
/// |---|---|
/// | [`policy`](Builder::policy) | none, up to 16; without one only [`Limiter::operation`], `check_with` and `is_allowed` decide |
/// | [`on_outage`](Builder::on_outage) | [`OnOutage::Allow`] |
/// | [`deadline`](Builder::deadline) | 100 ms |
/// | [`deny_cache`](Builder::deny_cache) | 10,000 subjects |
/// | [`leases`](Builder::leases) | 0: each decision is Redis's |
/// | [`analytics`](Builder::analytics) | off |
/// | [`charge_denied`](Builder::charge_denied) | denied calls are not charged |
/// | [`block_after`](Builder::block_after) | nobody is blocked |
/// | [`limits`](Builder::limits) | none |
/// | [`window`](Builder::window) | 1 minute, for [`Limiter::is_allowed`] alone |
/// | [`stem`](Builder::stem) | `<prefix>:ratelimit:<name>` |
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    ns: Namespace,
    name: String,
    stem: Option<String>,
    policies: Vec<Policy>,
    on_outage: OnOutage,
    deadline: Duration,
    deny_cache: usize,
    options: Options,
    leases: u64,
    analytics: Option<Duration>,
    limits: Limits,
    window: Duration,
}

impl Builder {
    pub(crate) fn new(ns: &Namespace, name: &str) -> Self {
        Builder {
            ns: ns.clone(),
            name: name.to_owned(),
            stem: None,
            policies: Vec::new(),
            on_outage: OnOutage::default(),
            deadline: Duration::from_millis(100),
            deny_cache: 10_000,
            options: Options::default(),
            leases: 0,
            analytics: None,
            limits: Limits::default(),
            window: Duration::from_mins(1),
        }
    }

    /// Holds every subject to one more policy. All of them decide together: a call that one denies is charged to none.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// What callers are told while Redis cannot be used.
    pub fn on_outage(mut self, on_outage: OnOutage) -> Self {
        self.on_outage = on_outage;
        self
    }

    /// How long a decision may take before it is made without Redis. At least 1 ms.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Of how many subjects this process remembers that they were denied, so that it need not ask again before the time that Redis
    /// said, or a second: nobody is let through by it, and after a reset, a refund or an override by another process a subject may be
    /// denied for up to a second more. 0 remembers none.
    pub fn deny_cache(mut self, subjects: usize) -> Self {
        self.deny_cache = subjects;
        self
    }

    /// Fetches up to so many ahead of a subject that is often asked about, and spends them without asking Redis, which sees a call in a
    /// hundred or less. Still nobody is let through who should not be, judged by the time at which each is: what was fetched is spent in
    /// the sub-window in which it was charged, for a second at most, and buckets are smaller by a twentieth of their burst, which is what
    /// may flow in meanwhile. What is not spent is given back; what a process held that was killed stays charged for as long as if it
    /// had been spent. Near the limit nothing is fetched ahead.
    ///
    /// For limiters with one policy that is no log and no cooldown. All processes must be built with the same: one without leases has the
    /// larger bucket. After a reset, a block or an override by another process a subject may go on for up to a second. 0 fetches nothing.
    pub fn leases(mut self, most: u64) -> Self {
        self.leases = most;
        self
    }

    /// Counts what is decided for [`Limiter::report`], and keeps it for so long: 1 minute to 30 days. Decisions do not wait for it: each process
    /// counts by itself, and tells every ten seconds. Subjects that are denied stand there as they are; pass
    /// [`Key::keyed`](russet_core::Key::keyed) of them where nobody shall read that.
    ///
    /// It belongs to the tokio runtime in which it is built.
    pub fn analytics(mut self, keeps: Duration) -> Self {
        self.analytics = Some(keeps);
        self
    }

    /// Charges denied calls too, by one limit more at most: whoever goes on waits longer. Nothing is denied from memory then.
    pub fn charge_denied(mut self) -> Self {
        self.options.charges_denied = true;
        self
    }

    /// Blocks subjects that go on after they were denied. Nothing is denied from memory then.
    pub fn block_after(mut self, escalation: Escalation) -> Self {
        self.options.escalation = Some(escalation);
        self
    }

    /// Which operations have which policies; see [`Limiter::operation`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The window of [`Limiter::is_allowed`].
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// What its keys begin with behind the prefix, where a layout from before names them: `rate:api`.
    pub fn stem(mut self, names: impl Into<String>) -> Self {
        self.stem = Some(names.into());
        self
    }

    /// The limiter.
    ///
    /// # Errors
    /// [`BuildErrorKind::Name`] for a name that no key may hold, [`BuildErrorKind::Limit`] for a setting outside its bounds.
    pub fn build(self) -> Result<Limiter, BuildError> {
        if self.deadline < Duration::from_millis(1) {
            return Err(BuildError::new(
                BuildErrorKind::Limit,
                format!(
                    "the limiter {:?} has a deadline of {:?}; it must be at least 1 ms",
                    self.name, self.deadline
                ),
            ));
        }
        if self.leases > 0 && (self.options.charges_denied || self.options.escalation.is_some()) {
            return Err(BuildError::new(
                BuildErrorKind::Conflict,
                format!(
                    "the limiter {:?} has leases, and shall see every denial; leave out leases, charge_denied or block_after",
                    self.name
                ),
            ));
        }
        self.on_outage.check()?;
        if let Some(keeps) = self.analytics
            && !(Duration::from_mins(1)..=Duration::from_hours(30 * 24)).contains(&keeps)
        {
            return Err(BuildError::new(
                BuildErrorKind::Limit,
                format!(
                    "the limiter {:?} keeps its analytics for {keeps:?}; it must be between 1 minute and 30 days",
                    self.name
                ),
            ));
        }
        crate::policy::lasting("the window of is_allowed", self.window)?;
        let stem: Stem = match &self.stem {
            Some(names) => self.ns.literal_stem(names)?,
            None => self.ns.stem("ratelimit", &self.name)?,
        };
        let mut options = self.options;
        options.leases = self.leases > 0;
        self.ns.declare(of_each().0, &stem);
        let server = self.ns.server(CONCERN, &stem);
        let lane = server.lane(CONCERN).deadline(self.deadline);
        let shares = match self.on_outage {
            OnOutage::Local { share } => Some(Shares::new(share)),
            OnOutage::Allow | OnOutage::Deny => None,
        };
        let limiter = Limiter {
            plan: Plan::new(self.policies, &options, &lane)?,
            operation: None,
            inner: Arc::new(Inner {
                name: self.name,
                calls: calls(&lane),
                checked: Operation::new(CONCERN, &self.ns, &stem, "check"),
                stem,
                table: RwLock::new(Arc::new(Table::new(
                    &self.limits,
                    &lane,
                    &options,
                    &Table::default(),
                )?)),
                server,
                options,
                leases: (self.leases > 0).then(|| Leases::new(self.leases)),
                lane,
                on_outage: self.on_outage,
                shares,
                told: Told::default(),
                denied: (self.deny_cache > 0).then(|| DenyCache::new(self.deny_cache)),
                counts: Counts::default(),
                tally: self.analytics.map(Tally::new),
                turns: Turns::default(),
                window: self.window,
            }),
        };
        if limiter.inner.tally.is_some() {
            keep_telling(Arc::downgrade(&limiter.inner));
        }
        Ok(limiter)
    }
}
