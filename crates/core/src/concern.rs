//! What a service uses Redis for, so that each use can have a server of its own.

/// One use of Redis (caching, rate limits, locks …), by name, and the variable that may give it a server.
///
/// Every crate of Russet has its own as `CONCERN`; a service may declare more:
///
/// ```
/// use russet_core::Concern;
///
/// const DRAFTS: Concern = Concern::new("drafts", "DRAFTS_REDIS_URL");
/// assert_eq!(DRAFTS.name(), "drafts");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Concern {
    name: &'static str,
    env: &'static str,
}

impl Concern {
    /// A concern and the environment variable that holds the URL of its own server, where it has one.
    pub const fn new(name: &'static str, env: &'static str) -> Self {
        Concern { name, env }
    }

    /// The name, as in metrics, errors and configuration.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The environment variable.
    pub const fn env(&self) -> &'static str {
        self.env
    }
}
