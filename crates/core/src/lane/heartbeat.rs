//! A thread and a connection for what must not wait for user code: lease renewals and their timers.

use std::fmt;
use std::sync::Arc;
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::CommandLane;
use super::supervisor::Task;
use crate::connections::Slot;
use crate::discovery::Finder;
use crate::driver::Tuning;
use crate::error::{BuildError, BuildErrorKind};
use crate::event::Told;
use crate::topology::Endpoint;

/// A small runtime of its own: user code that blocks every worker of the service's runtime cannot stop it.
pub(crate) struct Heartbeat {
    lane: Arc<CommandLane>,
    runtime: Handle,
    /// Dropped to end the thread.
    _stop: oneshot::Sender<()>,
    _slot: Slot,
}

impl Heartbeat {
    pub(crate) fn start(
        endpoint: &Arc<Endpoint>,
        tuning: Tuning,
        max_in_flight: usize,
        slot: Slot,
    ) -> Result<Self, BuildError> {
        let failed = |error| {
            BuildError::new(
                BuildErrorKind::Unsupported,
                format!("no thread for heartbeats: {error}"),
            )
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let handle = runtime.handle().clone();
        let lane = {
            let _inside = runtime.enter();
            // Its own look-out too: on a cluster a lease's node may move while the service's runtime is stuck.
            let told = Told::new();
            let finder = Finder::start(endpoint, tuning, told.clone());
            let task = Task::new("heartbeat", tuning, told);
            Arc::new(CommandLane::start(&finder, task, max_in_flight))
        };
        let (stop, stopped) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("russet-heartbeat".to_owned())
            .spawn(move || {
                // Ends when the sender is dropped; what still runs on it ends with it.
                let _ = runtime.block_on(stopped);
                runtime.shutdown_background();
            })
            .map_err(failed)?;
        Ok(Heartbeat {
            lane,
            runtime: handle,
            _stop: stop,
            _slot: slot,
        })
    }

    pub(crate) fn lane(&self) -> &Arc<CommandLane> {
        &self.lane
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime.spawn(task));
    }
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Heartbeat")
    }
}
