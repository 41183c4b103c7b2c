//! A flight's place among those in the air.

use std::sync::Arc;

use super::Flight;
use super::queue::{Queue, State};
use super::waiting::Item;

/// How many times a flight lets other tasks run before it leaves, at most.
const GATHERING: usize = 8;

/// A flight's place among those in the air.
///
/// Dropping it gives the place back, or hands it on to a new flight while calls wait: also when its flight panicked or
/// its caller was dropped, or they would wait for ever.
pub(super) struct Slot<F: Flight> {
    queue: Arc<Queue<F>>,
    /// How many calls its flight carries.
    aboard: usize,
    /// Whether its flight ever ran; one that is dropped before belongs to a runtime that takes no more tasks.
    begun: bool,
}

impl<F: Flight> Slot<F> {
    /// A place for a flight that is yet to start.
    pub(super) fn take(queue: &Arc<Queue<F>>, state: &mut State<F>) -> Self {
        state.air.flights += 1;
        state.air.departs();
        Slot {
            queue: queue.clone(),
            aboard: 0,
            begun: false,
        }
    }

    /// A place for one call's own flight, in its caller's task.
    pub(super) fn alone(queue: &Arc<Queue<F>>, state: &mut State<F>) -> Self {
        let mut slot = Slot::take(queue, state);
        slot.begun = true;
        slot.carries(1, state);
        slot
    }

    fn carries(&mut self, calls: usize, state: &mut State<F>) {
        state.aboard = state.aboard - self.aboard + calls;
        self.aboard = calls;
    }

    /// Flies until nobody waits, in a task of its own: no caller's end shall take other callers' flight along.
    pub(super) fn start(self) {
        tokio::spawn(self.fly());
    }

    async fn fly(mut self) {
        self.begun = true;
        loop {
            self.gather().await;
            let Some(items) = self.board() else { return };
            self.queue.carry(items).await;
        }
    }

    /// Lets other tasks run while calls still come: those whose answers have just come have a next call, and it boards
    /// before this flight leaves, or the first of them would fly alone.
    async fn gather(&self) {
        let mut waited = 0;
        for _ in 0..GATHERING {
            tokio::task::yield_now().await;
            let waiting = self.queue.lock().waiting.len();
            if waiting > 0 && (waiting == waited || waiting >= self.queue.bounds.items) {
                return;
            }
            waited = waiting;
        }
    }

    /// The calls of its next flight.
    fn board(&mut self) -> Option<Vec<Item<F>>> {
        let queue = self.queue.clone();
        let mut state = queue.lock();
        self.carries(0, &mut state);
        let share = state.air.share(state.waiting.len() + state.aboard);
        let items = state.waiting.board(&queue.flight, &queue.bounds, share)?;
        self.carries(items.len(), &mut state);
        state.air.departs();
        Some(items)
    }
}

