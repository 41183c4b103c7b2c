//! The local tier: what this process changes it sees at once, what others change soon, and what it cannot be sure of it does not
//! serve.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use russet_cache::{Builder, Cache, Coherence, Pace, Redis};
use russet_testkit::proxy::{Direction, Fault, Match, Proxy};
use russet_testkit::{Cluster, Server, Shared};
use tokio::task::JoinSet;

use super::lease::{LONG, SOON, Users, gated};
use super::size;

/// How late a process may learn of a change that it was not told.
const BOUND: Duration = Duration::from_secs(3);

async fn process_with(
    url: &str,
    product: &str,
    build: impl FnOnce(Builder<u64, u64>) -> Builder<u64, u64>,
) -> Users {
    let redis = Redis::connect(url).await.unwrap();
    let ns = redis.namespace(product).unwrap();
    let users = Cache::builder(&ns, "users").ttl(LONG).local(1 << 20);
    build(users).build().unwrap()
}

async fn process(url: &str, product: &str) -> Users {
    process_with(url, product, |users| users).await
}

async fn on(server: &Server) -> Users {
    process(&server.url(), "t").await
}

async fn processes<const N: usize>() -> [Users; N] {
    let shared = Shared::get();
    let product = shared.namespace();
    let mut all = Vec::new();
    for _ in 0..N {
        all.push(process(shared.url(), &product).await);
    }
    all.try_into().unwrap()
}

/// Reads until it is this value, and comes from memory.
async fn kept(users: &Users, key: u64, value: u64) {
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
async fn follows(users: &Users, key: u64, old: u64) -> Duration {
    let began = Instant::now();
    while users.get(&key).await.unwrap().as_deref() == Some(&old) {
        assert!(began.elapsed() < SOON, "it never follows");
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    began.elapsed()
}

fn calls(server: &Server, command: &str) -> u32 {
    let stats = server.info("commandstats");
    let calls = stats.get(&format!("cmdstat_{command}"));
    let calls = calls.and_then(|stats| stats.strip_prefix("calls=")?.split(',').next());
    calls.map_or(0, |calls| calls.parse().unwrap())
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

/// Every kind of change, made in one process and noticed in another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_change_is_followed() {
    let [one, two] = processes().await;
    let mut took = Vec::new();
    for round in 0..size(200, 12) {
        for way in 0..9 {
            let (one, two) = match way {
                6 => (one.scope("s"), two.scope("s")),
                _ => (one.clone(), two.clone()),
            };
            let value = 10 * round + way;
            two.insert(&7, value).tag("t").await.unwrap();
            kept(&two, 7, value).await;
            match way {
                0 => drop(one.insert(&7, value + 1).await.unwrap()),
                1 => drop(one.remove(&7).await.unwrap()),
                2 => drop(one.invalidate_tag("t").await.unwrap()),
                3 | 6 => drop(one.clear().await.unwrap()),
                4 => assert_eq!(one.remove_matching("7", Pace::default()).await.unwrap(), 1),
                5 => drop(one.insert_many([(&7, value + 1)]).await.unwrap()),
                7 => assert!(one.expire(&7, Duration::from_millis(1)).await.unwrap()),
                _ => {
                    // A load that replaces what stands there.
                    let changed = one.get_or_load(&7, async |_| Ok::<Option<u64>, ()>(None));
                    drop(changed.await.unwrap());
                    one.remove(&7).await.unwrap();
                    one.get_or_load(&7, async move |_| Ok::<_, ()>(value + 1))
                        .await
                        .unwrap();
                }
            }
            took.push(follows(&two, 7, value).await);
        }
    }
    took.sort_unstable();
    let p99 = took[took.len() * 99 / 100];
    println!("followed: median {:?}, p99 {p99:?}", took[took.len() / 2]);
    assert!(p99 < Duration::from_millis(100), "{took:?}");
}

/// A load replaces a value of another version of the type, say: who has the old one in memory is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_replaces_a_value_is_told_and_others_are_not() {
    let server = Server::start();
    let newer = process_with(&server.url(), "t", |users| users.schema_version(2)).await;
    let older = on(&server).await;
    older.insert(&1, 10).await.unwrap();
    kept(&older, 1, 10).await;
    server.command(&["CONFIG", "RESETSTAT"]);
    newer
        .get_or_load(&1, async |_| Ok::<_, ()>(11))
        .await
        .unwrap();
    assert!(follows(&older, 1, 10).await < SOON);
    assert_eq!(calls(&server, "xadd"), 1);
    newer
        .get_or_load(&2, async |_| Ok::<_, ()>(20))
        .await
        .unwrap();
    assert_eq!(calls(&server, "xadd"), 1, "there was none");
}

#[tokio::test]
async fn nothing_is_told_where_nobody_follows() {
    let server = Server::start();
    let users = super::lease::process(&server.url(), "t", LONG).await;
    users.insert(&1, 10).tag("t").await.unwrap();
    users.insert(&1, 11).tag("t").await.unwrap();
    users.remove(&1).await.unwrap();
    users.invalidate_tag("t").await.unwrap();
    users.clear().await.unwrap();
    assert_eq!(calls(&server, "xadd") + calls(&server, "publish"), 0);
}

/// The connection that tells is gone, or silent: others are followed all the same, within the bound.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_is_cut_or_hears_nothing_follows_within_the_bound() {
    let server = Server::start();
    let one = on(&server).await;
    let (proxy, faulty) = (Proxy::of(&server), Proxy::of(&server));
    let cut = process(&proxy.url(), "t").await;
    let deaf = process(&faulty.url(), "t").await;
    for (name, two) in [("cut", &cut), ("deaf", &deaf)] {
        for round in 0..3 {
            one.insert(&7, round).await.unwrap();
            kept(two, 7, round).await;
            if name == "cut" {
                server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
            } else if round == 0 {
                // Whoever waits for a load subscribes on the connection on which it follows: from then on that is silent, and so
                // is whichever comes after it.
                let silent = Fault::BlackHole(Direction::ToClient);
                let silenced = faulty.inject(Match::command("SUBSCRIBE"), silent);
                let gate = gated(&one, 9, Ok(90));
                gate.begun.await.unwrap();
                let loads = Arc::default();
                let waiting = super::lease::waits(two, 9, &loads);
                super::lease::marked_on(&server, &super::lease::lease_of(&one, 9)).await;
                gate.open.notify_one();
                assert_eq!(waiting.await.unwrap(), 90);
                assert!(silenced.hits() > 0);
            }
            one.remove(&7).await.unwrap();
            let took = follows(two, 7, round).await;
            println!("{name}: {took:?}");
            assert!(took < BOUND, "{name}: {took:?}");
        }
    }
}

