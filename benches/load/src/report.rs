//! COMPARE.md from what the last runs wrote.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use russet_bench_load::{CONCERNS, Row};

use crate::{Outcome, table};

pub(crate) fn write(root: &Path) -> Outcome {
    let mut text = HEAD.to_owned();
    let cpu = said(Command::new("sh").args(["-c", "lscpu | sed -n 's/^Model name: *//p'"]))?;
    let path = root.join("COMPARE.md");
    let before = fs::read_to_string(&path).unwrap_or_default();
    for concern in CONCERNS {
        text.push('\n');
        match root.join(format!("target/bench/{concern}.json")).exists() {
            true => section(&mut text, root, concern, &cpu)?,
            false => text.push_str(section_of(&before, concern)?),
        }
    }
    fs::write(path, text)?;
    println!("wrote COMPARE.md");
    Ok(())
}

/// What the last report says of a concern that was not measured since.
fn section_of<'t>(report: &'t str, concern: &str) -> Outcome<&'t str> {
    let head = format!("## {concern}\n");
    let missing =
        || format!("nothing is known of {concern}; run `cargo xtask bench {concern}` first");
    let begin = report.find(&head).ok_or_else(missing)?;
    let rest = &report[begin..];
    let end = rest[head.len()..]
        .find("\n## ")
        .map_or(rest.len(), |end| end + head.len());
    println!("{concern} was not measured; it stays as it was");
    Ok(rest[..end].trim_end_matches('\n')).map(|section| &rest[..section.len() + 1])
}

fn section(text: &mut String, root: &Path, concern: &str, cpu: &str) -> Outcome {
    let file = root.join(format!("target/bench/{concern}.json"));
    let rows: Vec<Row> = serde_json::from_slice(&fs::read(&file).map_err(|error| {
        format!(
            "{}: {error}; run `cargo xtask bench {concern}` first",
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
    let cores = std::thread::available_parallelism()?;
    writeln!(
        text,
        "## {concern}\n\nMeasured {date} on {cores} cores of {cpu}.\n"
    )?;
    *text += "| scenario | system | tasks | ops/s | p50 µs | p99 µs | sent/op | server µs/op | client µs/op | of limit |\n";
    *text += "|---|---|---|---|---|---|---|---|---|---|\n";
    for id in table::ids(concern) {
        let mut rows: Vec<&Row> = rows.iter().filter(|row| row.scenario == id).collect();
        rows.sort_by(|a, b| b.ops_per_s.total_cmp(&a.ops_per_s));
        for row in rows {
            let system = format!("{} {}", row.system, row.version);
            let limit = row.ratio_to_limit;
            writeln!(
                text,
                "| `{}` | {} | {} | {:.0} | {} | {} | {:.3} | {:.2} | {:.2} | {} |",
                row.scenario,
                system.trim(),
                row.tasks,
                row.ops_per_s,
                micros(row.p50_us),
                micros(row.p99_us),
                row.dispatched_per_op,
                row.server_cpu_us_per_op,
                row.client_cpu_us_per_op,
                limit.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            )?;
        }
    }
    for row in &rows {
        if let (Some(errors), Some(spread)) = (row.errors_per_op, row.spread) {
            writeln!(
                text,
                "\n`{}`, {}: {errors:.2} errors an operation; the task that had most had {spread:.2} × as many as the one that had least.",
                row.scenario, row.system
            )?;
        }
    }
    Ok(())
}

/// What never leaves a process takes less than a microsecond.
fn micros(us: f64) -> String {
    if us > 0.0 && us < 10.0 {
        format!("{us:.2}")
    } else {
        format!("{us:.0}")
    }
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

In the cache's scenarios a value has 200 bytes. `russet` and `cached` store the same struct in MessagePack, `russet-raw` bytes
as they are; the clients `GET` bytes of that length, and know nothing of caches. `insert_64` is measured against `SET … PX`,
`get_many_100` against a `MGET` of as many keys. In `miss` and `herd_10k`, `sent/op` are counted by a proxy; an operation of
`herd_10k` is a herd of 10,000 callers of one value that takes 50 ms to load, its latency the time from the last one's arrival
until all are served. In `local_*` a task is a thread and nothing leaves the process: 1,000 keys as Zipf's law has them, or
(`hot`) one; latencies are means of 1,000 operations.

In the limiter's scenarios nobody reaches a limit: `decide_*` takes tokens from buckets of 10,000 subjects, `window_256` counts in strict
sliding windows of 60 sub-windows, `both_256` does both in one script, `hot_64` has one subject. `zset-log` is a sorted set with a member for
each call, as many write it by hand; `limit` calls the limiter's own script with 64 keys. Of 20 calls in `deny_storm` 19 are denied, those of
1,000 subjects; in `lease` 16 subjects are paid for in advance. Two processes of `trypema-hybrid` together let twice the limit through, and
`trypema` has windows of 100 ms steps; the test that counts what Russet's leases let through is `crates/ratelimit/tests/it/leases.rs`.
`limitador` reads a counter and counts in a second round trip, so that it is not exact; of its versions after 0.6 none builds without RocksDB.

In the locks' scenarios an operation takes a lock and releases it: `free_*` one of 10,000 that nobody else wants, `contended_16` the same one that 16
tasks want, held for a millisecond. `russet` has fences and a queue in it and takes the locks of several tasks in one call; `russet-rw` is a read-write
lock, with a call for each. `rslock` has neither fence nor queue, does what it does by default, and tries again after an error; `russet-core` sends the
same commands by Russet's client. `limit` calls the script that takes mutexes with 64 keys, twice for each operation.
";
