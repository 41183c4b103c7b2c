//! Keeps one connection alive: connects, watches, replaces.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::call::classify;
use crate::driver::{Client, Tuning};
use crate::error::{Error, ErrorKind};
use crate::topology::Endpoint;

const FIRST_BACKOFF: Duration = Duration::from_millis(20);
/// Also how late a server's return is noticed at most.
const LONGEST_BACKOFF: Duration = Duration::from_millis(250);

/// What callers of a lane find.
#[derive(Clone)]
pub(crate) enum State {
    /// Connected.
    Up(Client),
    /// Connecting for the first time, or the first try after a loss: callers wait, within their deadline.
    Connecting,
    /// The last try failed: callers are told at once, while tries go on.
    Down(Error),
    /// Shut down; nothing will come back.
    Closed,
}

/// A connection that is replaced whenever it ends.
pub(crate) struct Supervised {
    state: watch::Receiver<State>,
    task: JoinHandle<()>,
    stop: watch::Sender<State>,
}

impl Supervised {
    /// Starts connecting.
    pub(crate) fn start(endpoint: Arc<Endpoint>, tuning: Tuning) -> Self {
        let (sender, state) = watch::channel(State::Connecting);
        let task = tokio::spawn(supervise(endpoint, tuning, sender.clone()));
        Supervised {
            state,
            task,
            stop: sender,
        }
    }

    /// The client, as soon as there is one: at once while up, within `deadline` while connecting.
    pub(crate) async fn client(&self, deadline: Instant) -> Result<Client, Error> {
        match &*self.state.borrow() {
            State::Up(client) => return Ok(client.clone()),
            State::Down(error) => return Err(error.clone()),
            State::Closed => return Err(closed()),
            State::Connecting => {}
        }
        let mut state = self.state.clone();
        let ready = state.wait_for(|state| !matches!(state, State::Connecting));
        match tokio::time::timeout_at(deadline, ready).await {
            Ok(Ok(state)) => match &*state {
                State::Up(client) => Ok(client.clone()),
                State::Down(error) => Err(error.clone()),
                State::Closed | State::Connecting => Err(closed()),
            },
            Ok(Err(_)) => Err(closed()),
            Err(_) => Err(Error::new(
                ErrorKind::Unavailable,
                "still connecting when the deadline passed",
            )),
        }
    }

    /// Stops, and ends the connection.
    pub(crate) fn close(&self) {
        self.task.abort();
        self.stop.send_replace(State::Closed);
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.close();
    }
}

async fn supervise(endpoint: Arc<Endpoint>, tuning: Tuning, state: watch::Sender<State>) {
    let mut backoff = FIRST_BACKOFF;
    let mut told_down = false;
    loop {
        match Client::connect(&endpoint, tuning).await {
            Ok(client) => {
                if told_down {
                    tracing::info!(target: "russet::core", server = %endpoint, "connected again");
                }
                (backoff, told_down) = (FIRST_BACKOFF, false);
                state.send_replace(State::Up(client.clone()));
                client.ended().await;
                client.abort();
                tracing::debug!(target: "russet::core", server = %endpoint, "connection lost; connecting again");
                state.send_replace(State::Connecting);
            }
            Err(failure) => {
                let error = classify::connect(&failure, &endpoint.to_string()).on("connect", None);
                if !told_down {
                    told_down = true;
                    // One warning a change of state, not one a call or a try.
                    tracing::warn!(target: "russet::core", server = %endpoint, %error, "server away; trying on");
                }
                state.send_replace(State::Down(error));
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(LONGEST_BACKOFF);
            }
        }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Shutdown, "the handle was shut down")
}
