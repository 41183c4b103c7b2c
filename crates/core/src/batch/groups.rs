//! A queue for each group of calls.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use futures_util::future::join_all;

use super::queue::Queue;
use super::{Bounds, Flight};
use crate::error::Error;

/// The queues of a batcher: one, unless there are groups.
///
/// A queue that was made stays: some 200 bytes for each node that there ever was.
pub(super) struct Groups<F: Flight> {
    flight: Arc<F>,
    bounds: Bounds,
    /// The queue of group 0, which is the only one off clusters.
    first: Arc<Queue<F>>,
    /// As many as nodes: a handful, found quicker by looking than by hashing.
    others: RwLock<Vec<(u16, Arc<Queue<F>>)>>,
}

impl<F: Flight> Groups<F> {
    pub(super) fn new(flight: F, bounds: Bounds) -> Self {
        let flight = Arc::new(flight);
        Groups {
            first: Arc::new(Queue::new(flight.clone(), bounds, false)),
            flight,
            bounds,
            others: RwLock::default(),
        }
    }

    /// Makes one call in the queue it belongs to.
    pub(super) async fn call(
        &self,
        request: F::Request,
        deadline: Instant,
    ) -> Result<F::Response, Error> {
        let other;
        let queue = match self.flight.group(&request) {
            // Not cloned: its count would be a line that all callers write.
            0 => &self.first,
            group => {
                other = self.other(group);
                &other
            }
        };
        queue.call(request, deadline).await
    }

    /// Carries calls as they are, so many as one flight may take at a time, past those who wait.
    pub(super) async fn fly(
        &self,
        requests: Vec<F::Request>,
        deadline: Instant,
    ) -> Vec<Result<F::Response, Error>> {
        let mut requests = requests.into_iter();
        let mut flights = Vec::new();
        loop {
            let aboard: Vec<_> = requests.by_ref().take(self.bounds.items).collect();
            if aboard.is_empty() {
                break;
            }
            flights.push(self.flight.fly(aboard, deadline));
        }
        join_all(flights).await.into_iter().flatten().collect()
    }

    fn other(&self, group: u16) -> Arc<Queue<F>> {
        // Nothing under these locks panics.
        let is = |other: &&(u16, Arc<Queue<F>>)| other.0 == group;
        let others = self.others.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, queue)) = others.iter().find(is) {
            return queue.clone();
        }
        drop(others);
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, queue)) = others.iter().find(is) {
            return queue.clone();
        }
        let made = Arc::new(Queue::new(self.flight.clone(), self.bounds, true));
        others.push((group, made.clone()));
        made
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::batch::Batcher;

    type Log = Mutex<Vec<Vec<(u16, u8)>>>;

    /// A call is its group and a number; flights of group 7 never land.
    struct Grouped(Arc<Log>);

    impl Flight for Grouped {
        type Request = (u16, u8);
        type Response = u8;

        fn group(&self, call: &(u16, u8)) -> u16 {
            call.0
        }

        fn request_bytes(&self, _: &(u16, u8)) -> usize {
            1
        }

        fn response_bytes(&self, _: &u8) -> usize {
            1
        }

        async fn fly(&self, calls: Vec<(u16, u8)>, _: Instant) -> Vec<Result<u8, Error>> {
            self.0.lock().unwrap().push(calls.clone());
            if calls[0].0 == 7 {
                std::future::pending::<()>().await;
            }
            calls.into_iter().map(|(_, number)| Ok(number)).collect()
        }
    }

    #[tokio::test]
    async fn groups_never_mix_and_one_that_hangs_holds_up_no_other() {
        let log = Arc::default();
        let flight = Grouped(Arc::clone(&log));
        let batcher = Batcher::new(flight, Bounds::new(8, 2), Duration::from_secs(20));
        let mut calls = tokio::task::JoinSet::new();
        for (group, number) in (0..20).flat_map(|number| [(7, number), (0, number), (9, number)]) {
            let batcher = batcher.clone();
            calls.spawn(async move { (group, number, batcher.call((group, number)).await) });
        }
        for _ in 0..40 {
            let (group, number, answer) = calls.join_next().await.unwrap().unwrap();
            assert_ne!(group, 7);
            assert_eq!(answer.unwrap(), number, "of group {group}");
        }
        let flights = log.lock().unwrap();
        let mixed = |flight: &&Vec<(u16, u8)>| flight.iter().any(|call| call.0 != flight[0].0);
        assert_eq!(flights.iter().find(mixed), None);
    }
}
