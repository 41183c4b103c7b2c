//! Bytes on their way to one side, each with the time at which it is due.

use std::{
    collections::VecDeque,
    io::Write,
    net::{Shutdown, TcpStream},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A queue in front of a socket. While it is empty and nothing is delayed, bytes go past it.
#[derive(Debug)]
pub(super) struct Outbox {
    stream: TcpStream,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    bytes: usize,
    /// Somebody is writing to the socket, without the lock.
    writing: bool,
    /// No more bytes will come: the stream ends when the last of them is written.
    finishing: bool,
    /// Nothing is written any more.
    closed: bool,
}

impl State {
    /// Moves the bytes that are due into `batch`, up to a cut; says whether it came to one.
    fn take_due(&mut self, now: Instant, batch: &mut Vec<u8>) -> bool {
        let is_due = |item: &Item| item.due.is_none_or(|due| due <= now);
        while self.items.front().is_some_and(is_due) {
            match self.items.pop_front().map(|item| item.what) {
                Some(What::Bytes(bytes)) if batch.is_empty() => *batch = bytes,
                Some(What::Bytes(bytes)) => batch.extend_from_slice(&bytes),
                Some(What::Cut) => return true,
                None => break,
            }
        }
        false
    }
}

#[derive(Debug)]
struct Item {
    due: Option<Instant>,
    what: What,
}

#[derive(Debug)]
enum What {
    Bytes(Vec<u8>),
    Cut,
}

impl Outbox {
    pub(super) fn new(stream: TcpStream) -> Outbox {
        Outbox {
            stream,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Sends bytes, now or when they are due, after all that was sent before. Waits while too much is under way.
    pub(super) fn send(&self, bytes: &[u8], due: Option<Instant>) {
        if bytes.is_empty() {
            return;
        }
        let mut state = self.lock();
        while state.bytes > LIMIT && !state.closed {
            state = self.wait(state);
        }
        if state.closed {
            return;
        }
        if due.is_none() && state.items.is_empty() && !state.writing {
            state.writing = true;
            drop(state);
            let outcome = (&self.stream).write_all(bytes);
            state = self.lock();
            state.writing = false;
            state.closed |= outcome.is_err();
            if !state.items.is_empty() || state.closed || state.finishing {
                self.changed.notify_all();
            }
        } else {
            state.bytes += bytes.len();
            self.push(state, due, What::Bytes(bytes.to_vec()));
        }
    }

    /// Has the connection cut after all that was sent before.
    pub(super) fn cut(&self, due: Option<Instant>) {
        self.push(self.lock(), due, What::Cut);
    }

    /// Ends the stream after all that was sent before.
    pub(super) fn finish(&self) {
        self.lock().finishing = true;
        self.changed.notify_all();
    }

    /// Drops what is under way and whatever comes.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.items.clear();
        self.changed.notify_all();
    }

    /// Writes what falls due, until the stream is finished or closed; calls `cut` where a cut was asked for.
    pub(super) fn run(&self, cut: impl Fn()) {
        let mut state = self.lock();
        let mut batch = Vec::new();
        while !state.closed {
            if state.writing {
                state = self.wait(state);
                continue;
            }
            let Some(first) = state.items.front() else {
                if state.finishing {
                    let _ = self.stream.shutdown(Shutdown::Write);
                    return;
                }
                state = self.wait(state);
                continue;
            };
            let now = Instant::now();
            let early = first
                .due
                .map_or(Duration::ZERO, |due| due.saturating_duration_since(now));
            if !early.is_zero() {
                let waited = self.changed.wait_timeout(state, early);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let cutting = state.take_due(now, &mut batch);
            state.writing = true;
            drop(state);
            let outcome = (&self.stream).write_all(&batch);
            if cutting {
                cut();
            }
            state = self.lock();
            state.writing = false;
            state.bytes -= batch.len();
            state.closed |= outcome.is_err();
            batch.clear();
            self.changed.notify_all();
        }
    }

    fn push(&self, mut state: MutexGuard<'_, State>, due: Option<Instant>, what: What) {
        if state.closed {
            return;
        }
        state.items.push_back(Item { due, what });
        // Whoever waits for an earlier item need not hear of a later one.
        if state.items.len() == 1 {
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many bytes may be under way to one side.
const LIMIT: usize = 16 * 1024 * 1024;
