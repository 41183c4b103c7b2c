//! Redis URLs: parsed once, strictly, with errors that say what to write instead.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::{Host, ParseError, Url};

use super::endpoint::{Address, Endpoint};
use super::secret::Secret;
use crate::error::{BuildError, BuildErrorKind};

const FORM: &str = "redis://[user:password@]host[:port][/database]";
const DEFAULT_PORT: u16 = 6379;

/// Reads a URL. No error shows any part of the URL that may hold a password.
pub(crate) fn parse(text: &str) -> Result<Endpoint, BuildError> {
    let text = text.trim();
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(wrong(
            BuildErrorKind::Url,
            format!("the URL has no scheme; write {FORM}"),
        ));
    };
    let scheme = Scheme::parse(scheme)?;
    if scheme.unix {
        return parse_unix(rest, scheme);
    }
    let url = Url::parse(text).map_err(|error| explain(error, rest))?;
    refuse_unknown_parts(&url, &[])?;
    let host = match url.host() {
        None | Some(Host::Domain("")) => {
            return Err(wrong(
                BuildErrorKind::Host,
                format!("the URL names no host; write {FORM}"),
            ));
        }
        Some(Host::Domain(name)) => percent_decode(name, "host")?,
        Some(Host::Ipv4(ip)) => ip.to_string(),
        Some(Host::Ipv6(ip)) => ip.to_string(),
    };
    let port = url.port().unwrap_or(DEFAULT_PORT);
    if port == 0 {
        return Err(wrong_port());
    }
    let database = match url.path().trim_matches('/') {
        "" => 0,
        path => parse_database(path)?,
    };
    let (username, password) = credentials(&url)?;
    Ok(Endpoint {
        address: Address::Tcp { host, port },
        tls: scheme.tls,
        username,
        password,
        database,
    })
}

/// `redis+unix://[user:password@]/path/to/socket[?db=1]`
fn parse_unix(rest: &str, scheme: Scheme) -> Result<Endpoint, BuildError> {
    let form = "redis+unix://[user:password@]/path/to/redis.sock[?db=1]";
    if scheme.tls {
        return Err(wrong(
            BuildErrorKind::Scheme,
            format!("a Unix socket takes no TLS; write {form}"),
        ));
    }
    // A dummy host lets the URL parser see what it knows: user information, a path, a query.
    let (user, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => {
            return Err(wrong(
                BuildErrorKind::Url,
                format!("the URL names no socket; write {form}"),
            ));
        }
    };
    if !(user.is_empty() || user.ends_with('@')) {
        return Err(wrong(
            BuildErrorKind::Host,
            format!("a Unix socket has a path and no host; write {form}"),
        ));
    }
    let url = Url::parse(&format!("redis://{user}localhost{path}"))
        .map_err(|error| explain(error, rest))?;
    refuse_unknown_parts(&url, &["db"])?;
    let database = match url.query_pairs().find(|(name, _)| name == "db") {
        None => 0,
        Some((_, value)) => parse_database(&value)?,
    };
    let path = percent_decode(url.path(), "socket path")?;
    let (username, password) = credentials(&url)?;
    Ok(Endpoint {
        address: Address::Unix(PathBuf::from(path)),
        tls: false,
        username,
        password,
        database,
    })
}

#[derive(Clone, Copy)]
struct Scheme {
    tls: bool,
    unix: bool,
}

impl Scheme {
    fn parse(scheme: &str) -> Result<Self, BuildError> {
        let (tls, unix) = match scheme.to_ascii_lowercase().as_str() {
            "redis" | "valkey" => (false, false),
            "rediss" | "valkeys" => (true, false),
            "redis+unix" | "valkey+unix" | "unix" => (false, true),
            "rediss+unix" | "valkeys+unix" => (true, true),
            "http" | "https" => {
                return Err(wrong(
                    BuildErrorKind::Scheme,
                    "the scheme http(s) is the REST address of a hosted service; write its Redis address, rediss://…",
                ));
            }
            // Not echoed when it could be a password that somebody pasted in front of `://`.
            other
                if other.len() <= 16
                    && other
                        .chars()
                        .all(|c| c.is_ascii_alphabetic() || c == '+' || c == '-') =>
            {
                return Err(wrong(
                    BuildErrorKind::Scheme,
                    format!(
                        "unknown scheme {other:?}; write redis, rediss (TLS) or redis+unix, also as valkey"
                    ),
                ));
            }
            _ => {
                return Err(wrong(
                    BuildErrorKind::Scheme,
                    format!("the URL begins with no scheme; write {FORM}"),
                ));
            }
        };
        Ok(Scheme { tls, unix })
    }
}

fn credentials(url: &Url) -> Result<(Option<String>, Option<Secret>), BuildError> {
    let username = match url.username() {
        "" => None,
        name => Some(percent_decode(name, "user name")?),
    };
    let password = match url.password() {
        None | Some("") => None,
        Some(password) => Some(Secret::new(percent_decode(password, "password")?)),
    };
    if username.is_some() && password.is_none() {
        return Err(wrong(
            BuildErrorKind::Url,
            "the URL has a user and no password; write user:password@host (for a password alone, :password@host)",
        ));
    }
    Ok((username, password))
}

fn parse_database(text: &str) -> Result<u8, BuildError> {
    text.parse().map_err(|_| {
        wrong(
            BuildErrorKind::Database,
            "the part behind the host is not a database number; write one from 0 to 255, as in redis://localhost:6379/0",
        )
    })
}

