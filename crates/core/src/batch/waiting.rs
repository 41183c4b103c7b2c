//! The calls that wait for a flight.

use std::collections::{BTreeMap, VecDeque};
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

/// Calls by group, first come first served within each; the groups take turns, so that a busy one starves none.
pub(super) struct Waiting<F: Flight> {
    groups: BTreeMap<u16, VecDeque<Item<F>>>,
    /// The groups in which calls wait, the next one first.
    turns: VecDeque<u16>,
    count: usize,
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
            groups: BTreeMap::new(),
            turns: VecDeque::new(),
            count: 0,
            reply_bytes: ReplyBytes::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn push(&mut self, group: u16, item: Item<F>) {
        let queue = self.groups.entry(group).or_default();
        if queue.is_empty() {
            self.turns.push_back(group);
        }
        queue.push_back(item);
        self.count += 1;
    }

    /// The next flight's calls: of one group, so many at most and as many as the bounds let on board, at least one.
    pub(super) fn board(
        &mut self,
        flight: &F,
        bounds: &Bounds,
        most: usize,
    ) -> Option<Vec<Item<F>>> {
        let group = self.turns.pop_front()?;
        let queue = self.groups.get_mut(&group)?;
        let of_replies = bounds.bytes.checked_div(self.reply_bytes.0);
        let most = most
            .min(bounds.items)
            .min(of_replies.unwrap_or(usize::MAX))
            .max(1);
        let mut bytes = 0;
        let fit = queue.iter().take(most).take_while(|item| {
            bytes += flight.request_bytes(&item.request);
            bytes <= bounds.bytes
        });
        let count = fit.count().max(1).min(queue.len());
        let items: Vec<_> = queue.drain(..count).collect();
        self.count -= items.len();
        if !queue.is_empty() {
            self.turns.push_back(group);
        } else if self.groups.len() > 1 {
            // The only group's queue is kept: where there are no groups it would be made anew for each flight.
            self.groups.remove(&group);
        }
        Some(items)
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

    /// Requests are their group and their size, responses their size.
    struct Sized;

    impl Flight for Sized {
        type Request = (u16, usize);
        type Response = usize;

        fn group(&self, request: &(u16, usize)) -> u16 {
            request.0
        }

        fn request_bytes(&self, request: &(u16, usize)) -> usize {
            request.1
        }

        fn response_bytes(&self, response: &usize) -> usize {
            *response
        }

        async fn fly(&self, _: Vec<(u16, usize)>, _: Instant) -> Vec<Result<usize, Error>> {
            Vec::new()
        }
    }

    fn waiting(requests: impl IntoIterator<Item = (u16, usize)>) -> Waiting<Sized> {
        let mut waiting = Waiting::new();
        for request in requests {
            let (caller, _) = oneshot::channel();
            let item = Item {
                request,
                deadline: Instant::now(),
                caller,
            };
            waiting.push(request.0, item);
        }
        waiting
    }

    fn flights(waiting: &mut Waiting<Sized>, bounds: Bounds) -> Vec<Vec<(u16, usize)>> {
        let next = || waiting.board(&Sized, &bounds, 100);
        std::iter::from_fn(next)
            .map(|items| items.iter().map(|item| item.request).collect())
            .collect()
    }

    fn bounds(items: usize, bytes: usize) -> Bounds {
        Bounds {
            bytes,
            ..Bounds::new(items, 1)
        }
    }

    #[test]
    fn groups_never_mix_and_take_turns() {
        let mut line = waiting((0..5).map(|at| (7, at)).chain([(9, 0), (9, 1), (3, 0)]));
        assert_eq!(line.len(), 8);
        let flights = flights(&mut line, bounds(2, 1000));
        let groups: Vec<_> = flights
            .iter()
            .map(|flight| (flight[0].0, flight.len()))
            .collect();
        assert_eq!(groups, [(7, 2), (9, 2), (3, 1), (7, 2), (7, 1)]);
        let seven: Vec<_> = flights
            .concat()
            .into_iter()
            .filter(|item| item.0 == 7)
            .collect();
        assert!(seven.is_sorted(), "first come, first served");
        assert_eq!(
            (line.len(), line.groups.len()),
            (0, 1),
            "queues do not pile up"
        );
    }

    #[test]
    fn bytes_of_requests_bound_a_flight() {
        let mut line = waiting([(0, 40), (0, 40), (0, 40), (0, 500), (0, 1)]);
        let flights = flights(&mut line, bounds(100, 100));
        let sizes: Vec<_> = flights.iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 1, 1, 1], "one that is too big goes alone");
    }

    #[test]
    fn bytes_of_replies_bound_the_flights_after() {
        let mut line = waiting((0..20).map(|_| (0, 1)));
        line.landed(&Sized, &[Ok(20), Ok(40)]);
        assert_eq!(line.board(&Sized, &bounds(100, 100), 100).unwrap().len(), 3);
        for _ in 0..40 {
            line.landed(&Sized, &[Ok(0)]);
        }
        assert!(line.board(&Sized, &bounds(100, 100), 100).unwrap().len() > 10);
    }
}
