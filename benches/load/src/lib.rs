//! The closed-loop driver: so many tasks, each with one operation under way at a time, for so long.
//!
//! A *system* (Russet, or a rival in `benches/rivals`) is a program that calls [`worker`] with a way to make one
//! client for all tasks; the program that compares them runs each in a process of its own, in turn.
#![allow(
    clippy::print_stdout,
    reason = "a worker answers on its standard output"
)]
#![allow(
    clippy::expect_used,
    reason = "a bench that cannot measure has nothing better to do than to stop"
)]

mod account;
mod closed_loop;
mod cpu;
mod herd;
mod scenario;
mod sent;
mod server_stats;
mod threads;
mod user;
mod zipf;

pub use account::{Account, now};
pub use closed_loop::Measured;
pub use scenario::{
    CONCERNS, KEYS, Kind, LOAD, MANY, PAGE_LEN, SCENARIOS, Scenario, Slots, TAGS, TOKEN_BUCKET,
    TOKEN_BUCKET_ARGS, VALUE_LEN, bucket, fresh, hold, key, lock, number, page, raw, sharded_key,
    subject,
};
pub use server_stats::ServerStats;
pub use user::User;
pub use zipf::{local_key, local_keys};

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What one system did in one scenario, in one turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Row {
    /// The scenario's id, the same over the years.
    pub scenario: String,
    /// `russet`, `limit`, or a rival's crate name; behind a dash which way of it.
    pub system: String,
    /// The system's version.
    pub version: String,
    /// Tasks, each with one operation under way.
    pub tasks: usize,
    /// Operations a second.
    pub ops_per_s: f64,
    /// Median latency.
    pub p50_us: f64,
    /// 99th percentile of the latency.
    pub p99_us: f64,
    /// Commands that the client sent, an operation.
    pub dispatched_per_op: f64,
    /// Commands that the server ran, an operation; those inside scripts included.
    pub calls_per_op: f64,
    /// CPU of the whole server process, an operation.
    pub server_cpu_us_per_op: f64,
    /// CPU of the whole client process, an operation.
    pub client_cpu_us_per_op: f64,
    /// Loads, an operation, where a system loads what is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loads_per_op: Option<f64>,
    /// Calls that failed, an operation, where they may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors_per_op: Option<f64>,
    /// How many operations the task had that had most, for each of the one that had least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<f64>,
    /// Bytes that the server was sent, an operation.
    #[serde(default)]
    pub bytes_sent_per_op: f64,
    /// Operations that left no trace, an operation, where they should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_per_op: Option<f64>,
    /// Against the physical limit of the same run.
    pub ratio_to_limit: Option<f64>,
}

impl Row {
    /// What operations without a server took on one thread.
    pub fn counted(scenario: &str, system: &str, tasks: usize, ops: usize, took: Duration) -> Row {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let each = took.as_secs_f64() / ops as f64;
        Row {
            scenario: scenario.to_owned(),
            system: system.to_owned(),
            version: String::new(),
            tasks,
            ops_per_s: 1.0 / each,
            p50_us: 0.0,
            p99_us: 0.0,
            dispatched_per_op: 0.0,
            calls_per_op: 0.0,
            server_cpu_us_per_op: 0.0,
            client_cpu_us_per_op: each * 1e6,
            loads_per_op: None,
            errors_per_op: None,
            spread: None,
            bytes_sent_per_op: 0.0,
            lost_per_op: None,
            ratio_to_limit: None,
        }
    }

    /// What redis-benchmark did with a scenario's command.
    pub fn limit(
        scenario: &Scenario,
        ops_per_s: f64,
        p50_us: f64,
        p99_us: f64,
        server_cpu_us: f64,
    ) -> Row {
        Row {
            scenario: scenario.id.to_owned(),
            system: "limit".to_owned(),
            version: String::new(),
            tasks: scenario.tasks,
            ops_per_s,
            p50_us,
            p99_us,
            dispatched_per_op: 1.0,
            calls_per_op: 1.0,
            server_cpu_us_per_op: server_cpu_us,
            client_cpu_us_per_op: 0.0,
            loads_per_op: None,
            errors_per_op: None,
            spread: None,
            bytes_sent_per_op: 0.0,
            lost_per_op: None,
            ratio_to_limit: None,
        }
    }
}

