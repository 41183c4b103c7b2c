//! A checked prefix bound to a connection: what the concern crates are built from.

use crate::error::BuildError;
use crate::key::{Prefix, Stem};
use crate::redis::Redis;

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

    /// The stem of one handle's keys.
    ///
    /// # Errors
    /// The first wrong name, of the namespace or of these two.
    pub fn stem(&self, use_case: &str, name: &str) -> Result<Stem, BuildError> {
        self.prefix.stem(use_case, name)
    }
}
