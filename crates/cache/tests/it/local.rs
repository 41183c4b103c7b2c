//! The local tier: what this process changes it sees at once, what others change soon, and what it cannot be sure of it does not
//! serve.

use std::sync::Arc;
use std::time::{Duration, Instant};

use russet_cache::{Builder, Cache, Coherence, Pace, Redis};
use russet_testkit::proxy::{Fault, Match, Proxy};
use russet_testkit::{Server, Shared};

use super::calls;
use super::lease::{LONG, SOON, Users, gated};

/// How late a process may learn of a change that it was not told.
pub(super) const BOUND: Duration = Duration::from_secs(3);

pub(super) async fn process_with(
    url: &str,
    product: &str,
    build: impl FnOnce(Builder<u64, u64>) -> Builder<u64, u64>,
) -> Users {
    let redis = Redis::connect(url).await.unwrap();
    let ns = redis.namespace(product).unwrap();
    let users = Cache::builder(&ns, "users").ttl(LONG).local(1 << 20);
    build(users.read_deadline(SOON)).build().unwrap()
}

pub(super) async fn process(url: &str, product: &str) -> Users {
    process_with(url, product, |users| users).await
}

pub(super) async fn on(server: &Server) -> Users {
    process(&server.url(), "t").await
}

pub(super) async fn processes<const N: usize>() -> [Users; N] {
    let shared = Shared::get();
    let product = shared.namespace();
    let mut all = Vec::new();
    for _ in 0..N {
        all.push(process(shared.url(), &product).await);
    }
    all.try_into().unwrap()
}