impl<F: Flight> Drop for Slot<F> {
    fn drop(&mut self) {
        let queue = self.queue.clone();
        let mut state = queue.lock();
        self.carries(0, &mut state);
        state.air.flights -= 1;
        if state.waiting.len() == 0 {
            return;
        }
        if self.begun && tokio::runtime::Handle::try_current().is_ok() {
            let next = Slot::take(&queue, &mut state);
            drop(state);
            next.start();
        } else {
            // The runtime has ended, or takes no more tasks; dropping the senders tells their callers so.
            state.waiting.clear();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::Mutex;
    use std::time::{Duration, Instant};

    use tokio::sync::Semaphore;

    use super::*;
    use crate::batch::{Batcher, Bounds};
    use crate::error::{Error, ErrorKind};

    /// Notes how many calls each flight carries, and lands when it is let; a call of 13 crashes it.
    #[derive(Clone)]
    struct Logged(Arc<Log>);

    struct Log {
        flights: Mutex<Vec<usize>>,
        lands: Semaphore,
    }

    impl Flight for Logged {
        type Request = u32;
        type Response = u32;

        fn request_bytes(&self, _: &u32) -> usize {
            4
        }

        fn response_bytes(&self, _: &u32) -> usize {
            4
        }

        async fn fly(&self, calls: Vec<u32>, _: Instant) -> Vec<Result<u32, Error>> {
            self.0.flights.lock().unwrap().push(calls.len());
            self.0.lands.acquire().await.unwrap().forget();
            assert!(!calls.contains(&13), "crashed");
            calls.into_iter().map(Ok).collect()
        }
    }

    fn batcher(bounds: Bounds) -> (Arc<Log>, Batcher<Logged>) {
        let log = Arc::new(Log {
            flights: Mutex::default(),
            lands: Semaphore::new(0),
        });
        let flight = Logged(log.clone());
        (log, Batcher::new(flight, bounds, Duration::from_secs(20)))
    }

    /// Makes calls one after the other, and lets each get as far as it can.
    async fn calls(
        batcher: &Batcher<Logged>,
        calls: impl IntoIterator<Item = u32>,
    ) -> Vec<tokio::task::JoinHandle<Result<u32, Error>>> {
        let mut made = Vec::new();
        for call in calls {
            let batcher = batcher.clone();
            made.push(tokio::spawn(async move { batcher.call(call).await }));
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        made
    }

    #[tokio::test]
    async fn each_flight_takes_half_of_all_callers() {
        let (log, batcher) = batcher(Bounds::new(128, 4));
        let mut made = calls(&batcher, 100..181).await;
        // The first one alone; half of 81; of 41 and 39 another 40.
        assert_eq!(*log.flights.lock().unwrap(), [1, 41, 39]);
        made.extend(calls(&batcher, 200..203).await);
        assert_eq!(log.flights.lock().unwrap()[3], 3, "few are not halved");
        made.extend(calls(&batcher, 300..302).await);
        assert_eq!(log.flights.lock().unwrap().len(), 4, "the air is full");
        log.lands.add_permits(1);
        calls(&batcher, []).await;
        assert_eq!(
            log.flights.lock().unwrap()[4],
            2,
            "a landing takes who waits"
        );
        log.lands.add_permits(100);
        for call in made {
            call.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn one_call_too_many_is_told_at_once() {
        let bounds = Bounds {
            waiting: 2,
            ..Bounds::new(128, 1)
        };
        let (log, batcher) = batcher(bounds);
        let made = calls(&batcher, 1..4).await;
        let error = batcher.call(4).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Overloaded);
        assert!(!error.may_have_executed());
        log.lands.add_permits(10);
        for call in made {
            call.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_crash_in_a_flight_is_its_own_callers_alone() {
        let (log, batcher) = batcher(Bounds::new(128, 1));
        let first = calls(&batcher, [13]).await;
        let others = calls(&batcher, 1..5).await;
        log.lands.add_permits(2);
        for call in first {
            assert!(call.await.unwrap_err().is_panic());
        }
        for call in others {
            call.await.unwrap().unwrap();
        }
        calls(&batcher, []).await;
        let crashing = calls(&batcher, [1, 13, 2]).await;
        log.lands.add_permits(10);
        let mut lost = 0;
        for call in crashing {
            if let Err(error) = call.await.unwrap() {
                assert!(error.may_have_executed(), "{error}");
                lost += 1;
            }
        }
        assert_eq!(lost, 2, "all but the first were aboard");
        assert_eq!(batcher.call(7).await.unwrap(), 7);
    }

    #[test]
    fn the_end_of_a_runtime_leaves_no_caller_waiting() {
        let ends = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let lives = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (log, batcher) = batcher(Bounds::new(128, 1));
        ends.block_on(async {
            calls(&batcher, 0..3).await;
            while log.flights.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
        });
        let other = batcher.clone();
        lives.block_on(async {
            let waiting = tokio::spawn(async move { other.call(9).await });
            tokio::task::yield_now().await;
            ends.shutdown_background();
            let error = waiting.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Shutdown);
            log.lands.add_permits(100);
            assert_eq!(
                batcher.call(10).await.unwrap(),
                10,
                "and the next one flies"
            );
        });
    }
}
