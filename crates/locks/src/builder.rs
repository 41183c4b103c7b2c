//! Configuring locks.

use std::sync::Arc;
use std::time::Duration;

use russet_core::{
    Ack, Acks, BuildError, BuildErrorKind, Bytes, Eviction, Key, KeyWriter, Namespace, Policy, Stem,
};
use tokio::sync::mpsc;

use crate::keeper::{Ends, Keeper, run};
use crate::keys::{CONCERN, GIVING, KEYS, TAKING};
use crate::locks::{Inner, Locks};
use crate::owner::Instance;
use crate::release::Releases;
use crate::wake::Wake;

/// In which order those who wait get a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// First come, first served: a lock that somebody waits for is handed to the first of them, and nobody else can take it.
    #[default]
    Fair,
    /// Whoever comes when it is free may take it, also before those who wait, of whom the first is told. Some may wait long.
    Barging,
}

/// Configures [`Locks`].
///
/// | setting | default |
/// |---|---|
/// | [`lease`](Builder::lease) | 30 s |
/// | [`acquire_timeout`](Builder::acquire_timeout) | 30 s |
/// | [`owner`](Builder::owner) | none |
/// | [`order`](Builder::order) | [`Order::Fair`] |
/// | [`deadline`](Builder::deadline) | 1 s |
/// | [`remember`](Builder::remember) | 1 hour |
/// | [`ack`](Builder::ack) | [`Ack::Primary`] |
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    ns: Namespace,
    lease: Duration,
    acquire: Duration,
    owner: String,
    order: Order,
    deadline: Duration,
    remember: Duration,
    ack: Ack,
}

impl Builder {
    pub(crate) fn new(ns: &Namespace) -> Self {
        Builder {
            ns: ns.clone(),
            lease: Duration::from_secs(30),
            acquire: Duration::from_secs(30),
            owner: String::new(),
            order: Order::Fair,
            deadline: Duration::from_secs(1),
            remember: Duration::from_hours(1),
            ack: Ack::Primary,
        }
    }

    /// How long a lock stays taken whose holder was killed: 100 ms to 1 day. It is renewed each third of that.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How long [`Lock::lock`](crate::Lock::lock) waits.
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire = timeout;
        self
    }

    /// Who holds the locks of this process, for people: up to 256 bytes, in `inspect` and logs.
    pub fn owner(mut self, label: impl Into<String>) -> Self {
        self.owner = label.into();
        self
    }

    /// In which order those who wait get a lock. All processes must be built with the same.
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// How long each of its commands has: at least 1 ms.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How long the last fence of a free lock is remembered: 1 minute to 30 days. A server's clock that is set back by less than that cannot
    /// give a fence twice.
    pub fn remember(mut self, remember: Duration) -> Self {
        self.remember = remember;
        self
    }

    /// Who must have noted a lock before it counts as taken, unless a lock [says otherwise](crate::Lock::ack). All but [`Ack::Primary`] need one more
    /// connection.
    pub fn ack(mut self, ack: Ack) -> Self {
        self.ack = ack;
        self
    }

    /// The handle. It starts a thread, with a connection of its own, that renews locks.
    ///
    /// # Errors
    /// [`BuildErrorKind::Limit`] for a setting outside its bounds, or if a connection does not fit; [`BuildErrorKind::Unsupported`] for
    /// [`Ack::Fsync`] on a server that has said that it is too old.
    pub fn build(self) -> Result<Locks, BuildError> {
        check_lease(self.lease)?;
        let is_right = self.deadline >= Duration::from_millis(1)
            && self.owner.len() <= 256
            && (Duration::from_mins(1)..=Duration::from_hours(30 * 24)).contains(&self.remember);
        if !is_right {
            return Err(BuildError::new(
                BuildErrorKind::Limit,
                format!(
                    "locks with a deadline of {:?}, a label of {} bytes, and fences that are remembered for {:?}; it must be at least 1 ms, \
                     at most 256 bytes, and 1 minute to 30 days",
                    self.deadline,
                    self.owner.len(),
                    self.remember
                ),
            ));
        }
        let stem = use_stem(&self.ns)?;
        self.ns.declare(KEYS, &stem);
        let server = self.ns.server(CONCERN, &stem);
        let acks = Acks::new(&server, self.ack)?;
        let lane = server.lane(CONCERN).deadline(self.deadline);
        let instance = Instance::new();
        let releases = Releases {
            label: Bytes::from(self.owner.into_bytes()),
            keeps: self.remember,
            confirm: Duration::from_secs(2),
            barges: self.order == Order::Barging,
            channel: channel(&stem, ""),
            stem,
        };
        let keeper = Arc::new(Keeper::default());
        let (orders, ordered) = mpsc::unbounded_channel();
        let (its_keeper, its_releases) = (Ends(keeper.clone()), releases.clone());
        server.spawn_heartbeat(CONCERN, |lane| run(lane, its_keeper, ordered, its_releases))?;
        Ok(Locks(Arc::new(Inner {
            // Who asks again is told what the first answer was.
            take: lane.script_calls(&TAKING, [""; 0], Policy::Idempotent),
            give: lane.script_calls(&GIVING, [""; 0], Policy::AtMostOnce),
            wake: Wake::new(
                server.clone(),
                channel(&releases.stem, &instance.hex()),
                keeper.clone(),
            ),
            instance,
            lane,
            releases,
            keeper,
            orders,
            lease: self.lease,
            acquire: self.acquire,
            ack: self.ack,
            acks,
            eviction: Eviction::new(
                &server,
                CONCERN,
                "a second holder would get a lock that somebody has",
            ),
            server,
        })))
    }
}

fn use_stem(ns: &Namespace) -> Result<Stem, BuildError> {
    ns.literal_stem("lock")
}

/// The channel of a process; or what all of them begin with.
fn channel(stem: &Stem, instance: &str) -> Key {
    let mut writer = KeyWriter::new();
    writer.text(stem.as_str());
    writer.text(":%wake:");
    writer.text(instance);
    let literal = writer.len();
    writer.finish(literal)
}

pub(crate) fn check_lease(lease: Duration) -> Result<(), BuildError> {
    if (Duration::from_millis(100)..=Duration::from_hours(24)).contains(&lease) {
        return Ok(());
    }
    Err(BuildError::new(
        BuildErrorKind::Limit,
        format!(
            "a lease of {lease:?}; it must be between 100 ms, or round trips would use it up, and 1 day"
        ),
    ))
}
