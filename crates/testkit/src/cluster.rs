//! Servers that are one cluster.

use std::{fmt, thread::scope, time::Duration};

use crate::{
    builder::Builder,
    resp::Value,
    server::Server,
    settings::Part,
    wait::{eventually, holds_within, joined},
};

/// Describes a cluster before it starts.
#[derive(Clone, Debug)]
#[must_use = "a builder starts nothing until `start`"]
pub struct ClusterBuilder {
    primaries: u16,
    replicas: u16,
    node: Builder,
}

impl ClusterBuilder {
    /// How many replicas each primary has; one unless told.
    pub fn replicas(mut self, replicas: u16) -> ClusterBuilder {
        self.replicas = replicas;
        self
    }

    /// Adds a line of redis.conf to every node.
    pub fn config(mut self, name: &str, value: &str) -> ClusterBuilder {
        self.node = self.node.config(name, value);
        self
    }

    /// Sets the password of the default user, of every node.
    pub fn password(mut self, password: &str) -> ClusterBuilder {
        self.node = self.node.password(password).config("masterauth", password);
        self
    }

    /// Starts the nodes and waits until each of them says that all slots are served.
    ///
    /// # Panics
    ///
    /// As [`Server::start`] does, and when they do not agree within ten seconds.
    #[must_use]
    #[track_caller]
    pub fn start(self) -> Cluster {
        let count = self.primaries * (1 + self.replicas);
        let start = || self.node.clone().part(Part::ClusterNode).start();
        let nodes = scope(|scope| joined((0..count).map(|_| scope.spawn(start)).collect()));
        let cluster = Cluster { nodes };
        cluster.join(self.primaries);
        cluster
    }
}

/// A cluster whose nodes this process owns: each may be killed, paused and restarted, and slots may be moved.
///
/// Dropping it ends all of them.
pub struct Cluster {
    nodes: Vec<Server>,
}

impl Cluster {
    /// Starts a cluster of so many primaries, each with a replica, and waits until all slots are served.
    ///
    /// # Panics
    ///
    /// As [`ClusterBuilder::start`] does.
    #[must_use]
    #[track_caller]
    pub fn start(primaries: u16) -> Cluster {
        Cluster::builder(primaries).start()
    }

    /// Describes a cluster of so many primaries.
    pub fn builder(primaries: u16) -> ClusterBuilder {
        ClusterBuilder {
            primaries,
            replicas: 1,
            node: Server::builder(),
        }
    }

    /// All nodes: those that were primaries at the start first.
    #[must_use]
    pub fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// `redis-cluster://[:password@]127.0.0.1:port,…` with every node.
    #[must_use]
    pub fn url(&self) -> String {
        let password = self.nodes[0].password();
        let user = password.map_or_else(String::new, |password| format!(":{password}@"));
        let nodes: Vec<String> = self
            .nodes
            .iter()
            .map(|node| node.address().to_string())
            .collect();
        format!("redis-cluster://{user}{}", nodes.join(","))
    }

