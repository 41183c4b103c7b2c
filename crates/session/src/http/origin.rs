//! Whether another site's page has made a request.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Method, Uri, request};

/// Whether a request that changes something comes from another site's page (cross-site request forgery): as `CrossOriginProtection` of Go's `net/http` decides, by what browsers
/// say in `Sec-Fetch-Site` (W3C Fetch Metadata), older ones in `Origin`. What comes from no browser says neither, and brings no cookie that it was not given.
pub(super) fn is_foreign(request: &request::Parts, trusted: &[String]) -> bool {
    if matches!(
        request.method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    ) {
        return false;
    }
    let text = |name: &str| request.headers.get(name)?.to_str().ok();
    let origin = request.headers.get(ORIGIN);
    let is_own = match text("sec-fetch-site") {
        Some("same-origin" | "none") => true,
        Some(_) => false,
        None => match origin {
            None => true,
            Some(origin) => origin
                .to_str()
                .ok()
                .and_then(|origin| origin.split_once("://"))
                .is_some_and(|(_, host)| {
                    self::host(&request.headers, &request.uri)
                        .is_some_and(|own| own.eq_ignore_ascii_case(host))
                }),
        },
    };
    let is_trusted = || {
        let origin = origin.and_then(|origin| origin.to_str().ok());
        origin.is_some_and(|origin| trusted.iter().any(|one| one.eq_ignore_ascii_case(origin)))
    };
    !is_own && !is_trusted()
}

/// To whom the request is.
fn host<'r>(headers: &'r HeaderMap, uri: &'r Uri) -> Option<&'r str> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(HOST)?.to_str().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(method: &str, fields: &[(&str, &str)]) -> request::Parts {
        let mut request = http::Request::builder().method(method).uri("/a");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn what_another_site_s_page_asks_is_foreign() {
        let trusted = ["https://login.example.org".to_owned()];
        let host = ("host", "shop.example.org");
        for (expected, fields) in [
            (false, vec![host, ("sec-fetch-site", "same-origin")]),
            (false, vec![host, ("sec-fetch-site", "none")]),
            (true, vec![host, ("sec-fetch-site", "cross-site")]),
            (true, vec![host, ("sec-fetch-site", "same-site")]),
            (true, vec![host, ("sec-fetch-site", "")]),
            (false, vec![host]),
            (false, vec![host, ("origin", "https://shop.example.org")]),
            (false, vec![host, ("origin", "https://SHOP.example.org")]),
            (true, vec![host, ("origin", "https://shop.example.org:444")]),
            (true, vec![host, ("origin", "https://evil.example.com")]),
            (true, vec![host, ("origin", "null")]),
            (true, vec![("origin", "https://shop.example.org")]),
            (false, vec![host, ("origin", "https://login.example.org")]),
            (
                false,
                vec![
                    host,
                    ("sec-fetch-site", "same-site"),
                    ("origin", "https://login.example.org"),
                ],
            ),
            (
                true,
                vec![
                    host,
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "https://shop.example.org"),
                ],
            ),
        ] {
            assert_eq!(
                is_foreign(&parts("POST", &fields), &trusted),
                expected,
                "{fields:?}"
            );
            assert!(!is_foreign(&parts("GET", &fields), &trusted));
        }
        // HTTP/2 has no `Host`.
        let mut request = parts("DELETE", &[("origin", "https://shop.example.org")]);
        request.uri = "https://shop.example.org/a".parse().unwrap();
        assert!(!is_foreign(&request, &[]));
    }
}
