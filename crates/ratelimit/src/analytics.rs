//! Who was let through and who was not, minute by minute, off the way of decisions.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::try_join_all;
use russet_core::{
    Bytes, Command, Error, FromKeyPart as _, Key, Lane, Policy as Sending, Script, Stem,
};

use crate::decision::{Decision, Verdict};
use crate::keys::{TALLY, tally};
use crate::limiter::{Inner, Limiter};
use crate::sample::Sample;
use crate::stats::{Counts, Stats};

static TALLYING: Script = Script::new(TALLY);

/// How often a process tells what it has counted.
const EVERY: Duration = Duration::from_secs(10);
/// How many subjects a process notes between two times of telling; those that come later are not.
const NOTED: usize = 400;

/// What a process has counted and not told yet.
pub(crate) struct Tally {
    keeps: Duration,
    told: tokio::sync::Mutex<Told>,
    allowed: Sample,
    denied: Sample,
    would_deny: Sample,
    /// Of no policy: who is blocked is.
    blocked: Sample,
    /// Subjects of denials.
    noted: Mutex<HashMap<Key, u64>>,
}

/// What was told.
#[derive(Clone, Copy, Default)]
struct Told {
    stats: Stats,
    /// How many calls were told by policies: allowed, denied, and those that would have been.
    shared: [u64; 3],
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
    /// Of those that were let through, how many by each policy; a call by several policies counts for each.
    pub allowed_by: BTreeMap<String, u64>,
    /// Calls that were denied, by the names of the policies that did.
    pub denied: BTreeMap<String, u64>,
    /// Calls that a [watching](crate::Policy::shadow) policy would have denied, by its name.
    pub would_deny: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn new(keeps: Duration) -> Self {
        Tally {
            keeps,
            told: tokio::sync::Mutex::default(),
            allowed: Sample::default(),
            denied: Sample::default(),
            would_deny: Sample::default(),
            blocked: Sample::default(),
            noted: Mutex::default(),
        }
    }

    /// Notes a few of all calls.
    pub(crate) fn decided(&self, key: &Key, decision: &Decision) {
        let would_deny = decision.would_deny();
        match decision.verdict() {
            Verdict::Allowed => {
                if let Some(weight) = self.allowed.is_due() {
                    let policies = decision.policies();
                    let its = policies.filter(|policy| Some(*policy) != would_deny);
                    self.allowed.note(weight, its);
                }
            }
            Verdict::Denied => self.denied(key, &self.denied, decision.denied_by()),
            Verdict::Blocked => self.denied(key, &self.blocked, None),
            Verdict::Impossible | Verdict::HeldBack | Verdict::Unavailable => {}
        }
        if would_deny.is_some()
            && let Some(weight) = self.would_deny.is_due()
        {
            self.would_deny.note(weight, would_deny.into_iter());
        }
    }

    /// Notes who was denied, if it is one of a few.
    fn denied(&self, key: &Key, sample: &Sample, by: Option<&str>) {
        let Some(weight) = sample.is_due() else {
            return;
        };
        sample.note(weight, by.into_iter());
        let mut noted = lock(&self.noted);
        if let Some(count) = noted.get_mut(key) {
            *count += weight;
        } else if noted.len() < NOTED {
            noted.insert(key.clone(), weight);
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
        let noted: Vec<(Key, u64)> = lock(&self.noted).drain().collect();
        let mut counts = vec![
            (
                "allowed".to_owned(),
                now.allowed.saturating_sub(told.stats.allowed),
            ),
            (
                "blocked".to_owned(),
                now.blocked.saturating_sub(told.stats.blocked),
            ),
            (
                "degraded".to_owned(),
                now.degraded.saturating_sub(told.stats.degraded),
            ),
        ];
        self.blocked.take();
        // How many there were is known; how they are shared among policies a few of them say. Where none was noted they are told when one has been.
        let kinds = [
            ("allowed", &self.allowed, now.allowed),
            ("denied", &self.denied, now.denied),
            ("would_deny", &self.would_deny, now.would_deny),
        ];
        let mut shared = told.shared;
        let mut taken = Vec::with_capacity(kinds.len());
        for ((name, sample, total), shared) in kinds.into_iter().zip(&mut shared) {
            let Some(few) = sample.take() else {
                continue;
            };
            let all = total.saturating_sub(*shared);
            let shares = few.shares(all);
            counts.extend(shares.map(|(policy, share)| (format!("{name}:{policy}"), share)));
            *shared = total;
            taken.push((sample, few));
        }
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
        let before = std::mem::replace(&mut *told, Told { stats: now, shared });
        let telling = lane.script::<u64>(&TALLYING, &keys, args, Sending::AtMostOnce);
        let result = Box::pin(telling).await;
        if result
            .as_ref()
            .is_err_and(|error| !error.may_have_executed())
        {
            *told = before;
            for (sample, few) in taken {
                sample.put_back(few);
            }
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
    /// most: of limiters with [`analytics`](crate::Builder::analytics). Each process tells what it has counted every ten seconds; how calls
    /// are shared among policies, and whose the denied ones were, is told by one in sixteen of them. Two commands a minute, those of an hour at the same time.
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
    /// What a dropped call was about to tell is told all the same.
    pub async fn tell_analytics(&self) -> Result<(), Error> {
        let inner = self.inner.clone();
        let telling = tokio::spawn(async move { inner.tell().await });
        // Otherwise the runtime ends.
        telling.await.unwrap_or(Ok(()))
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
    for (minute, counts, denied) in all {
        if counts.is_empty() {
            continue;
        }
        let count = |name: &str| counts.get(name).copied().unwrap_or(0);
        let by = |prefix: &str| {
            let named = counts.iter();
            named
                .filter_map(|(name, count)| Some((name.strip_prefix(prefix)?.to_owned(), *count)))
                .collect()
        };
        report.minutes.push(Minute {
            begins: UNIX_EPOCH + Duration::from_mins(minute),
            allowed: count("allowed"),
            blocked: count("blocked"),
            degraded: count("degraded"),
            allowed_by: by("allowed:"),
            denied: by("denied:"),
            would_deny: by("would_deny:"),
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
