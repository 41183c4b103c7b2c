//! What the server is and can do, as far as it says.

use std::collections::HashMap;
use std::fmt;

use crate::reply::{FromReply as _, Reply};

/// Redis, or its fork.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Product {
    /// Redis.
    Redis,
    /// Valkey.
    Valkey,
    /// Something else that speaks the protocol.
    Other(String),
}

/// A version, ordered as one reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
    /// The third number.
    pub patch: u32,
}

impl Version {
    /// A version of three numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Version {
            major,
            minor,
            patch,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        Some(Version::new(
            numbers.next()??,
            numbers.next()??,
            numbers.next().flatten().unwrap_or_default(),
        ))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What a server says of itself. `None` where it does not, or may not be asked: that is never an error, and never a
/// green check either.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerInfo {
    /// The product (`HELLO`; Valkey by `INFO` where `HELLO` says redis for compatibility).
    pub product: Option<Product>,
    /// The product's version.
    pub version: Option<Version>,
    /// `standalone`, `sentinel` or `cluster`.
    pub mode: Option<String>,
    /// `master` or `replica`.
    pub role: Option<String>,
    /// `maxmemory-policy`, as `INFO` says it.
    pub eviction_policy: Option<String>,
    /// `maxmemory` in bytes; 0 is no limit.
    pub max_memory: Option<u64>,
    /// `used_memory` in bytes.
    pub used_memory: Option<u64>,
}

impl ServerInfo {
    /// Reads the answers to `HELLO` and `INFO`; whatever is missing stays unknown.
    pub(crate) fn read(hello: Option<Reply>, info: Option<Reply>) -> Self {
        let mut server = ServerInfo::default();
        if let Some(hello) =
            hello.and_then(|hello| HashMap::<String, Reply>::from_reply(hello).ok())
        {
            let text = |field: &str| {
                hello
                    .get(field)
                    .cloned()
                    .and_then(|value| String::from_reply(value).ok())
            };
            server.product = text("server").map(|name| product(&name));
            server.version = text("version").as_deref().and_then(Version::parse);
            server.mode = text("mode");
            server.role = text("role");
        }
        if let Some(info) = info.and_then(|info| String::from_reply(info).ok()) {
            let fields: HashMap<&str, &str> = info
                .lines()
                .filter_map(|line| line.trim().split_once(':'))
                .collect();
            let text = |field: &str| fields.get(field).map(|&value| value.to_owned());
            if let Some(version) = fields
                .get("valkey_version")
                .and_then(|text| Version::parse(text))
            {
                (server.product, server.version) = (Some(Product::Valkey), Some(version));
            }
            server.version = server
                .version
                .or_else(|| Version::parse(fields.get("redis_version")?));
            server.mode = server.mode.or_else(|| text("redis_mode"));
            server.eviction_policy = text("maxmemory_policy");
            let bytes = |field| fields.get(field).and_then(|bytes| bytes.parse().ok());
            (server.max_memory, server.used_memory) = (bytes("maxmemory"), bytes("used_memory"));
        }
        server
    }
}

fn product(name: &str) -> Product {
    match name {
        "redis" => Product::Redis,
        "valkey" => Product::Valkey,
        other => Product::Other(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn text(text: &'static str) -> Reply {
        Reply::Bytes(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn what_is_missing_is_unknown() {
        assert_eq!(ServerInfo::read(None, None), ServerInfo::default());
        let partial = ServerInfo::read(None, Some(text("# Memory\r\nmaxmemory:0\r\nodd line\r\n")));
        assert_eq!(
            (partial.max_memory, partial.version, partial.eviction_policy),
            (Some(0), None, None)
        );
        assert_eq!(
            ServerInfo::read(Some(Reply::Int(1)), Some(Reply::Nil)),
            ServerInfo::default()
        );
    }

    #[test]
    fn valkey_is_told_from_the_version_it_claims_for_old_clients() {
        let hello = Reply::Map(vec![
            (text("server"), text("valkey")),
            (text("version"), text("8.1.1")),
        ]);
        let info = text("redis_version:7.2.4\r\nvalkey_version:8.1.1\r\n");
        let server = ServerInfo::read(Some(hello), Some(info));
        assert_eq!(
            (server.product, server.version),
            (Some(Product::Valkey), Some(Version::new(8, 1, 1)))
        );
        assert!(Version::new(7, 10, 0) > Version::new(7, 9, 9));
    }
}
