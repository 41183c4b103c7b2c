//! What is promised of locks.

use russet_bench_load::Row;

pub(super) fn check(rows: &[Row]) {
    let row = |scenario: &str, system: &str| super::row(rows, scenario, system);
    let say = |met: bool, what: String| super::say(met, &what);
    for (scenario, least) in [("free_1", 1.0), ("free_64", 0.7), ("contended_16", 1.0)] {
        if let (Some(ours), Some(rival)) = (row(scenario, "russet"), row(scenario, "rslock")) {
            let ratio = ours.ops_per_s / rival.ops_per_s;
            say(
                ratio >= least,
                format!("{scenario}: {ratio:.2} × rslock's rate, at least {least} ×"),
            );
        }
    }
    if let Some(ours) = row("free_1", "russet") {
        let trips = ours.dispatched_per_op;
        say(
            (trips - 2.0).abs() < 0.01,
            format!("free_1: {trips:.3} round trips a pair, 2"),
        );
    }
    if let Some(ours) = row("free_64", "russet") {
        let us = ours.server_cpu_us_per_op;
        say(
            us <= 10.0,
            format!("free_64: {us:.2} µs of the server a pair, its network included, at most 10"),
        );
    }
    if let Some(ours) = row("contended_16", "russet") {
        let each = 1e6 / ours.ops_per_s;
        let most = 2.0 * 16.0 * each;
        say(
            ours.p99_us <= most,
            format!(
                "contended_16: p99 {:.1} ms, at most 2 × 16 × one hold with its hand-off ({:.1} ms)",
                ours.p99_us / 1e3,
                most / 1e3
            ),
        );
        let errors = ours.errors_per_op.unwrap_or_default();
        say(
            errors == 0.0,
            format!("contended_16: {errors:.3} errors an acquisition, none"),
        );
        let spread = ours.spread.unwrap_or(f64::INFINITY);
        say(
            spread <= 1.2,
            format!(
                "contended_16: who got it most got it {spread:.2} × as often as who got it least, at most 1.2 ×"
            ),
        );
        let sent = ours.dispatched_per_op;
        say(
            sent <= 5.0,
            format!("contended_16: {sent:.2} commands sent an acquisition, at most 5"),
        );
    }
}
