//! The physical limit: redis-benchmark with the same command.

use std::process::Command;
use std::time::Duration;

use russet_bench_load::{
    Account, KEYS, Kind, MANY, PAGE_LEN, Row, Scenario, ServerStats, TOKEN_BUCKET,
    TOKEN_BUCKET_ARGS, VALUE_LEN, raw,
};
use russet_testkit::Server;

use crate::Outcome;

/// redis-benchmark, and the keys that it has made.
pub(crate) struct Limit;

/// Makes the keys that every client reads; `None` where there is no redis-benchmark to measure the limit with.
pub(crate) fn preload(server: &Server, concern: &str) -> Outcome<Option<Limit>> {
    let mut connection = server.connection();
    let kind = match concern {
        "cache" => Kind::Hit,
        _ => Kind::Get,
    };
    for turn in 0..KEYS {
        let (key, len) = raw(kind, turn);
        connection.command(&["SET", key, &"x".repeat(len)])?;
    }
    if Command::new("redis-benchmark")
        .arg("--version")
        .output()
        .is_ok()
    {
        return Ok(Some(Limit));
    }
    println!("no redis-benchmark on the PATH: rows have no ratio to the limit");
    Ok(None)
}

impl Limit {
    pub(crate) fn measure(
        &self,
        scenario: &Scenario,
        server: &Server,
        time: Duration,
    ) -> Outcome<Row> {
        match scenario.kind {
            Kind::Script | Kind::ScriptAlone => script(scenario, server, time),
            Kind::Hit => page(scenario, server, time),
            Kind::Insert => set(scenario, server, time),
            Kind::GetMany => mget_pages(scenario, server, time),
            Kind::Decide | Kind::DecideWindow => decide(scenario, server, time),
            Kind::Free => take(scenario, server, time),
            Kind::SessionLoad(_) => hgetall(scenario, server, time),
            _ => get(scenario, server, time),
        }
    }
}

/// One task: one connection, one command at a time. More: 64 connections, 64 commands in a pipeline.
fn get(scenario: &Scenario, server: &Server, time: Duration) -> Outcome<Row> {
    let (connections, pipeline, rate) = if scenario.tasks == 1 {
        ("1", "1", 15_000)
    } else {
        ("64", "64", 2_000_000)
    };
    let (size, keys) = (VALUE_LEN.to_string(), KEYS.to_string());
    let args = [
        "-t",
        "get",
        "-c",
        connections,
        "-P",
        pipeline,
        "-d",
        &size,
        "-r",
        &keys,
    ];
    benchmark(scenario, server, time, rate, &args, 1.0)
}

/// What one command could do at best: 64 keys in a MGET, 64 connections, one command at a time.
pub(crate) fn mget(scenario: &Scenario, server: &Server, time: Duration) -> Outcome<Row> {
    let keys = KEYS.to_string();
    let mut args = vec!["-c", "64", "-r", &keys, "MGET"];
    args.extend(std::iter::repeat_n("key:__rand_int__", 64));
    let mut row = benchmark(scenario, server, time, 60_000, &args, 64.0)?;
    "limit-mget64".clone_into(&mut row.system);
    Ok(row)
}

/// As a GET of core's, with the keys of the cache's scenarios.
fn page(scenario: &Scenario, server: &Server, time: Duration) -> Outcome<Row> {
    let (width, rate) = match scenario.tasks {
        1 => ("1", 15_000),
        _ => ("64", 2_000_000),
    };
    piped(
        scenario,
        server,
        time,
        (width, rate),
        &["GET", "page:__rand_int__"],
    )
}

/// What a store could cost at least, without a look at who loads the value.
fn set(scenario: &Scenario, server: &Server, time: Duration) -> Outcome<Row> {
    let value = "x".repeat(PAGE_LEN);
    let command = ["SET", "stored:__rand_int__", &value, "PX", "60000"];
    piped(scenario, server, time, ("64", 1_000_000), &command)
}

/// The fields of a session and no look whether it is valid.
fn hgetall(scenario: &Scenario, server: &Server, time: Duration) -> Outcome<Row> {
    let account = serde_json::to_value(Account::of(0, scenario.kind.payload()))?;
    let fields = account.as_object().ok_or("an account has fields")?;
    let mut hset = vec!["HSET".to_owned(), String::new()];
    for (field, value) in fields {
        hset.extend([field.clone(), value.to_string()]);
    }
    let mut connection = server.connection();
    for turn in 0..KEYS {
        hset[1] = format!("account:{turn:012}");
        connection.command(&hset)?;
    }
    let command = ["HGETALL", "account:__rand_int__"];
    piped(scenario, server, time, ("64", 300_000), &command)
}

/// One command with keys at random: so many connections, as many commands in a pipeline.
fn piped(
    scenario: &Scenario,
    server: &Server,
    time: Duration,
    (width, rate): (&str, usize),
    command: &[&str],
) -> Outcome<Row> {
    let keys = KEYS.to_string();
    let args = [&["-c", width, "-P", width, "-r", &keys], command].concat();
    benchmark(scenario, server, time, rate, &args, 1.0)
}

/// As many keys as a `get_many` has: one connection, one command at a time.
fn mget_pages(scenario: &Scenario, server: &Server, time: Duration) -> Outcome<Row> {
    let keys = KEYS.to_string();
    let mut args = vec!["-c", "1", "-r", &keys, "MGET"];
    args.extend(std::iter::repeat_n("page:__rand_int__", MANY));
    benchmark(scenario, server, time, 8_000, &args, 1.0)
}

