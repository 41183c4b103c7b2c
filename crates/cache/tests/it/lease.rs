//! One load among all processes. A process stands here for a connection of its own, with flights of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use russet_cache::{Cache, Cx, LoadError, Redis};
use russet_testkit::{Server, Shared};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use super::size;

pub(super) const SOON: Duration = Duration::from_secs(5);
/// Longer than any of these tests: whoever waits it out has not been woken.
pub(super) const LONG: Duration = Duration::from_secs(60);

pub(super) type Users = Cache<u64, u64>;

pub(super) async fn process(url: &str, product: &str, lease: Duration) -> Users {
    let redis = Redis::connect(url).await.unwrap();
    let ns = redis.namespace(product).unwrap();
    let users = Cache::builder(&ns, "users").ttl(Duration::from_mins(1));
    users.lease(lease).read_deadline(SOON).build().unwrap()
}

pub(super) async fn processes<const N: usize>(lease: Duration) -> [Users; N] {
    let shared = Shared::get();
    let product = shared.namespace();
    let mut all = Vec::new();
    for _ in 0..N {
        all.push(process(shared.url(), &product, lease).await);
    }
    all.try_into().unwrap()
}

/// A load that says when it has begun, and ends when it is let.
pub(super) struct Gate {
    pub(super) begun: oneshot::Receiver<()>,
    pub(super) open: Arc<Notify>,
    pub(super) loading: tokio::task::JoinHandle<Result<Arc<u64>, LoadError<&'static str>>>,
}

pub(super) fn gated(users: &Users, key: u64, brings: Result<u64, &'static str>) -> Gate {
    gate(users, key, brings, false)
}

/// The same for a load that asks whatever is cached.
pub(super) fn refreshing(users: &Users, key: u64, brings: u64) -> Gate {
    gate(users, key, Ok(brings), true)
}

fn gate(users: &Users, key: u64, brings: Result<u64, &'static str>, refreshes: bool) -> Gate {
    let (begins, begun) = oneshot::channel();
    let open = Arc::new(Notify::new());
    let (users, opened) = (users.clone(), open.clone());
    let loading = tokio::spawn(async move {
        let load = move |_| async move {
            let _ = begins.send(());
            opened.notified().await;
            brings
        };
        match refreshes {
            true => users.refresh_with(&key, load).await,
            false => users.get_or_load(&key, load).await,
        }
    });
    Gate {
        begun,
        open,
        loading,
    }
}

pub(super) fn waits(
    users: &Users,
    key: u64,
    loads: &Arc<AtomicU32>,
) -> tokio::task::JoinHandle<u64> {
    let (users, loads) = (users.clone(), loads.clone());
    tokio::spawn(async move {
        let load = move |_| async move {
            loads.fetch_add(1, Ordering::SeqCst);
            Ok::<_, ()>(1_000)
        };
        *users.get_or_load(&key, load).await.unwrap()
    })
}

/// Until somebody has asked for the lease and marked it.
pub(super) async fn marked(lease: &str) {
    let shared = Shared::get();
    marked_by(|| shared.command(&["GET", lease])).await;
}

/// The same on a server of the test's own.
pub(super) async fn marked_on(server: &Server, lease: &str) {
    marked_by(|| server.command(&["GET", lease])).await;
}

