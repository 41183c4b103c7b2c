//! Whom a request is counted for.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::HeaderName;
use http::request::Parts;

use super::proxies::{TrustedProxies, group};

type Extract = dyn Fn(&Parts) -> Option<String> + Send + Sync;

/// Whom a request is counted for; a request that has no such subject is counted for all of those together.
///
/// ```
/// use russet_ratelimit::http::{Subject, TrustedProxies};
///
/// let proxies = TrustedProxies::new(["10.0.0.0/8"])?;
/// // Of a user whom a layer before has found, else of the address.
/// # #[derive(Clone)] struct UserId(u64);
/// let subject = Subject::from_fn(|parts| Some(format!("user:{}", parts.extensions.get::<UserId>()?.0)))
///     .or(Subject::ip(proxies));
/// # Ok::<_, russet_ratelimit::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Subject(Arc<Extract>);

impl Subject {
    /// Whatever a function finds: a user, a tenant, a key of an API.
    pub fn from_fn(extract: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static) -> Self {
        Subject(Arc::new(extract))
    }

    /// The client's address, by what these proxies say; a v6 address by its first 64 bits. The peer's address is the extension of type
    /// `SocketAddr` or `IpAddr`; see [`ip_of`](Subject::ip_of) for servers that have it elsewhere.
    pub fn ip(proxies: TrustedProxies) -> Self {
        Subject::ip_of(proxies, |parts| {
            let socket = parts.extensions.get::<SocketAddr>().map(SocketAddr::ip);
            socket.or_else(|| parts.extensions.get::<IpAddr>().copied())
        })
    }

    /// The same where a function finds the peer's address: of axum, `|parts| Some(parts.extensions.get::<ConnectInfo<SocketAddr>>()?.ip())`.
    pub fn ip_of(
        proxies: TrustedProxies,
        peer: impl Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        Subject::from_fn(move |parts| {
            let client = proxies.client(peer(parts)?, &parts.headers);
            Some(format!("ip:{}", group(client)))
        })
    }

    /// The value of a header field, such as an API's key. Whoever sends requests may write what they like there: check it first.
    pub fn header(name: HeaderName) -> Self {
        Subject::from_fn(move |parts| {
            let value = parts.headers.get(&name)?.to_str().ok()?;
            Some(format!("{name}:{value}"))
        })
    }

    /// The method and the path, as they are: for services with few paths.
    pub fn route() -> Self {
        Subject::from_fn(|parts| Some(format!("{} {}", parts.method, parts.uri.path())))
    }

    /// This one, or that one where there is no such.
    #[must_use]
    pub fn or(self, other: Subject) -> Self {
        Subject::from_fn(move |parts| self.of(parts).or_else(|| other.of(parts)))
    }

    /// Both together: a user on a route.
    #[must_use]
    pub fn and(self, other: Subject) -> Self {
        // A space stands between them, and in neither.
        let escaped = |subject: String| subject.replace('%', "%25").replace(' ', "%20");
        Subject::from_fn(move |parts| {
            Some(format!(
                "{} {}",
                escaped(self.of(parts)?),
                escaped(other.of(parts)?)
            ))
        })
    }

    pub(crate) fn of(&self, parts: &Parts) -> Option<String> {
        (self.0)(parts)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject(..)")
    }
}
