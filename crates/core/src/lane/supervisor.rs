//! Keeps one connection alive: connects, watches, replaces.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::backoff::Backoff;
use super::vitals::Vitals;
use crate::command::Command;
use crate::discovery::{Place, Trouble};
use crate::driver::{Cause, Client, Tuning};
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Told};
use crate::reply::FromReply as _;
use crate::script::Script;
use crate::telemetry::ConnectionGauge;
use crate::topology::Endpoint;

/// How often a connection is asked for a sign of life.
const PING_EVERY: Duration = Duration::from_secs(2);
/// How long the first commands on a connection may take.
const PREPARE_WITHIN: Duration = Duration::from_secs(1);
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

/// A connection that is replaced whenever it ends or hangs, or its server is no longer the one to go to.
pub(crate) struct Supervised {
    state: watch::Sender<State>,
    vitals: Arc<Vitals>,
    name: Arc<str>,
    told: Told,
    distrusted: Mutex<Option<Instant>>,
    task: JoinHandle<()>,
}

/// What a connection is for.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) lane: &'static str,
    pub(crate) tuning: Tuning,
    /// Whether it is asked for signs of life, which would wait behind a blocking command.
    pub(crate) watched: bool,
    pub(crate) scripts: Arc<Scripts>,
    pub(crate) told: Told,
    /// Where the lane lives: whoever comes first to a new node may be on another runtime.
    runtime: Handle,
}

impl Task {
    pub(crate) fn new(lane: &'static str, tuning: Tuning, told: Told) -> Self {
        Task {
            lane,
            tuning,
            watched: true,
            scripts: Arc::default(),
            told,
            runtime: Handle::current(),
        }
    }
}

/// The scripts that a server did not know when they were first called: loaded on every later connection before its use.
#[derive(Debug, Default)]
pub(crate) struct Scripts(Mutex<Vec<&'static Script>>);

impl Scripts {
    pub(crate) fn add(&self, script: &'static Script) {
        let mut scripts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !scripts.iter().any(|known| known.hash() == script.hash()) {
            scripts.push(script);
        }
    }

    fn all(&self) -> Vec<&'static Script> {
        let scripts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        scripts.clone()
    }
}

