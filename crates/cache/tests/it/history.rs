//! Checked histories: processes that invalidate, load and read at random. A process stands here for a connection of its own, with
//! flights and a local tier of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use russet_cache::Pace;
use tokio::task::JoinSet;

use super::lease::{LONG, SOON, Users};
use super::local::BOUND;
use super::{lease, local, size};

const KEYS: usize = 6;

/// Where values come from: each key has a version, which only rises.
struct Source([AtomicU64; KEYS]);

impl Source {
    fn new() -> Arc<Self> {
        Arc::new(Source(std::array::from_fn(|_| AtomicU64::new(1))))
    }

    /// Changes the source of some keys, and invalidates them in one of four ways; what each key is at least from then on.
    async fn change(&self, users: &Users, at: usize, way: u8) -> Vec<(usize, u64)> {
        let of: Vec<usize> = match way {
            0 => (0..KEYS).filter(|other| other % 2 == at % 2).collect(),
            1 | 2 => (0..KEYS).collect(),
            _ => vec![at],
        };
        let bump = |at: usize| (at, self.0[at].fetch_add(1, Ordering::SeqCst) + 1);
        let versions = of.into_iter().map(bump).collect();
        let key = at as u64;
        match way {
            0 => drop(users.invalidate_tag(&(key % 2)).await.unwrap()),
            1 => drop(users.clear().await.unwrap()),
            2 => {
                let all = users.remove_matching("*", Pace::default());
                all.await.unwrap();
            }
            _ => drop(users.remove(&key).await.unwrap()),
        }
        versions
    }

    async fn load(self: &Arc<Self>, users: &Users, at: usize) -> u64 {
        let (source, key) = (self.clone(), at as u64);
        let load = move |_| async move {
            let version = source.0[at].load(Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok::<_, ()>(version)
        };
        let loaded = users.get_or_load(&key, load).tag(&(key % 2)).await;
        *loaded.unwrap()
    }
}

/// What each key was at least when its last invalidation was over.
#[derive(Default)]
struct Least([AtomicU64; KEYS]);

impl Least {
    fn raise(&self, versions: &[(usize, u64)]) {
        for &(at, version) in versions {
            self.0[at].fetch_max(version, Ordering::SeqCst);
        }
    }

    fn of(&self, at: usize) -> u64 {
        self.0[at].load(Ordering::SeqCst)
    }
}

/// For every read, what it must not be older than was noted before it began, whoever invalidated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_older_than_an_invalidation_that_was_over() {
    let turns = size(3_000, 150);
    let (source, least) = (Source::new(), Arc::<Least>::default());
    let mut tasks = JoinSet::new();
    for (number, users) in lease::processes::<3>(LONG).await.iter().enumerate() {
        for task in 0..4 {
            let (users, source, least) = (users.clone(), source.clone(), least.clone());
            let mut random = fastrand::Rng::with_seed((number * 4 + task) as u64);
            tasks.spawn(async move {
                let mut checked = 0;
                for _ in 0..turns {
                    let (at, began) = (random.usize(..KEYS), Instant::now());
                    let bound = least.of(at);
                    let read = match random.u8(..20) {
                        0..=2 => {
                            let way = random.u8(..4);
                            least.raise(&source.change(&users, at, way).await);
                            None
                        }
                        3..=9 => Some(source.load(&users, at).await),
                        _ => users.get(&(at as u64)).await.unwrap().map(|read| *read),
                    };
                    if let Some(version) = read {
                        assert!(version >= bound, "read {version}, invalidated {bound}");
                        checked += 1;
                    }
                    assert!(began.elapsed() < SOON, "somebody was not woken");
                }
                checked
            });
        }
    }
    let checked: u64 = tasks.join_all().await.into_iter().sum();
    assert!(checked > turns * 3, "{checked} reads were checked");
}

/// With local tiers: no read in the process that invalidated is of before, and none elsewhere is by more than the bound.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_here_is_older_than_an_invalidation_here_and_elsewhere_not_for_long() {
    let turns = size(20_000, 400);
    let (source, began) = (Source::new(), Instant::now());
    let now = move || u64::try_from(began.elapsed().as_millis()).unwrap();
    // Which version of which key was invalidated when, by whomever.
    let over = Arc::new(Mutex::new(Vec::<(usize, u64, u64)>::new()));
    let processes = local::processes::<3>().await;
    let mut tasks = JoinSet::new();
    for (number, users) in processes.iter().enumerate() {
        let own = Arc::<Least>::default();
        for task in 0..4 {
            let (users, source, own, over) =
                (users.clone(), source.clone(), own.clone(), over.clone());
            let mut random = fastrand::Rng::with_seed((number * 4 + task) as u64);
            tasks.spawn(async move {
                let mut latest = 0;
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                    let at = random.usize(..KEYS);
                    if random.u8(..100) < 3 {
                        let way = random.u8(..4);
                        let versions = source.change(&users, at, way).await;
                        own.raise(&versions);
                        let when = now();
                        let versions = versions.into_iter();
                        let versions = versions.map(|(at, version)| (at, version, when));
                        over.lock().unwrap().extend(versions);
                        continue;
                    }
                    let (bound, asked) = (own.of(at), now());
                    let read = match random.bool() {
                        true => Some(source.load(&users, at).await),
                        false => users.get(&(at as u64)).await.unwrap().map(|read| *read),
                    };
                    let Some(version) = read else {
                        continue;
                    };
                    assert!(
                        version >= bound,
                        "read {version}, invalidated {bound} itself"
                    );
                    // By how much it is late, where somebody else has invalidated it.
                    let over = over.lock().unwrap();
                    let newer = over
                        .iter()
                        .filter(|(of, newer, _)| *of == at && *newer > version);
                    let since = newer.map(|(.., since)| *since).min().unwrap_or(asked);
                    latest = latest.max(asked.saturating_sub(since));
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
