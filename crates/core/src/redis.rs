//! The handle.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::batch::{Bounds, Getter, ScriptCalls};
use crate::builder::{Builder, Settings};
use crate::command::{Command, IntoArg, Policy};
use crate::concern::Concern;
use crate::connections::{Connections, Slot};
use crate::error::{BuildError, Error, ErrorKind};
use crate::event::Events;
use crate::key::{Key, Prefix};
use crate::lane::{Blocking, CommandLane, Heartbeat};
use crate::namespace::Namespace;
use crate::push::{Push, Subscription, Target};
use crate::reply::{FromReply, Reply};
use crate::scan::{Pace, Scan};
use crate::script::Script;
use crate::server::ServerInfo;
use crate::topology::Endpoint;

/// A connection to Redis or Valkey that keeps itself alive. Cheap to clone, `Send + Sync`; all clones share it.
///
/// It belongs to the tokio runtime that made it. When the last clone is dropped, its tasks and sockets end.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    endpoint: Arc<Endpoint>,
    settings: Settings,
    connections: Arc<Connections>,
    lane: Arc<CommandLane>,
    _slot: Slot,
    // Lanes that are made when they are first used.
    push: Mutex<Option<Arc<Push>>>,
    heartbeat: Mutex<Option<Arc<Heartbeat>>>,
    maintenance: Mutex<Option<Arc<Maintenance>>>,
}

/// The lane that walks and copies, so that nobody waits behind it.
struct Maintenance {
    lane: Arc<CommandLane>,
    _slot: Slot,
}

/// What a cell holds, made if it is empty.
fn first_use<T>(
    cell: &Mutex<Option<Arc<T>>>,
    make: impl FnOnce() -> Result<T, BuildError>,
) -> Result<Arc<T>, BuildError> {
    // A lane that could not be made leaves the cell empty.
    let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(made) = &*cell {
        return Ok(made.clone());
    }
    let made = Arc::new(make()?);
    *cell = Some(made.clone());
    Ok(made)
}

impl Redis {
    /// Connects to the server of a URL and verifies that it answers.
    ///
    /// Forms: `redis://[user:password@]host[:port][/database]`, `redis+unix://[user:password@]/path[?db=n]`; `valkey`
    /// reads as `redis`. Waits at most the connect timeout (2 s).
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for a URL that cannot be meant or a database that the server has not,
    /// [`Auth`](ErrorKind::Auth) for a refused password, [`Unavailable`](ErrorKind::Unavailable) for a server that cannot
    /// be reached.
    pub async fn connect(url: &str) -> Result<Redis, Error> {
        Redis::builder().url(url).connect().await
    }

    /// Connects to the server that `REDIS_URL` names, else to `redis://localhost:6379/0`.
    ///
    /// `REDIS_PASSWORD` is the password where the URL carries none.
    ///
    /// # Errors
    /// As [`connect`](Redis::connect).
    pub async fn from_env() -> Result<Redis, Error> {
        Redis::builder().connect().await
    }

    /// Connects to the server that the variable `name` names.
    ///
    /// # Errors
    /// As [`connect`](Redis::connect); also [`Config`](ErrorKind::Config) if the variable is not set.
    pub async fn from_var(name: &str) -> Result<Redis, Error> {
        Redis::builder().url_from_var(name).connect().await
    }

