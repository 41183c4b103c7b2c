//! What is promised, each with what was seen.

mod cache;
mod core;
mod locks;
mod ratelimit;
mod session;

use russet_bench_load::Row;

pub(crate) fn check(concern: &str, rows: &[Row]) {
    println!();
    match concern {
        "cache" => cache::check(rows),
        "locks" => locks::check(rows),
        "session" => session::check(rows),
        "ratelimit" => ratelimit::check(rows),
        _ => self::core::check(rows),
    }
}

fn row(rows: &[Row], scenario: &str, system: &str) -> Option<Row> {
    rows.iter()
        .find(|row| row.scenario == scenario && row.system == system)
        .cloned()
}

fn say(met: bool, what: &str) {
    println!("{} {what}", if met { "met    " } else { "NOT MET" });
}
