//! Redis URLs: parsed once, strictly, with errors that say what to write instead.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::{Host, ParseError, Url};

use super::{Address, Credentials, Endpoint, Login, Node, Secret, Tls};
use crate::error::{BuildError, BuildErrorKind};

const FORM: &str = "redis://[user:password@]host[:port][/database]";
const SENTINEL_FORM: &str =
    "redis-sentinel://[user:password@]host[:26379][,host…]/service[/database]";
const DEFAULT_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Where the password of a URL without one comes from, for the user that the URL names.
pub(crate) type Fill = dyn Fn(Option<&str>) -> Credentials;

/// Reads a URL. No error shows any part of the URL that may hold a password.
pub(crate) fn parse(text: &str, fill: Option<&Fill>) -> Result<Endpoint, BuildError> {
    let text = text.trim();
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(wrong(
            BuildErrorKind::Url,
            format!("the URL has no scheme; write {FORM}"),
        ));
    };
    let Scheme { tls, kind } = Scheme::parse(scheme)?;
    // Of several nodes the URL parser sees the first; the others are read as URLs of their own.
    let (first, others) = match kind {
        Kind::Unix => return parse_unix(rest, tls, fill),
        Kind::Single => (rest.to_owned(), Vec::new()),
        Kind::Cluster | Kind::Sentinel => split_nodes(rest),
    };
    let read =
        |rest: &str| Url::parse(&format!("redis://{rest}")).map_err(|error| explain(error, rest));
    let url = read(&first)?;
    refuse_unknown_parts(&url, &[])?;
    let default_port = match kind {
        Kind::Sentinel => SENTINEL_PORT,
        _ => DEFAULT_PORT,
    };
    let node = node(&url, default_port)?;
    let mut nodes = vec![];
    for other in &others {
        nodes.push(self::node(&read(other)?, default_port)?);
    }
    let path = url.path().trim_matches('/');
    let (address, database) = match kind {
        Kind::Single | Kind::Unix => (Address::Tcp(node), database(path)?),
        Kind::Cluster if !path.is_empty() => {
            return Err(wrong(
                BuildErrorKind::Database,
                "a cluster has no databases; leave out what stands behind the nodes",
            ));
        }
        Kind::Cluster => {
            nodes.insert(0, node);
            (Address::Cluster(nodes), 0)
        }
        Kind::Sentinel => {
            nodes.insert(0, node);
            let (service, path) = path.split_once('/').unwrap_or((path, ""));
            if service.is_empty() {
                return Err(wrong(
                    BuildErrorKind::Url,
                    format!("the URL names no service; write {SENTINEL_FORM}"),
                ));
            }
            let service = percent_decode(service, "service")?;
            (Address::Sentinel { service, nodes }, database(path)?)
        }
    };
    Ok(Endpoint {
        address,
        tls: tls.then(Tls::new),
        credentials: credentials(&url, fill)?,
        sentinel_credentials: Credentials::none(),
        database,
    })
}

/// `user:password@a:1,b:2/path` as `user:password@a:1/path` and the nodes `b:2`.
fn split_nodes(rest: &str) -> (String, Vec<String>) {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, hosts) = match authority.rfind('@') {
        Some(at) => authority.split_at(at + 1),
        None => ("", authority),
    };
    let mut hosts = hosts.split(',');
    let first = hosts.next().unwrap_or_default();
    let others = hosts.map(ToOwned::to_owned).collect();
    (format!("{user}{first}{path}"), others)
}

fn node(url: &Url, default_port: u16) -> Result<Node, BuildError> {
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
    match url.port().unwrap_or(default_port) {
        0 => Err(wrong_port()),
        port => Ok(Node { host, port }),
    }
}

