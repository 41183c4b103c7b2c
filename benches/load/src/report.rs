//! COMPARE.md from what the last runs wrote.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use russet_bench_load::Row;

use crate::{Outcome, table};

pub(crate) fn write(root: &Path) -> Outcome {
    let mut text = HEAD.to_owned();
    let file = root.join("target/bench/core.json");
    let rows: Vec<Row> = serde_json::from_slice(&fs::read(&file).map_err(|error| {
        format!(
            "{}: {error}; run `cargo xtask bench core` first",
            file.display()
        )
    })?)?;
    let date = said(
        Command::new("date")
            .arg("-u")
            .arg("-r")
            .arg(&file)
            .arg("+%F"),
    )?;
    let cpu = said(Command::new("sh").args(["-c", "lscpu | sed -n 's/^Model name: *//p'"]))?;
    let cores = std::thread::available_parallelism()?;
    writeln!(
        text,
        "## core\n\nMeasured {date} on {cores} cores of {cpu}.\n"
    )?;
    text += "| scenario | system | tasks | ops/s | p50 µs | p99 µs | sent/op | server µs/op | client µs/op | of limit |\n";
    text += "|---|---|---|---|---|---|---|---|---|---|\n";
    for id in table::ids() {
        let mut rows: Vec<&Row> = rows.iter().filter(|row| row.scenario == id).collect();
        rows.sort_by(|a, b| b.ops_per_s.total_cmp(&a.ops_per_s));
        for row in rows {
            let system = format!("{} {}", row.system, row.version);
            let limit = row.ratio_to_limit;
            writeln!(
                text,
                "| `{}` | {} | {} | {:.0} | {:.0} | {:.0} | {:.3} | {:.2} | {:.2} | {} |",
                row.scenario,
                system.trim(),
                row.tasks,
                row.ops_per_s,
                row.p50_us,
                row.p99_us,
                row.dispatched_per_op,
                row.server_cpu_us_per_op,
                row.client_cpu_us_per_op,
                limit.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            )?;
        }
    }
    fs::write(root.join("COMPARE.md"), text)?;
    println!("wrote COMPARE.md");
    Ok(())
}

fn said(command: &mut Command) -> Outcome<String> {
    let output = command.output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

const HEAD: &str = "# Russet against its rivals

Written by `cargo xtask bench --report` from the last `cargo xtask bench <concern>`. All systems of a scenario ran in one
run, in turn, each in a process of its own, on the same machine as the server; the figures are those of the median turn of
five. Ratios within one scenario mean something; absolute figures are this machine's on that day.

`limit` is redis-benchmark with the same command: `-c 64 -P 64` for reads, `-c 1 -P 1` for one task, `-c 8` for scripts.
`russet` in `get_*` is the coalescing reader, in `alone_*` one command a call; rivals send one command a call over one
multiplexed connection. `script_64` takes tokens from buckets by one script, at most 64 keys a call; `script_alone` one
key a call. `_1ms` and `_5ms` go through a proxy that adds so much to each round trip. `sent/op` are commands sent for an
operation. `batched_item` and `telemetry` are counted in this process, without a server: a call's way through the batcher
beside a queue that can do nothing else, and counting one operation.

";
