//! Faults whose bounds are times: each test runs by itself.

use std::time::{Duration, Instant};

use russet_core::{Command, Error, ErrorKind, Event, Key, Lane, Policy, Redis};
use russet_testkit::Server;
use russet_testkit::proxy::{After, Direction, Fault, Match, Proxy};
use tokio::task::JoinSet;

use super::{TEST, alive, size, slack, until};

const LIMIT: Duration = Duration::from_millis(300);
/// Deadline + max(10 %, 50 ms).
fn bound() -> Duration {
    LIMIT + slack(50)
}
const RECOVERY: Duration = Duration::from_secs(2);

/// `cargo xtask test` runs these by themselves; under plain `cargo test` they at least do not disturb each other.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn connect(url: &str) -> (Redis, Lane) {
    let redis = Redis::builder()
        .url(url)
        .deadline(LIMIT)
        .connect()
        .await
        .unwrap();
    let lane = redis.on(TEST);
    (redis, lane)
}

async fn ping(lane: &Lane) -> (Result<String, Error>, Duration) {
    let started = Instant::now();
    (
        lane.run(Command::new("PING"), Policy::Idempotent).await,
        started.elapsed(),
    )
}

/// Calls until one succeeds; every call ends within its bound.
async fn recovery(lane: &Lane) -> Duration {
    let started = Instant::now();
    loop {
        let (answer, took) = ping(lane).await;
        assert!(took < bound(), "a call took {took:?}");
        if answer.is_ok() {
            return started.elapsed();
        }
        assert!(started.elapsed() < Duration::from_secs(10), "no recovery");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_server_stopped_for_a_while() {
    let _alone = ALONE.lock().await;
    let server = Server::start();
    let (redis, lane) = connect(&server.url()).await;
    let mut events = redis.server(TEST).events();
    server.pause();
    let (until, mut at_once) = (Instant::now() + Duration::from_secs(size(5, 3)), 0);
    while Instant::now() < until {
        let (answer, took) = ping(&lane).await;
        let error = answer.unwrap_err();
        assert!(took < bound(), "{took:?}: {error}");
        if error.kind() == ErrorKind::Unavailable && took < Duration::from_millis(20) {
            at_once += 1;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(
        at_once > 20,
        "the breaker opens: only {at_once} calls were answered at once"
    );
    server.resume();
    let took = recovery(&lane).await;
    println!(
        "stopped for a while: back {took:?} after it goes on; {at_once} calls were answered at once"
    );
    assert!(took < RECOVERY, "{took:?}");
    assert!(matches!(events.next().await, Some(Event::Replaced(_))));
    assert!(matches!(events.next().await, Some(Event::Down(..))));
    assert!(matches!(events.next().await, Some(Event::Up(_))));
}

/// It stays stopped: who calls, connects or shuts down is answered all the same, and nothing is left.
#[tokio::test]
async fn a_server_stopped_for_ever() {
    let _alone = ALONE.lock().await;
    let server = Server::start();
    let before = alive();
    let (redis, lane) = connect(&server.url()).await;
    server.pause();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(size(30, 3)) {
        let (answer, took) = ping(&lane).await;
        assert!(answer.is_err() && took < bound(), "{took:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let started = Instant::now();
    let late = Redis::builder()
        .url(&server.url())
        .connect_timeout(LIMIT)
        .connect()
        .await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(started.elapsed() < bound(), "{:?}", started.elapsed());
    let started = Instant::now();
    redis.shutdown_within(LIMIT).await;
    assert!(started.elapsed() < bound(), "{:?}", started.elapsed());
    until(RECOVERY, "no task is left", async || alive() <= before).await;
}

#[tokio::test]
async fn a_connection_black_holed_one_way() {
    let _alone = ALONE.lock().await;
    for direction in [Direction::ToServer, Direction::ToClient] {
        let server = Server::start();
        let proxy = Proxy::of(&server);
        let (redis, lane) = connect(&proxy.url()).await;
        let mut events = redis.server(TEST).events();
        proxy.black_hole(direction);
        let started = Instant::now();
        loop {
            let (answer, took) = ping(&lane).await;
            assert!(took < bound(), "{direction:?}: {took:?}");
            assert!(answer.is_err());
            if answer.is_err_and(|error| error.kind() == ErrorKind::Unavailable) {
                break;
            }
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "{direction:?}: the breaker does not open"
            );
        }
        assert!(matches!(events.next().await, Some(Event::Replaced(_))));
        proxy.heal();
        let took = recovery(&lane).await;
        println!("black hole {direction:?}: back {took:?} after it heals");
        assert!(took < RECOVERY, "{direction:?}: {took:?}");
    }
}

/// Whatever is answered, and however much of it comes.
#[tokio::test]
async fn no_answer_is_waited_for_beyond_the_deadline() {
    let _alone = ALONE.lock().await;
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let (_redis, lane) = connect(&proxy.url()).await;
    let refusals = [
        "LOADING Redis is loading the dataset in memory",
        "READONLY You can't write against a read only replica.",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "BUSY Redis is busy running a script.",
        "NOPERM User app has no permissions to run the 'incr' command",
    ];
    let refusals = refusals.map(|text| Fault::RejectReply(text.to_owned()));
    let broken = [
        Fault::TruncateReply(2),
        Fault::CutBefore,
        Fault::CutAfterWrite,
        Fault::DropReply(After::Close),
        Fault::DropReply(After::Silence),
    ];
    for fault in refusals.into_iter().chain(broken) {
        recovery(&lane).await;
        proxy.inject(Match::command("INCR").times(1), fault.clone());
        let started = Instant::now();
        let incr = Command::new("INCR").key(&Key::raw("n"));
        let answer = lane.run::<i64>(incr, Policy::AtMostOnce).await;
        let took = started.elapsed();
        assert!(answer.is_err(), "{fault:?}: {answer:?}");
        assert!(took < bound(), "{fault:?}: {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_callers_when_the_server_dies() {
    let _alone = ALONE.lock().await;
    let server = Server::start();
    let (_redis, lane) = connect(&server.url()).await;
    let callers = usize::try_from(size(10_000, 2_000)).unwrap();
    let mut resident_after = Vec::new();
    for round in 0..size(10, 6) {
        recovery(&lane).await;
        // Paused first, so that all of them are on their way when it dies.
        server.pause();
        let mut tasks = JoinSet::new();
        for _ in 0..callers {
            let lane = lane.clone();
            tasks.spawn(async move { ping(&lane).await });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        tokio::task::block_in_place(|| server.kill());
        let mut slowest = Duration::ZERO;
        for (answer, took) in tasks.join_all().await {
            assert!(answer.is_err());
            slowest = slowest.max(took);
        }
        assert!(slowest < bound(), "round {round}: {slowest:?}");
        resident_after.push(resident() >> 20);
        tokio::task::block_in_place(|| server.restart());
        let took = recovery(&lane).await;
        println!(
            "{callers} callers: the slowest ended after {slowest:?}; back {took:?} after the start"
        );
        assert!(took < RECOVERY, "round {round}: back after {took:?}");
    }
    println!("resident after each round, in MiB: {resident_after:?}");
    // One round's number is the allocator's mood, ± 15 MiB; what is left behind, 1 KiB a caller, would lift the last ones all: by 70 MiB
    // in full size.
    let (early, late) = (
        &resident_after[..3],
        &resident_after[resident_after.len() - 3..],
    );
    assert!(
        late.iter().min() <= early.iter().max().map(|most| most + 16).as_ref(),
        "{resident_after:?} MiB"
    );
}

#[tokio::test]
async fn no_task_and_no_socket_is_left_after_many_deaths() {
    let _alone = ALONE.lock().await;
    let server = Server::start();
    let (redis, lane) = connect(&server.url()).await;
    recovery(&lane).await;
    let (tasks, sockets) = (alive(), open_files());
    for _ in 0..size(100, 10) {
        server.kill();
        server.restart();
        recovery(&lane).await;
    }
    // A connection that has just ended may still be on its way out.
    let deadline = Instant::now() + RECOVERY;
    while alive() > tasks || open_files() > sockets {
        assert!(
            Instant::now() < deadline,
            "{} tasks, were {tasks}; {} files, were {sockets}",
            alive(),
            open_files()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop((redis, lane));
    let deadline = Instant::now() + RECOVERY;
    while alive() > 0 {
        assert!(Instant::now() < deadline, "{} tasks are left", alive());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Resident memory in bytes (Linux; zero elsewhere).
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok())
        .unwrap_or_default()
        * 4096
}
