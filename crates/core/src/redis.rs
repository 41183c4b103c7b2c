//! The handle.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::batch::{Bounds, Getter};
use crate::builder::{Builder, Settings};
use crate::command::{Command, IntoArg, Policy};
use crate::concern::Concern;
use crate::error::{BuildError, Error, ErrorKind};
use crate::event::Events;
use crate::key::{Key, Prefix};
use crate::lane::CommandLane;
use crate::namespace::Namespace;
use crate::push::{Push, Subscription, Target};
use crate::reply::FromReply;
use crate::script::Script;
use crate::topology::Endpoint;

/// A connection to Redis or Valkey that keeps itself alive. Cheap to clone, `Send + Sync`; all clones share it.
///
/// It belongs to the tokio runtime that made it. When the last clone is dropped, its tasks and sockets end.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    endpoint: Arc<Endpoint>,
    settings: Settings,
    lane: Arc<CommandLane>,
    push: OnceLock<Push>,
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

    pub(crate) fn start(endpoint: Endpoint, settings: Settings) -> Redis {
        let endpoint = Arc::new(endpoint);
        let lane = CommandLane::start(endpoint.clone(), settings.tuning(), settings.max_in_flight);
        Redis(Arc::new(Inner {
            endpoint,
            settings,
            lane: Arc::new(lane),
            push: OnceLock::new(),
        }))
    }

    pub(crate) async fn verify(&self) -> Result<(), Error> {
        let limit = self.0.settings.connect_timeout;
        self.0
            .lane
            .ready(std::time::Instant::now() + limit + limit / 4)
            .await
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
            redis: self.clone(),
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
        let settings = self.0.settings;
        let push = self
            .0
            .push
            .get_or_init(|| Push::start(self.0.endpoint.clone(), settings.tuning()));
        push.subscribe(target, settings.deadline).await
    }

    /// What happens to the connection from now on.
    pub fn events(&self) -> Events {
        self.0.lane.events()
    }

    /// Waits for commands under way, at most this long, then ends every task and socket.
    ///
    /// Every later command on any clone fails with [`Shutdown`](ErrorKind::Shutdown).
    pub async fn shutdown_within(&self, limit: Duration) {
        if let Some(push) = self.0.push.get() {
            push.close();
        }
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
    redis: Redis,
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
        let lane = &self.redis.0.lane;
        let deadline = std::time::Instant::now() + self.deadline;
        let mut reply = lane.run(&command, deadline).await;
        // One more try, if the first certainly did not run or may run twice, and time is left for it.
        if let Err(error) = &reply
            && error.kind() != ErrorKind::Deadline
            && matches!(
                error.kind(),
                ErrorKind::ConnectionLost | ErrorKind::Unavailable
            )
            && (policy == Policy::Idempotent || !error.may_have_executed())
        {
            reply = lane.run(&command, deadline).await;
        }
        T::from_reply(reply?)
    }

    /// A reader whose concurrent reads share one `MGET`: at most 256 keys in one, and two on their way at once.
    ///
    /// Make it once and keep it; each call makes a queue of its own.
    pub fn getter(&self) -> Getter {
        Getter::new(
            self.redis.0.lane.clone(),
            Bounds::new(256, 2),
            self.deadline,
        )
    }

    /// Runs a script by its hash: one round trip, three where the server does not know it yet.
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
        script: &Script,
        keys: impl IntoIterator<Item = &'k Key>,
        args: impl IntoIterator<Item = impl IntoArg>,
        policy: Policy,
    ) -> Result<T, Error> {
        let keys: Vec<&Key> = keys.into_iter().collect();
        let call = Command::new("EVALSHA").arg(script.hash()).arg(keys.len());
        let call = keys.into_iter().fold(call, Command::key).args(args);
        match self.run(call.clone(), policy).await {
            Err(error) if error.kind() == ErrorKind::NoScript && !error.may_have_executed() => {
                self.run::<()>(
                    Command::new("SCRIPT LOAD").arg(script.source()),
                    Policy::Idempotent,
                )
                .await?;
                self.run(call, policy).await
            }
            reply => reply,
        }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Lane({} on {})",
            self.concern.name(),
            self.redis.0.endpoint
        )
    }
}
