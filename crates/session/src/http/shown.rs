//! The token that a request shows.

use cookie::Cookie;
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};

/// The token that a request shows, and how.
#[derive(Clone)]
pub(super) enum Shown {
    /// By a cookie, which browsers send along whoever made the page that asks.
    Cookie(String),
    /// By `Authorization: Bearer` (RFC 6750), which nobody sends by mistake.
    Bearer(String),
    Nothing,
}

impl Shown {
    /// What the header fields have; a bearer's token comes first.
    pub(super) fn read(headers: &HeaderMap, cookie: &str, takes_bearers: bool) -> Self {
        if takes_bearers && let Some(token) = bearer(headers) {
            return Shown::Bearer(token.to_owned());
        }
        let cookies = headers.get_all(COOKIE).iter();
        let mut cookies = cookies
            .filter_map(|field| field.to_str().ok())
            .flat_map(Cookie::split_parse)
            .filter_map(Result::ok);
        match cookies.find(|one| one.name() == cookie) {
            Some(found) => Shown::Cookie(found.value().to_owned()),
            None => Shown::Nothing,
        }
    }

    pub(super) fn token(&self) -> Option<&str> {
        match self {
            Shown::Cookie(token) | Shown::Bearer(token) => Some(token),
            Shown::Nothing => None,
        }
    }

    pub(super) fn is_bearer(&self) -> bool {
        matches!(self, Shown::Bearer(_))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_matches(' '))
}
