//! The layer.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::{request, response};
use tower_layer::Layer;

use super::headers::Fields;
use super::service::RateLimitService;
use super::subject::Subject;
use crate::limiter::Limiter;

pub(super) type Cost = dyn Fn(&request::Parts) -> u64 + Send + Sync;
pub(super) type Actual = dyn Fn(&response::Parts) -> Option<u64> + Send + Sync;
pub(super) type Operation = dyn Fn(&request::Parts) -> String + Send + Sync;

/// Limits the requests to a service: who is denied gets a 429 that says until when, everybody header fields that say how much is left.
///
/// | | default |
/// |---|---|
/// | [`cost`](RateLimitLayer::cost) | 1 |
/// | [`settle`](RateLimitLayer::settle) | the cost is as it was |
/// | [`operation`](RateLimitLayer::operation) | the limiter's own policies |
/// | [`fields`](RateLimitLayer::fields) | [`Fields::Standard`] |
///
/// The request's extensions have the [`Decision`](crate::Decision). The service has to be `Clone`, its response's body `From<Bytes>`.
#[derive(Clone)]
pub struct RateLimitLayer(pub(super) Arc<Settings>);

pub(super) struct Settings {
    pub(super) limiter: Limiter,
    pub(super) subject: Subject,
    pub(super) cost: Option<Arc<Cost>>,
    pub(super) actual: Option<Arc<Actual>>,
    pub(super) operation: Option<Arc<Operation>>,
    pub(super) fields: Fields,
    /// Whether it was told that a request had no subject.
    pub(super) has_warned: AtomicBool,
}

impl Clone for Settings {
    fn clone(&self) -> Self {
        Settings {
            limiter: self.limiter.clone(),
            subject: self.subject.clone(),
            cost: self.cost.clone(),
            actual: self.actual.clone(),
            operation: self.operation.clone(),
            fields: self.fields,
            has_warned: AtomicBool::new(false),
        }
    }
}

impl RateLimitLayer {
    /// Limits by these policies, for these subjects.
    pub fn new(limiter: Limiter, subject: Subject) -> Self {
        RateLimitLayer(Arc::new(Settings {
            limiter,
            subject,
            cost: None,
            actual: None,
            operation: None,
            fields: Fields::default(),
            has_warned: AtomicBool::new(false),
        }))
    }

    /// What a request costs.
    #[must_use]
    pub fn cost(self, cost: impl Fn(&request::Parts) -> u64 + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.cost = Some(Arc::new(cost)))
    }

    /// What a request has cost, by its response: bytes by its length, tokens by an extension that the handler puts there. What was charged
    /// before was an estimate then, and is settled behind the response's back, as [`Reservation::commit`](crate::Reservation::commit) does. Nothing leaves it
    /// as it was.
    #[must_use]
    pub fn settle(
        self,
        actual: impl Fn(&response::Parts) -> Option<u64> + Send + Sync + 'static,
    ) -> Self {
        self.with(|settings| settings.actual = Some(Arc::new(actual)))
    }

    /// Which operation of the limiter's [`Limits`](crate::Limits) a request is: `"POST /login"`.
    #[must_use]
    pub fn operation(
        self,
        operation: impl Fn(&request::Parts) -> String + Send + Sync + 'static,
    ) -> Self {
        self.with(|settings| settings.operation = Some(Arc::new(operation)))
    }

    /// Which header fields tell of limits.
    #[must_use]
    pub fn fields(self, fields: Fields) -> Self {
        self.with(|settings| settings.fields = fields)
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimitService<S>;

    fn layer(&self, inner: S) -> RateLimitService<S> {
        RateLimitService::new(inner, self.0.clone())
    }
}

impl fmt::Debug for RateLimitLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RateLimitLayer({:?})", self.0.limiter)
    }
}
