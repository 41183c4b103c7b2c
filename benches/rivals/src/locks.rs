//! Locks: rslock over one server, with what it does by default.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use russet_bench_load::{Kind, System, hold, lock};

#[derive(Clone)]
pub(crate) struct Rslock {
    manager: rslock::LockManager,
    /// Those who were told that they do not get it: three tries of 200 ms at most are all that it waits.
    errors: Arc<AtomicUsize>,
}

impl Rslock {
    pub(crate) fn connect(url: &str) -> Self {
        Rslock {
            manager: rslock::LockManager::new(vec![url]),
            errors: Arc::default(),
        }
    }
}

impl System for Rslock {
    async fn operate(&self, kind: Kind, turn: usize) {
        let lease = Duration::from_secs(30);
        loop {
            match self.manager.lock(lock(kind, turn), lease).await {
                Ok(held) => {
                    hold(kind).await;
                    self.manager.unlock(&held).await;
                    return;
                }
                Err(_) => {
                    self.errors.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    fn errors(&self) -> usize {
        self.errors.load(Ordering::Relaxed)
    }
}
