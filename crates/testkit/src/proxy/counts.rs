//! What passed.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// What a proxy has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections taken from clients and made to the server.
    pub accepted: u64,
    /// Those that no side has ended and no fault has cut.
    pub open: u64,
    /// Connections closed at once, because the proxy refuses or the server is not there.
    pub refused: u64,
    /// Replies thrown away by [`Fault::DropReply`](super::Fault::DropReply), the one of a cut command included.
    pub replies_dropped: u64,
    /// Bytes that vanished in black holes, in both directions.
    pub bytes_swallowed: u64,
    /// Reads from clients that brought bytes: how many segments their commands came in.
    pub reads_from_clients: u64,
    /// Reads from the server that brought bytes.
    pub reads_from_server: u64,
    /// Bytes that clients sent.
    pub bytes_from_clients: u64,
    /// Bytes that the server sent.
    pub bytes_from_server: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) accepted: AtomicU64,
    pub(super) ended: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) replies_dropped: AtomicU64,
    pub(super) bytes_swallowed: AtomicU64,
    pub(super) reads: [AtomicU64; 2],
    pub(super) bytes: [AtomicU64; 2],
    commands: Mutex<BTreeMap<Vec<u8>, u64>>,
}

impl Counters {
    pub(super) fn snapshot(&self) -> Counts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        let (ended, accepted) = (load(&self.ended), load(&self.accepted));
        Counts {
            accepted,
            open: accepted - ended,
            refused: load(&self.refused),
            replies_dropped: load(&self.replies_dropped),
            bytes_swallowed: load(&self.bytes_swallowed),
            reads_from_clients: load(&self.reads[0]),
            reads_from_server: load(&self.reads[1]),
            bytes_from_clients: load(&self.bytes[0]),
            bytes_from_server: load(&self.bytes[1]),
        }
    }

    pub(super) fn seen(&self, name: &str) -> u64 {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands
            .get(name.to_ascii_uppercase().as_bytes())
            .copied()
            .unwrap_or(0)
    }

    pub(super) fn commands(&self) -> BTreeMap<String, u64> {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands
            .iter()
            .map(|(name, count)| (String::from_utf8_lossy(name).into_owned(), *count))
            .collect()
    }

    fn add_commands(&self, name: &[u8], count: u64) {
        let mut upper = [0; NAME];
        let name = &name[..name.len().min(NAME)];
        let upper = &mut upper[..name.len()];
        upper.copy_from_slice(name);
        upper.make_ascii_uppercase();
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        match commands.get_mut(&*upper) {
            Some(sum) => *sum += count,
            None => {
                commands.insert(upper.to_vec(), count);
            }
        }
    }
}

/// Counts runs of equal commands, so that the shared counters are touched once per run.
#[derive(Debug)]
pub(super) struct Tally<'a> {
    counters: &'a Counters,
    name: Vec<u8>,
    count: u64,
}

impl<'a> Tally<'a> {
    pub(super) fn new(counters: &'a Counters) -> Tally<'a> {
        Tally {
            counters,
            name: Vec::new(),
            count: 0,
        }
    }

    pub(super) fn add(&mut self, name: &[u8]) {
        if self.name != name {
            self.flush();
            self.name.clear();
            self.name.extend_from_slice(name);
        }
        self.count += 1;
    }

    pub(super) fn flush(&mut self) {
        if self.count > 0 {
            self.counters.add_commands(&self.name, self.count);
            self.count = 0;
        }
    }
}

/// No command's name is longer; what a client invents is cut.
const NAME: usize = 32;
