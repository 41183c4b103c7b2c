//! The calls that wait for a flight.

use std::collections::VecDeque;
use std::time::Instant;

use tokio::sync::oneshot;

use super::{Bounds, Flight};
use crate::error::Error;

/// One call and whom its answer goes to.
pub(super) struct Item<F: Flight> {
    pub(super) request: F::Request,
    pub(super) deadline: Instant,
    pub(super) caller: oneshot::Sender<Result<F::Response, Error>>,
}

/// The calls of one queue, first come first served.
pub(super) struct Waiting<F: Flight> {
    calls: VecDeque<Item<F>>,
    reply_bytes: ReplyBytes,
}

/// How many bytes one call's reply may come to, by what the last ones did.
#[derive(Clone, Copy, Debug, Default)]
struct ReplyBytes(usize);

impl ReplyBytes {
    /// Believes growth at once and shrinking slowly: a flight too full stalls the connection, one too empty costs little.
    fn see(&mut self, flight: usize, calls: usize) {
        let each = flight.checked_div(calls).unwrap_or(0);
        self.0 = each.max(self.0 - self.0 / 8);
    }
}

impl<F: Flight> Waiting<F> {
    pub(super) fn new() -> Self {
        Waiting {
            calls: VecDeque::new(),
            reply_bytes: ReplyBytes::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn push(&mut self, item: Item<F>) {
        self.calls.push_back(item);
    }

    /// The next flight's calls: so many at most and as many as the bounds let on board, at least one.
    pub(super) fn board(
        &mut self,
        flight: &F,
        bounds: &Bounds,
        most: usize,
    ) -> Option<Vec<Item<F>>> {
        if self.calls.is_empty() {
            return None;
        }
        let of_replies = bounds.bytes.checked_div(self.reply_bytes.0);
        let most = most
            .min(bounds.items)
            .min(of_replies.unwrap_or(usize::MAX))
            .max(1);
        let mut bytes = 0;
        let fit = self.calls.iter().take(most).take_while(|item| {
            bytes += flight.request_bytes(&item.request);
            bytes <= bounds.bytes
        });
        let count = fit.count().max(1);
        Some(self.calls.drain(..count).collect())
    }

    /// Learns from a flight's answers how many calls the next one may carry.
    pub(super) fn landed(&mut self, flight: &F, answers: &[Result<F::Response, Error>]) {
        let bytes = answers
            .iter()
            .flatten()
            .map(|one| flight.response_bytes(one))
            .sum();
        self.reply_bytes.see(bytes, answers.len());
    }

    pub(super) fn clear(&mut self) {
        *self = Waiting::new();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// Requests and responses are their size.
    struct Sized;

    impl Flight for Sized {
        type Request = usize;
        type Response = usize;

        fn request_bytes(&self, request: &usize) -> usize {
            *request
        }

        fn response_bytes(&self, response: &usize) -> usize {
            *response
        }

        async fn fly(&self, _: Vec<usize>, _: Instant) -> Vec<Result<usize, Error>> {
            Vec::new()
        }
    }

    fn waiting(requests: impl IntoIterator<Item = usize>) -> Waiting<Sized> {
        let mut waiting = Waiting::new();
        for request in requests {
            let (caller, _) = oneshot::channel();
            waiting.push(Item {
                request,
                deadline: Instant::now(),
                caller,
            });
        }
        waiting
    }

    fn bounds(items: usize, bytes: usize) -> Bounds {
        Bounds {
            bytes,
            ..Bounds::new(items, 1)
        }
    }

    fn flights(waiting: &mut Waiting<Sized>, bounds: Bounds) -> Vec<Vec<usize>> {
        let next = || waiting.board(&Sized, &bounds, 100);
        std::iter::from_fn(next)
            .map(|items| items.iter().map(|item| item.request).collect())
            .collect()
    }

    #[test]
    fn first_come_first_served() {
        let mut line = waiting(0..5);
        assert_eq!(line.len(), 5);
        let flights = flights(&mut line, bounds(2, 1000));
        assert_eq!(flights, [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(line.len(), 0);
    }

    #[test]
    fn bytes_of_requests_bound_a_flight() {
        let mut line = waiting([40, 40, 40, 500, 1]);
        let flights = flights(&mut line, bounds(100, 100));
        let sizes: Vec<_> = flights.iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 1, 1, 1], "one that is too big goes alone");
    }

    #[test]
    fn bytes_of_replies_bound_the_flights_after() {
        let mut line = waiting([1; 20]);
        line.landed(&Sized, &[Ok(20), Ok(40)]);
        assert_eq!(line.board(&Sized, &bounds(100, 100), 100).unwrap().len(), 3);
        for _ in 0..40 {
            line.landed(&Sized, &[Ok(0)]);
        }
        assert!(line.board(&Sized, &bounds(100, 100), 100).unwrap().len() > 10);
    }
}