    /// The node that says of itself that it is the primary of a slot: others may not have heard of it yet.
    ///
    /// # Panics
    ///
    /// When no node says so within ten seconds.
    #[must_use]
    #[track_caller]
    pub fn primary_of(&self, slot: u16) -> &Server {
        let slot = i64::from(slot);
        let claims = |node: &&Server| {
            let port = i64::from(node.port());
            view(node).is_some_and(|ranges| {
                let mut ranges = ranges.iter();
                ranges.any(|range| (range.0..=range.1).contains(&slot) && range.2 == port)
            })
        };
        // One that is busy is asked again.
        let mut found = None;
        let _ = holds_within(DEADLINE, || {
            found = self.nodes.iter().find(claims);
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("no node says that slot {slot} is its own"))
    }

    /// A replica of a primary that follows it: as soon as one says so.
    ///
    /// # Panics
    ///
    /// When none does within twenty seconds.
    #[must_use]
    #[track_caller]
    pub fn replica_of(&self, primary: &Server) -> &Server {
        let port = primary.port().to_string();
        let follows = |node: &&Server| {
            let Ok(mut connection) = node.connection_within(ASK) else {
                return false;
            };
            let reply = connection.command(&["INFO", "replication"]);
            let text = reply
                .as_ref()
                .ok()
                .and_then(Value::as_str)
                .unwrap_or_default();
            let line = |line: &str| text.lines().any(|found| found == line);
            line(&format!("master_port:{port}")) && line("master_link_status:up")
        };
        // One that is busy, or is just being made one, is asked again.
        let mut found = None;
        let _ = holds_within(DEADLINE, || {
            found = self.nodes.iter().find(follows);
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("no replica follows {primary:?}"))
    }

    /// Has a primary's replica take over by agreement (`CLUSTER FAILOVER`), and waits until it has.
    ///
    /// # Panics
    ///
    /// When it has not within twenty seconds.
    #[track_caller]
    pub fn fail_over(&self, primary: &Server) -> &Server {
        let replica = self.replica_of(primary);
        let leads = || replica.role().is_some_and(|role| role == "master");
        // The replica gives up after five seconds where it did not catch up, and is then asked again.
        let took_over = (0..3).any(|_| {
            replica.command(&["CLUSTER", "FAILOVER"]);
            holds_within(Duration::from_secs(6), leads)
        });
        assert!(took_over, "{replica:?} did not take over");
        replica
    }

    /// Moves a slot with its keys to another primary, and tells every node.
    ///
    /// # Panics
    ///
    /// When a step is refused.
    #[track_caller]
    pub fn migrate(&self, slot: u16, to: &Server) {
        let migration = self.begin_migration(slot, to);
        while migration.step(100) > 0 {}
        migration.finish();
    }

    /// Begins to move a slot: from now on its old primary answers `ASK` for keys that it has not.
    ///
    /// Waits first until the nodes agree on the last one that moved: a primary that has not heard of the newest epoch
    /// cannot take a slot for good.
    ///
    /// # Panics
    ///
    /// When a step is refused.
    #[must_use = "a slot that is not moved to its end stays half way"]
    #[track_caller]
    pub fn begin_migration<'c>(&'c self, slot: u16, to: &'c Server) -> Migration<'c> {
        self.settle();
        let from = self.primary_of(slot);
        let migration = Migration {
            cluster: self,
            slot: slot.to_string(),
            from,
            to,
        };
        if from.port() != to.port() {
            let slot = &*migration.slot;
            to.expect_ok(&["CLUSTER", "SETSLOT", slot, "IMPORTING", &id(from)]);
            from.expect_ok(&["CLUSTER", "SETSLOT", slot, "MIGRATING", &id(to)]);
        }
        migration
    }

    /// Waits until every node says that all slots are served, and by whom.
    ///
    /// # Panics
    ///
    /// When they do not agree within ten seconds.
    #[track_caller]
    pub fn settle(&self) {
        eventually(DEADLINE, "all nodes agree on a whole cluster", || {
            let views: Vec<_> = self.nodes.iter().map(whole_view).collect();
            views.iter().all(Option::is_some) && views.windows(2).all(|two| two[0] == two[1])
        });
    }

    fn join(&self, primaries: u16) {
        let primaries = usize::from(primaries);
        for (at, node) in self.nodes.iter().enumerate() {
            // Distinct from the start: nodes that find equal ones take seconds to sort that out.
            node.expect_ok(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
            if at < primaries {
                let [first, end] = [at, at + 1].map(|at| at * SLOTS / primaries);
                let [first, last] = [first, end - 1].map(|slot| slot.to_string());
                node.expect_ok(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]);
            }
        }
        // Each meets each: gossip alone would take a second more.
        for (at, node) in self.nodes.iter().enumerate() {
            for other in &self.nodes[..at] {
                node.expect_ok(&[
                    "CLUSTER",
                    "MEET",
                    "127.0.0.1",
                    &other.port().to_string(),
                    &bus(other),
                ]);
            }
        }
        let all = self.nodes.len().to_string();
        eventually(DEADLINE, "all nodes know each other", || {
            let knows_all = |node: &Server| {
                let reply = node.command(&["CLUSTER", "INFO"]);
                let text = reply.as_str().unwrap_or_default();
                let known = text
                    .lines()
                    .find_map(|line| line.strip_prefix("cluster_known_nodes:"));
                known == Some(&*all)
                    && !node
                        .command(&["CLUSTER", "NODES"])
                        .as_str()
                        .unwrap_or_default()
                        .contains("handshake")
            };
            self.nodes.iter().all(knows_all)
        });
        for (at, replica) in self.nodes.iter().enumerate().skip(primaries) {
            let primary = &self.nodes[at % primaries];
            replica.expect_ok(&["CLUSTER", "REPLICATE", &id(primary)]);
        }
        self.settle();
        eventually(DEADLINE, "every replica follows", || {
            self.nodes[primaries..].iter().all(Server::follows)
        });
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.nodes).finish()
    }
}

/// A slot on its way from one primary to another.
#[derive(Debug)]
pub struct Migration<'c> {
    cluster: &'c Cluster,
    slot: String,
    from: &'c Server,
    to: &'c Server,
}

