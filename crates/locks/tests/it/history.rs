//! Many processes, few locks, and everything that goes wrong on the way: what each holder believed, checked afterwards.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use russet_locks::{Guard, Locks, LostReason, Redis};
use russet_testkit::Server;
use russet_testkit::proxy::{After, Direction, Fault, Match, Proxy};
use tokio::task::JoinSet;

use crate::{SECOND, size, until};

const LEASE: Duration = Duration::from_millis(600);
const NAMES: [&str; 3] = ["posting", "sync", "order:42"];
const PROCESSES: usize = 4;
const TASKS: usize = 4;
/// How late a task may hear what it waits for, on a machine that is busy.
const LATE: Duration = Duration::from_millis(250);

/// One hold, as who held it believed.
#[derive(Clone, Copy, Debug)]
struct Held {
    name: &'static str,
    fence: u64,
    /// The first and the last time at which it was sure to be held.
    from: Instant,
    till: Instant,
}

/// What has happened.
#[derive(Default)]
struct History {
    held: Mutex<Vec<Held>>,
    /// How long after its deadline a holder was told at most, in microseconds.
    told_late: AtomicU64,
    lost: AtomicU64,
    /// Attempts that were answered, granted or not.
    attempts: AtomicU64,
    /// Those that were not, because Redis was away.
    failed: AtomicU64,
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} attempts, {} more that failed, {} holds, {} lost, told {} µs after the deadline at most",
            self.attempts.load(Ordering::Relaxed),
            self.failed.load(Ordering::Relaxed),
            self.held.lock().unwrap().len(),
            self.lost.load(Ordering::Relaxed),
            self.told_late.load(Ordering::Relaxed)
        )
    }
}

impl History {
    /// Nobody holds what somebody else does, and fences rise in the order of holding.
    fn check(&self) {
        let mut by_name: BTreeMap<&str, Vec<Held>> = BTreeMap::new();
        for held in self.held.lock().unwrap().iter() {
            by_name.entry(held.name).or_default().push(*held);
        }
        for (name, mut holds) in by_name {
            holds.sort_unstable_by_key(|held| held.from);
            for pair in holds.windows(2) {
                let [one, next] = pair else { unreachable!() };
                assert!(
                    next.from >= one.till,
                    "{name}: held by two for {:?}: {pair:?}",
                    one.till - next.from
                );
                assert!(next.fence > one.fence, "{name}: {pair:?}");
            }
        }
    }
}

impl History {
    /// Notes that a holder was told; until when it had believed.
    fn lost(&self, guard: &Guard, reason: LostReason) -> Instant {
        assert_eq!(reason, LostReason::Expired, "nobody else can have got it");
        let late = Instant::now().saturating_duration_since(guard.deadline());
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.told_late
            .fetch_max(late.as_micros() as u64, Ordering::Relaxed);
        guard.deadline()
    }

    fn is_over(&self, attempts: u64) -> bool {
        self.attempts.load(Ordering::Relaxed) >= attempts
    }

    /// How many attempts have ended, however they did.
    fn ended(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed) + self.failed.load(Ordering::Relaxed)
    }
}

