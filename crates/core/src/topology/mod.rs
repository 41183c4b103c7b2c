//! Which server serves which concern.

mod endpoint;
mod env;
mod secret;
mod url;

pub(crate) use endpoint::{Address, Endpoint};
pub(crate) use env::Environment;
pub(crate) use secret::Secret;
pub(crate) use url::parse;