/// Reads until it is this value, and comes from memory.
pub(super) async fn kept(users: &Users, key: u64, value: u64) {
    let began = Instant::now();
    loop {
        let before = users.stats().hits_local;
        let read = users.get(&key).await.unwrap();
        if read.as_deref() == Some(&value) && users.stats().hits_local > before {
            return;
        }
        assert!(
            began.elapsed() < SOON,
            "it is never kept: {:?}",
            users.stats()
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// How long it takes until a process reads something else.
pub(super) async fn follows(users: &Users, key: u64, old: u64) -> Duration {
    let began = Instant::now();
    while users.get(&key).await.unwrap().as_deref() == Some(&old) {
        assert!(began.elapsed() < SOON, "it never follows");
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    began.elapsed()
}

#[tokio::test]
async fn a_hit_asks_nobody_and_own_writes_are_seen_at_once() {
    let server = Server::start();
    let users = on(&server).await;
    users.insert(&1, 10).await.unwrap();
    kept(&users, 1, 10).await;
    server.command(&["CONFIG", "RESETSTAT"]);
    let before = users.stats();
    for _ in 0..1_000 {
        assert_eq!(users.get(&1).await.unwrap().as_deref(), Some(&10));
        let loaded = users.get_or_load(&1, async |_| -> Result<u64, ()> { panic!("it is there") });
        assert_eq!(*loaded.await.unwrap(), 10);
    }
    assert_eq!(calls(&server, "mget") + calls(&server, "get"), 0);
    let stats = users.stats();
    assert_eq!(stats.hits_local - before.hits_local, 2_000);
    assert_eq!(stats.hits - before.hits, 2_000);
    let read = users.get_many(&[1, 2]).await.unwrap();
    assert_eq!(read[0].as_deref(), Some(&10));
    assert_eq!(users.stats().hits_local, stats.hits_local + 1);
    for value in 11..200 {
        users.insert(&1, value).await.unwrap();
        assert_eq!(users.get(&1).await.unwrap().as_deref(), Some(&value));
    }
    let hits = users.stats().hits_local;
    users.remove(&1).await.unwrap();
    assert_eq!(users.get(&1).await.unwrap(), None);
    let nobody = async || {
        users
            .get_or_load(&1, async |_| Ok::<Option<u64>, ()>(None))
            .await
    };
    assert_eq!(nobody().await.unwrap(), None);
    assert_eq!(nobody().await.unwrap(), None, "kept as well");
    assert!(users.stats().hits_local > hits);
    let value = users.get_or_load(&1, async |_| Ok::<_, ()>(12)).await;
    assert_eq!(*value.unwrap(), 12, "who wants a value loads it");
    assert_eq!(users.get(&1).await.unwrap().as_deref(), Some(&12));
}

/// A reply is on its way while the key is changed elsewhere: whoever asked may have it, but it is not kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_before_a_change_is_not_kept_behind_it() {
    let server = Server::start();
    let one = on(&server).await;
    let proxy = Proxy::of(&server);
    let two = process(&proxy.url(), "t").await;
    for way in ["remove", "insert", "tag", "clear", "matching", "own"] {
        one.insert(&7, 70).tag("t").await.unwrap();
        // Its tags are known, and it follows.
        kept(&two, 7, 70).await;
        one.insert(&7, 71).tag("t").await.unwrap();
        follows(&two, 7, 70).await;
        two.remove(&7).await.unwrap();
        one.insert(&7, 72).tag("t").await.unwrap();
        let late = proxy.inject(
            Match::command("MGET"),
            Fault::DelayReply(Duration::from_millis(600)),
        );
        let before = calls(&server, "mget");
        let reading = tokio::spawn({
            let two = two.clone();
            async move { two.get(&7).await.unwrap() }
        });
        let began = Instant::now();
        while late.hits() == 0 {
            assert!(began.elapsed() < SOON);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // The server has read it by then; its reply is late.
        while calls(&server, "mget") == before {
            assert!(began.elapsed() < SOON);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        match way {
            "remove" => drop(one.remove(&7).await.unwrap()),
            "insert" => drop(one.insert(&7, 73).await.unwrap()),
            "tag" => drop(one.invalidate_tag("t").await.unwrap()),
            "clear" => drop(one.clear().await.unwrap()),
            "matching" => assert_eq!(one.remove_matching("7", Pace::default()).await.unwrap(), 1),
            _ => assert_eq!(two.remove_matching("7", Pace::default()).await.unwrap(), 1),
        }
        let read = reading.await.unwrap();
        assert_eq!(read.as_deref(), Some(&72), "{way}: it was asked before");
        late.remove();
        assert_ne!(two.get(&7).await.unwrap().as_deref(), Some(&72), "{way}");
    }
}

#[tokio::test]
async fn it_keeps_what_is_read_often_in_the_room_it_has() {
    let shared = Shared::get();
    let product = shared.namespace();
    let redis = Redis::connect(shared.url()).await.unwrap();
    let ns = redis.namespace(product).unwrap();
    let pages = Cache::<u64, String>::builder(&ns, "pages").local(64 << 10);
    let pages = pages.ttl(LONG).build().unwrap();
    let page = "x".repeat(1_000);
    for id in 0..500 {
        pages.insert(&id, page.clone()).await.unwrap();
        // Read again and again, it stays, whatever else comes.
        pages.get(&0).await.unwrap().unwrap();
    }
    let before = pages.stats().hits_local;
    pages.get(&0).await.unwrap().unwrap();
    assert_eq!(pages.stats().hits_local, before + 1);
    let mut local = 0;
    for id in 0..500 {
        let before = pages.stats().hits_local;
        pages.get(&id).await.unwrap().unwrap();
        local += pages.stats().hits_local - before;
    }
    assert!(local <= 64, "{local} of 64 KiB");
}

#[tokio::test]
async fn a_value_ends_in_memory_when_it_ends_in_redis_and_no_later_than_its_local_ttl() {
    let server = Server::start();
    let short = Duration::from_millis(500);
    let ends = process_with(&server.url(), "t", |users| users.jitter(0.0)).await;
    ends.insert(&1, 10).ttl(2 * short).await.unwrap();
    let began = Instant::now();
    // Another process reads it late in its life.
    while ends.ttl(&1).await.unwrap().unwrap() > short {
        assert!(began.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let late = on(&server).await;
    for users in [&ends, &late] {
        while users.get(&1).await.unwrap().is_some() {
            assert!(began.elapsed() < 4 * short, "{:?}", began.elapsed());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert!(began.elapsed() >= 2 * short - Duration::from_millis(2));
    let brief = process_with(&server.url(), "t", |users| users.local_ttl(short)).await;
    brief.insert(&2, 20).await.unwrap();
    kept(&brief, 2, 20).await;
    let (began, mut hits) = (Instant::now(), 0);
    while brief.stats().hits_local != hits {
        hits = brief.stats().hits_local;
        assert!(began.elapsed() < 2 * short, "Redis is never asked again");
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(brief.get(&2).await.unwrap().is_some());
    }
}

/// A value that is only ever read from memory is seen to be read.
#[tokio::test]
async fn a_sliding_value_lives_on_while_it_is_read_from_memory() {
    let life = Duration::from_millis(300);
    let server = Server::start();
    let users = process_with(&server.url(), "t", |users| {
        users.ttl(life).jitter(0.0).sliding()
    })
    .await;
    users.insert(&1, 10).await.unwrap();
    let (mut began, mut read, mut gap) = (Instant::now(), Instant::now(), Duration::ZERO);
    while began.elapsed() < 4 * life {
        match users.get(&1).await.unwrap() {
            Some(value) => assert_eq!(*value, 10),
            None => {
                // It is extended by the first read in its second half: where a busy machine lets nobody read or write for so long, it may be gone.
                let without = gap + read.elapsed();
                assert!(without >= life / 2, "after {without:?}");
                users.insert(&1, 10).await.unwrap();
                began = Instant::now();
            }
        }
        (gap, read) = (read.elapsed(), Instant::now());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(users.stats().hits_local > 0, "{:?}", users.stats());
}

#[tokio::test]
async fn without_coherence_values_are_kept_briefly() {
    let server = Server::start();
    let build = |build: fn(Builder<u64, u64>) -> Builder<u64, u64>| {
        let url = server.url();
        async move {
            let redis = Redis::connect(&url).await.unwrap();
            let ns = redis.namespace("t").unwrap();
            build(Cache::builder(&ns, "users").ttl(LONG).local(1 << 20)).build()
        }
    };
    let one = build(|users| users.coherence(Coherence::None))
        .await
        .unwrap();
    let two = build(|users| users).await.unwrap();
    one.insert(&1, 10).await.unwrap();
    kept(&one, 1, 10).await;
    two.insert(&1, 11).await.unwrap();
    assert!(follows(&one, 1, 10).await <= Duration::from_millis(1_100));
    assert!(
        build(|users| users.coherence(Coherence::None).local_ttl(LONG))
            .await
            .is_err()
    );
    assert!(
        build(|users| {
            let codec = russet_cache::Codec::default().plain_json();
            users.codec(codec)
        })
        .await
        .is_err()
    );
    // Without history a gap empties it.
    let short = build(|users| users.coherence(Coherence::PubSub))
        .await
        .unwrap();
    short.insert(&2, 20).await.unwrap();
    kept(&short, 2, 20).await;
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    for id in 0..300 {
        two.remove(&(100 + id)).await.unwrap();
    }
    two.remove(&2).await.unwrap();
    assert!(follows(&short, 2, 20).await < BOUND);
}

/// Whoever waits for a load that runs elsewhere gets it, kept or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_are_shared_across_local_tiers() {
    let [one, two] = processes().await;
    let gate = gated(&one, 7, Ok(77));
    gate.begun.await.unwrap();
    let loads = Arc::default();
    let waiting = super::lease::waits(&two, 7, &loads);
    gate.open.notify_one();
    assert_eq!(waiting.await.unwrap(), 77);
    gate.loading.await.unwrap().unwrap();
    kept(&one, 7, 77).await;
    kept(&two, 7, 77).await;
    one.insert(&7, 78).await.unwrap();
    assert!(follows(&two, 7, 77).await < BOUND);
}

/// Whatever a key holds, it is found in memory, and none is taken for another one.
#[tokio::test]
async fn keys_of_any_text_are_kept_apart() {
    let ns = super::namespace().await;
    let users = Cache::<String, String>::builder(&ns, "users")
        .local(1 << 20)
        .build()
        .unwrap();
    let scope = users.scope("a");
    let long = "x".repeat(300);
    let texts = [
        "a:b",
        "a%3Ab",
        "a b",
        "ab",
        "",
        "%-",
        "b",
        "{x}",
        "ä",
        "a%20b",
        "longer than eight: yes",
        &long,
    ];
    for text in texts {
        users.insert(text, text.to_owned()).await.unwrap();
    }
    scope.insert("b", "of the scope".to_owned()).await.unwrap();
    let began = Instant::now();
    for text in texts {
        // By now and then this process makes sure that it knows all changes.
        loop {
            let before = users.stats().hits_local;
            assert_eq!(
                users
                    .get(text)
                    .await
                    .unwrap()
                    .as_deref()
                    .map(String::as_str),
                Some(text)
            );
            if users.stats().hits_local > before {
                break;
            }
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "{text:?} is never found in memory"
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert_eq!(
        scope.get("b").await.unwrap().unwrap().as_str(),
        "of the scope"
    );
    assert_eq!(users.get("b").await.unwrap().unwrap().as_str(), "b");
}
