//! How many sockets this handle may open, and what they are for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{BuildError, BuildErrorKind};

/// The connections of a handle, by lane.
#[derive(Debug)]
pub(crate) struct Connections {
    most: usize,
    used: Mutex<BTreeMap<&'static str, usize>>,
}

impl Connections {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Connections {
            most,
            used: Mutex::default(),
        })
    }

    /// A place for one more connection of a lane.
    pub(crate) fn open(self: &Arc<Self>, lane: &'static str) -> Result<Slot, BuildError> {
        let mut used = self.lock();
        let total: usize = used.values().sum();
        if total >= self.most {
            return Err(BuildError::new(
                BuildErrorKind::Limit,
                format!(
                    "the {lane} lane needs one more connection than the {} that `max_connections` (REDIS_MAX_CONNECTIONS) \
                     allows; raise it, or close a lane: {used:?}",
                    self.most
                ),
            ));
        }
        *used.entry(lane).or_default() += 1;
        Ok(Slot {
            connections: self.clone(),
            lane,
        })
    }

    /// How many connections each lane uses now.
    pub(crate) fn used(&self) -> BTreeMap<&'static str, usize> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, usize>> {
        // Nothing under this lock panics.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    connections: Arc<Connections>,
    lane: &'static str,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut used = self.connections.lock();
        if let Some(count) = used.get_mut(self.lane) {
            *count -= 1;
            if *count == 0 {
                used.remove(self.lane);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_named() {
        let connections = Connections::new(2);
        let command = connections.open("command").unwrap();
        let push = connections.open("push").unwrap();
        let error = connections.open("blocking").unwrap_err().to_string();
        assert!(
            error.contains("the blocking lane") && error.contains("\"push\": 1"),
            "{error}"
        );
        drop(push);
        let blocking = connections.open("blocking").unwrap();
        assert_eq!(
            connections.used(),
            BTreeMap::from([("blocking", 1), ("command", 1)])
        );
        drop((command, blocking));
        assert!(connections.used().is_empty());
    }
}