impl Migration<'_> {
    /// Moves so many keys at most; says how many there were.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    #[track_caller]
    pub fn step(&self, most: usize) -> usize {
        if self.from.port() == self.to.port() {
            return 0;
        }
        let reply = self
            .from
            .command(&["CLUSTER", "GETKEYSINSLOT", &self.slot, &most.to_string()]);
        let keys: Vec<&str> = reply
            .as_array()
            .unwrap_or_else(|| panic!("GETKEYSINSLOT says {reply:?}"))
            .iter()
            .filter_map(Value::as_str)
            .collect();
        if keys.is_empty() {
            return 0;
        }
        let port = self.to.port().to_string();
        let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000"];
        if let Some(password) = self.to.password() {
            migrate.extend(["AUTH", password]);
        }
        migrate.push("KEYS");
        migrate.extend(&keys);
        let reply = self.from.command(&migrate);
        // NOKEY: expired or deleted meanwhile.
        let done = matches!(reply.as_str(), Some("OK" | "NOKEY"));
        assert!(done, "MIGRATE says {reply:?}");
        keys.len()
    }

    /// Gives the slot to its new primary, and tells every node that answers.
    ///
    /// # Panics
    ///
    /// When the old or the new primary refuses.
    #[track_caller]
    pub fn finish(self) {
        let to = id(self.to);
        let set = ["CLUSTER", "SETSLOT", &self.slot, "NODE", &to];
        self.to.expect_ok(&set);
        self.from.expect_ok(&set);
        for node in &self.cluster.nodes {
            // A replica refuses; it hears of it from its primary.
            if let Ok(mut connection) = node.connection_within(ASK) {
                let _ = connection.command(&set);
            }
        }
    }
}

/// Who serves what, by one node's word; nothing unless it says that all slots are served.
fn whole_view(node: &Server) -> Option<Vec<Range>> {
    let mut connection = node.connection_within(ASK).ok()?;
    let info = connection.command(&["CLUSTER", "INFO"]).ok()?;
    info.as_str()?
        .contains("cluster_state:ok")
        .then(|| view(node))?
}

/// The first slot, the last one, the port of their primary.
type Range = (i64, i64, i64);

/// Who serves what, by one node's word.
fn view(node: &Server) -> Option<Vec<Range>> {
    let mut connection = node.connection_within(ASK).ok()?;
    let slots = connection.command(&["CLUSTER", "SLOTS"]).ok()?;
    let range = |range: &Value| {
        let range = range.as_array()?;
        let port = range.get(2)?.as_array()?.get(1)?.as_int()?;
        Some((range.first()?.as_int()?, range.get(1)?.as_int()?, port))
    };
    let mut ranges = slots
        .as_array()?
        .iter()
        .map(range)
        .collect::<Option<Vec<_>>>()?;
    ranges.sort_unstable();
    Some(ranges)
}

fn id(node: &Server) -> String {
    let reply = node.command(&["CLUSTER", "MYID"]);
    reply
        .as_str()
        .unwrap_or_else(|| panic!("CLUSTER MYID says {reply:?}"))
        .to_owned()
}

fn bus(node: &Server) -> String {
    node.config_get("cluster-port")
}

const ASK: Duration = Duration::from_millis(500);
const DEADLINE: Duration = Duration::from_secs(10);
const SLOTS: usize = 16_384;
