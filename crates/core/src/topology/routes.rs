//! From a concern and a stem to the server that holds them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Endpoint, Resolved, env};
use crate::builder::Settings;
use crate::concern::Concern;
use crate::connections::Connections;
use crate::error::BuildError;
use crate::lane::Lanes;

/// The servers of a topology, each distinct endpoint once.
#[derive(Debug)]
pub(crate) struct Routes {
    all: Vec<Arc<Lanes>>,
    default: Arc<Lanes>,
    concerns: BTreeMap<String, Arc<Lanes>>,
    namespaces: BTreeMap<String, Arc<Lanes>>,
    /// The concerns without a server of their own that have been asked for, where the environment said what goes where.
    asked: Option<Mutex<BTreeSet<&'static str>>>,
}

impl Routes {
    pub(crate) fn start(
        topology: Resolved,
        settings: Settings,
        connections: &Arc<Connections>,
    ) -> Result<Self, BuildError> {
        let mut all: Vec<Arc<Lanes>> = Vec::new();
        let mut lanes = |endpoint: Endpoint| -> Result<Arc<Lanes>, BuildError> {
            if let Some(lanes) = all.iter().find(|lanes| *lanes.endpoint() == endpoint) {
                return Ok(lanes.clone());
            }
            let lanes = Arc::new(Lanes::start(endpoint, settings, connections.clone())?);
            all.push(lanes.clone());
            Ok(lanes)
        };
        let asked = topology.from_env.then(Mutex::default);
        let default = lanes(topology.default)?;
        let mut named = |named: BTreeMap<String, Endpoint>| -> Result<BTreeMap<_, _>, BuildError> {
            named
                .into_iter()
                .map(|(name, endpoint)| Ok((name, lanes(endpoint)?)))
                .collect()
        };
        let routes = Routes {
            concerns: named(topology.concerns)?,
            namespaces: named(topology.namespaces)?,
            default,
            all,
            asked,
        };
        tracing::info!(target: "russet::core", "Redis: {routes}");
        Ok(routes)
    }

    /// Every server once.
    pub(crate) fn all(&self) -> &[Arc<Lanes>] {
        &self.all
    }

    pub(crate) fn default(&self) -> &Arc<Lanes> {
        &self.default
    }

    pub(crate) fn of(&self, concern: Concern) -> &Arc<Lanes> {
        if let Some(lanes) = self.concerns.get(concern.name()) {
            return lanes;
        }
        if let Some(asked) = &self.asked {
            let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
            if asked.insert(concern.name())
                && let Some(warning) = env::unread(concern)
            {
                tracing::warn!(target: "russet::core", "{warning}");
            }
        }
        &self.default
    }

    /// Where the keys of a stem live: the longest exception that the stem begins with, name by name.
    pub(crate) fn of_stem(&self, concern: Concern, stem: &str) -> &Arc<Lanes> {
        let fits = |prefix: &str| {
            stem.strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        };
        let exception = self
            .namespaces
            .iter()
            .filter(|(prefix, _)| fits(prefix))
            .max_by_key(|(prefix, _)| prefix.len());
        exception.map_or_else(|| self.of(concern), |(_, lanes)| lanes)
    }
}

impl fmt::Display for Routes {
    /// What goes where: `localhost:6379/0; ratelimit: localhost:6379/1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.default.endpoint())?;
        for (name, lanes) in self.concerns.iter().chain(&self.namespaces) {
            write!(f, "; {name}: {}", lanes.endpoint())?;
        }
        Ok(())
    }
}
