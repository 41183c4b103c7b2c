//! Keeps one connection alive: connects, watches, replaces.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::backoff::Backoff;
use super::vitals::Vitals;
use crate::call::classify;
use crate::command::Command;
use crate::driver::{Cause, Client, Tuning};
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Events, Told};
use crate::script::Script;
use crate::telemetry::ConnectionGauge;
use crate::topology::Endpoint;

/// How often a connection is asked for a sign of life.
const PING_EVERY: Duration = Duration::from_secs(2);
/// How long it may take to give one.
const PING_WITHIN: Duration = Duration::from_secs(1);
/// How often a connection is given up for what it answered: a value that is stored under a wrong key is no connection's
/// fault, and comes again on the next one.
const DISTRUST_EVERY: Duration = Duration::from_secs(10);

/// What callers of a lane find.
#[derive(Clone)]
pub(crate) enum State {
    /// Connected.
    Up(Client),
    /// Connecting for the first time, or the first try after a loss: callers wait, within their deadline.
    Connecting,
    /// The breaker is open: the last try failed, or the connection hung. Callers are told at once, while tries go on.
    Down(Error),
    /// Shut down; nothing will come back.
    Closed,
}

/// A connection that is replaced whenever it ends or hangs.
pub(crate) struct Supervised {
    state: watch::Sender<State>,
    vitals: Arc<Vitals>,
    scripts: Arc<Scripts>,
    told: Told,
    distrusted: Mutex<Option<Instant>>,
    task: JoinHandle<()>,
}

/// The scripts that the server did not know when they were first called.
type Scripts = Mutex<Vec<&'static Script>>;

impl Supervised {
    /// Starts connecting.
    pub(crate) fn start(endpoint: Arc<Endpoint>, tuning: Tuning, lane: &'static str) -> Self {
        Supervised::begin(endpoint, tuning, lane, true)
    }

    /// Starts connecting; without asking for signs of life, which would wait behind a blocking command.
    pub(crate) fn start_unwatched(
        endpoint: Arc<Endpoint>,
        tuning: Tuning,
        lane: &'static str,
    ) -> Self {
        Supervised::begin(endpoint, tuning, lane, false)
    }

    fn begin(endpoint: Arc<Endpoint>, tuning: Tuning, lane: &'static str, watched: bool) -> Self {
        let (state, _) = watch::channel(State::Connecting);
        let (vitals, scripts, told) = (
            Arc::new(Vitals::default()),
            Arc::new(Scripts::default()),
            Told::new(),
        );
        let supervisor = Supervisor {
            gauge: ConnectionGauge::new(&endpoint, lane),
            endpoint,
            tuning,
            state: state.clone(),
            vitals: vitals.clone(),
            scripts: scripts.clone(),
            told: told.clone(),
            backoff: Backoff::new(),
            watched,
            away: false,
        };
        Supervised {
            state,
            vitals,
            scripts,
            told,
            distrusted: Mutex::default(),
            task: tokio::spawn(supervisor.run()),
        }
    }

    /// The client, as soon as there is one: at once while up, within `deadline` while connecting.
    pub(crate) async fn client(&self, deadline: Instant) -> Result<Client, Error> {
        if let Some(found) = found(&self.state.borrow()) {
            return found;
        }
        let mut state = self.state.subscribe();
        let decided = state.wait_for(|state| !matches!(state, State::Connecting));
        match tokio::time::timeout_at(deadline.into(), decided).await {
            Ok(Ok(state)) => found(&state).unwrap_or_else(|| Err(closed())),
            Ok(Err(_)) => Err(closed()),
            Err(_) => Err(Error::new(
                ErrorKind::Unavailable,
                "still connecting when the deadline passed",
            )),
        }
    }

    /// Waits until this client is the lane's no more, or the deadline.
    pub(crate) async fn left(&self, client: &Client, deadline: Instant) {
        let mut state = self.state.subscribe();
        let left = state.wait_for(|state| !matches!(state, State::Up(now) if now.is(client)));
        let _ = tokio::time::timeout_at(deadline.into(), left).await;
    }

    /// Ends a connection that nobody may use again; the next caller waits for another.
    pub(crate) fn abandon(&self, client: &Client) {
        client.abort();
        self.state.send_if_modified(|state| {
            let current = matches!(state, State::Up(now) if now.is(client));
            if current {
                *state = State::Connecting;
            }
            current
        });
    }

