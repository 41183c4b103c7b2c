//! The chapters, in the order of the walk.

pub(crate) mod connect;
pub(crate) mod expiry;
pub(crate) mod freshness;
pub(crate) mod herd;
pub(crate) mod keys;
pub(crate) mod keyspace;
pub(crate) mod limits;
pub(crate) mod locks;
pub(crate) mod outage;
pub(crate) mod sessions;
pub(crate) mod source;
pub(crate) mod user;
pub(crate) mod values;
