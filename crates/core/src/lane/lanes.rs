//! All lanes of one server.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join_all;

use super::blocking::Waiting;
use super::supervisor::Task;
use super::{Blocking, CommandLane, Heartbeat};
use crate::builder::Settings;
use crate::connections::{Connections, Slot};
use crate::discovery::Finder;
use crate::error::{BuildError, BuildErrorKind};
use crate::event::Told;
use crate::push::Push;
use crate::topology::Endpoint;

/// One server's lanes: the command lane from the start, the others from their first use.
pub(crate) struct Lanes {
    endpoint: Arc<Endpoint>,
    settings: Settings,
    connections: Arc<Connections>,
    finder: Finder,
    command: Counted<CommandLane>,
    push: Mutex<Option<Arc<Push>>>,
    heartbeat: Mutex<Option<Arc<Heartbeat>>>,
    maintenance: Mutex<Option<Arc<Counted<CommandLane>>>>,
    blocking: Mutex<Vec<Weak<Waiting>>>,
    closed: AtomicBool,
}

/// A lane and its place among the connections.
struct Counted<T> {
    lane: Arc<T>,
    _slot: Slot,
}

impl Lanes {
    pub(crate) fn start(
        endpoint: Endpoint,
        settings: Settings,
        connections: Arc<Connections>,
    ) -> Result<Self, BuildError> {
        let (endpoint, told) = (Arc::new(endpoint), Told::new());
        let slot = connections.open("command")?;
        let finder = Finder::start(&endpoint, settings.tuning(), told.clone());
        let task = Task::new("command", settings.tuning(), told);
        Ok(Lanes {
            command: Counted {
                lane: Arc::new(CommandLane::start(&finder, task, settings.max_in_flight)),
                _slot: slot,
            },
            finder,
            endpoint,
            settings,
            connections,
            push: Mutex::new(None),
            heartbeat: Mutex::new(None),
            maintenance: Mutex::new(None),
            blocking: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn command(&self) -> &Arc<CommandLane> {
        &self.command.lane
    }

    pub(crate) fn push(&self) -> Result<Arc<Push>, BuildError> {
        self.first_use(&self.push, || {
            let slot = self.connections.open("push")?;
            let finder = self.finder.clone();
            Ok(Push::start(finder, self.settings.tuning(), slot))
        })
    }

    pub(crate) fn heartbeat(&self) -> Result<Arc<Heartbeat>, BuildError> {
        self.first_use(&self.heartbeat, || {
            let slot = self.connections.open("heartbeat")?;
            Heartbeat::start(
                &self.endpoint,
                self.settings.tuning(),
                self.settings.max_in_flight,
                slot,
            )
        })
    }

    /// The lane that walks and copies, so that nobody waits behind it.
    pub(crate) fn maintenance(&self) -> Result<Arc<CommandLane>, BuildError> {
        let made = self.first_use(&self.maintenance, || {
            let slot = self.connections.open("maintenance")?;
            let task = Task::new("maintenance", self.settings.tuning(), Told::new());
            let lane = CommandLane::start(&self.finder, task, self.settings.max_in_flight);
            Ok(Counted {
                lane: Arc::new(lane),
                _slot: slot,
            })
        })?;
        Ok(made.lane.clone())
    }

    /// A new one at each call: blocking commands never share a connection.
    pub(crate) fn blocking(&self) -> Result<Blocking, BuildError> {
        let mut all = self.blocking.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_open()?;
        let made = Blocking::start(
            self.finder.clone(),
            self.settings.tuning(),
            self.settings.deadline,
            self.connections.open("blocking")?,
        );
        all.retain(|one| one.strong_count() > 0);
        all.push(made.waiting());
        Ok(made)
    }

    /// Waits for commands under way, at most this long, then ends every lane.
    pub(crate) async fn shutdown_within(&self, limit: Duration) {
        // Before any cell is looked into: whoever comes to it later finds this.
        self.closed.store(true, Ordering::SeqCst);
        if let Some(push) = taken(&self.push) {
            push.close();
        }
        let (heartbeat, maintenance) = (taken(&self.heartbeat), taken(&self.maintenance));
        let others = [
            heartbeat.as_ref().map(|heartbeat| heartbeat.lane()),
            maintenance.as_ref().map(|maintenance| &maintenance.lane),
        ];
        let all = others.into_iter().flatten().chain([self.command()]);
        join_all(all.map(|lane| lane.drain(limit))).await;
        self.finder.close();
        // Last: an element that a blocking command took is still good for somebody.
        let blocking =
            std::mem::take(&mut *self.blocking.lock().unwrap_or_else(PoisonError::into_inner));
        for connection in blocking.iter().filter_map(Weak::upgrade) {
            connection.close();
        }
    }

    fn is_open(&self) -> Result<(), BuildError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(BuildError::new(
                BuildErrorKind::Shutdown,
                "the handle was shut down; connect anew",
            ));
        }
        Ok(())
    }

    /// What a cell holds, made if it is empty.
    fn first_use<T>(
        &self,
        cell: &Mutex<Option<Arc<T>>>,
        make: impl FnOnce() -> Result<T, BuildError>,
    ) -> Result<Arc<T>, BuildError> {
        // A lane that could not be made leaves the cell empty.
        let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_open()?;
        if let Some(made) = &*cell {
            return Ok(made.clone());
        }
        let made = Arc::new(make()?);
        *cell = Some(made.clone());
        Ok(made)
    }
}

fn taken<T>(cell: &Mutex<Option<Arc<T>>>) -> Option<Arc<T>> {
    cell.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lanes({})", self.endpoint)
    }
}
