//! So many tasks, each with one operation under way, for so long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::{Kind, Scenario, System};

/// One operation in so many is timed: reading the clock and keeping the result shall not be what is measured.
const SAMPLE: usize = 8;

/// What a loop saw.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Measured {
    /// Operations done.
    pub ops: usize,
    /// From the first task's start to the last one's end.
    pub took: Duration,
    /// Median latency.
    pub p50: Duration,
    /// 99th percentile of the latency; of fewer than a hundred the longest.
    pub p99: Duration,
    /// How many operations the task had that had most, for each of the one that had least.
    pub spread: f64,
}

impl Measured {
    pub(crate) fn new(ops: usize, took: Duration, mut latencies: Vec<Duration>) -> Measured {
        latencies.sort_unstable();
        let at = |percent: usize| {
            latencies
                .get(latencies.len() * percent / 100)
                .copied()
                .unwrap_or_default()
        };
        Measured {
            ops,
            took,
            p50: at(50),
            p99: at(99),
            spread: 1.0,
        }
    }
}

pub(crate) async fn run<S: System>(client: &S, scenario: Scenario, time: Duration) -> Measured {
    // There are few of these.
    let sample = if scenario.kind == Kind::Contended {
        1
    } else {
        SAMPLE
    };
    let stop = Arc::new(AtomicBool::new(false));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for task in 0..scenario.tasks {
        let (client, stop) = (client.clone(), stop.clone());
        tasks.spawn(async move {
            let (mut latencies, mut ops) = (Vec::with_capacity(4096), 0);
            let first = task * 104_729;
            while !stop.load(Ordering::Relaxed) {
                if ops % sample == 0 {
                    let begun = Instant::now();
                    client.operate(scenario.kind, first + ops).await;
                    latencies.push(begun.elapsed());
                } else {
                    client.operate(scenario.kind, first + ops).await;
                }
                ops += 1;
            }
            (latencies, ops)
        });
    }
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let (mut latencies, mut ops) = (Vec::new(), 0);
    let (mut least, mut most) = (usize::MAX, 0);
    for (timed, done) in tasks.join_all().await {
        latencies.extend(timed);
        ops += done;
        (least, most) = (least.min(done), most.max(done));
    }
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let spread = most as f64 / least as f64;
    Measured {
        spread,
        ..Measured::new(ops, started.elapsed(), latencies)
    }
}
