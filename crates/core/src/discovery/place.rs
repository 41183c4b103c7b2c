//! Where a connection goes, and what it must find there.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::cluster::Cluster;
use super::sentinels::Sentinels;
use super::trouble::Trouble;
use crate::call::classify;
use crate::driver::{Client, Tuning};
use crate::error::{BuildError, BuildErrorKind, Error, ErrorKind};
use crate::topology::{Address, Endpoint};

/// Where a connection goes: asked anew at every connect.
#[derive(Clone)]
pub(crate) enum Place {
    /// Always the same server.
    Fixed(Arc<Endpoint>),
    /// One node of a cluster.
    Member(Arc<Endpoint>, Arc<Cluster>),
    /// Any node of a cluster.
    Any(Arc<Cluster>),
    /// Whatever server the sentinels name as the primary.
    Primary(Arc<Sentinels>),
}

impl Place {
    /// Connects, and sees that the server is what it must be.
    pub(crate) async fn connect(&self, tuning: Tuning) -> Result<(Client, Arc<Endpoint>), Error> {
        let (endpoint, part) = match self {
            Place::Fixed(endpoint) => (endpoint.clone(), Part::Alone),
            Place::Member(endpoint, _) => (endpoint.clone(), Part::Member),
            Place::Any(cluster) => {
                let endpoint = cluster.any(Instant::now() + tuning.connect_timeout).await?;
                (Arc::new(endpoint), Part::Member)
            }
            Place::Primary(sentinels) => return primary(sentinels, tuning).await,
        };
        Ok((connect(&endpoint, tuning, part).await?, endpoint))
    }

    /// Waits until connections go elsewhere.
    pub(crate) async fn left(&self, endpoint: &Endpoint) {
        match self {
            Place::Fixed(_) | Place::Member(..) => std::future::pending().await,
            Place::Any(cluster) => cluster.left(endpoint).await,
            Place::Primary(sentinels) => sentinels.left(endpoint).await,
        }
    }

    pub(crate) fn is_in_cluster(&self) -> bool {
        matches!(self, Place::Member(..) | Place::Any(_))
    }

    /// The server is away: asks often where it is, until what this returns is dropped.
    pub(crate) fn trouble(&self) -> Trouble {
        match self {
            Place::Fixed(_) => Trouble::nobody_s(),
            Place::Member(_, cluster) | Place::Any(cluster) => cluster.trouble(),
            Place::Primary(sentinels) => sentinels.trouble(),
        }
    }

    /// Something is wrong there: perhaps it is another one's place now.
    pub(crate) fn suspect(&self) {
        match self {
            Place::Fixed(_) => {}
            Place::Member(_, cluster) | Place::Any(cluster) => cluster.wish(),
            Place::Primary(sentinels) => sentinels.wish(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Fixed(endpoint) => endpoint.fmt(f),
            // Without a database: a cluster has none.
            Place::Member(endpoint, _) => match &endpoint.address {
                Address::Tcp(node) => node.fmt(f),
                _ => endpoint.fmt(f),
            },
            Place::Any(cluster) => cluster.fmt(f),
            Place::Primary(sentinels) => sentinels.fmt(f),
        }
    }
}

/// Connects to the primary; where the sentinels name another one meanwhile, to that one: the old one may hang.
async fn primary(sentinels: &Sentinels, tuning: Tuning) -> Result<(Client, Arc<Endpoint>), Error> {
    loop {
        let deadline = Instant::now() + tuning.connect_timeout;
        let endpoint = sentinels.primary(deadline).await?;
        tokio::select! {
            biased;
            client = connect(&endpoint, tuning, Part::Primary) => return Ok((client?, endpoint)),
            () = sentinels.left(&endpoint) => {}
        }
    }
}

/// What a server must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Alone,
    Member,
    Primary,
    Sentinel,
}

/// Connects to one server that must be that part of something.
pub(crate) async fn connect(
    endpoint: &Endpoint,
    tuning: Tuning,
    part: Part,
) -> Result<Client, Error> {
    let client = Client::connect(endpoint, tuning)
        .await
        .map_err(|failure| classify::connect(&failure, &endpoint.to_string()))?;
    let greeting = client.greeting();
    match check(
        part,
        greeting.mode.as_deref(),
        greeting.role.as_deref(),
        endpoint,
    ) {
        Ok(()) => Ok(client),
        Err(error) => {
            client.abort();
            Err(error.on("connect", None))
        }
    }
}

/// What a server does not say of itself is not held against it.
fn check(
    part: Part,
    mode: Option<&str>,
    role: Option<&str>,
    endpoint: &Endpoint,
) -> Result<(), Error> {
    let is = |what: &str| mode == Some(what);
    let known = mode.is_some();
    let write = match part {
        Part::Alone if is("cluster") => "a node of a cluster; write redis-cluster:// before it",
        Part::Alone if is("sentinel") => {
            "a sentinel; write redis-sentinel:// before it and /service behind it"
        }
        Part::Member if known && !is("cluster") => "no node of a cluster; write redis:// before it",
        Part::Sentinel if known && !is("sentinel") => "no sentinel; write redis:// before it",
        Part::Primary if role.is_some_and(|role| role != "master") => {
            let message =
                format!("{endpoint}, which the sentinels name as the primary, is a replica");
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        _ => return Ok(()),
    };
    let message = format!("{endpoint} is {write}");
    Err(BuildError::new(BuildErrorKind::Conflict, message).into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_what_it_must_be() {
        let endpoint = Endpoint::localhost();
        let check = |part, mode, role| check(part, mode, role, &endpoint);
        for (part, mode, role) in [
            (Part::Alone, Some("standalone"), Some("master")),
            (Part::Alone, Some("standalone"), Some("replica")),
            (Part::Member, Some("cluster"), Some("replica")),
            (Part::Primary, Some("standalone"), Some("master")),
            (Part::Sentinel, Some("sentinel"), Some("sentinel")),
        ] {
            assert!(
                check(part, mode, role).is_ok(),
                "{part:?} {mode:?} {role:?}"
            );
            assert!(
                check(part, None, None).is_ok(),
                "{part:?} that says nothing"
            );
        }
        for (part, mode, words) in [
            (Part::Alone, "cluster", "redis-cluster://"),
            (Part::Alone, "sentinel", "redis-sentinel://"),
            (Part::Member, "standalone", "redis://"),
            (Part::Sentinel, "standalone", "no sentinel"),
        ] {
            let error = check(part, Some(mode), None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(words), "{error}");
        }
        let replica = check(Part::Primary, Some("standalone"), Some("replica")).unwrap_err();
        assert_eq!(replica.kind(), ErrorKind::Unavailable, "it may heal");
    }
}
