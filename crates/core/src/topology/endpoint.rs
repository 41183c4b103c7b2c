//! Where a server is, and as whom to connect to it.

use std::fmt;
use std::path::PathBuf;

use super::credentials::Credentials;
use super::tls::Tls;
use super::url;
use crate::error::{BuildError, BuildErrorKind};

/// A server, a database on it, and as whom to connect: what one URL says, and what a URL cannot say.
///
/// `Debug` and `Display` show the address alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub(crate) address: Address,
    pub(crate) tls: Option<Tls>,
    pub(crate) credentials: Credentials,
    pub(crate) sentinel_credentials: Credentials,
    pub(crate) database: u8,
}

/// How the server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(Node),
    Unix(PathBuf),
    /// Some nodes of a cluster; they know the others.
    Cluster(Vec<Node>),
    /// Sentinels that know where the primary of a service is.
    Sentinel {
        service: String,
        nodes: Vec<Node>,
    },
}

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Endpoint {
    /// Reads a URL; the forms are those of [`Redis::connect`](crate::Redis::connect).
    ///
    /// # Errors
    /// A URL that cannot be meant. No error shows a part of it that may be a password.
    pub fn parse(url: &str) -> Result<Self, BuildError> {
        url::parse(url, None)
    }

    /// As whom to connect, instead of what the URL says. Asked for again at every connect.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// As whom to connect to sentinels that want a password of their own; without it, none is said to them.
    #[must_use]
    pub fn sentinel_credentials(mut self, credentials: Credentials) -> Self {
        self.sentinel_credentials = credentials;
        self
    }

    /// Whom to trust and who to be, for a URL that asks for TLS (`rediss://`).
    ///
    /// # Errors
    /// [`BuildErrorKind::Conflict`] if the URL does not ask for TLS.
    pub fn tls(mut self, tls: Tls) -> Result<Self, BuildError> {
        if self.tls.is_none() {
            return Err(BuildError::new(
                BuildErrorKind::Conflict,
                format!(
                    "TLS material is given for {self}, whose URL does not ask for TLS; write rediss://"
                ),
            ));
        }
        self.tls = Some(tls);
        Ok(self)
    }

    /// The server on this machine.
    pub(crate) fn localhost() -> Self {
        Endpoint {
            address: Address::Tcp(Node {
                host: "localhost".to_owned(),
                port: 6379,
            }),
            tls: None,
            credentials: Credentials::none(),
            sentinel_credentials: Credentials::none(),
            database: 0,
        }
    }

    /// The same server and user, another database.
    pub(crate) fn with_database(&self, database: u8) -> Self {
        Endpoint {
            database,
            ..self.clone()
        }
    }

    /// The nodes of a cluster that are named, or the sentinels.
    pub(crate) fn nodes(&self) -> &[Node] {
        match &self.address {
            Address::Tcp(_) | Address::Unix(_) => &[],
            Address::Cluster(nodes) | Address::Sentinel { nodes, .. } => nodes,
        }
    }

    /// The name of the service whose primary sentinels know.
    pub(crate) fn service(&self) -> Option<&str> {
        match &self.address {
            Address::Sentinel { service, .. } => Some(service),
            _ => None,
        }
    }

    /// One server of it: as the same user, on the same database.
    pub(crate) fn at(&self, node: &Node) -> Self {
        Endpoint {
            address: Address::Tcp(node.clone()),
            ..self.clone()
        }
    }

    /// What can be found wrong before anything is sent.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        self.tls.as_ref().map_or(Ok(()), |tls| {
            crate::driver::check_tls(tls)
                .map_err(|error| BuildError::new(BuildErrorKind::Tls, format!("{self}: {error}")))
        })
    }
}

impl fmt::Display for Endpoint {
    /// The address without user or password: `localhost:6379/0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, nodes: &[Node]| {
            for (index, node) in nodes.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                write!(f, "{comma}{node}")?;
            }
            Ok(())
        };
        match &self.address {
            Address::Tcp(node) => write!(f, "{node}")?,
            Address::Unix(path) => write!(f, "{}", path.display())?,
            Address::Cluster(nodes) => return list(f, nodes),
            Address::Sentinel { service, nodes } => {
                list(f, nodes)?;
                write!(f, "/{service}")?;
            }
        }
        write!(f, "/{}", self.database)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Node { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}
