//! All lanes of one server.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Blocking, CommandLane, Heartbeat};
use crate::builder::Settings;
use crate::connections::{Connections, Slot};
use crate::error::BuildError;
use crate::push::Push;
use crate::topology::Endpoint;

/// One server's lanes: the command lane from the start, the others from their first use.
pub(crate) struct Lanes {
    endpoint: Arc<Endpoint>,
    settings: Settings,
    connections: Arc<Connections>,
    command: Counted<CommandLane>,
    push: Mutex<Option<Arc<Push>>>,
    heartbeat: Mutex<Option<Arc<Heartbeat>>>,
    maintenance: Mutex<Option<Arc<Counted<CommandLane>>>>,
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
        let endpoint = Arc::new(endpoint);
        Ok(Lanes {
            command: command_lane(&endpoint, settings, &connections, "command")?,
            endpoint,
            settings,
            connections,
            push: Mutex::new(None),
            heartbeat: Mutex::new(None),
            maintenance: Mutex::new(None),
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
        first_use(&self.push, || {
            let slot = self.connections.open("push")?;
            Ok(Push::start(
                self.endpoint.clone(),
                self.settings.tuning(),
                slot,
            ))
        })
    }

    pub(crate) fn heartbeat(&self) -> Result<Arc<Heartbeat>, BuildError> {
        first_use(&self.heartbeat, || {
            let slot = self.connections.open("heartbeat")?;
            Heartbeat::start(
                self.endpoint.clone(),
                self.settings.tuning(),
                self.settings.max_in_flight,
                slot,
            )
        })
    }

    /// The lane that walks and copies, so that nobody waits behind it.
    pub(crate) fn maintenance(&self) -> Result<Arc<CommandLane>, BuildError> {
        let made = first_use(&self.maintenance, || {
            command_lane(
                &self.endpoint,
                self.settings,
                &self.connections,
                "maintenance",
            )
        })?;
        Ok(made.lane.clone())
    }

    /// A new one at each call: blocking commands never share a connection.
    pub(crate) fn blocking(&self) -> Result<Blocking, BuildError> {
        Ok(Blocking::start(
            self.endpoint.clone(),
            self.settings.tuning(),
            self.settings.deadline,
            self.connections.open("blocking")?,
        ))
    }

    /// Waits for commands under way, at most this long, then ends every lane.
    pub(crate) async fn shutdown_within(&self, limit: Duration) {
        if let Some(push) = taken(&self.push) {
            push.close();
        }
        drop(taken(&self.heartbeat));
        drop(taken(&self.maintenance));
        self.command().drain(limit).await;
    }
}

fn command_lane(
    endpoint: &Arc<Endpoint>,
    settings: Settings,
    connections: &Arc<Connections>,
    name: &'static str,
) -> Result<Counted<CommandLane>, BuildError> {
    let slot = connections.open(name)?;
    let lane = CommandLane::start(
        endpoint.clone(),
        settings.tuning(),
        settings.max_in_flight,
        name,
    );
    Ok(Counted {
        lane: Arc::new(lane),
        _slot: slot,
    })
}

/// What a cell holds, made if it is empty.
fn first_use<T>(
    cell: &Mutex<Option<Arc<T>>>,
    make: impl FnOnce() -> Result<T, BuildError>,
) -> Result<Arc<T>, BuildError> {
    // A lane that could not be made leaves the cell empty.
    let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(made) = &*cell {
        return Ok(made.clone());
    }
    let made = Arc::new(make()?);
    *cell = Some(made.clone());
    Ok(made)
}

fn taken<T>(cell: &Mutex<Option<Arc<T>>>) -> Option<Arc<T>> {
    cell.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lanes({})", self.endpoint)
    }
}