    /// A connection with settings of its own.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn start(endpoint: Endpoint, settings: Settings) -> Result<Redis, BuildError> {
        let connections = Connections::new(settings.max_connections);
        let slot = connections.open("command")?;
        let endpoint = Arc::new(endpoint);
        let lane = CommandLane::start(endpoint.clone(), settings.tuning(), settings.max_in_flight);
        Ok(Redis(Arc::new(Inner {
            endpoint,
            settings,
            connections,
            lane: Arc::new(lane),
            _slot: slot,
            push: Mutex::new(None),
            heartbeat: Mutex::new(None),
            maintenance: Mutex::new(None),
        })))
    }

    pub(crate) async fn verify(&self) -> Result<(), Error> {
        let limit = self.0.settings.connect_timeout;
        self.0.lane.ready(Instant::now() + limit + limit / 4).await
    }

    /// A namespace: the first name of every key.
    ///
    /// # Errors
    /// [`BuildErrorKind::Name`](crate::BuildErrorKind::Name) if the name is empty or holds what a key may not.
    pub fn namespace(&self, product: impl Into<String>) -> Result<Namespace, BuildError> {
        Ok(Namespace::new(self.clone(), Prefix::new(product)?))
    }

    /// The lane of a concern, on which its commands run.
    pub fn on(&self, concern: Concern) -> Lane {
        Lane {
            lane: self.0.lane.clone(),
            concern,
            deadline: self.0.settings.deadline,
        }
    }

    /// Subscribes; returns once the server has confirmed, within the handle's deadline.
    ///
    /// All subscriptions of a handle share one connection of their own, made with the first of them. It comes back by
    /// itself, with all of them; every possible loss is a [`Gap`](crate::Delivery::Gap).
    ///
    /// # Errors
    /// [`Permission`](ErrorKind::Permission) if the ACL user may not, [`Unavailable`](ErrorKind::Unavailable) if the
    /// server did not confirm in time.
    ///
    /// # Cancel safety
    /// A dropped call leaves no subscription behind.
    pub async fn subscribe(&self, target: Target) -> Result<Subscription, Error> {
        let inner = &*self.0;
        let push = first_use(&inner.push, || {
            let slot = inner.connections.open("push")?;
            Ok(Push::start(
                inner.endpoint.clone(),
                inner.settings.tuning(),
                slot,
            ))
        })?;
        push.subscribe(target, inner.settings.deadline).await
    }

    /// A connection of its own for blocking commands: one for each consumer loop.
    ///
    /// # Errors
    /// [`BuildErrorKind::Limit`](crate::BuildErrorKind::Limit) if it does not fit into `max_connections`.
    pub fn blocking(&self) -> Result<Blocking, BuildError> {
        let Inner {
            endpoint,
            settings,
            connections,
            ..
        } = &*self.0;
        let slot = connections.open("blocking")?;
        Ok(Blocking::start(
            endpoint.clone(),
            settings.tuning(),
            settings.deadline,
            slot,
        ))
    }

    /// A walk over the keys that match a glob, on a connection of its own.
    ///
    /// # Errors
    /// [`BuildErrorKind::Limit`](crate::BuildErrorKind::Limit) if that connection does not fit into `max_connections`.
    pub fn scan(&self, pattern: impl IntoArg, pace: Pace) -> Result<Scan, BuildError> {
        let Inner {
            endpoint,
            settings,
            connections,
            maintenance,
            ..
        } = &*self.0;
        let maintenance = first_use(maintenance, || {
            let slot = connections.open("maintenance")?;
            let lane =
                CommandLane::start(endpoint.clone(), settings.tuning(), settings.max_in_flight);
            Ok(Maintenance {
                lane: Arc::new(lane),
                _slot: slot,
            })
        })?;
        Ok(Scan::new(
            maintenance.lane.clone(),
            pattern.into_arg(),
            pace,
            settings.deadline,
        ))
    }

    /// Runs a task on a small thread and connection of core's own, for lease renewals and their timers: user code that
    /// blocks every worker of the service's runtime does not stop it. The task gets the lane to use.
    ///
    /// The task ends with the last clone of this handle at the latest; it must not block.
    ///
    /// # Errors
    /// [`BuildErrorKind::Limit`](crate::BuildErrorKind::Limit) if its connection does not fit into `max_connections`.
    pub fn spawn_heartbeat<F>(
        &self,
        concern: Concern,
        task: impl FnOnce(Lane) -> F,
    ) -> Result<(), BuildError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Inner {
            endpoint,
            settings,
            connections,
            heartbeat,
            ..
        } = &*self.0;
        let heartbeat = first_use(heartbeat, || {
            let slot = connections.open("heartbeat")?;
            Heartbeat::start(
                endpoint.clone(),
                settings.tuning(),
                settings.max_in_flight,
                slot,
            )
        })?;
        heartbeat.spawn(task(Lane {
            lane: heartbeat.lane().clone(),
            concern,
            deadline: settings.deadline,
        }));
        Ok(())
    }

    /// What the server is, as far as it says: `HELLO` and `INFO`, either of which may be denied.
    pub async fn server_info(&self) -> ServerInfo {
        let deadline = Instant::now() + self.0.settings.deadline;
        let hello = self.0.lane.run(&Command::new("HELLO"), deadline).await.ok();
        let info = self.0.lane.run(&Command::new("INFO"), deadline).await.ok();
        ServerInfo::read(hello, info)
    }

    /// How many connections each lane uses now: `command`, `push`, `blocking`, `heartbeat`, `maintenance`.
    pub fn connections(&self) -> BTreeMap<&'static str, usize> {
        self.0.connections.used()
    }

    /// What happens to the connection from now on.
    pub fn events(&self) -> Events {
        self.0.lane.events()
    }

    /// Waits for commands under way, at most this long, then ends every task and socket.
    ///
    /// Every later command on any clone fails with [`Shutdown`](ErrorKind::Shutdown).
    pub async fn shutdown_within(&self, limit: Duration) {
        let taken = |cell: &Mutex<Option<Arc<Push>>>| {
            cell.lock().unwrap_or_else(PoisonError::into_inner).take()
        };
        if let Some(push) = taken(&self.0.push) {
            push.close();
        }
        drop(
            self.0
                .heartbeat
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        drop(
            self.0
                .maintenance
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        self.0.lane.drain(limit).await;
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redis({})", self.0.endpoint)
    }
}

/// One concern's way to its server: gate, in-flight bound, deadline, classified errors.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct Lane {
    lane: Arc<CommandLane>,
    concern: Concern,
    deadline: Duration,
}

