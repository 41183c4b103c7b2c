//! What Russet itself costs, counted without a server: no network, one thread, so that time is CPU.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics_util::debugging::DebuggingRecorder;
use russet_bench_load::Row;
use russet_core::{Batcher, Bounds, Concern, Error, Flight, Operation, Redis};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::Outcome;

/// A call's way through the [`Batcher`], and through a queue that can do nothing else.
pub(crate) const BATCHED_ITEM: &str = "batched_item";
/// Counting one operation by its outcome, and how long it took.
pub(crate) const TELEMETRY: &str = "telemetry";

const TASKS: usize = 256;

pub(crate) fn measure(quick: bool) -> Outcome<Vec<Row>> {
    let calls = if quick { 2_000 } else { 10_000 };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut rows = Vec::new();
    for _ in 0..5 {
        let bare = Bare::default();
        let took = timed(&runtime, calls, move |turn| {
            let bare = bare.clone();
            async move { bare.call(turn).await }
        });
        rows.push(Row::counted(
            BATCHED_ITEM,
            "queue",
            TASKS,
            calls * TASKS,
            took,
        ));
        let batcher = Batcher::new(Echo, Bounds::new(256, 1), Duration::from_secs(60));
        let took = timed(&runtime, calls, move |turn| {
            let batcher = batcher.clone();
            async move { batcher.call(turn).await.unwrap_or_default() }
        });
        rows.push(Row::counted(
            BATCHED_ITEM,
            "russet",
            TASKS,
            calls * TASKS,
            took,
        ));
        rows.push(telemetry(&runtime, calls * 100)?);
    }
    Ok(rows)
}

/// How long all tasks take to make their calls, one after the other each.
fn timed<F>(
    runtime: &Runtime,
    calls: usize,
    call: impl Fn(usize) -> F + Clone + Send + 'static,
) -> Duration
where
    F: Future<Output = usize> + Send,
{
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        let started = Instant::now();
        for _ in 0..TASKS {
            let call = call.clone();
            tasks.spawn(async move {
                for turn in 0..calls {
                    assert_eq!(call(turn).await, turn);
                }
            });
        }
        tasks.join_all().await;
        started.elapsed()
    })
}

/// Answers what it is asked, once whoever else has something to ask has asked it.
struct Echo;

impl Flight for Echo {
    type Request = usize;
    type Response = usize;

    fn request_bytes(&self, _: &usize) -> usize {
        8
    }

    fn response_bytes(&self, _: &usize) -> usize {
        8
    }

    async fn fly(&self, requests: Vec<usize>, _: Instant) -> Vec<Result<usize, Error>> {
        tokio::task::yield_now().await;
        requests.into_iter().map(Ok).collect()
    }
}

/// The least that can carry many calls at once: no bounds, no deadlines, no faults.
#[derive(Clone, Default)]
struct Bare(Arc<Mutex<BareState>>);

#[derive(Default)]
struct BareState {
    waiting: Vec<(usize, oneshot::Sender<usize>)>,
    flying: bool,
}

impl Bare {
    async fn call(&self, request: usize) -> usize {
        let (caller, answer) = oneshot::channel();
        let starts = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.waiting.push((request, caller));
            !std::mem::replace(&mut state.flying, true)
        };
        if starts {
            tokio::spawn(self.clone().fly());
        }
        answer.await.unwrap_or_default()
    }

    async fn fly(self) {
        loop {
            tokio::task::yield_now().await;
            let items = {
                let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                state.flying = !state.waiting.is_empty();
                std::mem::take(&mut state.waiting)
            };
            if items.is_empty() {
                return;
            }
            tokio::task::yield_now().await;
            for (request, caller) in items {
                let _ = caller.send(request);
            }
        }
    }
}

/// With a recorder that keeps everything, which an exporter's does too; both looks at the clock included.
fn telemetry(runtime: &Runtime, ops: usize) -> Outcome<Row> {
    let recorder = DebuggingRecorder::new();
    let operation = metrics::with_local_recorder(&recorder, || -> Outcome<Operation> {
        let _inside = runtime.enter();
        let redis = Redis::builder().url("redis://127.0.0.1:1").lazy()?;
        let (ns, concern) = (
            redis.namespace("bench")?,
            Concern::new("bench", "BENCH_REDIS_URL"),
        );
        let operation = Operation::new(concern, &ns, &ns.stem("bench", "telemetry")?, "get");
        operation.record("miss", Duration::ZERO);
        operation.record("hit", Duration::ZERO);
        Ok(operation)
    })?;
    let begun = Instant::now();
    for _ in 0..ops {
        let started = Instant::now();
        operation.record("hit", started.elapsed());
    }
    Ok(Row::counted(TELEMETRY, "russet", 1, ops, begun.elapsed()))
}
