//! Finding a server for tests, examples and measurements, or starting one.
//!
//! The ways are tried in this order; the first that works is taken and said in one line:
//!
//! 1. `url`: the server that `RUSSET_TEST_REDIS_URL` names. Never `REDIS_URL`: a developer's shell may point at a shared
//!    server.
//! 2. `compose`: a Docker engine that answers; a compose project of its own, on a free port.
//! 3. `local`: `redis-server` or `valkey-server` on `PATH`.
//! 4. `package`: the distribution's own package (Debian, Ubuntu), unpacked under `target/`.
//!
//! What was started is stopped when [`Found`] is dropped, and also when we are killed: see [`Watch`].

mod closure;
mod compose;
mod local;
mod package;
mod url;

use std::{process::Command, time::Duration};

use clap::ValueEnum;
use russet_testkit::resp::Connection;

use crate::{Error, Result, cargo::Workspace, hold::Binary, watch::Watch};

/// Where a server comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// The first of the others that works
    #[default]
    Auto,
    /// The one that `RUSSET_TEST_REDIS_URL` names
    Url,
    /// A container of docker-compose.yml
    Compose,
    /// redis-server or valkey-server on PATH
    Local,
    /// The distribution's package, unpacked under target/
    Package,
}

/// A server that answers, for as long as this is kept.
pub(crate) struct Found {
    pub(crate) url: String,
    /// The way, and what it led to: `local (redis-server, Redis 7.0.15 on 127.0.0.1:40123)`.
    line: String,
    /// An unpacked binary, which no `PATH` names.
    binary: Option<Binary>,
    _watch: Option<Watch>,
}

impl Found {
    /// Tells a child about the server, in the variables that testkit reads.
    pub(crate) fn export(&self, command: &mut Command) {
        command.env("RUSSET_TEST_REDIS_URL", &self.url);
        if let Some(binary) = &self.binary {
            command.env("RUSSET_REDIS_SERVER", &binary.path);
            if let Some(libraries) = &binary.libraries {
                command.env("RUSSET_REDIS_LIBRARIES", libraries);
            }
        }
    }

    /// Says whether tests that need servers of their own get them from a binary.
    pub(crate) fn has_binary(&self) -> bool {
        self.binary.is_some() || russet_testkit::binary::find().is_some()
    }
}

/// Why a way led nowhere.
enum Miss {
    /// The machine does not offer it.
    Absent(String),
    /// The machine offers it, and it did not work: this is said even if another way does.
    Broken(String),
}

impl<E: Into<Error>> From<E> for Miss {
    fn from(error: E) -> Miss {
        Miss::Broken(error.into().to_string())
    }
}

/// Finds a server the given way, and prints which one it is.
pub(crate) fn find(workspace: &Workspace, way: Way) -> Result<Found> {
    let found = match way {
        Way::Auto => first(workspace)?,
        way => only(workspace, way).map_err(|miss| match miss {
            Miss::Absent(reason) | Miss::Broken(reason) => {
                format!("no server by way of `{}`: {reason}", name(way))
            }
        })?,
    };
    println!("server: {}", found.line);
    Ok(found)
}

fn first(workspace: &Workspace) -> Result<Found> {
    let mut reasons = String::new();
    for way in [Way::Url, Way::Compose, Way::Local, Way::Package] {
        match (way, only(workspace, way)) {
            (_, Ok(found)) => return Ok(found),
            // Whoever names a server wants no other.
            (Way::Url, Err(Miss::Broken(reason))) => return Err(reason.into()),
            (way, Err(Miss::Broken(reason))) => {
                println!("not by way of `{}`: {reason}", name(way));
                reasons.push_str(&format!("\n  {}: {reason}", name(way)));
            }
            (way, Err(Miss::Absent(reason))) => {
                reasons.push_str(&format!("\n  {}: {reason}", name(way)));
            }
        }
    }
    Err(format!(
        "no server found:{reasons}\nGet one in any of these ways: set RUSSET_TEST_REDIS_URL=redis://host:port; start \
         Docker, with compose; put redis-server or valkey-server on PATH"
    )
    .into())
}

fn only(workspace: &Workspace, way: Way) -> Result<Found, Miss> {
    match way {
        Way::Auto => Ok(first(workspace)?),
        Way::Url => url::find(),
        Way::Compose => compose::find(workspace),
        Way::Local => local::find(),
        Way::Package => package::find(workspace),
    }
}

/// Asks the server at `url` what it is: `Redis 7.0.15`.
pub(crate) fn answering(url: &str) -> Result<String> {
    let mut connection = Connection::open(url, Duration::from_secs(5))?;
    let info = connection.command(&["INFO", "server"])?;
    Ok(info.as_str().map_or_else(|| "a server".to_owned(), version))
}

fn version(info: &str) -> String {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name));
    // Valkey says a redis_version too, the one that it is compatible with.
    match (field("valkey_version:"), field("redis_version:")) {
        (Some(version), _) => format!("Valkey {version}"),
        (None, Some(version)) => format!("Redis {version}"),
        (None, None) => "a server".to_owned(),
    }
}

/// Where a URL leads, without who we are there.
fn place(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let end = rest.find(['/', '?']).filter(|end| *end > 0);
    &rest[..end.unwrap_or(rest.len())]
}

fn name(way: Way) -> String {
    let value = way.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{place, version};

    #[test]
    fn a_place_never_holds_a_password() {
        assert_eq!(place("redis://h:1/0"), "h:1");
        assert_eq!(place("redis://user:p@ss@h:1"), "h:1");
        assert_eq!(place("rediss://:secret@h?x=1"), "h");
        assert_eq!(place("redis+unix:///run/redis.sock"), "/run/redis.sock");
        assert_eq!(place("nonsense"), "nonsense");
    }

    #[test]
    fn valkey_is_told_from_redis() {
        assert_eq!(
            version("# Server\r\nredis_version:8.0.2\r\n"),
            "Redis 8.0.2"
        );
        assert_eq!(
            version("redis_version:7.2.4\r\nvalkey_version:8.1.1\r\n"),
            "Valkey 8.1.1"
        );
    }
}