impl Lane {
    /// The same lane with another deadline for each of its commands.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs one command: one round trip.
    ///
    /// # Errors
    /// Any [`ErrorKind`]; [`Error::may_have_executed`] says whether the command may have run all the same.
    ///
    /// # Cancel safety
    /// A dropped call may still run on the server.
    pub async fn run<T: FromReply>(&self, command: Command, policy: Policy) -> Result<T, Error> {
        let (lane, deadline) = (&self.lane, Instant::now() + self.deadline);
        T::from_reply(retried(policy, || lane.run(&command, deadline)).await?)
    }

    /// A reader whose concurrent reads share one `MGET`: at most 256 keys in one, and two on their way at once.
    ///
    /// Make it once and keep it; each call makes a queue of its own.
    pub fn getter(&self) -> Getter {
        Getter::new(self.lane.clone(), Bounds::new(256, 2), self.deadline)
    }

    /// A way to call one script for many keys: concurrent calls share one `EVALSHA` of at most 64 keys, three on their
    /// way at once. See [`ScriptCalls`] for what the script must do; `common` are the arguments that all calls share.
    ///
    /// Make it once and keep it; each one has a queue of its own.
    pub fn script_calls<A: IntoArg>(
        &self,
        script: &'static Script,
        common: impl IntoIterator<Item = A>,
    ) -> ScriptCalls {
        let common = common.into_iter().map(IntoArg::into_arg).collect();
        ScriptCalls::new(
            self.lane.clone(),
            script,
            common,
            Bounds::new(64, 3),
            self.deadline,
        )
    }

    /// Runs a script by its hash: one round trip, three the first time a server does not know it.
    ///
    /// `keys` are all keys that the script touches; they must share a cluster slot.
    ///
    /// # Errors
    /// As [`run`](Lane::run).
    ///
    /// # Cancel safety
    /// A dropped call may still run on the server.
    pub async fn script<'k, T: FromReply>(
        &self,
        script: &'static Script,
        keys: impl IntoIterator<Item = &'k Key>,
        args: impl IntoIterator<Item = impl IntoArg>,
        policy: Policy,
    ) -> Result<T, Error> {
        let keys: Vec<&Key> = keys.into_iter().collect();
        let call = Command::new("EVALSHA").arg(script.hash()).arg(keys.len());
        let call = keys.into_iter().fold(call, Command::key).args(args);
        let (lane, deadline) = (&self.lane, Instant::now() + self.deadline);
        T::from_reply(retried(policy, || lane.script(script, &call, deadline)).await?)
    }

    /// Runs several commands in one round trip, each with its own result, in order. They are no transaction: others
    /// may run between them.
    ///
    /// # Errors
    /// None of its own: one command's failure is that command's result.
    ///
    /// # Cancel safety
    /// A dropped call may still run on the server, whole or in part.
    pub async fn pipeline(
        &self,
        commands: &[Command],
        policy: Policy,
    ) -> Vec<Result<Reply, Error>> {
        let (lane, deadline) = (&self.lane, Instant::now() + self.deadline);
        futures_util::future::join_all(
            commands
                .iter()
                .map(|command| retried(policy, move || lane.run(command, deadline))),
        )
        .await
    }
}

/// Once more, if the first try certainly did not run or may run twice, within the same deadline.
async fn retried<F: Future<Output = Result<Reply, Error>>>(
    policy: Policy,
    mut attempt: impl FnMut() -> F,
) -> Result<Reply, Error> {
    match attempt().await {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::ConnectionLost | ErrorKind::Unavailable
            ) && (policy == Policy::Idempotent || !error.may_have_executed()) =>
        {
            attempt().await
        }
        reply => reply,
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lane({})", self.concern.name())
    }
}
