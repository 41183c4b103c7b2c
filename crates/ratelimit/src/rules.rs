//! The policies that a decision is made by.

use std::fmt;
use std::sync::Arc;

use russet_core::{BuildError, BuildErrorKind, Bytes};

use crate::escalation::Escalation;
use crate::policy::{Policy, Settings};
use crate::wire::Kind;

/// Scripts tell policies apart by a byte, and read all of them for each call.
const MOST_POLICIES: usize = 16;

/// The policies that a decision is made by, all or nothing, checked once, as scripts are told of them.
pub(crate) struct Rules {
    rules: Box<[Rule]>,
    /// How many policies there are, and what else is said of all of them.
    head: [Bytes; 2],
    /// The least of the limits, and whose it is, counted from 1: no cost above it can ever pass.
    tightest: (u64, u8),
    /// Whether the settings of none change with time.
    is_fixed: bool,
    escalation: Option<Escalation>,
}

struct Rule {
    policy: Policy,
    name: Bytes,
    settings: Settings,
}

impl Rules {
    pub(crate) fn new(
        policies: Vec<Policy>,
        charges_denied: bool,
        escalation: Option<Escalation>,
    ) -> Result<Arc<Self>, BuildError> {
        let wrong = |message: String| Err(BuildError::new(BuildErrorKind::Limit, message));
        if policies.len() > MOST_POLICIES {
            return wrong(format!(
                "a limiter has up to {MOST_POLICIES} policies, and this one {}",
                policies.len()
            ));
        }
        let mut options = vec![u8::from(charges_denied) + 2 * u8::from(escalation.is_some())];
        let mut rules: Vec<Rule> = Vec::with_capacity(policies.len());
        for policy in policies {
            check_name(policy.name())?;
            if rules.iter().any(|rule| rule.policy.name() == policy.name()) {
                return wrong(format!(
                    "two policies are called {:?}, and would share their counts; give one a name of its own: .named(..)",
                    policy.name()
                ));
            }
            options.push(u8::from(policy.watches()));
            rules.push(Rule {
                name: Bytes::copy_from_slice(policy.name().as_bytes()),
                settings: policy.settings()?,
                policy,
            });
        }
        if let Some(escalation) = &escalation {
            options.extend(escalation.settings()?);
        }
        let limits = (1..).zip(&rules).filter(|(_, rule)| {
            // A cooldown does not mind what a call costs, and one that watches denies nothing.
            rule.policy.kind() != Kind::Cooldown && !rule.policy.watches()
        });
        let tightest = limits.map(|(at, rule)| (rule.policy.limit(), at)).min();
        Ok(Arc::new(Rules {
            head: [rules.len().to_string().into(), options.into()],
            tightest: tightest.unwrap_or((u64::MAX, 0)),
            is_fixed: rules
                .iter()
                .all(|rule| matches!(rule.settings, Settings::Fixed(_))),
            rules: rules.into(),
            escalation,
        }))
    }

    /// The name of a policy, counted from 1.
    pub(crate) fn name(&self, policy: u8) -> Option<&str> {
        let at = usize::from(policy).checked_sub(1)?;
        self.rules.get(at).map(|rule| rule.policy.name())
    }

    pub(crate) fn policies(&self) -> impl ExactSizeIterator<Item = &Policy> {
        self.rules.iter().map(|rule| &rule.policy)
    }

    /// Whether there is nothing to decide by, and why that cannot be.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        match self.rules.is_empty() {
            false => Ok(()),
            true => Err(BuildError::new(
                BuildErrorKind::Limit,
                "there is no policy to decide by; write .policy(Policy::token_bucket(..)), or [[default]] in the table of limits",
            )),
        }
    }

    pub(crate) fn tightest(&self) -> (u64, u8) {
        self.tightest
    }

    pub(crate) fn escalation(&self) -> Option<&Escalation> {
        self.escalation.as_ref()
    }

    pub(crate) fn charges_denied(&self) -> bool {
        self.head[1].first().is_some_and(|options| options % 2 == 1)
    }

    /// The only policy, where there is nothing but it to decide by: its name and settings.
    pub(crate) fn only(&self) -> Option<(Kind, [Bytes; 2])> {
        match &*self.rules {
            [rule]
                if self.escalation.is_none()
                    && !self.charges_denied()
                    && !rule.policy.watches() =>
            {
                match (&rule.settings, rule.policy.kind()) {
                    (_, Kind::SlidingLog) | (Settings::Calendar(_), _) => None,
                    (Settings::Fixed(settings), kind) => {
                        Some((kind, [rule.name.clone(), settings.clone()]))
                    }
                }
            }
            _ => None,
        }
    }

    /// As the arguments of a script have it, at this time on its server.
    pub(crate) fn write(&self, now: u64, args: &mut Vec<Bytes>) {
        args.extend(self.head.iter().cloned());
        for rule in &self.rules {
            args.push(rule.name.clone());
            args.push(match &rule.settings {
                Settings::Fixed(settings) => settings.clone(),
                Settings::Calendar(calendar) => calendar.settings(now),
            });
        }
    }

    /// Whether what scripts are told depends on what time it is on their server.
    pub(crate) fn is_timed(&self) -> bool {
        !self.is_fixed
    }

    /// The names of the policies that have a log.
    pub(crate) fn logs(&self) -> impl Iterator<Item = &str> {
        let logs = self
            .rules
            .iter()
            .filter(|rule| rule.policy.kind() == Kind::SlidingLog);
        logs.map(|rule| rule.policy.name())
    }

    /// The settings of one policy for one subject, until a time: what stands in Redis.
    pub(crate) fn override_of(&self, policy: &Policy) -> Result<Bytes, BuildError> {
        let wrong = |message: String| Err(BuildError::new(BuildErrorKind::Limit, message));
        let name = policy.name();
        let Some(rule) = self.rules.iter().find(|rule| rule.policy.name() == name) else {
            let names: Vec<&str> = self.policies().map(Policy::name).collect();
            return wrong(format!(
                "the limiter has no policy {name:?}, only {names:?}"
            ));
        };
        if rule.policy.kind() != policy.kind() {
            return wrong(format!(
                "the limiter's policy {name:?} is a {}; another algorithm cannot take its place for one subject",
                rule.policy.kind().name()
            ));
        }
        match policy.settings()? {
            Settings::Fixed(settings) => Ok(settings),
            Settings::Calendar(_) => wrong(format!(
                "the policy {name:?} follows the calendar, and cannot be another one for a subject"
            )),
        }
    }
}

/// Names of policies are names of fields; those that begin with `!` are the scripts' own.
fn check_name(name: &str) -> Result<(), BuildError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(is_plain) {
        return Ok(());
    }
    Err(BuildError::new(
        BuildErrorKind::Name,
        format!("{name:?} is no name of a policy: 1 to 64 letters, digits, '-', '_', '.' or '/'"),
    ))
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policies = self.policies().map(ToString::to_string);
        f.debug_list().entries(policies).finish()
    }
}
