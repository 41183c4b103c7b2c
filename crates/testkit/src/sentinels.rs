//! A primary, its replicas, and the sentinels that watch them.

use std::{thread::scope, time::Duration};

use crate::{
    builder::Builder,
    server::Server,
    settings::Part,
    wait::{eventually, joined},
};

/// A primary with replicas and sentinels, all owned by this process.
///
/// A server that answers nothing for a second counts as down; more than half of the sentinels must agree. Dropping it
/// ends all of them.
#[derive(Debug)]
pub struct Sentinels {
    servers: Vec<Server>,
    sentinels: Vec<Server>,
}

impl Sentinels {
    /// The name under which the sentinels know the primary.
    pub const SERVICE: &'static str = "main";

    /// Starts a primary with so many replicas and so many sentinels, and waits until the sentinels know all of them.
    ///
    /// # Panics
    ///
    /// As [`Server::start`] does, and when they do not know each other within ten seconds.
    #[must_use]
    #[track_caller]
    pub fn start(replicas: usize, sentinels: usize) -> Sentinels {
        Sentinels::start_with(&Server::builder(), replicas, sentinels)
    }

    /// The same, with servers as this builder describes them.
    ///
    /// # Panics
    ///
    /// As [`Sentinels::start`] does.
    #[must_use]
    #[track_caller]
    pub fn start_with(server: &Builder, replicas: usize, sentinels: usize) -> Sentinels {
        let primary = server.clone().part(Part::Member).start();
        if let Some(password) = primary.password() {
            // It will be a replica one day.
            primary.config_set("masterauth", password);
        }
        let (replicas, watching) = scope(|scope| {
            let primary = &primary;
            let replicas: Vec<_> = (0..replicas)
                .map(|_| scope.spawn(|| server.clone().replica_of(primary).start()))
                .collect();
            let watching: Vec<_> = (0..sentinels)
                .map(|_| scope.spawn(|| Server::builder().part(Part::Sentinel).start()))
                .collect();
            (joined(replicas), joined(watching))
        });
        let all = Sentinels {
            servers: std::iter::once(primary).chain(replicas).collect(),
            sentinels: watching,
        };
        all.watch();
        all
    }

    /// `redis-sentinel://[:password@]127.0.0.1:port,…/main` with every sentinel.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of(Sentinels::SERVICE)
    }

    /// The same for a service of another name.
    #[must_use]
    pub fn url_of(&self, service: &str) -> String {
        let password = self.servers[0].password();
        let user = password.map_or_else(String::new, |password| format!(":{password}@"));
        let nodes: Vec<String> = self
            .sentinels
            .iter()
            .map(|node| node.address().to_string())
            .collect();
        format!("redis-sentinel://{user}{}/{service}", nodes.join(","))
    }

    /// The sentinels.
    #[must_use]
    pub fn sentinels(&self) -> &[Server] {
        &self.sentinels
    }

    /// The servers: the first primary, then its replicas.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The server that a sentinel names as the primary.
    ///
    /// # Panics
    ///
    /// When no sentinel that answers names one.
    #[must_use]
    #[track_caller]
    pub fn primary(&self) -> &Server {
        let named = self.sentinels.iter().find_map(primary_port);
        let found = named.and_then(|port| self.servers.iter().find(|server| server.port() == port));
        found.unwrap_or_else(|| panic!("no sentinel names a primary of ours, but {named:?}"))
    }

    /// Has a replica take over by command (`SENTINEL FAILOVER`), and waits until every sentinel that answers says so.
    ///
    /// # Panics
    ///
    /// When it has not within twenty seconds.
    #[track_caller]
    pub fn fail_over(&self) -> &Server {
        let before = self.primary().port();
        let sentinel = &self.sentinels[0];
        // It refuses while an earlier failover is still being finished, and gives one up that takes too long. Looked at in this order: one that ends
        // between two looks would be followed by another one, back to where it was.
        eventually(DEADLINE, "a failover is done", || {
            let is_under_way = master(sentinel, "flags").contains("failover_in_progress");
            let is_done = primary_port(sentinel).is_some_and(|port| port != before);
            if !is_done && !is_under_way {
                sentinel.command(&["SENTINEL", "FAILOVER", Sentinels::SERVICE]);
            }
            is_done
        });
        self.await_another(before);
        self.primary()
    }

    /// Waits until the sentinels that answer name another primary than the one at this port.
    ///
    /// # Panics
    ///
    /// When they do not within twenty seconds.
    #[track_caller]
    pub fn await_another(&self, before: u16) {
        eventually(DEADLINE, "the sentinels name another primary", || {
            let named: Vec<u16> = self.sentinels.iter().filter_map(primary_port).collect();
            !named.is_empty() && named.iter().all(|port| *port != before)
        });
    }

    fn watch(&self) {
        let primary = &self.servers[0];
        let quorum = (self.sentinels.len() / 2 + 1).to_string();
        let port = primary.port().to_string();
        let service = Sentinels::SERVICE;
        for sentinel in &self.sentinels {
            // Everything takes some of these; a server that knows them not is slow and right.
            sentinel.command(&[
                "SENTINEL",
                "DEBUG",
                "INFO-PERIOD",
                "500",
                "PUBLISH-PERIOD",
                "200",
            ]);
            sentinel.expect_ok(&["SENTINEL", "MONITOR", service, "127.0.0.1", &port, &quorum]);
            let mut set = vec!["SENTINEL", "SET", service];
            // Long enough that a machine which is busy with other tests does not make them take a server for dead.
            set.extend([
                "down-after-milliseconds",
                "1000",
                "failover-timeout",
                "3000",
            ]);
            set.extend(["parallel-syncs", "4"]);
            if let Some(password) = primary.password() {
                set.extend(["auth-pass", password]);
            }
            sentinel.expect_ok(&set);
        }
        let others = (self.sentinels.len() - 1).to_string();
        let replicas = (self.servers.len() - 1).to_string();
        eventually(
            DEADLINE,
            "the sentinels know each other and the replicas",
            || {
                self.sentinels.iter().all(|sentinel| {
                    master(sentinel, "num-other-sentinels") == others
                        && master(sentinel, "num-slaves") == replicas
                        && master(sentinel, "flags") == "master"
                })
            },
        );
        eventually(DEADLINE, "every replica follows", || {
            self.servers[1..].iter().all(Server::follows)
        });
    }
}

/// What a sentinel says of the primary; nothing where it does not say that.
fn master(sentinel: &Server, field: &str) -> String {
    let reply = sentinel.command(&["SENTINEL", "MASTER", Sentinels::SERVICE]);
    let fields = reply.as_array().unwrap_or_default();
    let mut pairs = fields.chunks_exact(2);
    let found = pairs.find(|pair| pair[0].as_str() == Some(field));
    let value = found.and_then(|pair| pair[1].as_str());
    value.unwrap_or_default().to_owned()
}

fn primary_port(sentinel: &Server) -> Option<u16> {
    let mut connection = sentinel
        .connection_within(Duration::from_millis(500))
        .ok()?;
    let ask = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Sentinels::SERVICE];
    let reply = connection.command(&ask).ok()?;
    reply.as_array()?.get(1)?.as_str()?.parse().ok()
}

const DEADLINE: Duration = Duration::from_secs(20);