/// Every connection of a process is silent: soon it serves nothing from memory; what it may serve stale it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_sign_of_life_the_local_tier_is_not_used() {
    let server = Server::start();
    let one = on(&server).await;
    let proxy = Proxy::of(&server);
    let two = process(&proxy.url(), "t").await;
    let stale = process_with(&proxy.url(), "t", |users| users.stale_if_error(LONG)).await;
    one.insert(&7, 70).await.unwrap();
    kept(&two, 7, 70).await;
    kept(&stale, 7, 70).await;
    proxy.black_hole(Direction::ToClient);
    proxy.black_hole(Direction::ToServer);
    let began = Instant::now();
    one.remove(&7).await.unwrap();
    while two.get(&7).await.unwrap().is_some() {
        assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("unsure after {:?}", began.elapsed());
    assert_eq!(
        stale.get(&7).await.unwrap().as_deref(),
        Some(&70),
        "asked for"
    );
    assert!(stale.stats().stale_served > 0);
    proxy.heal();
    while stale.get(&7).await.unwrap().is_some() {
        assert!(began.elapsed() < 4 * BOUND, "Redis is back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    one.insert(&8, 80).await.unwrap();
    let began = Instant::now();
    while two.get(&8).await.unwrap().is_none() {
        assert!(began.elapsed() < 2 * BOUND, "{:?}", two.stats());
    }
    kept(&two, 8, 80).await;
}

/// What the server forgets: the stream of changes, all keys, or more changes than the stream keeps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_are_lost_empty_the_local_tier() {
    let server = Server::start();
    let one = on(&server).await;
    let proxy = Proxy::of(&server);
    let silent = Fault::BlackHole(Direction::ToClient);
    proxy.inject(Match::command("SUBSCRIBE"), silent);
    let deaf = process(&proxy.url(), "t").await;
    for way in ["stream", "flush", "many"] {
        one.insert(&7, 70).await.unwrap();
        kept(&deaf, 7, 70).await;
        kept(&one, 7, 70).await;
        match way {
            "stream" => {
                server.command(&["DEL", "t:cache:users:%changes:{users}"]);
                // Nobody is told.
                one.remove(&7).await.unwrap();
            }
            "flush" => drop(server.command(&["FLUSHALL"])),
            _ => {
                for id in 0..1_200 {
                    one.remove(&(100 + id)).await.unwrap();
                }
                one.remove(&7).await.unwrap();
            }
        }
        for users in [&deaf, &one] {
            let took = follows(users, 7, 70).await;
            assert!(took < BOUND, "{way}: {took:?}");
        }
    }
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
            Fault::DelayReply(Duration::from_millis(150)),
        );
        let reading = tokio::spawn({
            let two = two.clone();
            async move { two.get(&7).await.unwrap() }
        });
        let began = Instant::now();
        while late.hits() == 0 {
            assert!(began.elapsed() < SOON);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // It was read by then; and its reply is late.
        tokio::time::sleep(Duration::from_millis(20)).await;
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
    let short = Duration::from_millis(100);
    let ends = process_with(&server.url(), "t", |users| users.jitter(0.0)).await;
    ends.insert(&1, 10).ttl(2 * short).await.unwrap();
    let began = Instant::now();
    // Another process reads it late in its life.
    tokio::time::sleep(short).await;
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
    tokio::time::sleep(short).await;
    let before = brief.stats().hits_local;
    assert!(brief.get(&2).await.unwrap().is_some());
    assert_eq!(brief.stats().hits_local, before, "asked Redis again");
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
    let began = Instant::now();
    while began.elapsed() < 4 * life {
        assert_eq!(users.get(&1).await.unwrap().as_deref(), Some(&10));
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

/// Who may not subscribe asks instead.
#[tokio::test]
async fn who_may_not_subscribe_follows_by_asking() {
    let server = Server::start();
    server.command(&[
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">pw",
        "+@all",
        "-subscribe",
        "~*",
        "&*",
    ]);
    let one = on(&server).await;
    let two = process(&format!("redis://app:pw@{}", server.address()), "t").await;
    one.insert(&7, 70).await.unwrap();
    kept(&two, 7, 70).await;
    one.remove(&7).await.unwrap();
    let took = follows(&two, 7, 70).await;
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn following_ends_with_the_cache() {
    let server = Server::start();
    let users = on(&server).await;
    let redis = Redis::connect(&server.url()).await.unwrap();
    let ns = redis.namespace("t").unwrap();
    let kept_on = Cache::<u64, u64>::builder(&ns, "users")
        .local(1 << 20)
        .build()
        .unwrap();
    users.insert(&7, 70).await.unwrap();
    kept(&users, 7, 70).await;
    kept(&kept_on, 7, 70).await;
    let followers = || {
        let number = server.command(&["PUBSUB", "NUMSUB", "t:cache:users:%changed"]);
        number.as_array().unwrap()[1].as_int().unwrap()
    };
    assert_eq!(followers(), 2);
    drop(users);
    drop(kept_on);
    let began = Instant::now();
    while followers() > 0 {
        assert!(began.elapsed() < SOON, "somebody follows still");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    drop(redis);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_cluster_each_shard_is_followed() {
    let cluster = Cluster::builder(3).replicas(0).start();
    let mut processes = Vec::new();
    for _ in 0..2 {
        let redis = Redis::connect(&cluster.url()).await.unwrap();
        let ns = redis.namespace("shop").unwrap();
        let scattered = Cache::<u64, u64>::builder(&ns, "users")
            .local(1 << 20)
            .build();
        assert!(scattered.unwrap_err().to_string().contains("shards"));
        let ns = ns.shards(12).await.unwrap();
        let users = Cache::<u64, u64>::builder(&ns, "users").ttl(LONG);
        processes.push(users.local(1 << 20).build().unwrap());
    }
    let [one, two] = &processes[..] else {
        unreachable!()
    };
    for id in 0..40 {
        one.insert(&id, id).tag("t").await.unwrap();
        kept(two, id, id).await;
    }
    for id in 0..10 {
        one.remove(&id).await.unwrap();
        assert!(follows(two, id, id).await < BOUND);
    }
    one.invalidate_tag("t").await.unwrap();
    for id in 10..20 {
        assert!(follows(two, id, id).await < BOUND);
    }
    one.insert(&30, 31).await.unwrap();
    kept(two, 30, 31).await;
    one.clear().await.unwrap();
    assert!(follows(two, 30, 31).await < BOUND);
}

/// Three processes with local tiers that invalidate, load and read at random: no read in the process that invalidated is of before,
/// and none elsewhere is by more than the bound.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_here_is_older_than_an_invalidation_here_and_elsewhere_not_for_long() {
    const KEYS: usize = 6;
    let turns = size(20_000, 400);
    let processes = processes::<3>().await;
    let source: Arc<Vec<AtomicU64>> = Arc::new((0..KEYS).map(|_| AtomicU64::new(1)).collect());
    let began = Instant::now();
    // When each version of each key was invalidated, by whomever: in milliseconds.
    type Over = std::sync::Mutex<Vec<(u64, u64)>>;
    let over: Arc<Vec<Over>> = Arc::new((0..KEYS).map(|_| Over::default()).collect());
    let mut tasks = JoinSet::new();
    for (number, users) in processes.iter().enumerate() {
        let own: Arc<Vec<AtomicU64>> = Arc::new((0..KEYS).map(|_| AtomicU64::new(0)).collect());
        for task in 0..4 {
            let (users, source, own, over) =
                (users.clone(), source.clone(), own.clone(), over.clone());
            let mut random = fastrand::Rng::with_seed((number * 4 + task) as u64);
            tasks.spawn(async move {
                let mut latest = 0;
                for _ in 0..turns {
                    let at = random.usize(..KEYS);
                    let key = at as u64;
                    if random.u8(..100) < 3 {
                        let way = random.u8(..4);
                        let of: Vec<usize> = match way {
                            0 => (0..KEYS).filter(|other| other % 2 == at % 2).collect(),
                            1 | 2 => (0..KEYS).collect(),
                            _ => vec![at],
                        };
                        let versions: Vec<u64> = of
                            .iter()
                            .map(|&at| source[at].fetch_add(1, Ordering::SeqCst) + 1)
                            .collect();
                        match way {
                            0 => drop(users.invalidate_tag(&(key % 2)).await.unwrap()),
                            1 => drop(users.clear().await.unwrap()),
                            2 => {
                                let all = users.remove_matching("*", Pace::default());
                                all.await.unwrap();
                            }
                            _ => drop(users.remove(&key).await.unwrap()),
                        }
                        let now = began.elapsed().as_millis() as u64;
                        for (&at, version) in of.iter().zip(versions) {
                            own[at].fetch_max(version, Ordering::SeqCst);
                            over[at].lock().unwrap().push((version, now));
                        }
                        continue;
                    }
                    let bound = own[at].load(Ordering::SeqCst);
                    let asked = began.elapsed().as_millis() as u64;
                    let version = if random.bool() {
                        let source = source.clone();
                        let load = move |_| async move {
                            let version = source[at].load(Ordering::SeqCst);
                            tokio::task::yield_now().await;
                            Ok::<_, ()>(version)
                        };
                        let loaded = users.get_or_load(&key, load).tag(&(key % 2)).await;
                        Some(*loaded.unwrap())
                    } else {
                        users.get(&key).await.unwrap().map(|version| *version)
                    };
                    if let Some(version) = version {
                        assert!(
                            version >= bound,
                            "read {version}, invalidated {bound} itself"
                        );
                        // By how much it is late, where somebody else has invalidated it.
                        let over = over[at].lock().unwrap();
                        let newer = over.iter().filter(|(newer, _)| *newer > version);
                        let since = newer.map(|(_, since)| *since).min().unwrap_or(asked);
                        latest = latest.max(asked.saturating_sub(since));
                    }
                    tokio::task::yield_now().await;
                }
                latest
            });
        }
    }
    let latest = tasks.join_all().await.into_iter().max().unwrap();
    println!("the latest read was {latest} ms behind");
    assert!(u128::from(latest) < BOUND.as_millis(), "{latest} ms");
    let hits: u64 = processes.iter().map(|users| users.stats().hits_local).sum();
    assert!(hits > turns, "{hits} reads were local");
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