/// `redis+unix://[user:password@]/path/to/socket[?db=1]`
fn parse_unix(rest: &str, tls: bool, fill: Option<&Fill>) -> Result<Endpoint, BuildError> {
    let form = "redis+unix://[user:password@]/path/to/redis.sock[?db=1]";
    if tls {
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
    let number = url.query_pairs().find(|(name, _)| name == "db");
    Ok(Endpoint {
        address: Address::Unix(PathBuf::from(percent_decode(url.path(), "socket path")?)),
        tls: None,
        credentials: credentials(&url, fill)?,
        sentinel_credentials: Credentials::none(),
        database: number.map_or(Ok(0), |(_, number)| database(&number))?,
    })
}

#[derive(Clone, Copy)]
struct Scheme {
    tls: bool,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Single,
    Unix,
    Cluster,
    Sentinel,
}

impl Scheme {
    fn parse(scheme: &str) -> Result<Self, BuildError> {
        let scheme = scheme.to_ascii_lowercase();
        let (product, kind) = scheme.split_once(['+', '-']).unwrap_or((&scheme, ""));
        let tls = match product {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            "unix" if kind.is_empty() => {
                return Ok(Scheme {
                    tls: false,
                    kind: Kind::Unix,
                });
            }
            "http" | "https" => {
                return Err(wrong(
                    BuildErrorKind::Scheme,
                    "the scheme http(s) is the REST address of a hosted service; write its Redis address, rediss://…",
                ));
            }
            _ => return Err(unknown_scheme(&scheme)),
        };
        let kind = match kind {
            "" if !scheme.ends_with(['+', '-']) => Kind::Single,
            "unix" => Kind::Unix,
            "cluster" => Kind::Cluster,
            "sentinel" => Kind::Sentinel,
            _ => return Err(unknown_scheme(&scheme)),
        };
        Ok(Scheme { tls, kind })
    }
}

/// Not echoed when it could be a password that somebody pasted in front of `://`.
fn unknown_scheme(scheme: &str) -> BuildError {
    let plain = |c: char| c.is_ascii_alphabetic() || c == '+' || c == '-';
    if scheme.len() > 16 || !scheme.chars().all(plain) {
        return wrong(
            BuildErrorKind::Scheme,
            format!("the URL begins with no scheme; write {FORM}"),
        );
    }
    wrong(
        BuildErrorKind::Scheme,
        format!(
            "unknown scheme {scheme:?}; write redis, rediss (TLS), redis+unix, redis-cluster or redis-sentinel, \
             also as valkey"
        ),
    )
}

fn credentials(url: &Url, fill: Option<&Fill>) -> Result<Credentials, BuildError> {
    let username = match url.username() {
        "" => None,
        name => Some(percent_decode(name, "user name")?),
    };
    let password = match url.password() {
        None | Some("") => None,
        Some(password) => Some(Secret::new(percent_decode(password, "password")?)),
    };
    match (username, password, fill) {
        (username, Some(password), _) => Ok(Credentials::fixed(Login { username, password })),
        (username, None, Some(fill)) => Ok(fill(username.as_deref())),
        (None, None, None) => Ok(Credentials::none()),
        (Some(_), None, None) => Err(wrong(
            BuildErrorKind::Url,
            "the URL has a user and no password; write user:password@host (for a password alone, :password@host), or, \
             where the URL is a variable's, set REDIS_PASSWORD",
        )),
    }
}

fn database(text: &str) -> Result<u8, BuildError> {
    if text.is_empty() {
        return Ok(0);
    }
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

    fn parse(text: &str) -> Result<Endpoint, BuildError> {
        super::parse(text, None)
    }

    fn node(host: &str, port: u16) -> Node {
        Node {
            host: host.to_owned(),
            port,
        }
    }

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp(node(host, port))
    }

    #[test]
    fn good_urls() {
        let plain = parse("redis://localhost").unwrap();
        assert_eq!(plain.address, tcp("localhost", 6379));
        assert_eq!((plain.database, plain.tls), (0, None));
        assert!(plain.credentials.is_none());
        let full = parse("redis://app:p%40ss%2F@10.0.0.7:7000/3").unwrap();
        assert_eq!(full.address, tcp("10.0.0.7", 7000));
        assert_eq!(
            full.credentials,
            Credentials::fixed(Login::user("app", "p@ss/"))
        );
        assert_eq!(full.database, 3);
        let password_only = parse("valkey://:secret@h:1").unwrap();
        assert_eq!(
            password_only.credentials,
            Credentials::fixed(Login::password("secret"))
        );
        assert_eq!(
            parse("redis://[::1]:6380").unwrap().address,
            tcp("::1", 6380)
        );
        assert!(parse("rediss://host").unwrap().tls.is_some());
        let unix = parse("redis+unix:///run/redis.sock?db=2").unwrap();
        assert_eq!(
            (unix.address, unix.database),
            (Address::Unix("/run/redis.sock".into()), 2)
        );
        assert_eq!(
            parse("unix://:pw@/run/r.sock").unwrap().credentials,
            Credentials::fixed(Login::password("pw"))
        );
    }

    #[test]
    fn clusters_and_sentinels() {
        let cluster = parse("rediss-cluster://app:a,b@one:1,two,[::1]:3").unwrap();
        let nodes = vec![node("one", 1), node("two", 6379), node("::1", 3)];
        assert_eq!(cluster.address, Address::Cluster(nodes));
        assert_eq!(
            cluster.credentials,
            Credentials::fixed(Login::user("app", "a,b"))
        );
        assert!(cluster.tls.is_some());
        assert_eq!(cluster.to_string(), "one:1,two:6379,[::1]:3");
        let sentinel = parse("valkey-sentinel://one,two:5/mymaster/3").unwrap();
        let nodes = vec![node("one", 26379), node("two", 5)];
        let service = "mymaster".to_owned();
        assert_eq!(sentinel.address, Address::Sentinel { service, nodes });
        assert_eq!(sentinel.database, 3);
        assert_eq!(sentinel.to_string(), "one:26379,two:5/mymaster/3");
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
            ("rediss+unix:///x", BuildErrorKind::Scheme, "no TLS"),
            ("redis+", BuildErrorKind::Url, "no scheme"),
            ("redis+://h", BuildErrorKind::Scheme, "unknown scheme"),
            ("redis-cluster://h/3", BuildErrorKind::Database, "cluster"),
            ("redis-cluster://h,", BuildErrorKind::Host, "no host"),
            ("redis-cluster://h,h:x", BuildErrorKind::Port, "1 to 65535"),
            ("redis-sentinel://h", BuildErrorKind::Url, "no service"),
            (
                "redis-sentinel://h/m/x",
                BuildErrorKind::Database,
                "0 to 255",
            ),
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
            "redis-cluster://app:hunt,hunter2@a,",
            "redis-cluster://app:hunt/hunter2@a,b",
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
