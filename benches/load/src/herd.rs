//! Everybody at once: all tasks read one value that is not there, and when all have it, the next one.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::{Measured, Scenario, System, fresh};

/// An operation is a herd; its latency is how long all were served after the last one had come.
pub(crate) async fn run<S: System>(client: &S, scenario: Scenario, time: Duration) -> Measured {
    let started = Instant::now();
    let mut served = Vec::new();
    while started.elapsed() < time {
        served.push(herd(client, scenario).await);
    }
    Measured::new(served.len(), started.elapsed(), served)
}

async fn herd<S: System>(client: &S, scenario: Scenario) -> Duration {
    let turn = fresh() as usize;
    let mut callers = JoinSet::new();
    for _ in 0..scenario.tasks {
        let client = client.clone();
        callers.spawn(async move {
            let came = Instant::now();
            client.operate(scenario.kind, turn).await;
            (came, Instant::now())
        });
    }
    let (came, had): (Vec<Instant>, Vec<Instant>) = callers.join_all().await.into_iter().unzip();
    match (came.into_iter().max(), had.into_iter().max()) {
        (Some(came), Some(had)) => had.saturating_duration_since(came),
        _ => Duration::ZERO,
    }
}
