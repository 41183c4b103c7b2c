//! A server that this process owns.

use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use crate::{
    builder::Builder,
    local::Local,
    resp::{Address, Connection, Endpoint, RespError, Value},
    rights::Rights,
    settings::Settings,
    version::Version,
    wait::eventually,
};

/// A server that this process owns: it may be flushed, configured, killed, paused and restarted.
///
/// Dropping it ends it and removes its data. It also ends when the test panics, when it sits in a static, and when
/// the process is killed.
pub struct Server {
    backend: Backend,
    address: Address,
}

#[derive(Debug)]
pub(crate) enum Backend {
    Local(Box<Local>),
    #[cfg(feature = "containers")]
    Container(Box<crate::container::Container>),
}

impl Server {
    /// Starts a server without persistence on a free port and waits until it answers.
    ///
    /// # Panics
    ///
    /// When no server can be had here, naming the ways to get one, or when it does not come up. Where none can be had
    /// and `RUSSET_TEST_RUNNER=1` says that this process runs one test only, it prints `russet-skip: ` and the reason
    /// and ends the process with 0 instead: the runner counts those and says so.
    #[must_use]
    pub fn start() -> Server {
        Server::builder().start()
    }

    /// Starts a server with lines of redis.conf.
    ///
    /// # Panics
    ///
    /// As [`Server::start`] does.
    #[must_use]
    pub fn with_config<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Server {
        settings
            .into_iter()
            .fold(Server::builder(), |builder, (name, value)| {
                builder.config(name, value)
            })
            .start()
    }

