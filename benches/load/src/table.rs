//! What was measured, in order.

use std::collections::BTreeMap;

use russet_bench_load::{Row, SCENARIOS};

use crate::costs;

/// The median turn of each system in each scenario, by operations a second; with its ratio to the limit.
pub(crate) fn medians(rows: Vec<Row>) -> Vec<Row> {
    let mut turns: BTreeMap<(String, String), Vec<Row>> = BTreeMap::new();
    for row in rows {
        turns
            .entry((row.scenario.clone(), row.system.clone()))
            .or_default()
            .push(row);
    }
    let mut medians: Vec<Row> = turns
        .into_values()
        .filter_map(|mut rows| {
            rows.sort_by(|a, b| a.ops_per_s.total_cmp(&b.ops_per_s));
            let middle = rows.len() / 2;
            rows.into_iter().nth(middle)
        })
        .collect();
    let limit = medians
        .iter()
        .find(|row| row.system == "limit")
        .map(|row| row.ops_per_s);
    for row in &mut medians {
        row.ratio_to_limit = limit.map(|limit| row.ops_per_s / limit);
    }
    medians
}

/// All ids of a concern, in the order in which they are shown.
pub(crate) fn ids(concern: &str) -> impl Iterator<Item = &'static str> {
    let costs: &'static [&'static str] = match concern {
        "core" => &[costs::BATCHED_ITEM, costs::TELEMETRY],
        _ => &[],
    };
    SCENARIOS
        .iter()
        .filter(move |scenario| scenario.concern() == concern)
        .map(|scenario| scenario.id)
        .chain(costs.iter().copied())
}

pub(crate) fn print(concern: &str, rows: &[Row]) {
    println!(
        "\n{:<25} {:<12} {:>10} {:>9} {:>9} {:>10} {:>8} {:>8} {:>8}",
        "scenario",
        "system",
        "ops/s",
        "p50 µs",
        "p99 µs",
        "sent/op",
        "srv µs",
        "cli µs",
        "of limit"
    );
    for id in ids(concern) {
        for row in rows.iter().filter(|row| row.scenario == id) {
            println!(
                "{:<25} {:<12} {:>10.0} {:>9.2} {:>9.2} {:>10.4} {:>8.2} {:>8.2} {:>8}",
                row.scenario,
                row.system,
                row.ops_per_s,
                row.p50_us,
                row.p99_us,
                row.dispatched_per_op,
                row.server_cpu_us_per_op,
                row.client_cpu_us_per_op,
                row.ratio_to_limit
                    .map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            );
        }
    }
}
