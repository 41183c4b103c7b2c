//! The calls that wait, and the flights that take them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Bounds, Flight};
use crate::error::{Error, ErrorKind};

pub(super) struct Queue<F: Flight> {
    flight: F,
    bounds: Bounds,
    state: Mutex<State<F>>,
}

struct State<F: Flight> {
    waiting: VecDeque<Item<F>>,
    flights: usize,
}

struct Item<F: Flight> {
    request: F::Request,
    deadline: Instant,
    caller: oneshot::Sender<Result<F::Response, Error>>,
}

/// How a new flight begins.
#[derive(PartialEq)]
enum Start {
    /// Nothing is in the air: at once.
    AtOnce,
    /// Replies have just come in: let everybody who is ready board first, or the first one would fly alone.
    AfterBoarding,
}

impl<F: Flight> Queue<F> {
    pub(super) fn new(flight: F, bounds: Bounds) -> Self {
        Queue {
            flight,
            bounds,
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                flights: 0,
            }),
        }
    }

    pub(super) async fn call(
        self: &Arc<Self>,
        request: F::Request,
        deadline: Instant,
    ) -> Result<F::Response, Error> {
        let (caller, answer) = oneshot::channel();
        let start = {
            let mut state = self.lock();
            if state.waiting.len() >= self.bounds.waiting {
                return Err(overloaded(self.bounds.waiting));
            }
            state.waiting.push_back(Item {
                request,
                deadline,
                caller,
            });
            if state.flights < self.bounds.flights {
                state.flights += 1;
                Some(if state.flights == 1 {
                    Start::AtOnce
                } else {
                    Start::AfterBoarding
                })
            } else {
                None
            }
        };
        if let Some(start) = start {
            tokio::spawn(self.clone().fly(start));
        }
        // A flight answers all it carries; without an answer its runtime has ended under it.
        answer.await.unwrap_or_else(|_| {
            Err(
                Error::new(ErrorKind::Shutdown, "the runtime ended under the call")
                    .with_executed(true),
            )
        })
    }

    /// Flies until nobody waits.
    async fn fly(self: Arc<Self>, start: Start) {
        let mut slot = Slot {
            queue: &self,
            held: true,
        };
        if start == Start::AfterBoarding {
            tokio::task::yield_now().await;
        }
        while let Some(items) = self.board() {
            self.carry(items).await;
            // Those whose answers have just come have a next call; they board before this flight leaves again.
            tokio::task::yield_now().await;
        }
        // Given back already, under the lock that found nobody waiting.
        slot.held = false;
    }

    /// The next flight's items; nobody waiting gives the flight's place back, under the same lock.
    fn board(&self) -> Option<Vec<Item<F>>> {
        let mut state = self.lock();
        if state.waiting.is_empty() {
            state.flights -= 1;
            return None;
        }
        let count = state.waiting.len().min(self.bounds.items);
        Some(state.waiting.drain(..count).collect())
    }

    async fn carry(&self, items: Vec<Item<F>>) {
        let now = Instant::now();
        let mut requests = Vec::with_capacity(items.len());
        let mut callers = VecDeque::with_capacity(items.len());
        let mut last = now;
        for Item {
            request,
            deadline,
            caller,
        } in items
        {
            if caller.is_closed() {
                continue;
            }
            if deadline <= now {
                let late = Error::new(
                    ErrorKind::Overloaded,
                    "the deadline passed before the call could be sent",
                );
                let _ = caller.send(Err(late));
                continue;
            }
            last = last.max(deadline);
            requests.push(request);
            callers.push_back((deadline, caller));
        }
        if requests.is_empty() {
            return;
        }
        let mut flight = std::pin::pin!(self.flight.fly(requests, last));
        let mut gone = 0;
        loop {
            let Some(&(next, _)) = callers.front() else {
                return;
            };
            tokio::select! {
                biased;
                answers = &mut flight => {
                    for ((_, caller), answer) in callers.into_iter().zip(answers.into_iter().skip(gone)) {
                        let _ = caller.send(answer);
                    }
                    return;
                }
                () = tokio::time::sleep_until(next) => {
                    // The first to come is the first whose time is over; the others may still get their answer.
                    if let Some((_, caller)) = callers.pop_front() {
                        gone += 1;
                        let _ = caller.send(Err(Error::new(ErrorKind::Deadline, "no reply within the deadline")));
                    }
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<F>> {
        // Nothing that can panic runs under this lock, and its state is a queue and a count.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A flight's place; given back also when the flight panics, or every later call would wait for ever.
struct Slot<'a, F: Flight> {
    queue: &'a Queue<F>,
    held: bool,
}

impl<F: Flight> Drop for Slot<'_, F> {
    fn drop(&mut self) {
        if self.held {
            self.queue.lock().flights -= 1;
        }
    }
}

fn overloaded(waiting: usize) -> Error {
    Error::new(
        ErrorKind::Overloaded,
        format!("{waiting} calls are waiting already"),
    )
}
