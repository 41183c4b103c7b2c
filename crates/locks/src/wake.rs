//! Being told that a lock was handed to us: one channel for all locks of this process.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use russet_core::{Delivery, Key, Server, Subscription, Target};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::fence::Fence;
use crate::keeper::Keeper;
use crate::owner::Owner;
use crate::wire::Message;

/// How long it is not tried to subscribe after that has failed.
const AGAIN: Duration = Duration::from_secs(5);

/// Those of this process who wait.
pub(crate) struct Wake {
    server: Server,
    channel: Key,
    heard: Arc<Heard>,
    listener: tokio::sync::Mutex<Listener>,
}

/// Who listens; or until when it is not tried again.
#[derive(Default)]
struct Listener {
    task: Option<JoinHandle<()>>,
    not_before: Option<Instant>,
}

/// Whom what is heard is told.
struct Heard {
    waiting: Mutex<HashMap<Owner, Arc<Told>>>,
    keeper: Arc<Keeper>,
}

/// What one who waits was told.
#[derive(Default)]
struct Told {
    notify: Notify,
    /// The highest fence with which it was handed to them; 0 for none.
    fence: AtomicU64,
}

/// One who waits; dropped, it does not.
pub(crate) struct Waiter {
    heard: Arc<Heard>,
    owner: Owner,
    told: Arc<Told>,
    /// Whether anybody would wake it.
    pub(crate) is_heard: bool,
}

impl Wake {
    pub(crate) fn new(server: Server, channel: Key, keeper: Arc<Keeper>) -> Self {
        Wake {
            server,
            channel,
            heard: Arc::new(Heard {
                waiting: Mutex::default(),
                keeper,
            }),
            listener: tokio::sync::Mutex::default(),
        }
    }

    /// Begins to wait. The subscription stands when this returns, if there is to be one: what is handed over from now on wakes.
    pub(crate) async fn waiter(&self, owner: Owner, deadline: Instant) -> Waiter {
        let told = Arc::<Told>::default();
        self.heard.lock().insert(owner, told.clone());
        let mut waiter = Waiter {
            heard: self.heard.clone(),
            owner,
            told,
            is_heard: false,
        };
        let listening = tokio::time::timeout_at(deadline.into(), self.listen());
        waiter.is_heard = listening.await.unwrap_or(false);
        waiter
    }

    async fn listen(&self) -> bool {
        let mut listener = self.listener.lock().await;
        if listener
            .task
            .as_ref()
            .is_some_and(|task| !task.is_finished())
        {
            return true;
        }
        if listener.not_before.is_some_and(|at| Instant::now() < at) {
            return false;
        }
        let target = Target::Channel(self.channel.clone());
        match Box::pin(self.server.subscribe(target)).await {
            Ok(subscription) => {
                listener.task = Some(tokio::spawn(hear(subscription, self.heard.clone())));
                true
            }
            Err(error) => {
                tracing::debug!(target: "russet::locks", channel = %self.channel, %error, "nobody wakes us; asking again and again");
                listener.not_before = Some(Instant::now() + AGAIN);
                false
            }
        }
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        if let Some(task) = &self.listener.get_mut().task {
            task.abort();
        }
    }
}

impl Waiter {
    /// Until a lock may have been handed to it.
    pub(crate) async fn woken(&self) {
        self.told.notify.notified().await;
    }

    /// With which fence it was told that a lock was handed to it; 0 if it was not.
    pub(crate) fn fence(&self) -> Fence {
        Fence(self.told.fence.load(Ordering::Relaxed))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.heard.lock().remove(&self.owner);
    }
}

/// Wakes whom a message names, and everybody where some may have been lost.
async fn hear(mut subscription: Subscription, heard: Arc<Heard>) {
    while let Some(delivery) = subscription.next().await {
        match delivery {
            Delivery::Message { payload, .. } => match Message::read(&payload) {
                Some(Message::Granted(owner, fence)) => {
                    if let Some(waiting) = heard.lock().get(&owner) {
                        waiting.fence.fetch_max(fence.0, Ordering::Relaxed);
                        waiting.notify.notify_one();
                    }
                }
                Some(Message::Forced(owner, reason)) => heard.keeper.forced(&owner, &reason),
                None => {}
            },
            Delivery::Gap(_) => heard.all(),
            _ => {}
        }
    }
    heard.all();
}

impl Heard {
    fn all(&self) {
        for waiting in self.lock().values() {
            waiting.notify.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, Arc<Told>>> {
        // Nothing under this lock panics.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wake({} waiting)", self.heard.lock().len())
    }
}
