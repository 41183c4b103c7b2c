//! What is counted, under which labels.

use std::time::{Duration, Instant};

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use russet_core::{Command, Key, Operation, Policy, Redis};
use russet_testkit::Server;

use super::TEST;

/// What was recorded, sorted: `name{label="value",…}` and its value, a histogram's being its count.
///
/// Taken at once, as a look empties histograms.
fn seen(snapshotter: &Snapshotter) -> Vec<String> {
    let snapshot = snapshotter.snapshot().into_vec();
    let mut lines: Vec<_> = snapshot
        .into_iter()
        .map(|(key, _, _, value)| {
            let labels: Vec<_> = key
                .key()
                .labels()
                .map(|label| format!("{}={}", label.key(), label.value()))
                .collect();
            let value = match value {
                DebugValue::Counter(count) => count.to_string(),
                DebugValue::Gauge(gauge) => gauge.to_string(),
                DebugValue::Histogram(all) => format!("{} timed", all.len()),
            };
            format!("{} {} {value}", key.key().name(), labels.join(" "))
        })
        .collect();
    lines.sort();
    lines
}

/// On one thread, which is the one that the recorder is installed for.
#[tokio::test]
async fn commands_and_connections_by_bounded_labels() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _installed = metrics::set_default_local_recorder(&recorder);
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let lane = redis.on(TEST);
    for id in 0..3 {
        let key = Key::raw(format!("user:{id}"));
        let set = Command::new("SET").key(&key).arg("hunter2");
        lane.run::<()>(set, Policy::Idempotent).await.unwrap();
    }
    let wrong = Command::new("LPOP").key(&Key::raw("user:0"));
    lane.run::<()>(wrong, Policy::AtMostOnce).await.unwrap_err();
    let address = server.address();
    let lines = seen(&snapshotter);
    assert_eq!(
        lines,
        [
            "russet_command_seconds concern=test operation=LPOP 1 timed".to_owned(),
            "russet_command_seconds concern=test operation=SET 3 timed".to_owned(),
            "russet_commands_total concern=test operation=LPOP outcome=wrong_type 1".to_owned(),
            "russet_commands_total concern=test operation=SET outcome=ok 3".to_owned(),
            format!("russet_connection_losses_total server={address}/0 lane=command 0"),
            format!("russet_connections server={address}/0 lane=command 1"),
        ]
    );
    server.kill();
    let down = format!("russet_connections server={address}/0 lane=command 0");
    let lost = format!("russet_connection_losses_total server={address}/0 lane=command 1");
    until(&snapshotter, &[&down, &lost]).await;
    server.restart();
    let up = format!("russet_connections server={address}/0 lane=command 1");
    until(&snapshotter, &[&up]).await;
    drop((redis, lane));
    until(&snapshotter, &[&down]).await;
}

/// Looks until each line has been seen; a look empties counters too.
async fn until(snapshotter: &Snapshotter, lines: &[&String]) {
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut missing = lines.to_vec();
    while !missing.is_empty() {
        assert!(Instant::now() < deadline, "never seen: {missing:?}");
        let now = seen(snapshotter);
        missing.retain(|line| !now.contains(line));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn operations_by_their_pattern() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _installed = metrics::set_default_local_recorder(&recorder);
    let redis = Redis::builder().url("redis://127.0.0.1:1").lazy().unwrap();
    let ns = redis.namespace("shop").unwrap();
    let stem = ns.stem("cache", "users").unwrap();
    let reads = Operation::new(TEST, &ns, &stem, "get");
    for outcome in ["hit", "hit", "miss"] {
        reads.record(outcome, Duration::from_micros(7));
    }
    let labels = "concern=test namespace=shop pattern=shop:cache:users operation=get";
    let lines = seen(&snapshotter);
    for line in [
        format!("russet_operation_seconds {labels} 3 timed"),
        format!("russet_operations_total {labels} outcome=hit 2"),
        format!("russet_operations_total {labels} outcome=miss 1"),
    ] {
        assert!(lines.contains(&line), "{line} is not in {lines:#?}");
    }
}
