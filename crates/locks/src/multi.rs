//! Several locks at once.

use std::fmt;
use std::time::{Duration, Instant};

use futures_util::future::{join_all, select_all};
use russet_core::{BuildError, BuildErrorKind, Bytes, Error, Key, Policy, Reply};

use crate::attempt::Attempt;
use crate::clock::Moment;
use crate::error::LockError;
use crate::fence::Fence;
use crate::guard::{Guard, Release};
use crate::holder::LostReason;
use crate::keys::{self, TAKING};
use crate::lock::Lock;
use crate::locks::{Inner, Locks};
use crate::wire::unreadable;

/// How many at once.
const MOST: usize = 64;

/// Several mutexes that are taken all or none.
///
/// Whoever waits for one of them holds only such whose names come before it, so that no two wait for each other, in whatever order they were
/// named.
#[derive(Clone)]
pub struct Multi {
    /// In the order of their names, each once.
    locks: Vec<Lock>,
}

/// Several locks that are held: released together when this is dropped.
#[must_use = "locks whose guards are dropped are released at once"]
#[derive(Debug)]
pub struct Guards(Vec<Guard>);

impl Multi {
    pub(crate) fn new<N: AsRef<str>>(locks: &Locks, names: impl IntoIterator<Item = N>) -> Self {
        let mut all: Vec<Lock> = names
            .into_iter()
            .map(|name| locks.mutex(name.as_ref()))
            .collect();
        all.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        all.dedup_by(|one, other| one.name == other.name);
        Multi { locks: all }
    }

    /// With another lease than the builder's, as [`Lock::lease`].
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        for lock in &mut self.locks {
            lock.lease = lease;
        }
        self
    }

    /// Takes all of them if nobody has any; `None` is busy, and none is kept. One round trip: one script, on a cluster one for each slot, where of
    /// two who try at the same moment it may be that neither gets them.
    ///
    /// # Errors
    /// As [`Lock::try_lock`]; [`LockError::Redis`] for no names, or more than 64.
    ///
    /// # Cancel safety
    /// What a dropped call has taken is released in the background.
    pub async fn try_lock(&self) -> Result<Option<Guards>, LockError> {
        self.check()?;
        let taken = take(&self.locks).await?;
        Ok(taken.into_iter().collect::<Option<_>>().map(Guards))
    }

    /// Takes all of them, or waits for them, at most so long altogether; `None` is that one was busy for all that time.
    ///
    /// A round trip if all are free. Of those that are not, each is waited for as [`Lock::lock_within`] does, in the order of their names.
    ///
    /// # Errors
    /// As [`try_lock`](Multi::try_lock).
    ///
    /// # Cancel safety
    /// As [`try_lock`](Multi::try_lock).
    pub async fn lock_within(&self, limit: Duration) -> Result<Option<Guards>, LockError> {
        self.lock_until(Instant::now() + limit.min(Duration::from_hours(24)))
            .await
    }

    /// The same until a time.
    ///
    /// # Errors
    /// As [`try_lock`](Multi::try_lock).
    ///
    /// # Cancel safety
    /// As [`try_lock`](Multi::try_lock).
    pub async fn lock_until(&self, deadline: Instant) -> Result<Option<Guards>, LockError> {
        self.check()?;
        let mut guards = Guards(Vec::with_capacity(self.locks.len()));
        while let Some(left) = self.locks.get(guards.0.len()..)
            && let Some(next) = left.first()
        {
            // Those behind one that is busy are given back, or two might wait for each other.
            let taken = take(left).await?;
            guards.0.extend(taken.into_iter().map_while(|taken| taken));
            if guards.0.len() == self.locks.len() {
                break;
            }
            let busy = self.locks.get(guards.0.len()).unwrap_or(next);
            match busy.lock_until(deadline).await? {
                Some(guard) => guards.0.push(guard),
                None => return Ok(None),
            }
        }
        Ok(Some(guards))
    }

    /// Takes all of them, or waits for them as long as the builder's [`acquire_timeout`](crate::Builder::acquire_timeout).
    ///
    /// # Errors
    /// [`LockError::Timeout`]; as [`try_lock`](Multi::try_lock).
    ///
    /// # Cancel safety
    /// As [`try_lock`](Multi::try_lock).
    pub async fn lock(&self) -> Result<Guards, LockError> {
        self.check()?;
        let limit = self
            .locks
            .first()
            .map_or(Duration::ZERO, |lock| lock.inner.acquire);
        self.lock_within(limit)
            .await?
            .ok_or(LockError::Timeout(limit))
    }

    fn check(&self) -> Result<(), BuildError> {
        if (1..=MOST).contains(&self.locks.len()) {
            return Ok(());
        }
        let count = self.locks.len();
        Err(BuildError::new(
            BuildErrorKind::Limit,
            format!("{count} locks at once; it must be 1 to {MOST}"),
        ))
    }
}