/// The same call: 64 keys, or one; eight connections, one call at a time.
fn script(scenario: &Scenario, server: &Server, time: Duration) -> Outcome<Row> {
    let hash = server.command(&["SCRIPT", "LOAD", TOKEN_BUCKET]);
    let hash = hash
        .as_str()
        .ok_or("SCRIPT LOAD answers no hash")?
        .to_owned();
    let (count, rate) = if scenario.kind == Kind::Script {
        (64, 5_000)
    } else {
        (1, 100_000)
    };
    let (keys, shared) = (
        KEYS.to_string(),
        TOKEN_BUCKET_ARGS.map(|arg| arg.to_string()),
    );
    let mut args = vec!["-c", "8", "-r", &keys, "EVALSHA", &hash];
    let text = count.to_string();
    args.push(&text);
    args.extend(std::iter::repeat_n("bucket:__rand_int__", count));
    args.extend(shared.iter().map(String::as_str));
    #[expect(clippy::cast_precision_loss, reason = "1 or 64")]
    benchmark(scenario, server, time, rate, &args, count as f64)
}

/// The limiter's own script, with as many keys a call; eight connections, one call at a time.
fn decide(scenario: &Scenario, server: &Server, time: Duration) -> Outcome<Row> {
    let (name, kind, numbers): (_, u8, &[f64]) = match scenario.kind {
        Kind::DecideWindow => ("sliding_window", 2, &[1e9, 1e6, 60.0, 0.0, 7.5e6]),
        _ => ("token_bucket", 1, &[1e6, 1.0, 1.0, 1.0, 1e6]),
    };
    let mut scripts = russet_ratelimit::KEYS.iter().flat_map(|key| key.scripts);
    let is_its = |script: &&&str| {
        script.contains(&format!("kinds[{kind}] ="))
            && script.contains("Charges subjects by one policy")
    };
    let script = scripts.find(is_its).ok_or("no such script")?;
    // redis-benchmark has no arguments with zero bytes, and settings have some: the script has them.
    let mut settings = vec![kind];
    settings.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    let settings: String = settings.iter().map(|byte| format!("\\{byte:03}")).collect();
    let script = format!("table.insert(ARGV, 2, '{settings}')\n{script}");
    let hash = server.command(&["SCRIPT", "LOAD", &script]);
    let hash = hash
        .as_str()
        .ok_or("SCRIPT LOAD answers no hash")?
        .to_owned();
    let (count, connections, rate) = match scenario.tasks {
        1 => (1, "1", 10_000),
        _ => (64, "8", 5_000),
    };
    let (keys, text) = (KEYS.to_string(), count.to_string());
    let mut args = vec!["-c", connections, "-r", &keys, "EVALSHA", &hash, &text];
    let key = format!("limit:{name}:__rand_int__");
    args.extend(std::iter::repeat_n(&*key, count));
    args.push(name);
    #[expect(clippy::cast_precision_loss, reason = "1 or 64")]
    benchmark(scenario, server, time, rate, &args, count as f64)
}

/// What taking and releasing could cost at least: 64 keys in each call of the script that takes locks, two for each pair; eight connections.
fn take(scenario: &Scenario, server: &Server, time: Duration) -> Outcome<Row> {
    let mut scripts = russet_locks::KEYS.iter().flat_map(|key| key.scripts);
    let script = scripts
        .find(|script| script.contains("Takes mutexes that nobody holds and nobody waits for"))
        .ok_or("no such script")?;
    // Each call of it would have an argument of 16 bytes that redis-benchmark cannot say.
    let script = format!(
        "for at = 1, #KEYS do for _, one in ipairs({{ '30000000', '3630000', KEYS[at]:sub(-16) }}) do table.insert(ARGV, one) end end\n{script}"
    );
    let hash = server.command(&["SCRIPT", "LOAD", &script]);
    let hash = hash
        .as_str()
        .ok_or("SCRIPT LOAD answers no hash")?
        .to_owned();
    let keys = KEYS.to_string();
    let mut args = vec!["-c", "8", "-r", &keys, "EVALSHA", &hash, "64"];
    args.extend(std::iter::repeat_n("{limit}:lock:__rand_int__", 64));
    benchmark(scenario, server, time, 2_000, &args, 32.0)
}

/// Runs redis-benchmark for about so long, and counts each call as so many operations.
fn benchmark(
    scenario: &Scenario,
    server: &Server,
    time: Duration,
    calls_per_s: usize,
    args: &[&str],
    operations: f64,
) -> Outcome<Row> {
    let requests = (time.as_millis() as usize * calls_per_s / 1000).to_string();
    let before = ServerStats::read(&server.url());
    let output = Command::new("redis-benchmark")
        .args(["-p", &server.port().to_string(), "--csv", "-n", &requests])
        .args(args)
        .output()?;
    let done = ServerStats::read(&server.url()).since(&before);
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().unwrap_or_default();
    // The command comes first, in quotes and perhaps with commas.
    let fields: Vec<f64> = line
        .rsplit(',')
        .map_while(|field| field.trim_matches('"').parse().ok())
        .collect();
    let [_most, p99, _p95, p50, _least, _average, rate, ..] = fields[..] else {
        return Err(format!("redis-benchmark says something new: {line}").into());
    };
    Ok(Row::limit(
        scenario,
        rate * operations,
        p50 * 1000.0,
        p99 * 1000.0,
        done.cpu_us / (done.dispatched() * operations),
    ))
}