async fn marked_by(holder: impl Fn() -> russet_testkit::resp::Value) {
    let begun = Instant::now();
    loop {
        let holder = tokio::task::block_in_place(&holder);
        if holder.as_str().is_some_and(|holder| holder.ends_with('+')) {
            return;
        }
        assert!(begun.elapsed() < SOON, "nobody waits");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Until a lease has been renewed so often: three times are its whole length.
async fn renewed(lease: &str, times: u32) {
    let (begun, shared) = (Instant::now(), Shared::get());
    let (mut seen, mut before) = (0, i64::MAX);
    while seen < times {
        let left = tokio::task::block_in_place(|| shared.command(&["PTTL", lease]));
        let left = left.as_int().unwrap();
        assert!(left >= 0, "it ended after {seen} renewals");
        seen += u32::from(left > before);
        before = left;
        assert!(begun.elapsed() < SOON, "{seen} renewals");
    }
}

pub(super) fn lease_of(users: &Users, key: u64) -> String {
    let stem = format!("{users:?}");
    let stem = stem.trim_start_matches("Cache(").trim_end_matches(')');
    format!("{stem}:%lease:{{{stem}:{key}}}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_processes_and_their_herds_load_once() {
    let callers = size(1_000, 100);
    let processes = processes::<10>(LONG).await;
    for round in 0..5 {
        let [loads, begun] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
        let mut herd = JoinSet::new();
        for users in &processes {
            for _ in 0..callers {
                let (users, loads, begun) = (users.clone(), loads.clone(), begun.clone());
                herd.spawn(async move {
                    begun.fetch_add(1, Ordering::SeqCst);
                    let load = move |cx: Cx<u64>| async move {
                        loads.fetch_add(1, Ordering::SeqCst);
                        // All of them have come before it ends.
                        while begun.load(Ordering::SeqCst) < 10 * callers {
                            assert!(Instant::now() < cx.deadline, "not all have come");
                            tokio::task::yield_now().await;
                        }
                        Ok::<_, ()>(round)
                    };
                    *users.get_or_load(&round, load).await.unwrap()
                });
            }
        }
        let values = herd.join_all().await;
        assert!(values.iter().all(|&value| value == round));
        assert_eq!(loads.load(Ordering::SeqCst), 1, "in round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_is_woken_and_does_not_poll() {
    let [one, two] = processes(LONG).await;
    let loads = Arc::default();
    let gate = gated(&one, 7, Ok(77));
    gate.begun.await.unwrap();
    let waiting = waits(&two, 7, &loads);
    marked(&lease_of(&one, 7)).await;
    let opened = Instant::now();
    gate.open.notify_one();
    assert_eq!(waiting.await.unwrap(), 77);
    assert!(
        opened.elapsed() < Duration::from_secs(1),
        "{:?}",
        opened.elapsed()
    );
    assert_eq!(*gate.loading.await.unwrap().unwrap(), 77);
    assert_eq!(loads.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_load_lets_the_next_process_go_on_at_once() {
    let [one, two] = processes(LONG).await;
    let loads = Arc::default();
    let gate = gated(&one, 7, Err("no database"));
    gate.begun.await.unwrap();
    let waiting = waits(&two, 7, &loads);
    marked(&lease_of(&one, 7)).await;
    let opened = Instant::now();
    gate.open.notify_one();
    assert_eq!(waiting.await.unwrap(), 1_000);
    assert!(
        opened.elapsed() < Duration::from_secs(1),
        "{:?}",
        opened.elapsed()
    );
    assert!(gate.loading.await.unwrap().is_err());
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loader_that_panics_gives_its_lease_back() {
    let [one, two] = processes(LONG).await;
    let crashed = one.get_or_load(&7, |_| async {
        panic!("crashed");
        #[allow(unreachable_code)]
        Ok::<u64, ()>(1)
    });
    assert!(matches!(crashed.await, Err(LoadError::Panicked)));
    let begun = Instant::now();
    let loaded = two.get_or_load(&7, |_| async { Ok::<_, ()>(2) }).await;
    assert_eq!(*loaded.unwrap(), 2);
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}

/// A process that is gone in the middle of a load, with whatever it was about to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_costs_the_lease_and_a_second_load() {
    let lease = Duration::from_millis(500);
    let shared = Shared::get();
    let product = shared.namespace();
    let two = process(shared.url(), &product, lease).await;
    let (begins, begun) = std::sync::mpsc::channel();
    let url = shared.url().to_owned();
    let dying = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let one = process(&url, &product, lease).await;
            let load = move |_| async move {
                begins.send(()).unwrap();
                std::future::pending::<Result<u64, ()>>().await
            };
            let loading = one.get_or_load(&7, load);
            let _ = tokio::time::timeout(Duration::from_secs(1), loading).await;
        });
        runtime.shutdown_background();
    });
    tokio::task::block_in_place(|| {
        begun.recv_timeout(SOON).unwrap();
        dying.join().unwrap();
    });
    let died = Instant::now();
    let loads = Arc::default();
    assert_eq!(waits(&two, 7, &loads).await.unwrap(), 1_000);
    let took = died.elapsed();
    assert!(took < lease + Duration::from_millis(500), "{took:?}");
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_is_longer_than_its_lease_keeps_it() {
    // A busy machine lets two thirds of it pass before it is renewed.
    let [one, two] = processes(Duration::from_millis(900)).await;
    let loads = Arc::default();
    let gate = gated(&one, 7, Ok(77));
    gate.begun.await.unwrap();
    let waiting = waits(&two, 7, &loads);
    renewed(&lease_of(&one, 7), 9).await;
    gate.open.notify_one();
    assert_eq!(waiting.await.unwrap(), 77);
    assert_eq!(loads.load(Ordering::SeqCst), 0);
    gate.loading.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_during_a_load_wins_in_every_process() {
    let [one, two] = processes(LONG).await;
    // Removed, stored, stored together with others, removed by a glob.
    for (key, expected) in [(1, None), (2, Some(20)), (3, Some(30)), (4, None)] {
        if key == 4 {
            // A walk finds what stands there, readable or not.
            let place = lease_of(&one, key);
            let place = place.split(['{', '}']).nth(1).unwrap();
            let shared = Shared::get();
            tokio::task::block_in_place(|| shared.command(&["SET", place, "garbage"]));
        }
        let gate = gated(&one, key, Ok(77));
        gate.begun.await.unwrap();
        match key {
            1 => drop(two.remove(&1).await.unwrap()),
            2 => drop(two.insert(&2, 20).await.unwrap()),
            3 => drop(two.insert_many([(&3, 30)]).await.unwrap()),
            _ => {
                let removed = two
                    .remove_matching("4", russet_cache::Pace::default())
                    .await;
                assert_eq!(removed.unwrap(), 1);
            }
        }
        gate.open.notify_one();
        assert_eq!(
            *gate.loading.await.unwrap().unwrap(),
            77,
            "its callers have it"
        );
        assert_eq!(
            two.get(&key).await.unwrap().as_deref(),
            expected.as_ref(),
            "{key}"
        );
        assert_eq!(
            one.get(&key).await.unwrap().as_deref(),
            expected.as_ref(),
            "{key}"
        );
    }
}

/// The same for a load of many, and who waits for a value that is removed loads it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_during_a_load_of_many_wins_too() {
    let [one, two, three] = processes(LONG).await;
    let (begins, begun) = oneshot::channel();
    let open = Arc::new(Notify::new());
    let loading = tokio::spawn({
        let (one, open) = (one.clone(), open.clone());
        async move {
            let load = move |missing: Vec<u64>| async move {
                let _ = begins.send(());
                open.notified().await;
                Ok::<_, ()>(missing.into_iter().map(|key| (key, key)))
            };
            one.get_or_load_many(&[1, 2, 3], load).await.unwrap()
        }
    });
    begun.await.unwrap();
    let loads = Arc::default();
    let waiting = waits(&two, 1, &loads);
    marked(&lease_of(&one, 1)).await;
    let removed = Instant::now();
    three.remove(&1).await.unwrap();
    two.insert(&2, 20).await.unwrap();
    assert_eq!(
        waiting.await.unwrap(),
        1_000,
        "it waits for nobody any more"
    );
    assert!(
        removed.elapsed() < Duration::from_secs(1),
        "it was woken: {:?}",
        removed.elapsed()
    );
    open.notify_one();
    let loaded = loading.await.unwrap();
    assert_eq!(
        loaded
            .iter()
            .flatten()
            .map(|value| **value)
            .collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let stored = two.get_many(&[1, 2, 3]).await.unwrap();
    let stored: Vec<u64> = stored.into_iter().flatten().map(|value| *value).collect();
    assert_eq!(stored, [1_000, 20, 3]);
}

/// One that may not subscribe asks again and again; one whose subscription is cut asks as soon as it stands again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_woken_finds_out_by_itself() {
    let server = Server::builder()
        .acl_user("mute on >pw ~* -@all +@all -subscribe")
        .start();
    let one = process(&server.unrestricted_url(), "t", LONG).await;
    let mute = server
        .unrestricted_url()
        .replacen("redis://", "redis://mute:pw@", 1);
    let mute = process(&mute, "t", LONG).await;
    let cut = process(&server.unrestricted_url(), "t", LONG).await;
    let loads = Arc::default();
    let gate = gated(&one, 7, Ok(77));
    gate.begun.await.unwrap();
    let (mute, cut) = (waits(&mute, 7, &loads), waits(&cut, 7, &loads));
    let begun = Instant::now();
    loop {
        let killed =
            tokio::task::block_in_place(|| server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]));
        if killed.as_int().is_some_and(|killed| killed > 0) {
            break;
        }
        assert!(begun.elapsed() < SOON, "nobody has subscribed");
    }
    let opened = Instant::now();
    gate.open.notify_one();
    assert_eq!(mute.await.unwrap(), 77);
    assert_eq!(cut.await.unwrap(), 77);
    assert!(
        opened.elapsed() < Duration::from_secs(3),
        "{:?}",
        opened.elapsed()
    );
    assert_eq!(loads.load(Ordering::SeqCst), 0);
}

/// Two programs with another idea of the type: each replaces what it cannot read, by one load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_cannot_be_read_is_replaced() {
    let shared = Shared::get();
    let redis = Redis::connect(shared.url()).await.unwrap();
    let ns = redis.namespace(shared.namespace()).unwrap();
    let numbers = Cache::<u64, u64>::builder(&ns, "users").build().unwrap();
    let texts = Cache::<u64, String>::builder(&ns, "users").build().unwrap();
    numbers.insert(&7, 7).await.unwrap();
    let load = |_| async { Ok::<_, ()>("seven".to_owned()) };
    assert_eq!(*texts.get_or_load(&7, load).await.unwrap(), "seven");
    assert_eq!(
        texts.get(&7).await.unwrap().as_deref().map(String::as_str),
        Some("seven")
    );
    assert_eq!(numbers.get(&7).await.unwrap(), None);
    assert_eq!(numbers.stats().misses.undecodable, 1);
}

/// A lost reply: asked again with the same token, the lease is still its holder's, also where somebody waits by now.
#[test]
fn who_asks_twice_is_not_kept_waiting_by_itself() {
    let shared = Shared::get();
    let product = shared.namespace();
    let (value, lease) = (format!("{product}:v"), format!("{product}:l"));
    let script = [
        include_str!("../../src/scripts/control.lua"),
        include_str!("../../src/scripts/acquire.lua"),
    ]
    .concat();
    let ask =
        |token: &str| shared.command(&["EVAL", &script, "2", &value, &lease, token, "60000", ""]);
    let holder = || shared.command(&["GET", &lease]);
    assert_eq!(ask("one").as_array().map(<[_]>::len), Some(2));
    assert_eq!(ask("one").as_array().map(<[_]>::len), Some(2));
    assert!(ask("two").as_int().is_some_and(|left| left > 0));
    assert_eq!(ask("one").as_array().map(<[_]>::len), Some(2));
    assert_eq!(
        holder().as_str(),
        Some("one+"),
        "who waits is not forgotten"
    );
}

/// A load's lease is no value: it is neither counted nor ended by a walk over values. What is being loaded meanwhile is not stored:
/// the walk could not see it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_takes_no_lease_for_a_value() {
    let [one, two] = processes(LONG).await;
    two.insert(&1, 10).await.unwrap();
    let gate = gated(&one, 7, Ok(77));
    gate.begun.await.unwrap();
    let pace = russet_cache::Pace::default();
    assert_eq!(two.remove_matching("*", pace).await.unwrap(), 1);
    let mut keys = two.keys("*", pace).unwrap();
    while let Some(page) = keys.next_page().await.unwrap() {
        assert_eq!(page, [0; 0]);
    }
    gate.open.notify_one();
    gate.loading.await.unwrap().unwrap();
    assert_eq!(two.get(&7).await.unwrap(), None);
    let again = one.get_or_load(&7, |_| async { Ok::<_, ()>(78) }).await;
    assert_eq!(*again.unwrap(), 78);
    assert_eq!(two.get(&7).await.unwrap().as_deref(), Some(&78));
}
