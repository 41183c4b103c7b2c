//! The physical limit: redis-benchmark with the same command.

use std::process::Command;
use std::time::Duration;

use russet_bench_load::{KEYS, Row, Scenario, ServerStats, VALUE_LEN};
use russet_testkit::Server;

use crate::Outcome;

/// redis-benchmark, and the keys that it has made.
pub(crate) struct Limit;

/// Makes the keys that every system reads; `None` where there is no redis-benchmark to measure the limit with.
pub(crate) fn preload(server: &Server) -> Outcome<Option<Limit>> {
    let mut connection = server.connection();
    let value = "x".repeat(VALUE_LEN);
    for turn in 0..KEYS {
        connection.command(&["SET", &russet_bench_load::key(turn), &value])?;
    }
    if Command::new("redis-benchmark")
        .arg("--version")
        .output()
        .is_ok()
    {
        return Ok(Some(Limit));
    }
    println!("no redis-benchmark on the PATH: rows have no ratio to the limit");
    Ok(None)
}

impl Limit {
    /// One task: one connection, one command at a time. More: 64 connections, 64 commands in a pipeline.
    pub(crate) fn measure(
        &self,
        scenario: &Scenario,
        server: &Server,
        time: Duration,
    ) -> Outcome<Row> {
        let (connections, pipeline, rate) = if scenario.tasks == 1 {
            ("1", "1", 15_000)
        } else {
            ("64", "64", 2_000_000)
        };
        let requests = (time.as_millis() as usize * rate / 1000).to_string();
        let before = ServerStats::read(&server.url());
        let output = Command::new("redis-benchmark")
            .args([
                "-p",
                &server.port().to_string(),
                "-t",
                "get",
                "--csv",
                "-n",
                &requests,
            ])
            .args([
                "-c",
                connections,
                "-P",
                pipeline,
                "-d",
                &VALUE_LEN.to_string(),
                "-r",
                &KEYS.to_string(),
            ])
            .output()?;
        let done = ServerStats::read(&server.url()).since(&before);
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().last().unwrap_or_default();
        let fields: Vec<f64> = line
            .split(',')
            .filter_map(|field| field.trim_matches('"').parse().ok())
            .collect();
        let [rate, _average, _least, p50, _p95, p99, _most] = fields[..] else {
            return Err(format!("redis-benchmark says something new: {line}").into());
        };
        Ok(Row::limit(
            scenario,
            rate,
            p50 * 1000.0,
            p99 * 1000.0,
            done.cpu_us / done.dispatched,
        ))
    }
}
