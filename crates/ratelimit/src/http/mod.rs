//! Limits on HTTP requests: a tower layer.

#[cfg(feature = "axum")]
mod axum;
mod headers;
mod layer;
mod problem;
mod proxies;
mod service;
mod subject;

pub use headers::Fields;
pub use layer::RateLimitLayer;
pub use proxies::TrustedProxies;
pub use service::{RateLimitService, ResponseFuture};
pub use subject::Subject;

#[cfg(feature = "axum")]
pub use self::axum::NoDecision;
