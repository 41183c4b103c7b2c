//! What is promised of the cache.

use russet_bench_load::{LOAD, Row};

/// What a connection sends of itself now and then is not the operation's.
const MORE: f64 = 1.01;

pub(super) fn check(rows: &[Row]) {
    let row = |scenario: &str, system: &str| super::row(rows, scenario, system);
    let say = |met: bool, what: String| super::say(met, &what);
    for scenario in ["local_t1", "local_t2"] {
        if let (Some(ours), Some(alone)) = (row(scenario, "russet"), row(scenario, "quick_cache")) {
            // Of the time that an operation takes, so the other way round.
            let ratio = alone.ops_per_s / ours.ops_per_s;
            say(
                ratio <= 1.35,
                format!("{scenario}: {ratio:.2} × quick_cache alone, at most 1.35 ×"),
            );
        }
    }
    for (scenario, system, rival, least) in [
        ("hit_256", "russet-raw", "redis-rs", 2.0),
        ("hit_256", "russet", "cached", 2.5),
        ("hit_256", "russet", "redis-rs", 1.5),
        ("insert_64", "russet", "cached", 1.2),
    ] {
        if let (Some(ours), Some(theirs)) = (row(scenario, system), row(scenario, rival)) {
            let ratio = ours.ops_per_s / theirs.ops_per_s;
            say(
                ratio >= least,
                format!("{scenario}: {system} {ratio:.2} × {rival}, at least {least} ×"),
            );
        }
    }
    // With one task a command is a round trip.
    for (scenario, system, most) in [
        ("hit_1", "russet", 1.0),
        ("hit_256", "russet", 0.125),
        ("hit_256", "russet-raw", 0.125),
        ("insert_64", "russet", 1.0),
        ("miss", "russet", 3.0),
        ("get_many_100", "russet", 1.0),
    ] {
        if let Some(ours) = row(scenario, system) {
            let sent = ours.dispatched_per_op;
            say(
                sent <= most * MORE,
                format!("{scenario}: {system} sends {sent:.3} commands, at most {most}"),
            );
        }
    }
    if let Some(ours) = row("herd_10k", "russet") {
        let times = ours.p99_us / (LOAD.as_secs_f64() * 1e6);
        say(
            times <= 1.5,
            format!(
                "herd_10k: all served {times:.2} × the load's time after the last one came, at most 1.5 ×"
            ),
        );
        if let Some(loads) = ours.loads_per_op {
            say(
                loads <= 1.0,
                format!("herd_10k: {loads} loads for 10,000 callers, at most 1"),
            );
        }
    }
}
