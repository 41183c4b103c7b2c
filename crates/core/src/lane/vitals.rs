//! Signs of life of a connection, as its callers see them.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;

/// So many deadlines in a row, without one reply between them, make a connection suspect.
const SUSPECT: u32 = 3;

/// Counts deadlines in a row; tells the supervisor when there are too many.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    missed: AtomicU32,
    suspect: Notify,
}

impl Vitals {
    pub(crate) fn answered(&self) {
        // Read first: the line is shared by every caller, and nearly always zero.
        if self.missed.load(Ordering::Relaxed) != 0 {
            self.missed.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn missed(&self) {
        if self.missed.fetch_add(1, Ordering::Relaxed) + 1 == SUSPECT {
            self.suspect.notify_one();
        }
    }

    pub(crate) async fn suspect(&self) {
        self.suspect.notified().await;
    }
}
