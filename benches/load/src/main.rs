//! `cargo xtask bench core`: Russet, its rivals and the physical limit in one run, in turn.
#![allow(clippy::print_stdout, reason = "a table is what a bench is for")]

mod limit;
mod table;
mod turn;

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use russet_bench_load::{Row, SCENARIOS};
use russet_testkit::Server;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let quick = args.iter().any(|arg| arg == "--quick");
    if !args.iter().any(|arg| arg == "core") {
        return Err(
            "no such concern is measured yet; write `cargo xtask bench core [--quick]`".into(),
        );
    }
    let (turns, time) = if quick {
        (1, Duration::from_secs(1))
    } else {
        (3, Duration::from_secs(3))
    };
    let systems = turn::systems()?;
    let server = Server::builder().try_start()?;
    println!(
        "{} on {}; {turns} turns of {time:?}",
        server.version(),
        server.address()
    );
    let limit = limit::preload(&server)?;
    let mut rows: Vec<Row> = Vec::new();
    for scenario in SCENARIOS {
        println!("{}", scenario.id);
        let mut all: Vec<Row> = Vec::new();
        for turn in 0..turns {
            // Rotated, so that no system always comes first on a cold or last on a warm machine.
            for at in 0..systems.len() {
                all.push(systems[(at + turn) % systems.len()].measure(
                    scenario,
                    &server.url(),
                    time,
                )?);
            }
            all.extend(
                limit
                    .as_ref()
                    .map(|limit| limit.measure(scenario, &server, time))
                    .transpose()?,
            );
        }
        rows.extend(table::medians(all));
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("core.json");
    std::fs::write(&file, serde_json::to_string_pretty(&rows)?)?;
    table::print(&rows);
    table::verdicts(&rows);
    println!("written to target/bench/core.json");
    Ok(())
}
