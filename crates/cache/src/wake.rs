//! Being woken when a value that another process loads is there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russet_core::{Bytes, Delivery, Key, Server, Subscription, Target};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How long a wait is at most where nobody can wake us: no permission to subscribe, or no connection for it.
const POLL: Duration = Duration::from_millis(100);

/// Those of this process who wait, by the key of what they wait for. Callers share flights, so that it is one a key; more where
/// a flight was closed to new callers while it waits.
pub(crate) struct Wake {
    server: Server,
    channel: Key,
    waiting: Arc<Waiting>,
    listener: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Waiting(Mutex<HashMap<Bytes, Vec<Arc<Notify>>>>);

/// One that waits; dropped, it does not.
pub(crate) struct Waiter {
    waiting: Arc<Waiting>,
    key: Bytes,
    notify: Arc<Notify>,
    /// Whether anybody would wake it.
    is_heard: bool,
}

impl Wake {
    pub(crate) fn new(server: Server, channel: Key) -> Self {
        Wake {
            server,
            channel,
            waiting: Arc::default(),
            listener: tokio::sync::Mutex::default(),
        }
    }

    /// The channel that is published to.
    pub(crate) fn channel(&self) -> &Key {
        &self.channel
    }

    /// Begins to wait. The subscription stands when this returns, if there is to be one: what happens from now on wakes.
    pub(crate) async fn waiter(&self, key: &Key) -> Waiter {
        let key = Bytes::copy_from_slice(key.as_bytes());
        let notify = Arc::<Notify>::default();
        self.waiting.add(&key, &notify);
        let mut waiter = Waiter {
            waiting: self.waiting.clone(),
            key,
            notify,
            is_heard: false,
        };
        waiter.is_heard = self.listen().await;
        waiter
    }

    async fn listen(&self) -> bool {
        let mut listener = self.listener.lock().await;
        if listener.as_ref().is_some_and(|task| !task.is_finished()) {
            return true;
        }
        let target = Target::Channel(self.channel.clone());
        match Box::pin(self.server.subscribe(target)).await {
            Ok(subscription) => {
                *listener = Some(tokio::spawn(hear(subscription, self.waiting.clone())));
                true
            }
            Err(error) => {
                tracing::debug!(target: "russet::cache", channel = %self.channel, %error, "nobody wakes us; asking again and again");
                false
            }
        }
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.get_mut() {
            listener.abort();
        }
    }
}

/// Wakes whom a message names, and everybody where some may have been lost.
async fn hear(mut subscription: Subscription, waiting: Arc<Waiting>) {
    while let Some(delivery) = subscription.next().await {
        let waiting = waiting.lock();
        match delivery {
            Delivery::Message { payload, .. } => wake(waiting.get(&payload).into_iter()),
            _ => wake(waiting.values()),
        }
    }
    wake(waiting.lock().values());
}

fn wake<'w>(waiting: impl Iterator<Item = &'w Vec<Arc<Notify>>>) {
    waiting.flatten().for_each(|notify| notify.notify_one());
}

impl Waiting {
    fn add(&self, key: &Bytes, notify: &Arc<Notify>) {
        let mut waiting = self.lock();
        waiting.entry(key.clone()).or_default().push(notify.clone());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Bytes, Vec<Arc<Notify>>>> {
        // No code that can panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// Waits to be woken, for at most this long: the lease of whoever loads.
    pub(crate) async fn woken(&self, most: Duration) {
        let most = if self.is_heard { most } else { most.min(POLL) };
        let _ = tokio::time::timeout(most, self.notify.notified()).await;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock();
        if let Some(known) = waiting.get_mut(&self.key) {
            known.retain(|known| !Arc::ptr_eq(known, &self.notify));
            if known.is_empty() {
                waiting.remove(&self.key);
            }
        }
    }
}
