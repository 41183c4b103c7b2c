//! `cargo xtask bench core`, or `cache`: Russet, its rivals and the physical limit in one run, in turn.
#![allow(clippy::print_stdout, reason = "a table is what a bench is for")]

mod cluster;
mod costs;
mod limit;
mod promises;
mod report;
mod table;
mod turn;

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use russet_bench_load::{CONCERNS, Row, SCENARIOS};
use russet_testkit::Server;
use russet_testkit::proxy::Proxy;

use crate::turn::Worker;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if args.iter().any(|arg| arg == "--report") {
        return report::write(&root);
    }
    // `cargo xtask bench core get_256`: the scenarios whose id holds that.
    let mut words = args.iter().filter(|arg| !arg.starts_with("--"));
    let concern = words.next().map_or("", String::as_str);
    let only = words.next();
    let quick = args.iter().any(|arg| arg == "--quick");
    if !CONCERNS.contains(&concern) {
        let concerns = CONCERNS.join("|");
        return Err(format!("write `cargo xtask bench {concerns} [--quick]`").into());
    }
    let (turns, time) = if quick {
        (1, Duration::from_secs(1))
    } else {
        (5, Duration::from_secs(2))
    };
    let systems = turn::systems()?;
    let server = Server::builder().try_start()?;
    println!(
        "{} on {}; {turns} turns of {time:?}",
        server.version(),
        server.address()
    );
    let proxy = Proxy::of(&server);
    let limit = limit::preload(&server, concern)?;
    let mut cluster = None;
    let mut rows: Vec<Row> = Vec::new();
    for scenario in SCENARIOS.iter().filter(|scenario| {
        scenario.concern() == concern && only.is_none_or(|only| scenario.id.contains(&**only))
    }) {
        println!("{}", scenario.id);
        // Half of it each way.
        proxy.set_delay(Duration::from_micros(500 * scenario.delay_ms));
        let url = match scenario.delay_ms {
            0 => server.url(),
            _ => proxy.url(),
        };
        if scenario.cluster.is_some() && cluster.is_none() {
            cluster = Some(cluster::start()?);
        }
        let systems: Vec<&Worker> = systems
            .iter()
            .filter(|system| scenario.has(system.name()))
            .collect();
        let mut all: Vec<Row> = Vec::new();
        for turn in 0..turns {
            // Rotated, so that no system always comes first on a cold or last on a warm machine.
            for at in 0..systems.len() {
                let system = systems[(at + turn) % systems.len()];
                all.push(match (&cluster, scenario.cluster) {
                    (Some(cluster), Some(_)) => cluster::measure(cluster, system, scenario, time)?,
                    _ => system.measure(scenario, &url, time)?,
                });
            }
            if let (Some(limit), true) = (&limit, scenario.has("limit")) {
                all.push(limit.measure(scenario, &server, time)?);
                if scenario.id == "get_256" {
                    all.push(limit::mget(scenario, &server, time)?);
                }
            }
        }
        rows.extend(table::medians(all));
    }
    if concern == "core" && only.is_none_or(|only| only == "costs") {
        rows.extend(table::medians(costs::measure(quick)?));
    }
    let folder = root.join("target/bench");
    std::fs::create_dir_all(&folder)?;
    table::print(concern, &rows);
    promises::check(concern, &rows);
    // A part, or a quick look, is not what a report is made of.
    let name = if only.is_some() || quick {
        format!("{concern}-part.json")
    } else {
        format!("{concern}.json")
    };
    std::fs::write(folder.join(&name), serde_json::to_string_pretty(&rows)?)?;
    println!("written to target/bench/{name}");
    Ok(())
}