    /// Describes a server before it starts.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(backend: Backend, settings: &Settings) -> Server {
        let endpoint = match &backend {
            Backend::Local(local) if settings.unix_socket => Endpoint::Unix(local.socket()),
            Backend::Local(local) => Endpoint::Tcp("127.0.0.1".to_owned(), local.port()),
            #[cfg(feature = "containers")]
            Backend::Container(container) => {
                Endpoint::Tcp("127.0.0.1".to_owned(), container.port())
            }
        };
        let address = Address {
            endpoint,
            user: None,
            password: settings.password.clone(),
            database: 0,
        };
        Server { backend, address }
    }

    /// The server's URL: `redis://[:password@]127.0.0.1:port/0`, or `redis+unix://[:password@]/path`; with a user where the
    /// run is under access rules (`RUSSET_TEST_ACL`), unless the server has a password of its own.
    #[must_use]
    pub fn url(&self) -> String {
        match Rights::of_this_run() {
            Some(rights) if self.address.password.is_none() => {
                let address = Address {
                    user: Some(rights.user),
                    password: Some(rights.password),
                    ..self.address.clone()
                };
                address.to_url()
            }
            _ => self.unrestricted_url(),
        }
    }

    /// The URL without a user of the run's access rules: for what a test does to a server besides what it tests.
    #[must_use]
    pub fn unrestricted_url(&self) -> String {
        self.address.to_url()
    }

    /// The files and the port of a server that was built with [`tls`](Builder::tls).
    ///
    /// # Panics
    ///
    /// When it was built without.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(&self) -> &crate::tls::Tls {
        let tls = match &self.backend {
            Backend::Local(local) => local.tls(),
            #[cfg(feature = "containers")]
            Backend::Container(_) => None,
        };
        tls.expect("the server was built with `tls()`")
    }

    /// The server's URL over TLS: `rediss://[:password@]localhost:port/0`.
    ///
    /// # Panics
    ///
    /// When the server was built without [`tls`](Builder::tls).
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls_url(&self) -> String {
        let address = Address {
            endpoint: Endpoint::Tcp("localhost".to_owned(), self.tls().port()),
            ..self.address.clone()
        };
        address.to_url().replacen("redis", "rediss", 1)
    }

    /// The server's TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        match &self.backend {
            Backend::Local(local) => local.port(),
            #[cfg(feature = "containers")]
            Backend::Container(container) => container.port(),
        }
    }

    /// The server's TCP address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port()))
    }

    /// The password of the default user, if it has one.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        self.address.password.as_deref()
    }

    /// Asks the server which product and version it is.
    ///
    /// # Panics
    ///
    /// When the server does not answer.
    #[must_use]
    pub fn version(&self) -> Version {
        Version::from_info(&self.info("server")).expect("INFO names the server's version")
    }

    /// Ends the server at once, as a crash does (SIGKILL). One that is down stays down.
    pub fn kill(&self) {
        match &self.backend {
            Backend::Local(local) => local.kill(),
            #[cfg(feature = "containers")]
            Backend::Container(container) => container.kill(),
        }
    }

    /// Ends the server gracefully, as an operator does (SIGTERM). One that is down stays down.
    pub fn stop(&self) {
        match &self.backend {
            Backend::Local(local) => local.stop(),
            #[cfg(feature = "containers")]
            Backend::Container(container) => container.stop(),
        }
    }

    /// Freezes the server (SIGSTOP): its sockets stay open and nothing answers.
    ///
    /// # Panics
    ///
    /// When the server is down.
    pub fn pause(&self) {
        match &self.backend {
            Backend::Local(local) => local.signal("STOP"),
            #[cfg(feature = "containers")]
            Backend::Container(container) => container.pause(),
        }
    }

    /// Lets a frozen server go on (SIGCONT).
    ///
    /// # Panics
    ///
    /// When the server is down.
    pub fn resume(&self) {
        match &self.backend {
            Backend::Local(local) => local.signal("CONT"),
            #[cfg(feature = "containers")]
            Backend::Container(container) => container.resume(),
        }
    }

    /// Sets the clock of a server that was built with [`own_clock`](Builder::own_clock): so many seconds ahead of this machine's, or behind it.
    ///
    /// # Panics
    ///
    /// When it was built without.
    pub fn set_clock(&self, seconds: i64) {
        match &self.backend {
            Backend::Local(local) => local.set_clock(seconds),
            #[cfg(feature = "containers")]
            Backend::Container(_) => panic!("a container has no clock of its own"),
        }
    }

    /// Starts the server again on the same port and data, stopping it first if it runs, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it does not come back within ten seconds.
    pub fn restart(&self) {
        match &self.backend {
            Backend::Local(local) => local.restart(),
            #[cfg(feature = "containers")]
            Backend::Container(container) => container.restart(),
        }
    }

    /// Runs one command on a connection of its own; an error reply is a [`Value::Error`].
    ///
    /// # Panics
    ///
    /// When the server cannot be reached or does not answer within ten seconds.
    #[track_caller]
    pub fn command(&self, parts: &[&str]) -> Value {
        self.connection().command(parts).unwrap_or_else(|error| {
            panic!(
                "{} failed: {error}",
                parts.first().unwrap_or(&"the empty command")
            )
        })
    }

    /// Starts a replica of this server, and waits until it holds what this one does.
    ///
    /// # Panics
    ///
    /// When it does not come up, or does not follow within ten seconds.
    #[must_use]
    #[track_caller]
    pub fn replica(&self) -> Server {
        let replica = Server::builder().replica_of(self).start();
        eventually(DEADLINE, "the replica follows", || replica.follows());
        replica
    }

    /// Whether this is a replica that is connected to its primary and up to date.
    #[must_use]
    pub fn follows(&self) -> bool {
        let connection = self.connection_within(DEADLINE);
        let info = connection.and_then(|mut on| on.command(&["INFO", "replication"]));
        // Who makes it a replica cuts its connections; it does not follow yet then.
        info.is_ok_and(|info| {
            info.as_str()
                .is_some_and(|info| info.contains("master_link_status:up"))
        })
    }

    /// What the server says it is, `master` or `slave`; nothing while it cannot be asked, as when who changes that cuts
    /// its connections.
    #[must_use]
    pub fn role(&self) -> Option<String> {
        let connection = self.connection_within(DEADLINE);
        let said = connection.and_then(|mut on| on.command(&["ROLE"])).ok()?;
        Some(said.as_array()?.first()?.as_str()?.to_owned())
    }

    /// Removes every key of every database.
    ///
    /// # Panics
    ///
    /// When the server does not do it.
    #[track_caller]
    pub fn flush_all(&self) {
        self.expect_ok(&["FLUSHALL"]);
    }

    /// Sets a configuration parameter.
    ///
    /// # Panics
    ///
    /// When the server does not do it.
    #[track_caller]
    pub fn config_set(&self, name: &str, value: &str) {
        self.expect_ok(&["CONFIG", "SET", name, value]);
    }

    /// Reads a configuration parameter.
    ///
    /// # Panics
    ///
    /// When the server does not answer or has no such parameter.
    #[must_use]
    #[track_caller]
    pub fn config_get(&self, name: &str) -> String {
        let reply = self.command(&["CONFIG", "GET", name]);
        let value = reply
            .as_array()
            .and_then(|pair| pair.get(1))
            .and_then(Value::as_str);
        value
            .unwrap_or_else(|| panic!("CONFIG GET {name} says {reply:?}"))
            .to_owned()
    }

    /// Reads a section of INFO, such as `stats` or `commandstats`, as its names and values.
    ///
    /// # Panics
    ///
    /// When the server does not answer.
    #[must_use]
    #[track_caller]
    pub fn info(&self, section: &str) -> BTreeMap<String, String> {
        let reply = self.command(&["INFO", section]);
        let text = reply
            .as_str()
            .unwrap_or_else(|| panic!("INFO {section} says {reply:?}"));
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// Opens a RESP connection, with ten seconds for each command.
    ///
    /// # Panics
    ///
    /// When the server cannot be reached.
    #[must_use]
    #[track_caller]
    pub fn connection(&self) -> Connection {
        Connection::open_address(&self.address, DEADLINE)
            .unwrap_or_else(|error| panic!("cannot connect to the server: {error}"))
    }

    pub(crate) fn connection_within(&self, limit: Duration) -> Result<Connection, RespError> {
        Connection::open_address(&self.address, limit)
    }

    #[track_caller]
    pub(crate) fn expect_ok(&self, parts: &[&str]) {
        let reply = self.command(parts);
        assert_eq!(reply.as_str(), Some("OK"), "{parts:?} says {reply:?}");
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}

const DEADLINE: Duration = Duration::from_secs(10);