impl Supervised {
    /// Starts connecting.
    pub(crate) fn start(place: Place, task: Task) -> Self {
        let (state, _) = watch::channel(State::Connecting);
        let vitals = Arc::new(Vitals::default());
        let (name, told): (Arc<str>, _) = (place.to_string().into(), task.told.clone());
        let runtime = task.runtime.clone();
        let supervisor = Supervisor {
            gauge: ConnectionGauge::new(&name, task.lane),
            name: name.clone(),
            place,
            task,
            state: state.clone(),
            vitals: vitals.clone(),
            backoff: Backoff::new(),
            away: false,
            unserved: false,
            trouble: None,
        };
        Supervised {
            state,
            vitals,
            name,
            told,
            distrusted: Mutex::default(),
            task: runtime.spawn(supervisor.run()),
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

    /// The client, if the connection is up.
    pub(crate) fn now(&self) -> Option<Client> {
        match &*self.state.borrow() {
            State::Up(client) => Some(client.clone()),
            _ => None,
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
        self.told.tell(Event::Replaced(self.name.clone()));
        self.abandon(&client);
        true
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(&*self.state.borrow(), State::Up(_))
    }

    pub(crate) fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    /// Stops, and ends the connection under whoever still waits for a reply.
    pub(crate) fn close(&self) {
        self.task.abort();
        if let State::Up(client) = self.state.send_replace(State::Closed) {
            client.abort();
        }
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
    place: Place,
    /// What the place is called, also while nobody knows where it is.
    name: Arc<str>,
    task: Task,
    state: watch::Sender<State>,
    vitals: Arc<Vitals>,
    gauge: ConnectionGauge,
    backoff: Backoff,
    /// Whether the server is known, and was logged, to be away.
    away: bool,
    /// Whether the server said that its cluster was down.
    unserved: bool,
    /// While it is away.
    trouble: Option<Trouble>,
}

impl Supervisor {
    async fn run(mut self) {
        loop {
            match self.connect().await {
                Ok((client, endpoint)) => {
                    let (up, since) = (self.gauge.up(), Instant::now());
                    self.serve(client, &endpoint).await;
                    drop(up);
                    self.gauge.lost();
                    self.trouble.get_or_insert_with(|| self.place.trouble());
                    tokio::time::sleep(self.backoff.after(since.elapsed())).await;
                }
                Err(error) => {
                    self.down(error.on("connect", None));
                    self.trouble.get_or_insert_with(|| self.place.trouble());
                    tokio::time::sleep(self.backoff.next()).await;
                }
            }
        }
    }

    /// One connection's life.
    async fn serve(&mut self, client: Client, endpoint: &Endpoint) {
        if self.away {
            tracing::info!(target: "russet::core", server = %endpoint, "connected again");
        }
        self.away = false;
        if matches!(self.place, Place::Primary(_)) {
            self.name = endpoint.to_string().into();
        }
        self.trouble = None;
        self.vitals.answered();
        for script in self.task.scripts.all() {
            // A user who may not load, or a server that is busy, is met again by the call itself.
            let _ = client.send(&script.load(), PREPARE_WITHIN).await;
        }
        self.turn(State::Up(client.clone()));
        self.tell(Event::Up);
        loop {
            tokio::select! {
                cause = client.ended() => return self.ended(cause, endpoint),
                () = tokio::time::sleep(PING_EVERY), if self.task.watched => {}
                () = self.vitals.suspect(), if self.task.watched => {}
                () = self.place.left(endpoint) => {
                    client.abort();
                    self.tell(Event::Replaced);
                    self.turn(State::Connecting);
                    return;
                }
            }
            let alive_within = self.task.tuning.alive_within;
            let ping = client.send(&Command::new("PING"), alive_within).await;
            // A refusal is a sign of life too.
            if ping.is_err_and(|failure| failure.cause != Cause::Answer) {
                let hung =
                    format!("{endpoint} answers nothing on an open connection; making a new one");
                client.abort();
                self.tell(Event::Replaced);
                self.down(Error::new(ErrorKind::Unavailable, hung));
                return;
            }
            self.vitals.answered();
        }
    }

    fn ended(&mut self, cause: Cause, endpoint: &Endpoint) {
        // Of one slot, or of the whole cluster: the next connect asks which.
        self.unserved = cause == Cause::ClusterDown && self.place.is_in_cluster();
        tracing::debug!(target: "russet::core", server = %endpoint, "connection lost; connecting again");
        // One try before anybody is told: most losses are a restart or an idle cut, over in no time.
        self.turn(State::Connecting);
        let lost = format!("the connection to {endpoint} was lost");
        let lost = Error::new(ErrorKind::Unavailable, lost);
        self.tell(|name| Event::Down(name, lost));
    }

    /// Connects; to a node that said its cluster was down, only once it says otherwise.
    async fn connect(&mut self) -> Result<(Client, Arc<Endpoint>), Error> {
        let (client, endpoint) = self.place.connect(self.task.tuning).await?;
        if self.unserved {
            let info = client
                .send(&Command::new("CLUSTER INFO"), PREPARE_WITHIN)
                .await;
            let text = info.ok().and_then(|info| String::from_reply(info).ok());
            if text.is_some_and(|text| text.contains("cluster_state:fail")) {
                client.abort();
                let down = format!("{endpoint} says that the cluster is down");
                return Err(Error::new(ErrorKind::ClusterDown, down));
            }
            self.unserved = false;
        }
        Ok((client, endpoint))
    }

    /// Opens the breaker; one warning a change of state, not one a call or a try.
    fn down(&mut self, error: Error) {
        if !self.away {
            self.away = true;
            tracing::warn!(target: "russet::core", server = %self.place, %error, "server away; trying on");
            let told = error.clone();
            self.tell(|name| Event::Down(name, told));
        }
        self.turn(State::Down(error));
    }

    fn tell(&self, event: impl FnOnce(Arc<str>) -> Event) {
        self.task.told.tell(event(self.name.clone()));
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
