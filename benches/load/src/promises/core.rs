//! What is promised of core.

use russet_bench_load::{Row, SCENARIOS};

use crate::costs;

pub(super) fn check(rows: &[Row]) {
    let row = |scenario: &str, system: &str| super::row(rows, scenario, system);
    let say = |met: bool, what: String| super::say(met, &what);
    for (scenario, rival, least) in [
        ("get_64", "fred", 1.2),
        ("get_64", "redis-rs", 1.2),
        ("get_64", "rustis", 1.2),
        ("get_256", "fred", 2.0),
        ("get_256", "redis-rs", 2.0),
        ("get_256", "rustis", 1.2),
        ("get_1024", "rustis", 1.0),
    ] {
        if let (Some(ours), Some(theirs)) = (row(scenario, "russet"), row(scenario, rival)) {
            let ratio = ours.ops_per_s / theirs.ops_per_s;
            say(
                ratio >= least,
                format!("{scenario}: {ratio:.2} × {rival}, at least {least} ×"),
            );
        }
    }
    for scenario in ["get_64", "get_256", "get_1024"] {
        let best = ["fred", "redis-rs", "rustis"]
            .iter()
            .filter_map(|rival| row(scenario, rival))
            .map(|row| row.p99_us);
        if let (Some(ours), Some(best)) = (row(scenario, "russet"), best.reduce(f64::min)) {
            say(
                ours.p99_us <= best,
                format!(
                    "{scenario}: p99 {:.0} µs, the best rival's {best:.0} µs",
                    ours.p99_us
                ),
            );
        }
    }
    if let Some(ours) = row("get_256", "russet") {
        let cpu = ours.client_cpu_us_per_op;
        say(
            cpu <= 1.5,
            format!("get_256: {cpu:.2} µs of client CPU a GET, at most 1.5"),
        );
        if let Some(ratio) = ours.ratio_to_limit {
            say(
                ratio >= 0.3,
                format!("get_256: {ratio:.2} of redis-benchmark -c 64 -P 64, at least 0.30"),
            );
        }
    }
    if let (Some(ours), Some(fred)) = (row("get_1", "russet"), row("get_1", "fred")) {
        let ratio = ours.p50_us / fred.p50_us;
        say(
            ratio <= 1.05,
            format!("get_1: median latency {ratio:.2} × fred's, at most 1.05 ×"),
        );
    }
    if let (Some(ours), Some(alone)) = (row("script_64", "russet"), row("script_alone", "russet")) {
        let ratio = ours.ops_per_s / alone.ops_per_s;
        say(
            ratio >= 2.0,
            format!("script_64: {ratio:.2} × single calls through the same client, at least 2 ×"),
        );
        if let Some(ratio) = ours.ratio_to_limit {
            say(
                ratio >= 0.6,
                format!(
                    "script_64: {ratio:.2} of redis-benchmark with the same call, at least 0.60"
                ),
            );
        }
    }
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.delay_ms > 0) {
        let id = scenario.id;
        if let (Some(ours), Some(fred)) = (row(id, "russet"), row(id, "fred")) {
            let latency = ours.p50_us / fred.p50_us;
            say(
                latency <= 1.15,
                format!("{id}: median latency {latency:.2} × fred's, at most 1.15 ×"),
            );
            let rate = ours.ops_per_s / fred.ops_per_s;
            say(
                rate >= 1.0,
                format!("{id}: {rate:.2} × fred's rate, at least 1 ×"),
            );
        }
    }
    for (scenario, least) in [("cluster_256", 1.0), ("cluster_shards_256", 2.0)] {
        // Both against fred's best with a command for each key.
        if let (Some(ours), Some(fred)) = (row(scenario, "russet"), row("cluster_256", "fred")) {
            let ratio = ours.ops_per_s / fred.ops_per_s;
            say(
                ratio >= least,
                format!("{scenario}: {ratio:.2} × fred's cluster client, at least {least} ×"),
            );
        }
    }
    for scenario in ["cluster_256", "cluster_shards_256"] {
        let moving = format!("{scenario}_moving");
        if let (Some(moving), Some(quiet)) = (row(&moving, "russet"), row(scenario, "russet")) {
            let ratio = moving.p99_us / quiet.p99_us;
            say(
                ratio <= 3.0,
                format!(
                    "{scenario}: p99 {:.0} µs while slots move, {ratio:.2} × quiet, at most 3 ×",
                    moving.p99_us
                ),
            );
        }
    }
    if let (Some(ours), Some(queue)) = (
        row(costs::BATCHED_ITEM, "russet"),
        row(costs::BATCHED_ITEM, "queue"),
    ) {
        let more = (ours.client_cpu_us_per_op - queue.client_cpu_us_per_op) * 1e3;
        say(
            more <= 150.0,
            format!("batched item: {more:+.0} ns over a bare queue, at most 150"),
        );
    }
    if let Some(ours) = row(costs::TELEMETRY, "russet") {
        let ns = ours.client_cpu_us_per_op * 1e3;
        say(
            ns <= 200.0,
            format!("telemetry: {ns:.0} ns an operation, at most 200"),
        );
    }
    for scenario in ["alone_1", "alone_64"] {
        if let (Some(ours), Some(fred)) = (row(scenario, "russet"), row(scenario, "fred")) {
            let more = ours.client_cpu_us_per_op - fred.client_cpu_us_per_op;
            say(
                more <= 1.0,
                format!("{scenario}: {more:+.2} µs of client CPU over fred's, at most 1"),
            );
        }
    }
}
