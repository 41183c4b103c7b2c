//! Where a server is and who we are there.

use std::{fmt, fmt::Write as _, path::PathBuf};

use super::error::RespError;

/// What a URL says: `redis://[user][:password@]host[:port][/database]`, or `redis+unix://[[user]:password@]/path`
/// (also `unix://`).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) endpoint: Endpoint,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Address, RespError> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or(RespError::Url("it has no scheme, as in `redis://`"))?;
        let is_unix = match scheme {
            "redis" | "valkey" => false,
            "redis+unix" | "unix" => true,
            _ => {
                return Err(RespError::Url(
                    "its scheme is neither `redis` nor `redis+unix`",
                ));
            }
        };
        let path_start = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(path_start);
        let (credentials, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let (endpoint, database) = if is_unix {
            (Endpoint::Unix(decoded(path)?.into()), 0)
        } else {
            let (host, port) = host_and_port(host)?;
            let database = path
                .trim_start_matches('/')
                .split('?')
                .next()
                .unwrap_or_default();
            let database = if database.is_empty() {
                Ok(0)
            } else {
                database.parse()
            };
            (
                Endpoint::Tcp(host, port),
                database.map_err(|_| RespError::Url("its database is no number"))?,
            )
        };
        let given = |text: &str| {
            Some(text)
                .filter(|text| !text.is_empty())
                .map(decoded)
                .transpose()
        };
        Ok(Address {
            endpoint,
            user: given(user)?,
            password: given(password)?,
            database,
        })
    }

    pub(crate) fn to_url(&self) -> String {
        let mut credentials = String::new();
        if let Some(password) = &self.password {
            let user = self.user.as_deref().map(encoded).unwrap_or_default();
            credentials = format!("{user}:{}@", encoded(password));
        }
        match &self.endpoint {
            Endpoint::Tcp(host, port) => {
                format!("redis://{credentials}{host}:{port}/{}", self.database)
            }
            Endpoint::Unix(path) => format!("redis+unix://{credentials}{}", path.display()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("endpoint", &self.endpoint)
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| ".."))
            .field("database", &self.database)
            .finish()
    }
}

fn host_and_port(text: &str) -> Result<(String, u16), RespError> {
    // An IPv6 address stands in brackets and holds colons of its own.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (
            host,
            port.parse()
                .map_err(|_| RespError::Url("its port is no number"))?,
        ),
        _ => (text, 6379),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((
        if host.is_empty() { "localhost" } else { host }.to_owned(),
        port,
    ))
}

fn encoded(text: &str) -> String {
    let mut url = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

fn decoded(text: &str) -> Result<String, RespError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let digits = [
                rest.next().unwrap_or_default(),
                rest.next().unwrap_or_default(),
            ];
            let digits = str::from_utf8(&digits)
                .ok()
                .filter(|digits| !digits.starts_with('+'));
            digits
                .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                .ok_or(RespError::Url("a `%` is not followed by two hex digits"))?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).map_err(|_| RespError::Url("it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Address, Endpoint};

    fn tcp(
        host: &str,
        port: u16,
        user: Option<&str>,
        password: Option<&str>,
        database: u32,
    ) -> Address {
        Address {
            endpoint: Endpoint::Tcp(host.to_owned(), port),
            user: user.map(str::to_owned),
            password: password.map(str::to_owned),
            database,
        }
    }

    #[test]
    fn urls_of_every_form_are_read() {
        for (url, address) in [
            ("redis://localhost", tcp("localhost", 6379, None, None, 0)),
            ("redis://h:1/", tcp("h", 1, None, None, 0)),
            ("redis://:p%40w@h:1/2", tcp("h", 1, None, Some("p@w"), 2)),
            (
                "redis://u:p@[::1]:7/3",
                tcp("::1", 7, Some("u"), Some("p"), 3),
            ),
            ("valkey://[::1]", tcp("::1", 6379, None, None, 0)),
        ] {
            assert_eq!(Address::parse(url).unwrap(), address, "{url}");
        }
        let unix = Address::parse("redis+unix://:pw@/tmp/a.sock").unwrap();
        assert_eq!(unix.endpoint, Endpoint::Unix(PathBuf::from("/tmp/a.sock")));
        assert_eq!(unix.password.as_deref(), Some("pw"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for address in [
            tcp("127.0.0.1", 9, None, None, 0),
            tcp("h", 1, Some("a b"), Some("p:@/%ü"), 4),
        ] {
            assert_eq!(Address::parse(&address.to_url()).unwrap(), address);
        }
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_its_secret() {
        for url in [
            "localhost",
            "http://:secret@h",
            "redis://:secret@h:x",
            "redis://:secret@h/x",
            "redis://:%zz@h",
        ] {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
