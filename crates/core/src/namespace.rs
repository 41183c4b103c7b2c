//! A checked prefix bound to a connection: what the concern crates are built from.

use crate::concern::Concern;
use crate::error::BuildError;
use crate::key::{Prefix, Stem};
use crate::lane::Lane;
use crate::redis::Redis;
use crate::server::Server;

/// A [`Prefix`] bound to a [`Redis`]; cheap to clone.
///
/// ```no_run
/// # async fn doc() -> Result<(), russet_core::Error> {
/// # let redis = russet_core::Redis::from_env().await?;
/// let ns = redis.namespace("shop")?.env("prod").module("router");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Namespace {
    redis: Redis,
    prefix: Prefix,
}

impl Namespace {
    pub(crate) fn new(redis: Redis, prefix: Prefix) -> Self {
        Namespace { redis, prefix }
    }

    /// The same namespace in an environment; see [`Prefix::env`].
    #[must_use]
    pub fn env(mut self, env: impl Into<String>) -> Self {
        self.prefix = self.prefix.env(env);
        self
    }

    /// The same namespace for one module; see [`Prefix::module`].
    #[must_use]
    pub fn module(mut self, module: impl Into<String>) -> Self {
        self.prefix = self.prefix.module(module);
        self
    }

    /// The connection.
    pub fn redis(&self) -> &Redis {
        &self.redis
    }

    /// The prefix.
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// The lane on which the commands of a handle run whose keys begin with this stem.
    pub fn on(&self, concern: Concern, stem: &Stem) -> Lane {
        self.server(concern, stem).lane(concern)
    }

    /// The server that holds a concern's keys of this stem.
    pub fn server(&self, concern: Concern, stem: &Stem) -> Server {
        self.redis.server_of_stem(concern, stem.as_str())
    }

    /// The stem of one handle's keys where a layout from before names them; see [`Prefix::literal_stem`].
    ///
    /// # Errors
    /// The first wrong name, of the namespace or of these.
    pub fn literal_stem(&self, names: &str) -> Result<Stem, BuildError> {
        self.prefix.literal_stem(names)
    }

    /// The stem of one handle's keys.
    ///
    /// # Errors
    /// The first wrong name, of the namespace or of these two.
    pub fn stem(&self, use_case: &str, name: &str) -> Result<Stem, BuildError> {
        self.prefix.stem(use_case, name)
    }
}
