//! What holders believed, and whether that can be.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use russet_locks::{Guard, Lock, LockError, Locks, LostReason};

use russet_testkit::size;

use crate::{SECOND, until};

/// How late a task may hear what it waits for: where nothing else runs, at full size; and on a machine that is busy.
pub(crate) fn late() -> Duration {
    Duration::from_millis(size(250, 2_000))
}

/// Permits of the semaphore.
const SLOTS: u32 = 3;

/// What is locked: so much of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Mutex(&'static str),
    Read,
    Write,
    Permits(u32),
}

impl What {
    /// Any of all.
    pub(crate) fn any() -> Self {
        match fastrand::u8(..10) {
            0..6 => What::Mutex(["posting", "sync", "order:42"][fastrand::usize(..3)]),
            6 => What::Write,
            7 => What::Read,
            _ => What::Permits(fastrand::u32(1..=SLOTS)),
        }
    }

    /// Each of them whole.
    pub(crate) fn all() -> [What; 5] {
        [
            What::Mutex("posting"),
            What::Mutex("sync"),
            What::Mutex("order:42"),
            What::Write,
            What::Permits(SLOTS),
        ]
    }

    pub(crate) fn lock(self, locks: &Locks) -> Lock {
        match self {
            What::Mutex(name) => locks.mutex(name),
            What::Read => locks.rw("report").read(),
            What::Write => locks.rw("report").write(),
            What::Permits(weight) => locks.semaphore("slots", SLOTS).permits(weight),
        }
    }

    /// Which lock, how much of it, and of how much.
    fn share(self) -> (&'static str, u32, u32) {
        match self {
            What::Mutex(name) => (name, 1, 1),
            What::Read => ("report", 1, 1_000),
            What::Write => ("report", 1_000, 1_000),
            What::Permits(weight) => ("slots", weight, SLOTS),
        }
    }
}

/// One hold, as who held it believed.
#[derive(Clone, Copy, Debug)]
struct Held {
    what: What,
    fence: u64,
    /// Before it was asked for.
    asked: Instant,
    /// The first and the last time at which it was sure to be held.
    from: Instant,
    till: Instant,
}

/// What has happened.
#[derive(Default)]
pub(crate) struct Record {
    held: Mutex<Vec<Held>>,
    /// How long after its deadline a holder was told at most, in microseconds.
    told_late: AtomicU64,
    lost: AtomicU64,
    /// Attempts that were answered, granted or not.
    attempts: AtomicU64,
    /// Those that were not, because Redis was away.
    failed: AtomicU64,
}

impl fmt::Debug for Record {
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

impl Record {
    /// Notes a hold, from now on until what its holder does is over or it is lost.
    pub(crate) async fn hold(
        &self,
        what: What,
        guard: &Guard,
        asked: Instant,
        does: impl Future<Output = ()>,
    ) {
        let from = Instant::now();
        if !guard.is_held() {
            return;
        }
        let till = tokio::select! {
            reason = guard.lost() => self.lost(guard, reason),
            () = does => {
                let now = Instant::now();
                if guard.is_held() { now } else { from }
            }
        };
        self.held.lock().unwrap().push(Held {
            what,
            fence: guard.fence().0,
            asked,
            from,
            till: till.max(from),
        });
    }

    /// Notes that a holder was told; until when it had believed.
    fn lost(&self, guard: &Guard, reason: LostReason) -> Instant {
        let now = Instant::now();
        self.lost.fetch_add(1, Ordering::Relaxed);
        if reason != LostReason::Expired {
            return now.min(guard.deadline());
        }
        let late = now.saturating_duration_since(guard.deadline());
        self.told_late
            .fetch_max(late.as_micros() as u64, Ordering::Relaxed);
        guard.deadline()
    }

