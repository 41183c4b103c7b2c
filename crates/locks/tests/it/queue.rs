//! Who waits.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use russet_locks::{Order, Release};
use russet_testkit::resp::Connection;
use russet_testkit::{Server, size};
use tokio::task::JoinSet;

use crate::{HOUR, SECOND, namespace, on, patient, until};

/// How many wait for a lock, as Redis has it.
fn waiting(server: &Server, name: &str) -> i64 {
    let queue = format!("shop:lock:{{{name}}}:%queue");
    server.command(&["ZCARD", &queue]).as_int().unwrap()
}

#[tokio::test]
async fn first_come_first_served() {
    let server = Server::start();
    let processes = [
        patient(&on(&server).await).build().unwrap(),
        patient(&on(&server).await).build().unwrap(),
    ];
    let held = processes[0].mutex("a").lock().await.unwrap();
    let served = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for turn in 0..12 {
        let (locks, served) = (processes[turn % 2].clone(), served.clone());
        tasks.spawn(async move {
            let held = locks.mutex("a").lock().await.unwrap();
            served.lock().unwrap().push(turn);
            assert_eq!(held.release().await.unwrap(), Release::Released);
        });
        until("it waits", async || {
            waiting(&server, "a") == turn as i64 + 1
        })
        .await;
    }
    assert!(processes[1].mutex("a").try_lock().await.unwrap().is_none());
    assert_eq!(held.release().await.unwrap(), Release::Released);
    tasks.join_all().await;
    assert_eq!(*served.lock().unwrap(), (0..12).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_hand_off_takes_no_polling() {
    let server = Server::start();
    let locks = patient(&on(&server).await).build().unwrap();
    let mut took = Vec::new();
    for _ in 0..20 {
        let held = locks.mutex("a").lock().await.unwrap();
        let waits = tokio::spawn({
            let locks = locks.clone();
            async move { locks.mutex("a").lock().await.unwrap() }
        });
        until("it waits", async || waiting(&server, "a") == 1).await;
        let began = Instant::now();
        held.release().await.unwrap();
        let next = waits.await.unwrap();
        took.push(began.elapsed());
        next.release().await.unwrap();
    }
    took.sort_unstable();
    // Who looks now and then would see it after a second.
    assert!(took[10] < Duration::from_millis(size(20, 500)), "{took:?}");
}

#[tokio::test]
async fn who_stops_waiting_is_passed_over() {
    let server = Server::start();
    let locks = patient(&on(&server).await).build().unwrap();
    let held = locks.mutex("a").lock().await.unwrap();
    let gone = tokio::spawn({
        let locks = locks.clone();
        async move { locks.mutex("a").lock().await.map(drop) }
    });
    until("one waits", async || waiting(&server, "a") == 1).await;
    let next = tokio::spawn({
        let locks = locks.clone();
        async move { locks.mutex("a").lock().await.unwrap() }
    });
    until("two wait", async || waiting(&server, "a") == 2).await;
    gone.abort();
    until("one waits", async || waiting(&server, "a") == 1).await;
    let began = Instant::now();
    held.release().await.unwrap();
    next.await.unwrap().release().await.unwrap();
    assert!(began.elapsed() < SECOND);
}

/// Somebody in the queue of whom nobody hears, as `wait.lua` writes it: a lease of an hour, and who it is.
fn add_dead(server: &Server) {
    let mut member = (HOUR.as_micros() as f64).to_le_bytes().to_vec();
    member.extend([7; 16]);
    let mut redis = Connection::open(&server.url(), 10 * SECOND).unwrap();
    let mut add = |key: &str, score: &str| {
        let key = format!("shop:lock:{{a}}:{key}");
        let parts: [&[u8]; 4] = [b"ZADD", key.as_bytes(), score.as_bytes(), &member];
        redis.send(&parts).unwrap();
        redis.receive().unwrap();
    };
    add("%queue", "1");
    add("%beats", "9000000000000000");
}

/// A process that was killed is somebody in the queue of whom nobody hears.
#[tokio::test]
async fn who_died_waiting_costs_two_seconds_at_most() {
    let server = Server::start();
    let locks = patient(&on(&server).await).build().unwrap();
    let held = locks.mutex("a").lock().await.unwrap();
    add_dead(&server);
    let next = tokio::spawn({
        let locks = locks.clone();
        async move { locks.mutex("a").lock().await.unwrap() }
    });
    until("both wait", async || waiting(&server, "a") == 2).await;
    let began = Instant::now();
    held.release().await.unwrap();
    let next = next.await.unwrap();
    let took = began.elapsed();
    assert!(took > SECOND && took < Duration::from_secs(4), "{took:?}");
    next.release().await.unwrap();
}

#[tokio::test]
async fn a_holder_that_dies_is_followed_when_its_lease_ends() {
    let server = Server::start();
    let locks = patient(&on(&server).await).build().unwrap();
    let short = locks.mutex("a").lease(SECOND);
    let asked = Instant::now();
    short.lock().await.unwrap().detach();
    let next = locks.mutex("a").lock().await.unwrap();
    let took = asked.elapsed();
    assert!(
        took >= Duration::from_millis(990) && took < 3 * SECOND,
        "{took:?}"
    );
    next.release().await.unwrap();
}

#[tokio::test]
async fn whoever_barges_does_not_wait_for_the_queue() {
    let server = Server::start();
    let build = |ns| patient(&ns).order(Order::Barging).build().unwrap();
    let locks = build(on(&server).await);
    let held = locks.mutex("a").lock().await.unwrap();
    add_dead(&server);
    let waits = tokio::spawn({
        let locks = locks.clone();
        async move { locks.mutex("a").lock_within(10 * SECOND).await.unwrap() }
    });
    until("both wait", async || waiting(&server, "a") == 2).await;
    held.release().await.unwrap();
    let newcomer = locks.mutex("a").try_lock().await.unwrap();
    newcomer.expect("it is free").release().await.unwrap();
    // Who waits gets it as well.
    assert!(waits.await.unwrap().is_some());
}

#[tokio::test]
async fn without_a_permission_to_subscribe_it_is_asked_now_and_then() {
    let server = Server::start();
    server.command(&[
        "ACL",
        "SETUSER",
        "quiet",
        "on",
        ">secret",
        "~*",
        "+@all",
        "resetchannels",
    ]);
    let url = format!("redis://quiet:secret@{}", server.address());
    let redis = russet_locks::Redis::connect(&url).await.unwrap();
    let locks = patient(&redis.namespace("shop").unwrap()).build().unwrap();
    let held = locks.mutex("a").lock().await.unwrap();
    let waits = tokio::spawn({
        let locks = locks.clone();
        async move { locks.mutex("a").lock().await }
    });
    until("one waits", async || waiting(&server, "a") == 1).await;
    let began = Instant::now();
    assert_eq!(held.release().await.unwrap(), Release::Released);
    waits.await.unwrap().unwrap().release().await.unwrap();
    assert!(began.elapsed() < 3 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test]
async fn many_locks_are_waited_for_over_one_channel() {
    let ns = namespace().await;
    let (one, other) = (patient(&ns).build().unwrap(), patient(&ns).build().unwrap());
    let mut held = Vec::new();
    let mut waits = JoinSet::new();
    for number in 0..50 {
        let name = format!("lock {number}");
        held.push(one.mutex(&name).lock().await.unwrap());
        let other = other.clone();
        waits.spawn(async move { other.mutex(&name).lock().await.unwrap() });
    }
    for one in held {
        one.release().await.unwrap();
    }
    assert_eq!(waits.join_all().await.len(), 50);
}