/// One client of a system, shared by all tasks.
pub trait System: Clone + Send + Sync + 'static {
    /// One operation; `turn` differs each time, and picks the key.
    fn operate(&self, kind: Kind, turn: usize) -> impl Future<Output = ()> + Send;

    /// How many calls of this client and its clones have failed, and were made again.
    fn errors(&self) -> usize {
        0
    }

    /// How many operations are to be seen in what is stored, where each should be.
    fn kept(&self) -> impl Future<Output = Option<i64>> + Send {
        async { None }
    }

    /// How often this client and its clones have loaded what was missing.
    fn loads(&self) -> usize {
        0
    }
}

/// The scenario that this worker is started for.
pub fn asked() -> Option<&'static Scenario> {
    let id = std::env::args().nth(1)?;
    SCENARIOS.iter().find(|scenario| scenario.id == id)
}

/// The worker's program: `worker SCENARIO URL MILLISECONDS` measures and prints one [`Row`] as JSON.
///
/// `connect` makes the client, on a runtime of two workers.
pub fn worker<S, C, F>(system: &str, version: &str, connect: C)
where
    S: System,
    C: Fn(String) -> F,
    F: Future<Output = S>,
{
    let mut args = std::env::args().skip(2);
    let (Some(url), Some(millis)) = (args.next(), args.next()) else {
        println!("usage: worker SCENARIO URL MILLISECONDS");
        return;
    };
    let scenario = asked().expect("a known scenario");
    let time = Duration::from_millis(millis.parse().expect("milliseconds"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let row = runtime.expect("a runtime").block_on(async {
        let client = connect(url.clone()).await;
        let mut row = measure(system, version, *scenario, client, &url, time).await;
        // These send scripts and other commands, which `INFO` cannot tell apart.
        if scenario.kind.is_load() || matches!(system, "limitador" | "rslock" | "russet-core") {
            row.dispatched_per_op = sent::per_op(&connect, *scenario, &url, time / 5).await;
        }
        row
    });
    println!("{}", serde_json::to_string(&row).expect("a row is JSON"));
}

async fn measure<S: System>(
    system: &str,
    version: &str,
    scenario: Scenario,
    client: S,
    url: &str,
    time: Duration,
) -> Row {
    // Warm: connections, code, the server's caches.
    run(&client, scenario, time / 5).await;
    let is_counted = scenario.kind == Kind::SessionVisit;
    let kept = async || {
        if is_counted {
            client.kept().await
        } else {
            None
        }
    };
    let kept_before = kept().await;
    let (server, cpu, loads) = (ServerStats::read(url), cpu::used(), client.loads());
    let errors = client.errors();
    let measured = run(&client, scenario, time).await;
    let (loads, errors) = (client.loads() - loads, client.errors() - errors);
    let cpu = cpu::used() - cpu;
    let server = ServerStats::read(url).since(&server);
    let kept = kept().await.zip(kept_before);
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let kept = kept.map(|(after, before)| (after - before) as f64);
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let (ops, loads, errors) = (measured.ops as f64, loads as f64, errors as f64);
    Row {
        scenario: scenario.id.to_owned(),
        system: system.to_owned(),
        version: version.to_owned(),
        tasks: scenario.tasks,
        ops_per_s: ops / measured.took.as_secs_f64(),
        p50_us: measured.p50.as_secs_f64() * 1e6,
        p99_us: measured.p99.as_secs_f64() * 1e6,
        dispatched_per_op: server.dispatched() / ops,
        calls_per_op: server.calls() / ops,
        server_cpu_us_per_op: server.cpu_us / ops,
        client_cpu_us_per_op: cpu.as_secs_f64() * 1e6 / ops,
        loads_per_op: scenario.kind.is_load().then_some(loads / ops),
        errors_per_op: (scenario.kind == Kind::Contended).then_some(errors / ops),
        spread: (scenario.kind == Kind::Contended).then_some(measured.spread),
        bytes_sent_per_op: server.bytes_sent / ops,
        lost_per_op: kept.map(|kept| (ops - kept) / ops),
        ratio_to_limit: None,
    }
}

/// For so long, in the loop that suits the kind.
async fn run<S: System>(client: &S, scenario: Scenario, time: Duration) -> Measured {
    match scenario.kind {
        Kind::Herd => herd::run(client, scenario, time).await,
        Kind::Local | Kind::LocalHot => threads::run(client, scenario, time),
        _ => closed_loop::run(client, scenario, time).await,
    }
}
