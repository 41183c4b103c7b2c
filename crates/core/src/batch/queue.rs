//! The calls that wait, and the flights that take them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use super::air::Air;
use super::slot::Slot;
use super::waiting::{Item, Waiting};
use super::{Bounds, Flight};
use crate::error::{Error, ErrorKind};

/// The calls of one group.
pub(super) struct Queue<F: Flight> {
    pub(super) flight: Arc<F>,
    pub(super) bounds: Bounds,
    state: Mutex<State<F>>,
}

pub(super) struct State<F: Flight> {
    pub(super) waiting: Waiting<F>,
    /// How many calls the flights in the air carry.
    pub(super) aboard: usize,
    pub(super) air: Air,
}

/// Where a call finds itself.
enum Place<F: Flight> {
    /// Nothing is in the air: it goes out at once, alone, from its caller's own task.
    Alone(Slot<F>, F::Request),
    /// In the queue; with a slot if the next flight is to be started for it.
    Waiting(
        Option<Slot<F>>,
        oneshot::Receiver<Result<F::Response, Error>>,
    ),
}

impl<F: Flight> Queue<F> {
    pub(super) fn new(flight: Arc<F>, bounds: Bounds, one_of_many: bool) -> Self {
        Queue {
            flight,
            bounds,
            state: Mutex::new(State {
                waiting: Waiting::new(),
                aboard: 0,
                air: Air::new(one_of_many),
            }),
        }
    }

    pub(super) async fn call(
        self: &Arc<Self>,
        request: F::Request,
        deadline: Instant,
    ) -> Result<F::Response, Error> {
        let answer = match self.enter(request, deadline)? {
            Place::Alone(slot, request) => {
                let departed = Instant::now();
                // Boxed: most calls wait, and all of their futures would hold the room of one that flies, 6 KiB. Written
                // into its place, not moved there.
                let place = Box::new_uninit();
                let flight = Box::write(place, self.flight.fly(vec![request], deadline));
                let mut answers = Box::into_pin(flight).await;
                self.landed(departed, &answers);
                drop(slot);
                return answers.pop().unwrap_or_else(|| Err(lost()));
            }
            Place::Waiting(slot, answer) => {
                if let Some(slot) = slot {
                    slot.start();
                }
                answer
            }
        };
        // A flight answers all it carries; without an answer its runtime has ended under it.
        answer.await.unwrap_or_else(|_| Err(lost()))
    }

    fn enter(self: &Arc<Self>, request: F::Request, deadline: Instant) -> Result<Place<F>, Error> {
        let mut state = self.lock();
        if state.waiting.len() >= self.bounds.waiting {
            return Err(overloaded(self.bounds.waiting));
        }
        if state.air.flights == 0 {
            // Whoever waits has a flight to wait for, so nobody does.
            return Ok(Place::Alone(Slot::alone(self, &mut state), request));
        }
        let (caller, answer) = oneshot::channel();
        let item = Item {
            request,
            deadline,
            caller,
        };
        state.waiting.push(item);
        let free = state.air.takes(self.bounds.flights);
        Ok(Place::Waiting(
            free.then(|| Slot::take(self, &mut state)),
            answer,
        ))
    }

    fn landed(&self, departed: Instant, answers: &[Result<F::Response, Error>]) {
        let mut state = self.lock();
        state.air.lands(departed.elapsed());
        state.waiting.landed(&self.flight, answers);
    }

    pub(super) async fn carry(&self, items: Vec<Item<F>>) {
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
                    self.landed(now, &answers);
                    for ((_, caller), answer) in callers.into_iter().zip(answers.into_iter().skip(gone)) {
                        let _ = caller.send(answer);
                    }
                    return;
                }
                () = tokio::time::sleep_until(next.into()) => {
                    // The first to come is the first whose time is over; the others may still get their answer.
                    if let Some((_, caller)) = callers.pop_front() {
                        gone += 1;
                        let _ = caller.send(Err(Error::new(ErrorKind::Deadline, "no reply within the deadline")));
                    }
                }
            }
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<F>> {
        // Nothing that can panic runs under this lock, and its state is a queue and a count.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lost() -> Error {
    Error::new(ErrorKind::Shutdown, "the runtime ended under the call").with_executed(true)
}

fn overloaded(waiting: usize) -> Error {
    Error::new(
        ErrorKind::Overloaded,
        format!("{waiting} calls are waiting already"),
    )
}
