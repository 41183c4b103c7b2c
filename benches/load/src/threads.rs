//! So many threads, each with one operation after the other, for so long: for what never waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::{Measured, Scenario, System};

/// So many operations are timed together: one alone is over before the clock is read.
const BATCH: u32 = 1_000;

/// A latency is the mean of a batch.
pub(crate) fn run<S: System>(client: &S, scenario: Scenario, time: Duration) -> Measured {
    let (stop, runtime) = (&AtomicBool::new(false), &Handle::current());
    let started = Instant::now();
    let batches: Vec<Duration> = thread::scope(|scope| {
        let begin = |thread: usize| {
            let client = client.clone();
            scope.spawn(move || {
                let first = thread * 104_729;
                runtime.block_on(async {
                    let (mut batches, mut ops) = (Vec::with_capacity(65_536), 0);
                    while !stop.load(Ordering::Relaxed) {
                        let begun = Instant::now();
                        for _ in 0..BATCH {
                            client.operate(scenario.kind, first + ops).await;
                            ops += 1;
                        }
                        batches.push(begun.elapsed() / BATCH);
                    }
                    batches
                })
            })
        };
        let threads: Vec<_> = (0..scenario.tasks).map(begin).collect();
        thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        let batches = threads.into_iter().map(|thread| thread.join());
        batches
            .flat_map(|batches| batches.expect("a thread that measures to its end"))
            .collect()
    });
    Measured::new(batches.len() * BATCH as usize, started.elapsed(), batches)
}