/// Until Redis answers, which is asked again and again, for a while.
async fn answers(mutex: &russet_locks::Lock) {
    let began = Instant::now();
    while mutex.inspect().await.is_err() {
        assert!(began.elapsed() < 20 * SECOND, "Redis never answers again");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Takes, holds and gives back, until there were enough attempts.
async fn work(locks: Locks, history: Arc<History>, attempts: u64) {
    while !history.is_over(attempts) {
        let name = NAMES[fastrand::usize(..NAMES.len())];
        let mutex = locks.mutex(name);
        let taken = match fastrand::u8(..10) {
            0..3 => mutex.try_lock().await,
            // Gone before it knows.
            3 => {
                let soon = Duration::from_micros(fastrand::u64(..5_000));
                match tokio::time::timeout(soon, mutex.lock_within(SECOND)).await {
                    Ok(taken) => taken,
                    Err(_) => continue,
                }
            }
            _ => mutex.lock_within(SECOND).await,
        };
        let guard = match taken {
            Ok(Some(guard)) => guard,
            Ok(None) => {
                history.attempts.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            Err(_) => {
                history.failed.fetch_add(1, Ordering::Relaxed);
                answers(&mutex).await;
                continue;
            }
        };
        history.attempts.fetch_add(1, Ordering::Relaxed);
        let from = Instant::now();
        if !guard.is_held() {
            continue;
        }
        // Mostly short, and now and then until it is lost, if it ever is.
        let holds = match fastrand::u16(..2_000) {
            0 => 2 * LEASE,
            _ => Duration::from_micros(fastrand::u64(..1_000)),
        };
        let till = match tokio::time::timeout(holds, guard.lost()).await {
            Ok(reason) => history.lost(&guard, reason),
            Err(_) => {
                let now = Instant::now();
                if guard.is_held() { now } else { from }
            }
        };
        history.held.lock().unwrap().push(Held {
            name,
            fence: guard.fence().0,
            from,
            till: till.max(from),
        });
        match fastrand::bool() {
            true => drop(guard),
            false => drop(guard.release().await),
        }
    }
}

/// Breaks what can break, and mends it when that has had its effect.
async fn break_things(
    server: &Server,
    processes: &[(Proxy, Locks)],
    history: &History,
    attempts: u64,
) {
    let is_over = || history.is_over(attempts);
    // So many more attempts have ended, one way or the other.
    let pass = async |count: u64| {
        let before = history.ended();
        until("attempts end", async || {
            is_over() || history.ended() >= before + count
        })
        .await;
    };
    // That one is always among them.
    let mut kind = 5;
    while !is_over() {
        let (proxy, locks) = &processes[fastrand::usize(..processes.len())];
        match kind {
            0 => {
                server.pause();
                pass(fastrand::u64(1..8)).await;
                server.resume();
            }
            1 => proxy.cut_all(),
            2 | 3 => {
                let after = if fastrand::bool() {
                    After::Close
                } else {
                    After::Silence
                };
                let lost = proxy.inject(Match::command("EVALSHA").nth(1), Fault::DropReply(after));
                until("a reply is lost", async || is_over() || lost.hits() > 0).await;
                lost.remove();
            }
            4 => drop(server.command(&["SCRIPT", "FLUSH"])),
            // What is held there is lost.
            5 => {
                let name = NAMES[fastrand::usize(..NAMES.len())];
                if let Ok(Some(guard)) = locks.mutex(name).lock_within(5 * SECOND).await {
                    let from = Instant::now();
                    proxy.black_hole(match fastrand::bool() {
                        true => Direction::ToServer,
                        false => Direction::ToClient,
                    });
                    let till = history.lost(&guard, guard.lost().await);
                    proxy.heal();
                    history.held.lock().unwrap().push(Held {
                        name,
                        fence: guard.fence().0,
                        from,
                        till: till.max(from),
                    });
                }
            }
            _ => {
                let late = proxy.inject(
                    Match::command("EVALSHA").nth(1),
                    Fault::DelayCommand(LEASE + LEASE / 4),
                );
                until("one is late", async || is_over() || late.hits() > 0).await;
                late.remove();
            }
        }
        kind = fastrand::u8(..7);
        // And it goes on.
        pass(fastrand::u64(50..400)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_holds_what_somebody_else_does() {
    let server = Server::start();
    let history = Arc::new(History::default());
    let attempts = size(60_000, 4_000);
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        let proxy = Proxy::of(&server);
        let redis = Redis::connect(&proxy.url()).await.unwrap();
        let locks = Locks::builder(&redis.namespace("shop").unwrap())
            .lease(LEASE)
            .deadline(LEASE / 2)
            .build()
            .unwrap();
        processes.push((proxy, locks));
    }
    let mut tasks = JoinSet::new();
    for (_, locks) in &processes {
        for _ in 0..TASKS {
            tasks.spawn(work(locks.clone(), history.clone(), attempts));
        }
    }
    let working = async {
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    };
    tokio::join!(
        working,
        break_things(&server, &processes, &history, attempts)
    );
    println!("{history:?}");
    history.check();
    let holds = history.held.lock().unwrap().len() as u64;
    assert!(holds > attempts / 20, "{history:?}");
    assert!(history.lost.load(Ordering::Relaxed) > 0, "{history:?}");
    let late = Duration::from_micros(history.told_late.load(Ordering::Relaxed));
    assert!(late < LATE, "{history:?}");
    // What was healed serves everybody who waits, soon.
    // A connection may still be silent, until that is found.
    for (_, locks) in &processes {
        for name in NAMES {
            until("it can be had again", async || {
                let held = locks.mutex(name).lock_within(5 * SECOND).await;
                matches!(held, Ok(Some(_)))
            })
            .await;
        }
    }
    for (_, locks) in &processes {
        assert!(locks.shutdown_within(10 * SECOND).await);
    }
    for key in server.command(&["KEYS", "*"]).as_array().unwrap() {
        let ttl = server.command(&["PTTL", key.as_str().unwrap()]);
        assert_ne!(ttl.as_int().unwrap(), -1, "{key:?}");
    }
}
