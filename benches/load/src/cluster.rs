//! The cluster that some scenarios run on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use russet_bench_load::{KEYS, Row, Scenario, Slots, TAGS, VALUE_LEN, key, sharded_key};
use russet_core::slot;
use russet_testkit::{Cluster, Server};

use crate::Outcome;
use crate::turn::Worker;

/// How many keys of a slot move at once, and how long the next ones wait: as a careful operator does it.
const STEP: usize = 10;
const PAUSE: Duration = Duration::from_millis(1);

/// Three primaries with every key that a system reads.
pub(crate) fn start() -> Outcome<Cluster> {
    let cluster = Cluster::builder(3).replicas(0).start();
    let value = "x".repeat(VALUE_LEN);
    for node in cluster.nodes() {
        let mut connection = node.connection();
        for turn in 0..KEYS {
            for key in [key(turn), sharded_key(turn)] {
                // Those of other nodes are refused, and set there.
                connection.command(&["SET", key, &value])?;
            }
        }
    }
    Ok(cluster)
}

/// Measures a system, while slots move if the scenario says so.
pub(crate) fn measure(
    cluster: &Cluster,
    system: &Worker,
    scenario: &Scenario,
    time: Duration,
) -> Outcome<Row> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        if scenario.cluster == Some(Slots::Move) {
            scope.spawn(|| move_slots(cluster, &stop));
        }
        let row = system.measure(scenario, &cluster.url(), time);
        stop.store(true, Ordering::Relaxed);
        row
    })
}

/// Moves one slot of the twelve after the other to the next primary.
fn move_slots(cluster: &Cluster, stop: &AtomicBool) {
    for tag in TAGS.iter().cycle() {
        let slot = slot(tag.as_bytes());
        let from = cluster.primary_of(slot).port();
        let nodes = cluster.nodes().iter().cycle();
        let mut others = nodes.skip_while(|node| node.port() != from).skip(1);
        let Some(to): Option<&Server> = others.next() else {
            return;
        };
        let migration = cluster.begin_migration(slot, to);
        while migration.step(STEP) > 0 {
            thread::sleep(PAUSE);
        }
        migration.finish();
        if stop.load(Ordering::Relaxed) {
            return;
        }
    }
}
