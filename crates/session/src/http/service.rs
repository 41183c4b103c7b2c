//! The service that the layer makes.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use russet_core::Bytes;
use tower_service::Service;

use super::current::{Change, Current};
use super::layer::Settings;
use super::origin::is_foreign;
use super::shown::Shown;
use crate::data::Data;
use crate::device::Device;

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// A service whose requests have sessions.
pub struct SessionService<S, T> {
    inner: S,
    settings: Arc<Settings<T>>,
}

impl<S, T> SessionService<S, T> {
    pub(super) fn new(inner: S, settings: Arc<Settings<T>>) -> Self {
        SessionService { inner, settings }
    }
}

impl<T: Data> Settings<T> {
    /// Tells who has asked what has changed.
    fn tell(&self, current: &Current<T>, headers: &mut HeaderMap) {
        let cookie = match current.change() {
            Change::None => return,
            // A bearer's client has no cookies; the handler tells it the new token.
            Change::Begun(..) | Change::Ended if current.is_bearer_s() => None,
            Change::Begun(token, lasts) => Some(self.set_cookie(Some((&token, lasts)))),
            Change::Ended => {
                let all = HeaderValue::from_static("\"cookies\", \"storage\"");
                headers.insert(CLEAR_SITE_DATA, all);
                Some(self.set_cookie(None))
            }
        };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // A name and a token have no letters that a header cannot have.
        if let Some(mut cookie) = cookie.and_then(|cookie| HeaderValue::try_from(cookie).ok()) {
            cookie.set_sensitive(true);
            headers.append(SET_COOKIE, cookie);
        }
    }
}

impl<S, T, Req, Res> Service<Request<Req>> for SessionService<S, T>
where
    S: Service<Request<Req>, Response = Response<Res>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    T: Data,
    Req: Send + 'static,
    Res: From<Bytes> + Send + 'static,
{
    type Response = Response<Res>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Res>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Req>) -> Self::Future {
        // The one that is ready is called, its clone is the next.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let settings = self.settings.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let name = settings.cookie();
            let shown = Shown::read(&parts.headers, &name, settings.takes_bearers);
            if !shown.is_bearer() && is_foreign(&parts, &settings.trusted) {
                return Ok(refused());
            }
            let agent = parts
                .headers
                .get(USER_AGENT)
                .and_then(|agent| agent.to_str().ok());
            let device = Device::unknown();
            let device = agent.map_or(device.clone(), |agent| device.agent(agent));
            let current = Current::new(settings.sessions.clone(), shown, device);
            parts.extensions.insert(current.clone());
            let mut response = inner.call(Request::from_parts(parts, body)).await?;
            settings.tell(&current, response.headers_mut());
            Ok(response)
        })
    }
}

/// What another site's page is told.
fn refused<B: From<Bytes>>() -> Response<B> {
    let text = Bytes::from_static(b"refused: a page of another site has made this request\n");
    let mut response = Response::new(B::from(text));
    *response.status_mut() = StatusCode::FORBIDDEN;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

impl<S: Clone, T> Clone for SessionService<S, T> {
    fn clone(&self) -> Self {
        SessionService {
            inner: self.inner.clone(),
            settings: self.settings.clone(),
        }
    }
}

impl<S, T> fmt::Debug for SessionService<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionService({:?})", self.settings.sessions)
    }
}