    /// Takes it, holds it for a while, and gives it back; what can go wrong is noted.
    pub(crate) async fn work(&self, locks: &Locks, lease: Duration) {
        let what = What::any();
        let lock = what.lock(locks);
        let asked = Instant::now();
        let taken = match fastrand::u8(..10) {
            0..3 => lock.try_lock().await,
            // Gone before it knows.
            3 => {
                let soon = Duration::from_micros(fastrand::u64(..5_000));
                match tokio::time::timeout(soon, lock.lock_within(SECOND)).await {
                    Ok(taken) => taken,
                    Err(_) => return,
                }
            }
            _ => lock.lock_within(SECOND).await,
        };
        let guard = match self.answered(taken) {
            Some(Some(guard)) => guard,
            Some(None) => return,
            None => return answers(&lock).await,
        };
        // Mostly short, and now and then until it is lost, if it ever is.
        let holds = match fastrand::u16(..2_000) {
            0 => 2 * lease,
            _ => Duration::from_micros(fastrand::u64(..1_000)),
        };
        self.hold(what, &guard, asked, tokio::time::sleep(holds))
            .await;
        match fastrand::bool() {
            true => drop(guard),
            false => drop(guard.release().await),
        }
    }

    /// Counts an attempt; nothing if nobody knows what became of it.
    fn answered(&self, taken: Result<Option<Guard>, LockError>) -> Option<Option<Guard>> {
        let count = match &taken {
            Ok(_) => &self.attempts,
            Err(_) => &self.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
        taken.ok()
    }

    pub(crate) fn is_over(&self, attempts: u64) -> bool {
        self.attempts.load(Ordering::Relaxed) >= attempts
    }

    /// How many attempts have ended, however they did.
    pub(crate) fn ended(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed) + self.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn holds(&self) -> u64 {
        self.held.lock().unwrap().len() as u64
    }

    pub(crate) fn losses(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(crate) fn told_late(&self) -> Duration {
        Duration::from_micros(self.told_late.load(Ordering::Relaxed))
    }

    fn by_name(&self) -> BTreeMap<&'static str, Vec<Held>> {
        let mut by_name: BTreeMap<_, Vec<Held>> = BTreeMap::new();
        for held in self.held.lock().unwrap().iter() {
            by_name.entry(held.what.share().0).or_default().push(*held);
        }
        by_name
    }

    /// For how long altogether, and for how long at a time, there was more held than there is.
    pub(crate) fn overlaps(&self) -> (Duration, Duration) {
        let (mut all, mut longest) = (Duration::ZERO, Duration::ZERO);
        for holds in self.by_name().into_values() {
            let mut changes = BTreeMap::<Instant, i64>::new();
            let mut of = 0;
            for held in holds {
                let (_, weight, most) = held.what.share();
                of = i64::from(most);
                *changes.entry(held.from).or_default() += i64::from(weight);
                *changes.entry(held.till).or_default() -= i64::from(weight);
            }
            let (mut taken, mut since) = (0, None);
            for (at, change) in changes {
                taken += change;
                match since {
                    None if taken > of => since = Some(at),
                    Some(from) if taken <= of => {
                        let lasted = at - from;
                        all += lasted;
                        longest = longest.max(lasted);
                        since = None;
                    }
                    _ => {}
                }
            }
        }
        (all, longest)
    }

    /// Whoever asked when somebody else had got it already has a higher fence.
    pub(crate) fn check_fences(&self) {
        for (name, mut holds) in self.by_name() {
            let mut got = holds.clone();
            got.sort_unstable_by_key(|held| held.from);
            holds.sort_unstable_by_key(|held| held.asked);
            let (mut got, mut highest) = (got.into_iter().peekable(), None::<Held>);
            for held in holds {
                while let Some(before) = got.next_if(|before| before.from < held.asked) {
                    if highest.is_none_or(|highest| highest.fence < before.fence) {
                        highest = Some(before);
                    }
                }
                if let Some(before) = highest {
                    assert!(
                        held.fence > before.fence,
                        "{name}: {held:?} after {before:?}"
                    );
                }
            }
        }
    }
}

/// Until Redis answers, which is asked again and again, for a while.
pub(crate) async fn answers(lock: &Lock) {
    let began = Instant::now();
    while lock.inspect().await.is_err() {
        assert!(began.elapsed() < 20 * SECOND, "Redis never answers again");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What was healed serves everybody who waits, soon.
pub(crate) async fn all_can_be_had(locks: &Locks) {
    for what in What::all() {
        // A connection may still be silent, until that is found.
        until("it can be had again", async || {
            let held = what.lock(locks).lock_within(5 * SECOND).await;
            matches!(held, Ok(Some(_)))
        })
        .await;
    }
}