/// Each of them that is free, in their order.
async fn take(locks: &[Lock]) -> Result<Vec<Option<Guard>>, LockError> {
    for lock in locks {
        lock.check()?;
    }
    let Some(first) = locks.first() else {
        return Ok(Vec::new());
    };
    if first.acks() {
        return join_all(locks.iter().map(Lock::try_lock))
            .await
            .into_iter()
            .collect();
    }
    let attempts = locks.iter().enumerate().map(|(at, lock)| {
        let attempt = Attempt::new(lock);
        let (key, args) = attempt.taking();
        ((at, attempt, args), key)
    });
    let groups = keys::by_group(&first.inner.lane, attempts.collect(), MOST);
    let taken = join_all(
        groups
            .into_iter()
            .map(|group| take_group(&first.inner, group)),
    )
    .await;
    let mut taken: Vec<(usize, Result<Option<Guard>, LockError>)> =
        taken.into_iter().flatten().collect();
    taken.sort_unstable_by_key(|(at, _)| *at);
    taken.into_iter().map(|(_, taken)| taken).collect()
}

/// One who asks, as which of all, and with what.
type Asking<'l> = (usize, Attempt<'l>, [Bytes; 3]);

/// Those that one script can take.
async fn take_group(
    inner: &Inner,
    group: Vec<(Asking<'_>, Key)>,
) -> Vec<(usize, Result<Option<Guard>, LockError>)> {
    let sent = Moment::now();
    let args: Vec<Bytes> = group
        .iter()
        .flat_map(|((_, _, args), _)| args.clone())
        .collect();
    let keys = group.iter().map(|(_, key)| key);
    let asked = inner
        .lane
        .script::<Vec<Reply>>(&TAKING, keys, args, Policy::Idempotent);
    let told = Box::pin(asked).await;
    let each = group
        .into_iter()
        .enumerate()
        .map(|(nth, ((at, attempt, _), _))| {
            let taken = match &told {
                Ok(told) => match told.get(nth) {
                    Some(told) => attempt.taken(told),
                    None => Err(unreadable()),
                },
                Err(error) => Err(error.clone()),
            };
            async move { (at, attempt.go_on(sent, taken, None).await) }
        });
    join_all(each).await
}

impl Guards {
    /// Each lock's name and fence, in the order of the names.
    pub fn fences(&self) -> impl Iterator<Item = (&str, Fence)> {
        self.0.iter().map(|guard| (guard.name(), guard.fence()))
    }

    /// The fence of one of them.
    pub fn fence(&self, name: &str) -> Option<Fence> {
        let guard = self.0.iter().find(|guard| guard.name() == name)?;
        Some(guard.fence())
    }

    /// Whether all of them are held, by the clock of now.
    pub fn is_held(&self) -> bool {
        self.0.iter().all(Guard::is_held)
    }

    /// Until when all of them are held, unless they are renewed.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.iter().map(Guard::deadline).min()
    }

    /// Until one of them is not held any more, and why.
    pub fn lost(&self) -> impl Future<Output = LostReason> + Send + 'static + use<> {
        let each: Vec<_> = self.0.iter().map(|guard| Box::pin(guard.lost())).collect();
        async move { select_all(each).await.0 }
    }

    /// Gives all of them back; [`AlreadyLost`](Release::AlreadyLost) if one of them was. As many round trips as [`Guard::release`], shared.
    ///
    /// # Errors
    /// The first of theirs; those are released in the background then.
    ///
    /// # Cancel safety
    /// A dropped call releases them all the same.
    pub async fn release(self) -> Result<Release, Error> {
        let each = join_all(self.0.into_iter().map(Guard::release)).await;
        let each: Vec<Release> = each.into_iter().collect::<Result<_, _>>()?;
        Ok(match each.contains(&Release::AlreadyLost) {
            true => Release::AlreadyLost,
            false => Release::Released,
        })
    }
}

impl fmt::Debug for Multi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.locks.iter().map(|lock| &lock.name))
            .finish()
    }
}
