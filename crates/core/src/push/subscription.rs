//! One receiver's end.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use super::Target;
use super::registry::Registry;
use crate::error::{Error, ErrorKind};

/// What a subscription brings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// A message.
    Message {
        /// The channel it was published to.
        channel: Bytes,
        /// What was published.
        payload: Bytes,
    },
    /// Messages may have been lost here.
    Gap(GapCause),
}

/// Why messages may have been lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GapCause {
    /// The connection ended; told once the subscription stands again on a new one.
    Reconnected,
    /// This receiver, or this process, did not keep up.
    TooSlow,
}

/// How many messages wait for one receiver at most.
const CAPACITY: usize = 4096;

/// A subscription; dropping it ends it. One subscription at the server serves every receiver of the same target.
pub struct Subscription {
    target: Target,
    id: u64,
    registry: Arc<Registry>,
    inbox: Arc<Inbox>,
    standing: watch::Receiver<Standing>,
}

/// Where a target stands with the server.
#[derive(Clone, Debug)]
pub(super) enum Standing {
    /// Not confirmed on the present connection.
    Wanted,
    /// Confirmed on the present connection.
    Confirmed,
    /// The server refuses it.
    Refused(Error),
}

impl Subscription {
    /// The next message or gap; `None` once the handle is shut down, or the server refuses the subscription since.
    ///
    /// # Cancel safety
    /// Safe to drop; no message is lost.
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            // A notice given before anybody waits is kept, so none is missed between the look and the wait.
            match self.inbox.lock().take() {
                Taken::Delivery(delivery) => return Some(delivery),
                Taken::Closed => return None,
                Taken::Nothing => {}
            }
            self.inbox.arrived.notified().await;
        }
    }

    /// What it is subscribed to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    pub(super) async fn confirmed(&self) -> Result<(), Error> {
        let mut standing = self.standing.clone();
        match standing
            .wait_for(|standing| !matches!(standing, Standing::Wanted))
            .await
            .as_deref()
        {
            Ok(Standing::Refused(error)) => Err(error.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err(Error::new(ErrorKind::Shutdown, "the handle was shut down")),
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.registry.remove(&self.target, self.id);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({})", self.target.key())
    }
}

/// What waits for one receiver.
#[derive(Debug, Default)]
struct Inbox {
    contents: Mutex<Contents>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Contents {
    deliveries: VecDeque<Delivery>,
    /// Something was dropped behind the last delivery. Nothing more is put in until the receiver has been told, so that
    /// the gap stands where the loss is.
    slow: bool,
    closed: bool,
}

enum Taken {
    Delivery(Delivery),
    Nothing,
    Closed,
}

impl Contents {
    fn take(&mut self) -> Taken {
        if let Some(delivery) = self.deliveries.pop_front() {
            Taken::Delivery(delivery)
        } else if std::mem::take(&mut self.slow) {
            Taken::Delivery(Delivery::Gap(GapCause::TooSlow))
        } else if self.closed {
            Taken::Closed
        } else {
            Taken::Nothing
        }
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Contents> {
        // Nothing under this lock panics.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The registry's end of a subscription; dropping it closes the other.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) id: u64,
    inbox: Arc<Inbox>,
}

impl Receiver {
    /// Both ends.
    pub(super) fn pair(
        target: Target,
        id: u64,
        registry: Arc<Registry>,
        standing: watch::Receiver<Standing>,
    ) -> (Receiver, Subscription) {
        let inbox = Arc::new(Inbox::default());
        let receiver = Receiver {
            id,
            inbox: inbox.clone(),
        };
        (
            receiver,
            Subscription {
                target,
                id,
                registry,
                inbox,
                standing,
            },
        )
    }

    pub(super) fn deliver(&self, delivery: Delivery) {
        let mut contents = self.inbox.lock();
        if contents.slow {
            return;
        }
        if contents.deliveries.len() < CAPACITY {
            contents.deliveries.push_back(delivery);
        } else {
            contents.slow = true;
        }
        drop(contents);
        self.inbox.arrived.notify_one();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.inbox.lock().closed = true;
        self.inbox.arrived.notify_one();
    }
}