/// A parameter that is silently ignored is a configuration that silently does not hold.
fn refuse_unknown_parts(url: &Url, known: &[&str]) -> Result<(), BuildError> {
    if url.fragment().is_some() {
        return Err(wrong(
            BuildErrorKind::Url,
            "the URL holds a '#'; if it belongs to the password, write it as %23",
        ));
    }
    match url
        .query_pairs()
        .find(|(name, _)| !known.contains(&name.as_ref()))
    {
        None => Ok(()),
        Some(_) => Err(wrong(
            BuildErrorKind::Url,
            "the URL has a parameter behind '?' that Russet does not know; timeouts and limits are set on the builder \
             (if the '?' belongs to the password, write it as %3F)",
        )),
    }
}

/// Turns what the URL parser found into the error that tells what to change.
fn explain(error: ParseError, rest: &str) -> BuildError {
    match error {
        ParseError::InvalidPort => {
            // `redis://user:pa/ss@host` reads as host `user` with port `pa`: name the likelier fault.
            if rest.contains('@') {
                wrong(
                    BuildErrorKind::Port,
                    "the port is no number from 1 to 65535; if the password holds '/', '?', '#' or '@', \
                     write those as %2F, %3F, %23 and %40",
                )
            } else {
                wrong_port()
            }
        }
        ParseError::EmptyHost => wrong(
            BuildErrorKind::Host,
            format!("the URL names no host; write {FORM}"),
        ),
        ParseError::InvalidIpv4Address
        | ParseError::InvalidIpv6Address
        | ParseError::InvalidDomainCharacter
        | ParseError::IdnaError => wrong(
            BuildErrorKind::Host,
            format!("the URL's host is no host name or IP address; write {FORM}"),
        ),
        error => wrong(
            BuildErrorKind::Url,
            format!("the URL cannot be read ({error}); write {FORM}"),
        ),
    }
}

fn wrong_port() -> BuildError {
    wrong(
        BuildErrorKind::Port,
        "the port is no number from 1 to 65535; write host:6379, or leave it out for 6379",
    )
}

fn percent_decode(text: &str, what: &str) -> Result<String, BuildError> {
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(wrong(
            BuildErrorKind::Url,
            format!("the {what} in the URL is not UTF-8 once its % escapes are decoded"),
        )),
    }
}

fn wrong(kind: BuildErrorKind, message: impl Into<String>) -> BuildError {
    BuildError::new(kind, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp {
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn good_urls() {
        let plain = parse("redis://localhost").unwrap();
        assert_eq!(
            (&plain.address, plain.database, plain.tls),
            (&tcp("localhost", 6379), 0, false)
        );
        let full = parse("redis://app:p%40ss%2F@10.0.0.7:7000/3").unwrap();
        assert_eq!(full.address, tcp("10.0.0.7", 7000));
        assert_eq!(full.username.as_deref(), Some("app"));
        assert_eq!(full.password.unwrap().reveal(), "p@ss/");
        assert_eq!(full.database, 3);
        let password_only = parse("valkey://:secret@h:1").unwrap();
        assert_eq!(
            (password_only.username, password_only.password.is_some()),
            (None, true)
        );
        assert_eq!(
            parse("redis://[::1]:6380").unwrap().address,
            tcp("::1", 6380)
        );
        assert!(parse("rediss://host").unwrap().tls);
        let unix = parse("redis+unix:///run/redis.sock?db=2").unwrap();
        assert_eq!(
            (unix.address, unix.database),
            (Address::Unix("/run/redis.sock".into()), 2)
        );
        assert_eq!(
            parse("unix://:pw@/run/r.sock")
                .unwrap()
                .password
                .unwrap()
                .reveal(),
            "pw"
        );
    }

    #[test]
    fn each_fault_is_its_own_error() {
        for (url, kind, says) in [
            ("localhost:6379", BuildErrorKind::Url, "no scheme"),
            ("", BuildErrorKind::Url, "no scheme"),
            (
                "redi://h",
                BuildErrorKind::Scheme,
                "unknown scheme \"redi\"",
            ),
            ("https://h", BuildErrorKind::Scheme, "rediss://"),
            ("redis://", BuildErrorKind::Host, "names no host"),
            ("redis://:6379", BuildErrorKind::Host, "no host"),
            ("redis://ho st", BuildErrorKind::Host, "no host name"),
            ("redis://h:port", BuildErrorKind::Port, "1 to 65535"),
            ("redis://h:0", BuildErrorKind::Port, "1 to 65535"),
            ("redis://h:65536", BuildErrorKind::Port, "1 to 65535"),
            ("redis://h/cache", BuildErrorKind::Database, "0 to 255"),
            ("redis://h/300", BuildErrorKind::Database, "0 to 255"),
            ("redis://h?timeout=3", BuildErrorKind::Url, "parameter"),
            ("redis://app@h", BuildErrorKind::Url, "no password"),
            ("redis+unix://h/run/x", BuildErrorKind::Host, "no host"),
            ("redis+unix://", BuildErrorKind::Url, "no socket"),
        ] {
            let error = parse(url).expect_err(url);
            assert_eq!(error.kind(), kind, "{url}: {error}");
            assert!(error.to_string().contains(says), "{url}: {error}");
        }
    }

    #[test]
    fn no_error_shows_a_secret() {
        for url in [
            "redis://app:hunter2@",
            "redis://app:hunter2@h:x",
            "redis://app:hunter2@h/db",
            "redis://app:hunter2@h?hunter2=1",
            "redis://app:hunt#hunter2@h",
            "redis://app:hunt/hunter2@h",
            "hunter2hunter2hunter2://x",
            "redis://app:hunter2@ho st",
            "redis://app:%FFhunter2@host",
        ] {
            let error = parse(url).expect_err(url);
            assert!(
                !format!("{error} {error:?}").contains("hunter2"),
                "{url}: {error}"
            );
        }
        let endpoint = parse("redis://app:hunter2@h").unwrap();
        assert!(!format!("{endpoint:?} {endpoint}").contains("hunter2"));
    }
}
