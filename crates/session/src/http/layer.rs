//! The layer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cookie::Cookie;
use tower_layer::Layer;

use super::service::SessionService;
use crate::sessions::Sessions;

/// Which requests of other sites' pages bring a cookie along (RFC 6265bis).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SameSite {
    /// Those that go to the page itself, by a link.
    #[default]
    Lax,
    /// None: who comes by a link is nobody at first.
    Strict,
    /// All; the check of origins is the only guard then.
    None,
}

impl SameSite {
    fn of_cookie(self) -> cookie::SameSite {
        match self {
            SameSite::Lax => cookie::SameSite::Lax,
            SameSite::Strict => cookie::SameSite::Strict,
            SameSite::None => cookie::SameSite::None,
        }
    }
}

/// Gives each request to a service its [session](super::Current), by a cookie or a bearer's token; nothing is asked of Redis until somebody wants it.
///
/// | | default |
/// |---|---|
/// | [`name`](SessionLayer::name) of the cookie | `__Host-session` |
/// | [`same_site`](SessionLayer::same_site) | `Lax` |
/// | [`persistent`](SessionLayer::persistent) | no: it goes with the browser |
/// | [`without_tls`](SessionLayer::without_tls) | no: `Secure` |
/// | [`bearers`](SessionLayer::bearers) | yes |
/// | [`trust`](SessionLayer::trust) of other origins | none |
///
/// The cookie is `HttpOnly`, of this host alone, and of all paths. A response that sets or takes it back must not be stored (`Cache-Control: no-store`). A request
/// that another site's page has made, other than to read (`GET`, `HEAD`, `OPTIONS`, `TRACE`), is a 403, unless it shows a bearer's token. No response of the service is ever replaced, and
/// the cookie of a session that is gone, or could not be read, is left to who has it: another tab may have got a newer one.
///
/// The service has to be `Clone`, its response's body `From<Bytes>`.
pub struct SessionLayer<T>(pub(super) Arc<Settings<T>>);

pub(super) struct Settings<T> {
    pub(super) sessions: Sessions<T>,
    pub(super) name: String,
    pub(super) same_site: SameSite,
    pub(super) is_persistent: bool,
    pub(super) is_secure: bool,
    pub(super) takes_bearers: bool,
    pub(super) trusted: Vec<String>,
}

impl<T> SessionLayer<T> {
    /// With these sessions.
    pub fn new(sessions: Sessions<T>) -> Self {
        SessionLayer(Arc::new(Settings {
            sessions,
            name: "session".to_owned(),
            same_site: SameSite::Lax,
            is_persistent: false,
            is_secure: true,
            takes_bearers: true,
            trusted: Vec::new(),
        }))
    }

    /// What the cookie is called, behind `__Host-`: letters, digits, `-` and `_`; others are left out.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || "-_".contains(*letter);
        let name: String = name.chars().filter(is_plain).collect();
        self.with(|settings| settings.name = name)
    }

    /// Which requests of other sites' pages bring the cookie along.
    #[must_use]
    pub fn same_site(self, same_site: SameSite) -> Self {
        self.with(|settings| settings.same_site = same_site)
    }

    /// The browser keeps the cookie when it is closed, until the session's absolute limit.
    #[must_use]
    pub fn persistent(self) -> Self {
        self.with(|settings| settings.is_persistent = true)
    }

    /// For a server without TLS on a developer's machine: the cookie is not `Secure`, and its name does not begin with `__Host-`, which browsers would refuse then.
    #[must_use]
    pub fn without_tls(self) -> Self {
        self.with(|settings| settings.is_secure = false)
    }

    /// Whether a token may be shown by `Authorization: Bearer` as well, before that of a cookie.
    #[must_use]
    pub fn bearers(self, takes: bool) -> Self {
        self.with(|settings| settings.takes_bearers = takes)
    }

    /// Pages of this origin (`https://login.example.org`) may ask whatever they want.
    #[must_use]
    pub fn trust(self, origin: &str) -> Self {
        let origin = origin.trim_end_matches('/').to_owned();
        self.with(|settings| settings.trusted.push(origin))
    }

    fn with(mut self, change: impl FnOnce(&mut Settings<T>)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl<T> Settings<T> {
    /// The cookie's whole name.
    pub(super) fn cookie(&self) -> String {
        let prefix = if self.is_secure { "__Host-" } else { "" };
        format!("{prefix}{}", self.name)
    }

    /// What a response says to set the cookie, or, without a value, to take it back.
    pub(super) fn set_cookie(&self, value: Option<(&str, Duration)>) -> String {
        let mut cookie = Cookie::build((self.cookie(), value.map_or("", |(token, _)| token)))
            .path("/")
            .http_only(true)
            .secure(self.is_secure)
            .same_site(self.same_site.of_cookie())
            .build();
        let lasts = match value {
            Some((_, lasts)) => self.is_persistent.then_some(lasts),
            None => Some(Duration::ZERO),
        };
        if let Some(lasts) = lasts {
            let seconds = i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX);
            cookie.set_max_age(cookie::time::Duration::seconds(seconds));
        }
        cookie.to_string()
    }
}

impl<T> Clone for Settings<T> {
    fn clone(&self) -> Self {
        Settings {
            sessions: self.sessions.clone(),
            name: self.name.clone(),
            same_site: self.same_site,
            is_persistent: self.is_persistent,
            is_secure: self.is_secure,
            takes_bearers: self.takes_bearers,
            trusted: self.trusted.clone(),
        }
    }
}

impl<T> Clone for SessionLayer<T> {
    fn clone(&self) -> Self {
        SessionLayer(self.0.clone())
    }
}

impl<S, T> Layer<S> for SessionLayer<T> {
    type Service = SessionService<S, T>;

    fn layer(&self, inner: S) -> SessionService<S, T> {
        SessionService::new(inner, self.0.clone())
    }
}

impl<T> fmt::Debug for SessionLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionLayer({:?})", self.0.sessions)
    }
}
