//! Real processes: this test program, started again; stopped, and killed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::time::{Duration, Instant};

use russet_locks::{Locks, LostReason, Redis};
use russet_testkit::{Process, Server};

use crate::{SECOND, on, patient, until};

/// Says to a process that is started again where its server is.
const ROLE: &str = "RUSSET_TEST_HOLDER";
const LEASE: Duration = Duration::from_secs(1);

/// A holder, when it is started as such; as a test of its own it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_holds() {
    let Ok(url) = std::env::var(ROLE) else {
        return;
    };
    let redis = Redis::connect(&url).await.unwrap();
    let ns = redis.namespace("shop").unwrap();
    let locks = Locks::builder(&ns).lease(LEASE).build().unwrap();
    let say = |what: String| {
        println!("\n{what}");
        std::io::stdout().flush().unwrap();
    };
    say("asks".to_owned());
    let held = locks.mutex("a").lock().await.unwrap();
    say("holds".to_owned());
    let lost = tokio::spawn(held.lost());
    // Whatever it is told to do, until there is no more.
    let mut lines = BufReader::new(std::io::stdin()).lines();
    while let Some(line) = tokio::task::block_in_place(|| lines.next()) {
        match &*line.unwrap() {
            // Before anything has told it.
            "look" => say(format!("held: {}", held.is_held())),
            _ => break,
        }
    }
    assert_eq!(lost.await.unwrap(), LostReason::Expired);
    say("has lost".to_owned());
}

fn start(server: &Server) -> Process {
    Process::start("processes::one_who_holds", ROLE, &server.url())
}

/// Until it says this.
fn says(process: &mut Process, what: &str) {
    tokio::task::block_in_place(|| process.says(what));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stood_still_knows_it_at_once() {
    let server = Server::start();
    let locks = patient(&on(&server).await).build().unwrap();
    let mut other = start(&server);
    says(&mut other, "holds");
    other.tell("look");
    says(&mut other, "held: true");
    other.signal("STOP");
    let began = Instant::now();
    let held = locks.mutex("a").lock_within(10 * SECOND).await.unwrap();
    assert!(held.is_some(), "its lease has ended");
    let took = began.elapsed();
    assert!(took < LEASE + SECOND, "{took:?}");
    // What it is asked first when it goes on.
    other.tell("look");
    other.tell("end");
    other.signal("CONT");
    says(&mut other, "held: false");
    says(&mut other, "has lost");
    assert!(held.unwrap().is_held());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_killed_holds_nobody_up_for_long() {
    let server = Server::start();
    let locks = patient(&on(&server).await).build().unwrap();
    let mut holder = start(&server);
    says(&mut holder, "holds");
    let mut waiter = start(&server);
    says(&mut waiter, "asks");
    let waiting = async |count: u64| {
        until("they wait", async || {
            locks.mutex("a").inspect().await.unwrap().waiting == count
        })
        .await;
    };
    waiting(1).await;
    let waits = tokio::spawn({
        let mutex = locks.mutex("a");
        async move { mutex.lock_within(20 * SECOND).await.unwrap() }
    });
    waiting(2).await;
    // Killed in the queue, and while it holds it.
    waiter.signal("KILL");
    holder.signal("KILL");
    let began = Instant::now();
    assert!(waits.await.unwrap().is_some());
    // The lease of the one, and the time in which the other was to say that it was there.
    let took = began.elapsed();
    assert!(took < LEASE + 4 * SECOND, "{took:?}");
}