    /// Gives a connection up whose replies may be somebody else's; says whether it did.
    pub(crate) fn distrust(&self) -> bool {
        let mut last = self
            .distrusted
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|at| at.elapsed() < DISTRUST_EVERY) {
            return false;
        }
        let Some(Ok(client)) = found(&self.state.borrow()) else {
            return false;
        };
        *last = Some(Instant::now());
        self.told.tell(Event::Replaced);
        self.abandon(&client);
        true
    }

    pub(crate) fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    /// Has every later connection load the script before it is used.
    pub(crate) fn preload(&self, script: &'static Script) {
        let mut scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        if !scripts.iter().any(|known| known.hash() == script.hash()) {
            scripts.push(script);
        }
    }

    pub(crate) fn events(&self) -> Events {
        self.told.listen()
    }

    /// Stops, and ends the connection under whoever still waits for a reply.
    pub(crate) fn close(&self) {
        self.task.abort();
        if let State::Up(client) = self.state.send_replace(State::Closed) {
            client.abort();
        }
        self.told.end();
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.close();
    }
}

/// What a caller finds, unless it has to wait.
fn found(state: &State) -> Option<Result<Client, Error>> {
    match state {
        State::Up(client) => Some(Ok(client.clone())),
        State::Down(error) => Some(Err(error.clone())),
        State::Closed => Some(Err(closed())),
        State::Connecting => None,
    }
}

pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Shutdown, "the handle was shut down")
}

struct Supervisor {
    endpoint: Arc<Endpoint>,
    tuning: Tuning,
    state: watch::Sender<State>,
    vitals: Arc<Vitals>,
    scripts: Arc<Scripts>,
    told: Told,
    gauge: ConnectionGauge,
    backoff: Backoff,
    watched: bool,
    /// Whether the server is known, and was logged, to be away.
    away: bool,
}

impl Supervisor {
    async fn run(mut self) {
        loop {
            match Client::connect(&self.endpoint, self.tuning).await {
                Ok(client) => {
                    let (up, since) = (self.gauge.up(), Instant::now());
                    self.serve(client).await;
                    drop(up);
                    self.gauge.lost();
                    tokio::time::sleep(self.backoff.after(since.elapsed())).await;
                }
                Err(failure) => {
                    let error =
                        classify::connect(&failure, &self.endpoint.to_string()).on("connect", None);
                    self.down(error);
                    tokio::time::sleep(self.backoff.next()).await;
                }
            }
        }
    }

    /// One connection's life.
    async fn serve(&mut self, client: Client) {
        if self.away {
            tracing::info!(target: "russet::core", server = %self.endpoint, "connected again");
        }
        self.away = false;
        self.vitals.answered();
        let scripts = self
            .scripts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for script in scripts {
            // A user who may not load, or a server that is busy, is met again by the call itself.
            let _ = client.send(&script.load(), PING_WITHIN).await;
        }
        self.turn(State::Up(client.clone()));
        self.told.tell(Event::Up);
        loop {
            tokio::select! {
                () = client.ended() => {
                    tracing::debug!(target: "russet::core", server = %self.endpoint, "connection lost; connecting again");
                    // One try before anybody is told: most losses are a restart or an idle cut, over in no time.
                    self.turn(State::Connecting);
                    let lost = Error::new(ErrorKind::Unavailable, format!("the connection to {} was lost", self.endpoint));
                    self.told.tell(Event::Down(lost));
                    return;
                }
                () = tokio::time::sleep(PING_EVERY), if self.watched => {}
                () = self.vitals.suspect(), if self.watched => {}
            }
            let ping = client.send(&Command::new("PING"), PING_WITHIN).await;
            // A refusal is a sign of life too.
            if ping.is_err_and(|failure| failure.cause != Cause::Answer) {
                let hung = format!(
                    "{} answers nothing on an open connection; making a new one",
                    self.endpoint
                );
                client.abort();
                self.told.tell(Event::Replaced);
                self.down(Error::new(ErrorKind::Unavailable, hung));
                return;
            }
            self.vitals.answered();
        }
    }

    /// Opens the breaker; one warning a change of state, not one a call or a try.
    fn down(&mut self, error: Error) {
        if !self.away {
            self.away = true;
            tracing::warn!(target: "russet::core", server = %self.endpoint, %error, "server away; trying on");
            self.told.tell(Event::Down(error.clone()));
        }
        self.turn(State::Down(error));
    }

    /// A lane that was closed meanwhile stays so.
    fn turn(&self, next: State) {
        self.state.send_if_modified(|state| {
            let open = !matches!(state, State::Closed);
            if open {
                *state = next;
            }
            open
        });
    }
}
