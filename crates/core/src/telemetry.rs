//! What is counted and traced.
//!
//! Counters and histograms go to the recorder of the `metrics` facade that is installed when a handle is made; without
//! one they cost next to nothing. Labels are bounded: never a key, never a value.

use std::borrow::Cow;
use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Label};

use crate::command::Command;
use crate::concern::Concern;
use crate::error::Error;
use crate::key::Stem;
use crate::namespace::Namespace;
use crate::reply::Reply;

/// Counts one operation of one handle by outcome, and how long it took.
///
/// | metric | labels |
/// |---|---|
/// | `russet_operations_total` | `concern`, `namespace`, `pattern`, `operation`, `outcome` |
/// | `russet_operation_seconds` (histogram) | `concern`, `namespace`, `pattern`, `operation` |
///
/// Make it with the handle; the recorder must be installed by then.
pub struct Operation {
    counter: &'static str,
    labels: Vec<Label>,
    took: Histogram,
    outcomes: RwLock<Vec<(&'static str, Counter)>>,
}

impl Operation {
    /// An operation of a handle whose keys begin with this stem.
    pub fn new(concern: Concern, ns: &Namespace, stem: &Stem, operation: &'static str) -> Self {
        let labels = vec![
            Label::from_static_parts("concern", concern.name()),
            Label::new("namespace", ns.prefix().to_string()),
            Label::new("pattern", stem.as_str().to_owned()),
            Label::from_static_parts("operation", operation),
        ];
        Operation::labelled(
            "russet_operations_total",
            "russet_operation_seconds",
            labels,
        )
    }

    /// A count of one outcome that costs next to nothing: for the one that nearly all calls have.
    pub fn tally(&self, outcome: &'static str) -> Tally {
        Tally {
            counter: self.counter(outcome),
            took: self.took.clone(),
        }
    }

    fn counter(&self, outcome: &'static str) -> Counter {
        let outcome = Label::from_static_parts("outcome", outcome);
        let labels: Vec<Label> = self.labels.iter().cloned().chain([outcome]).collect();
        metrics::counter!(self.counter, labels.iter())
    }

    fn labelled(counter: &'static str, histogram: &'static str, labels: Vec<Label>) -> Self {
        Operation {
            counter,
            took: metrics::histogram!(histogram, labels.iter()),
            labels,
            outcomes: RwLock::default(),
        }
    }

    /// Counts one call. The outcomes of an operation are a handful of names (`hit`, `miss`, an error's kind).
    pub fn record(&self, outcome: &'static str, took: Duration) {
        self.took.record(took);
        let known = self.outcomes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, counter)) = known.iter().find(|(name, _)| *name == outcome) {
            return counter.increment(1);
        }
        drop(known);
        // Two that come here at once get handles of one counter.
        let counter = self.counter(outcome);
        counter.increment(1);
        self.outcomes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push((outcome, counter));
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Operation({:?})", self.labels)
    }
}

/// Counts one outcome of an [`Operation`].
pub struct Tally {
    counter: Counter,
    took: Histogram,
}

impl Tally {
    /// Counts one call.
    #[inline]
    pub fn one_more(&self) {
        self.counter.increment(1);
    }

    /// Counts one call, and how long it took.
    #[inline]
    pub fn one_more_after(&self, took: Duration) {
        self.took.record(took);
        self.counter.increment(1);
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tally")
    }
}

/// The connections of one lane to one server: `russet_connections`, how many are up, and
/// `russet_connection_losses_total`, by `server` and `lane`.
pub(crate) struct ConnectionGauge {
    up: Gauge,
    losses: Counter,
}

impl ConnectionGauge {
    pub(crate) fn new(server: &str, lane: &'static str) -> Self {
        let labels = [
            Label::new("server", server.to_owned()),
            Label::from_static_parts("lane", lane),
        ];
        ConnectionGauge {
            up: metrics::gauge!("russet_connections", labels.iter()),
            losses: metrics::counter!("russet_connection_losses_total", labels.iter()),
        }
    }

    /// Counts a connection as up until the guard is dropped.
    pub(crate) fn up(&self) -> Up {
        self.up.increment(1.0);
        Up(self.up.clone())
    }

    /// Counts one that ended without having been told to.
    pub(crate) fn lost(&self) {
        self.losses.increment(1);
    }
}

/// A connection that is up.
pub(crate) struct Up(Gauge);

impl Drop for Up {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// The commands of one concern: `russet_commands_total` and `russet_command_seconds`, by `concern`, `operation` (the
/// command's name) and `outcome`.
pub(crate) struct Commands {
    concern: Concern,
    operations: RwLock<Vec<(Cow<'static, str>, Operation)>>,
}

impl Commands {
    pub(crate) fn new(concern: Concern) -> Self {
        Commands {
            concern,
            operations: RwLock::default(),
        }
    }

    /// Counts one command; at the level `trace`, the debug mode, also tells of it.
    pub(crate) fn record(&self, command: &Command, reply: &Result<Reply, Error>, took: Duration) {
        let outcome = reply.as_ref().map_or_else(Error::kind_name, |_| "ok");
        tracing::trace!(target: "russet::core", ?command, ?took, outcome);
        let name = command.name();
        let known = self
            .operations
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((_, operation)) = known.iter().find(|(known, _)| *known == name) {
            return operation.record(outcome, took);
        }
        drop(known);
        let labels = vec![
            Label::from_static_parts("concern", self.concern.name()),
            Label::new("operation", command.operation()),
        ];
        let operation =
            Operation::labelled("russet_commands_total", "russet_command_seconds", labels);
        operation.record(outcome, took);
        let mut operations = self
            .operations
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        operations.push((command.operation(), operation));
    }
}
