//! Who was let through and who was not, minute by minute, off the way of decisions.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::try_join_all;
use russet_core::{
    Bytes, Command, Error, FromKeyPart as _, Key, Lane, Policy as Sending, Script, Stem,
};

use crate::decision::{Decision, Verdict};
use crate::keys::{TALLY, tally};
use crate::limiter::{Inner, Limiter};
use crate::stats::{Counts, Stats};

static TALLYING: Script = Script::new(TALLY);

/// How often a process tells what it has counted.
const EVERY: Duration = Duration::from_secs(10);
/// One denial in so many is noted with its subject, and counts for as many.
const SAMPLE: u64 = 16;
/// How many subjects a process notes between two times of telling; those that come later are not.
const NOTED: usize = 400;

/// What a process has counted and not told yet.
pub(crate) struct Tally {
    keeps: Duration,
    /// What of the statistics was told.
    told: tokio::sync::Mutex<Stats>,
    /// Denials by the names of policies.
    denied: Mutex<BTreeMap<String, u64>>,
    noted: Mutex<HashMap<Key, u64>>,
    turn: AtomicU64,
}

/// What was decided lately, by all processes; see [`Limiter::report`](crate::Limiter::report).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Minute by minute, oldest first; those in which nothing was decided are left out.
    pub minutes: Vec<Minute>,
    /// The subjects that were denied most, and about how often.
    pub most_denied: Vec<(String, u64)>,
}

/// What was decided within a minute.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Minute {
    /// When it begins.
    pub begins: SystemTime,
    /// Calls that all policies let through.
    pub allowed: u64,
    /// Calls of blocked subjects.
    pub blocked: u64,
    /// Calls decided without Redis, because it was away.
    pub degraded: u64,
    /// Calls that were denied, by the names of the policies that did.
    pub denied: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn new(keeps: Duration) -> Self {
        Tally {
            keeps,
            told: tokio::sync::Mutex::default(),
            denied: Mutex::default(),
            noted: Mutex::default(),
            turn: AtomicU64::new(0),
        }
    }

    /// Notes a denial, of one call in so many.
    pub(crate) fn decided(&self, key: &Key, decision: &Decision) {
        if !matches!(decision.verdict(), Verdict::Denied | Verdict::Blocked) {
            return;
        }
        if !self
            .turn
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(SAMPLE)
        {
            return;
        }
        if let Some(policy) = decision.denied_by() {
            let mut denied = lock(&self.denied);
            match denied.get_mut(policy) {
                Some(count) => *count += SAMPLE,
                None => drop(denied.insert(policy.to_owned(), SAMPLE)),
            }
        }
        let mut noted = lock(&self.noted);
        if let Some(count) = noted.get_mut(key) {
            *count += SAMPLE;
        } else if noted.len() < NOTED {
            noted.insert(key.clone(), SAMPLE);
        }
    }

    /// Tells what has come since the last time, one at a time. What cannot be told is told the next time, but for the subjects.
    pub(crate) async fn tell(
        &self,
        lane: &Lane,
        stem: &Stem,
        counts: &Counts,
    ) -> Result<(), Error> {
        let mut told = self.told.lock().await;
        let now = counts.stats();
        // What was sampled says how the denials are shared; how many there were is known. Those whose policies nobody has noted are told when
        // one has.
        let shares = lock(&self.denied).clone();
        let noted: Vec<(Key, u64)> = lock(&self.noted).drain().collect();
        let all = now.denied.saturating_sub(told.denied);
        let sampled: u64 = shares.values().sum();
        let share = |count: u64| {
            u64::try_from(u128::from(all) * u128::from(count) / u128::from(sampled.max(1)))
                .unwrap_or(all)
        };
        let mut counts = vec![
            (
                "allowed".to_owned(),
                now.allowed.saturating_sub(told.allowed),
            ),
            (
                "blocked".to_owned(),
                now.blocked.saturating_sub(told.blocked),
            ),
            (
                "degraded".to_owned(),
                now.degraded.saturating_sub(told.degraded),
            ),
        ];
        counts.extend(
            shares
                .iter()
                .map(|(policy, count)| (format!("denied:{policy}"), share(*count))),
        );
        counts.retain(|(_, count)| *count > 0);
        if counts.is_empty() {
            return Ok(());
        }
        let keys = tally(stem, minute_of(SystemTime::now()));
        let mut args: Vec<Bytes> = vec![
            self.keeps.as_millis().to_string().into(),
            counts.len().to_string().into(),
        ];
        for (name, count) in counts {
            args.push(name.into());
            args.push(count.to_string().into());
        }
        for (key, count) in &noted {
            args.push(count.to_string().into());
            args.push(Bytes::copy_from_slice(subject_in(stem, key)));
        }
        // Whether it was told is not known of a reply that was lost; then it is not told twice.
        let denied = told.denied + shares.values().map(|count| share(*count)).sum::<u64>();
        let before = std::mem::replace(&mut *told, Stats { denied, ..now });
        let telling = lane.script::<u64>(&TALLYING, &keys, args, Sending::AtMostOnce);
        let result = Box::pin(telling).await;
        if result
            .as_ref()
            .is_err_and(|error| !error.may_have_executed())
        {
            *told = before;
        } else {
            let mut denied = lock(&self.denied);
            for (policy, count) in shares {
                if let Some(left) = denied.get_mut(&policy) {
                    *left = left.saturating_sub(count);
                }
            }
            denied.retain(|_, count| *count > 0);
        }
        result.map(drop)
    }
}

