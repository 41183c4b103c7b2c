//! Sessions of HTTP requests: a tower layer.

#[cfg(feature = "axum")]
mod axum;
mod current;
mod layer;
mod origin;
mod service;
mod shown;

pub use current::{Current, Held};
pub use layer::{SameSite, SessionLayer};
pub use service::SessionService;

#[cfg(feature = "axum")]
pub use self::axum::{NoSession, SignedIn};
