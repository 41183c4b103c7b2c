//! The topology as a configuration file says it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Credentials, Endpoint, Tls, Topology};
use crate::error::{BuildError, BuildErrorKind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    server: Server,
    #[serde(default)]
    split_databases: bool,
    #[serde(default)]
    concerns: BTreeMap<String, Server>,
    #[serde(default)]
    namespaces: BTreeMap<String, Server>,
}

/// A URL, or a table with what a URL cannot say.
struct Server(Table);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    url: String,
    username: Option<String>,
    password_var: Option<String>,
    password_file: Option<PathBuf>,
    tls: Option<Tls>,
}

impl From<File> for Topology {
    /// What is wrong in a URL is kept and told by `build`: a format that reads the file would quote the line.
    fn from(file: File) -> Self {
        let mut fault = None;
        let mut read = |place: String, server: Server| match server.endpoint() {
            Ok(endpoint) => Some(endpoint),
            Err(error) => {
                let message = format!("the topology's {place}: {error}");
                fault.get_or_insert(BuildError::new(error.kind(), message));
                None
            }
        };
        let default = read("server".to_owned(), file.server);
        let mut all = |kind: &str, servers: BTreeMap<String, Server>| -> BTreeMap<_, _> {
            let named = servers.into_iter();
            named
                .filter_map(|(name, server)| {
                    let endpoint = read(format!("{kind} {name:?}"), server)?;
                    Some((name, endpoint))
                })
                .collect()
        };
        let concerns = all("concern", file.concerns);
        let namespaces = all("namespace", file.namespaces);
        let mut topology = Topology::new(default.unwrap_or_else(Endpoint::localhost));
        topology.concerns = concerns;
        for (prefix, endpoint) in namespaces {
            topology = topology.namespace(prefix, endpoint);
        }
        topology.split = file.split_databases;
        topology.fault = fault.or(topology.fault);
        topology
    }
}

impl Server {
    fn endpoint(self) -> Result<Endpoint, BuildError> {
        let Table {
            url,
            username,
            password_var,
            password_file,
            tls,
        } = self.0;
        let mut endpoint = Endpoint::parse(&url)?;
        let credentials = match (password_var, password_file) {
            (Some(name), None) => Some(Credentials::from_var(username.as_deref(), name)),
            (None, Some(path)) => Some(Credentials::from_file(username.as_deref(), path)),
            (None, None) if username.is_none() => None,
            (None, None) => {
                return Err(conflict(
                    "`username` stands there without `password_var` or `password_file`",
                ));
            }
            (Some(_), Some(_)) => {
                return Err(conflict(
                    "`password_var` and `password_file` exclude each other",
                ));
            }
        };
        if let Some(credentials) = credentials {
            if !endpoint.credentials.is_none() {
                return Err(conflict(
                    "the URL holds a password, and another source of it is named",
                ));
            }
            endpoint = endpoint.credentials(credentials);
        }
        match tls {
            Some(tls) => endpoint.tls(tls),
            None => Ok(endpoint),
        }
    }
}

fn conflict(message: &str) -> BuildError {
    BuildError::new(BuildErrorKind::Conflict, message)
}

impl<'de> Deserialize<'de> for Server {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Server;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a Redis URL, or a table with `url`")
            }

            fn visit_str<E: Error>(self, url: &str) -> Result<Server, E> {
                Ok(Server(Table {
                    url: url.to_owned(),
                    username: None,
                    password_var: None,
                    password_file: None,
                    tls: None,
                }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Server, A::Error> {
                Table::deserialize(MapAccessDeserializer::new(map)).map(Server)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
