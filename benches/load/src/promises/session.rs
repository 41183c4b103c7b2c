//! What is promised of sessions.

use russet_bench_load::Row;

const RIVAL: &str = "tower-sessions-redis-store";

pub(super) fn check(rows: &[Row]) {
    let row = |scenario: &str, system: &str| super::row(rows, scenario, system);
    let say = |met: bool, what: String| super::say(met, &what);
    for (scenario, least) in [("load_64", 1.0), ("cycle_2k", 1.5), ("cycle_20k", 3.0)] {
        if let (Some(ours), Some(rival)) = (row(scenario, "russet"), row(scenario, RIVAL)) {
            let ratio = ours.ops_per_s / rival.ops_per_s;
            say(
                ratio >= least,
                format!("{scenario}: {ratio:.2} × {RIVAL}'s rate, at least {least} ×"),
            );
        }
    }
    if let (Some(ours), Some(rival)) = (row("cycle_20k", "russet"), row("cycle_20k", RIVAL)) {
        let ratio = ours.bytes_sent_per_op / rival.bytes_sent_per_op;
        say(
            ratio <= 0.1,
            format!(
                "cycle_20k: {:.0} bytes sent for a load and an update of one field, {:.1} % of {RIVAL}'s, at most 10 %",
                ours.bytes_sent_per_op,
                ratio * 100.0
            ),
        );
    }
    for (system, most) in [("russet", 0.0), (RIVAL, 1.0)] {
        if let Some(row) = row("visits_64", system) {
            let lost = row.lost_per_op.unwrap_or(f64::INFINITY);
            let what = format!(
                "visits_64: {system} loses {:.1} % of what is counted",
                lost * 100.0
            );
            say(lost <= most, what);
        }
    }
    if let Some(ours) = row("cycle_2k", "russet") {
        let sent = ours.dispatched_per_op;
        say(
            sent <= 2.0,
            format!("cycle_2k: {sent:.3} commands sent for a load and an update, at most 2"),
        );
    }
}