impl Inner {
    /// Tells what was decided since the last time.
    pub(crate) async fn tell(&self) -> Result<(), Error> {
        match &self.tally {
            Some(tally) => tally.tell(&self.lane, &self.stem, &self.counts).await,
            None => Ok(()),
        }
    }
}

impl Limiter {
    /// What all processes have decided in the last minutes, this one's own clock says which, up to so many of the subjects that were denied
    /// most: of limiters with [`analytics`](Builder::analytics). Each process tells what it has counted every ten seconds; how denials are
    /// shared among policies, and whose they were, is told by one in sixteen of them. Two commands a minute, those of an hour at the same time.
    ///
    /// # Errors
    /// As [`record`](Limiter::record).
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn report(&self, minutes: u64, most: usize) -> Result<Report, Error> {
        let lane = self.inner.lane.clone().deadline(Duration::from_secs(1));
        report(&lane, &self.inner.stem, minutes.clamp(1, 1_440), most).await
    }

    /// Tells at once what this process has counted: before it ends. One round trip.
    ///
    /// # Errors
    /// As [`record`](Limiter::record).
    ///
    /// # Cancel safety
    /// A dropped call may have told it, and it is told again then.
    pub async fn tell_analytics(&self) -> Result<(), Error> {
        self.inner.tell().await
    }
}

/// Tells now and then what a limiter has decided, as long as there is one.
pub(crate) fn keep_telling(limiter: Weak<Inner>) {
    tokio::spawn(async move {
        loop {
            // Spread, so that processes that began together do not tell together.
            tokio::time::sleep(EVERY.mul_f64(0.8 + 0.4 * fastrand::f64())).await;
            let Some(limiter) = limiter.upgrade() else {
                return;
            };
            if let Err(error) = limiter.tell().await {
                tracing::debug!(target: "russet::ratelimit", %error, "what was counted could not be told");
            }
        }
    });
}

/// Reads what all processes have told of the last minutes.
async fn report(lane: &Lane, stem: &Stem, minutes: u64, most: usize) -> Result<Report, Error> {
    let now = minute_of(SystemTime::now());
    let minutes: Vec<u64> = (now.saturating_sub(minutes.saturating_sub(1))..=now).collect();
    let mut all = Vec::with_capacity(minutes.len());
    // An hour at a time: decisions are made on the same connection.
    for hour in minutes.chunks(60) {
        let read = hour.iter().map(async |&minute| {
            let [counts, denied] = tally(stem, minute);
            let counts = Command::new("HGETALL").key(&counts);
            let last = most.saturating_sub(1);
            let denied = Command::new("ZREVRANGE")
                .key(&denied)
                .arg(0)
                .arg(last)
                .arg("WITHSCORES");
            let counts: HashMap<String, u64> = lane.run(counts, Sending::Idempotent).await?;
            let denied: Vec<(String, f64)> = lane.run(denied, Sending::Idempotent).await?;
            Ok::<_, Error>((minute, counts, denied))
        });
        all.extend(Box::pin(try_join_all(read)).await?);
    }
    let mut report = Report::default();
    let mut subjects: HashMap<String, u64> = HashMap::new();
    for (minute, mut counts, denied) in all {
        if counts.is_empty() {
            continue;
        }
        let mut count = |name: &str| counts.remove(name).unwrap_or(0);
        report.minutes.push(Minute {
            begins: UNIX_EPOCH + Duration::from_mins(minute),
            allowed: count("allowed"),
            blocked: count("blocked"),
            degraded: count("degraded"),
            denied: counts
                .into_iter()
                .filter_map(|(name, count)| Some((name.strip_prefix("denied:")?.to_owned(), count)))
                .collect(),
        });
        for (subject, count) in denied {
            *subjects.entry(subject).or_default() += crate::wire::whole(count);
        }
    }
    report.most_denied = subjects.into_iter().collect();
    report
        .most_denied
        .sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    report.most_denied.truncate(most);
    for (subject, _) in &mut report.most_denied {
        // Of an operation's subject, or one that is a tuple, each part by itself; one that is a hash stays that.
        let parts = subject
            .split(':')
            .map(|part| String::from_key_part(part).unwrap_or_else(|| part.to_owned()));
        *subject = parts.collect::<Vec<_>>().join(" ");
    }
    Ok(report)
}

/// A subject as its key has it.
fn subject_in<'k>(stem: &Stem, key: &'k Key) -> &'k [u8] {
    let behind = key
        .as_bytes()
        .get(stem.as_str().len() + 1..)
        .unwrap_or_default();
    match stem.is_sharded() {
        true => behind
            .iter()
            .position(|byte| *byte == b':')
            .map_or(behind, |at| &behind[at + 1..]),
        false => behind
            .strip_prefix(b"{")
            .and_then(|behind| behind.strip_suffix(b"}"))
            .unwrap_or(behind),
    }
}

fn minute_of(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
        / 60
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks panics.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tally(kept {:?})", self.keeps)
    }
}
