//! What holds for all connections of a proxy.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{counts::Counters, fault::Direction, rule::Rules};

#[derive(Debug)]
pub(super) struct Control {
    pub(super) upstream: SocketAddr,
    pub(super) rules: Arc<Rules>,
    pub(super) counters: Counters,
    pub(super) refusing: AtomicBool,
    delay_nanos: AtomicU64,
    holes: [AtomicBool; 2],
}

impl Control {
    pub(super) fn new(upstream: SocketAddr) -> Control {
        Control {
            upstream,
            rules: Arc::default(),
            counters: Counters::default(),
            refusing: AtomicBool::new(false),
            delay_nanos: AtomicU64::new(0),
            holes: Default::default(),
        }
    }

    pub(super) fn set_delay(&self, delay: Duration) {
        let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        self.delay_nanos.store(nanos, Ordering::Release);
    }

    /// When bytes that have just arrived are due at the other side; `None` is at once.
    pub(super) fn due(&self, extra: Duration) -> Option<Instant> {
        let delay = Duration::from_nanos(self.delay_nanos.load(Ordering::Acquire)) + extra;
        (!delay.is_zero()).then(|| Instant::now() + delay)
    }

    pub(super) fn is_hole(&self, direction: Direction) -> bool {
        self.holes[direction.index()].load(Ordering::Acquire)
    }

    pub(super) fn set_hole(&self, direction: Direction, is_hole: bool) {
        self.holes[direction.index()].store(is_hole, Ordering::Release);
    }
}
