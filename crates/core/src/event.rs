//! What happens to connections, told to whoever listens.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::error::Error;

/// Something that happened to a connection, with the address of the server that it goes to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Connected, for the first time or again. Nothing from before is on this connection: no subscription, no tracking.
    Up(Arc<str>),
    /// The connection ended, or a first try failed; tries go on.
    Down(Arc<str>, Error),
    /// The connection was given up for a new one: it was open and answered nothing, answered what cannot be, or its server
    /// is no longer the primary.
    Replaced(Arc<str>),
    /// Slots of the cluster have other primaries than before, or the sentinels name another one.
    TopologyChanged,
    /// This listener was too slow, and does not know what it missed.
    Gap,
}

/// How many events a slow listener may be behind before it misses some.
const CAPACITY: usize = 8192;

/// A listener's own view of what happens, from the moment it was made.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

impl Events {
    /// The next event; `None` once the handle is shut down.
    ///
    /// # Cancel safety
    /// Safe to drop; no event is lost.
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Event::Gap),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Where events are told, until it ends.
#[derive(Clone, Debug)]
pub(crate) struct Told(Arc<Mutex<Option<broadcast::Sender<Event>>>>);

impl Told {
    pub(crate) fn new() -> Self {
        Told(Arc::new(Mutex::new(Some(broadcast::channel(CAPACITY).0))))
    }

    pub(crate) fn tell(&self, event: Event) {
        if let Some(sender) = &*self.lock() {
            // Nobody has to listen.
            let _ = sender.send(event);
        }
    }

    pub(crate) fn listen(&self) -> Events {
        let ended = || broadcast::channel(1).1;
        Events(
            self.lock()
                .as_ref()
                .map_or_else(ended, broadcast::Sender::subscribe),
        )
    }

    /// Every listener hears what was told, and then the end.
    pub(crate) fn end(&self) {
        self.lock().take();
    }

    fn lock(&self) -> MutexGuard<'_, Option<broadcast::Sender<Event>>> {
        // Nothing under this lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_too_slow_is_told_so() {
        let told = Told::new();
        let mut events = told.listen();
        for _ in 0..=CAPACITY {
            told.tell(Event::TopologyChanged);
        }
        told.end();
        assert!(matches!(events.next().await, Some(Event::Gap)));
        for _ in 0..CAPACITY {
            assert!(matches!(events.next().await, Some(Event::TopologyChanged)));
        }
        assert!(events.next().await.is_none());
    }
}
