//! Whether something is wrong where the servers are looked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// How often is asked while a server is away: also how late an election is noticed.
const IN_TROUBLE: Duration = Duration::from_millis(250);
/// How often is asked where nothing seems wrong: a slot that nobody uses may have moved.
const QUIET: Duration = Duration::from_secs(10);

/// Who asks where the servers are is told here that it is time to ask again.
#[derive(Debug, Default)]
pub(super) struct Watch {
    away: AtomicUsize,
    wish: Notify,
}

impl Watch {
    /// Has somebody ask soon.
    pub(super) fn wish(&self) {
        self.wish.notify_one();
    }

    /// Waits until somebody wishes it.
    pub(super) async fn wished(&self) {
        self.wish.notified().await;
    }

    /// Waits until it is time.
    pub(super) async fn due(&self) {
        let pause = if self.in_trouble() { IN_TROUBLE } else { QUIET };
        let _ = tokio::time::timeout(pause, self.wish.notified()).await;
    }

    pub(super) fn in_trouble(&self) -> bool {
        self.away.load(Ordering::Relaxed) > 0
    }

    /// A server is away; asks soon and often, until what this returns is dropped.
    pub(super) fn trouble(self: &Arc<Self>) -> Trouble {
        self.away.fetch_add(1, Ordering::Relaxed);
        self.wish();
        Trouble(Some(self.clone()))
    }
}

/// One server that is away.
#[derive(Debug)]
pub(crate) struct Trouble(Option<Arc<Watch>>);

impl Trouble {
    /// Where nobody can be asked.
    pub(super) fn nobody_s() -> Self {
        Trouble(None)
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        if let Some(watch) = &self.0 {
            watch.away.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
