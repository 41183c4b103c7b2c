//! What is promised of the limiter.

use russet_bench_load::Row;

pub(super) fn check(rows: &[Row]) {
    let row = |scenario: &str, system: &str| super::row(rows, scenario, system);
    let say = |met: bool, what: String| super::say(met, &what);
    let rivals = ["trypema", "throttle-kit", "limitador", "zset-log"];
    let best = |scenario: &str| {
        let rates = rivals
            .iter()
            .filter_map(|rival| Some((row(scenario, rival)?.ops_per_s, *rival)));
        rates.max_by(|a, b| a.0.total_cmp(&b.0))
    };
    if let (Some(ours), Some((rate, rival))) = (row("decide_256", "russet"), best("decide_256")) {
        let ratio = ours.ops_per_s / rate;
        say(
            ratio >= 2.2,
            format!("decide_256: {ratio:.2} × {rival}, at least 2.2 × (2.5 ×)"),
        );
    }
    if let Some(ratio) = row("decide_256", "russet").and_then(|ours| ours.ratio_to_limit) {
        say(
            ratio >= 0.75,
            format!(
                "decide_256: {ratio:.2} of redis-benchmark with the same script over 64 keys, at least 0.75"
            ),
        );
    }
    if let Some(ours) = row("decide_1", "russet") {
        let trips = ours.dispatched_per_op;
        say(
            (trips - 1.0).abs() < 0.01,
            format!("decide_1: {trips:.3} round trips, 1"),
        );
    }
    if let (Some(ours), Some(bare)) = (row("decide_1", "russet"), row("decide_1", "russet-script"))
    {
        let ratio = ours.p50_us / bare.p50_us;
        say(
            ratio <= 1.1,
            format!(
                "decide_1: {ratio:.2} × the latency of the same script called without a limiter, at most 1.1 ×"
            ),
        );
    }
    if let Some(ours) = row("decide_64", "russet") {
        let us = ours.server_cpu_us_per_op;
        say(
            us <= 6.0,
            format!("decide_64: {us:.2} µs of the server, its network included, at most 6"),
        );
    }
    if let Some(ours) = row("decide_256", "russet") {
        let us = ours.server_cpu_us_per_op;
        say(
            us <= 4.0,
            format!("decide_256: {us:.2} µs of the server, its network included, at most 4"),
        );
    }
    if let (Some(window), Some(bucket)) = (row("window_256", "russet"), row("decide_256", "russet"))
    {
        let ratio = window.server_cpu_us_per_op / bucket.server_cpu_us_per_op;
        say(
            ratio <= 1.5,
            format!("window_256: {ratio:.2} × the bucket's µs of the server, at most 1.5 ×"),
        );
    }
    if let Some(ours) = row("lease", "russet") {
        let asked = ours.loads_per_op.unwrap_or_default() * 1_000.0;
        say(
            asked <= 20.0,
            format!(
                "lease: {asked:.2} subjects of 1,000 decisions asked about in Redis, at most 20"
            ),
        );
        let rate = ours.ops_per_s / 1e6;
        say(
            rate >= 3.0,
            format!("lease: {rate:.2} M decisions a second, at least 3"),
        );
    }
    if let Some(ours) = row("deny_storm", "russet") {
        let asked = ours.loads_per_op.unwrap_or_default() * 1_000.0;
        say(
            asked <= 60.0,
            format!(
                "deny_storm: {asked:.1} subjects of 1,000 decisions asked about in Redis, at most 60"
            ),
        );
        let each = 1.0 / ours.client_cpu_us_per_op;
        say(
            each >= 2.0,
            format!("deny_storm: {each:.2} M decisions a second and core, at least 2"),
        );
    }
}
