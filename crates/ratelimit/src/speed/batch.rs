//! Calls that wait at the same moment share a script.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use russet_core::{
    Batcher, Bounds, Bytes, Error, ErrorKind, Flight, Key, Lane, Policy, Reply, Script, ScriptCalls,
};

use crate::keys::{DECIDE, TAKE_COOLDOWN, TAKE_FIXED, TAKE_SLIDING, TAKE_TOKENS};
use crate::rules::Rules;
use crate::wire::{Answer, Kind, Mode, Ruling, ask, unreadable};

static TOKENS: Script = Script::new(TAKE_TOKENS);
static SLIDING: Script = Script::new(TAKE_SLIDING);
static FIXED: Script = Script::new(TAKE_FIXED);
static COOLDOWN: Script = Script::new(TAKE_COOLDOWN);
static SCRIPT: Script = Script::new(DECIDE);

/// How many decisions of several policies one script makes: so many that all of them take half a millisecond.
const AT_ONCE: usize = 32;

/// The short way of a limiter with one policy and nothing else to it.
#[derive(Clone, Debug)]
pub(crate) struct Take {
    /// Calls that cost 1, which need not be told.
    ones: ScriptCalls,
    others: ScriptCalls,
}

/// The short way, for rules that have one.
pub(crate) fn take(lane: &Lane, rules: &Rules) -> Option<Take> {
    let (kind, common) = rules.only()?;
    let script = match kind {
        Kind::TokenBucket => &TOKENS,
        Kind::SlidingWindow => &SLIDING,
        Kind::FixedWindow => &FIXED,
        Kind::Cooldown => &COOLDOWN,
        Kind::Calendar | Kind::SlidingLog => return None,
    };
    // Whether a call whose reply was lost was charged nobody knows; a second time it may not be.
    let calls = || lane.script_calls(script, common.clone(), Policy::AtMostOnce);
    Some(Take {
        ones: calls(),
        others: calls(),
    })
}

impl Take {
    /// The answer; nothing where only the long way can tell.
    pub(crate) async fn call(&self, key: Key, cost: u64) -> Result<Option<Answer>, Error> {
        let reply = match cost {
            1 => self.ones.call(key, std::iter::empty::<Bytes>()).await?,
            cost => self.others.call(key, [cost]).await?,
        };
        match reply {
            Reply::Bytes(bytes) if bytes.is_empty() => Ok(None),
            reply => Answer::read(reply).map(Some),
        }
    }
}

/// The long way, of any calls.
pub(crate) type Calls = Batcher<Deciding>;

/// One decision.
#[derive(Clone)]
pub(crate) struct Call {
    /// About each of its subjects.
    pub(crate) parts: Vec<Part>,
}

/// What one subject of a decision is asked.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) key: Key,
    pub(crate) logs: Vec<Key>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) mode: Mode,
    pub(crate) cost: i64,
    /// When what is given back was charged.
    pub(crate) charged_at: u64,
}

pub(crate) struct Deciding {
    lane: Lane,
    /// How far the server's clock is ahead of ours, in microseconds, as far as that matters: after it said that it is in another
    /// period of the calendar.
    ahead: AtomicI64,
}

pub(crate) fn calls(lane: &Lane) -> Calls {
    let deciding = Deciding {
        lane: lane.clone(),
        ahead: AtomicI64::new(0),
    };
    Batcher::new(deciding, Bounds::new(AT_ONCE, 3), lane.deadline_of_each())
}

impl Flight for Deciding {
    type Request = Call;
    /// Of each part.
    type Response = Vec<Answer>;

    fn group(&self, call: &Call) -> u16 {
        call.parts
            .first()
            .map_or(0, |part| self.lane.group(&part.key))
    }

    fn request_bytes(&self, call: &Call) -> usize {
        call.parts
            .iter()
            .map(|part| part.key.as_bytes().len() + 8)
            .sum()
    }

    fn response_bytes(&self, answers: &Vec<Answer>) -> usize {
        51 * answers.len()
    }

    async fn fly(&self, calls: Vec<Call>, _: Instant) -> Vec<Result<Vec<Answer>, Error>> {
        if !self.lane.is_cluster() {
            return self.together(&calls.iter().collect::<Vec<_>>()).await;
        }
        let mut slots: Vec<(u16, Vec<usize>)> = Vec::new();
        for (at, call) in calls.iter().enumerate() {
            let slot = call.parts.first().map_or(0, |part| part.key.slot());
            match slots.iter_mut().find(|(of, _)| *of == slot) {
                Some((_, places)) => places.push(at),
                None => slots.push((slot, vec![at])),
            }
        }
        let decided = join_all(slots.iter().map(async |(_, places)| {
            let calls: Vec<&Call> = places.iter().map(|at| &calls[*at]).collect();
            self.of_slot(&calls).await
        }));
        let mut answers: Vec<_> = calls.iter().map(|_| Ok(Vec::new())).collect();
        for ((_, places), decided) in slots.iter().zip(decided.await) {
            for (at, answer) in places.iter().zip(decided) {
                answers[*at] = answer;
            }
        }
        answers
    }
}

impl Deciding {
    /// Together; or, where the keys are on their way elsewhere and not all on one side, one by one.
    async fn of_slot(&self, calls: &[&Call]) -> Vec<Result<Vec<Answer>, Error>> {
        let answers = self.together(calls).await;
        let is_split = |answer: &Result<_, Error>| {
            let error = answer.as_ref().err();
            error.is_some_and(|error: &Error| {
                error.kind() == ErrorKind::TryAgain && !error.may_have_executed()
            })
        };
        if calls.len() == 1 || !answers.iter().any(is_split) {
            return answers;
        }
        let alone = calls.iter().map(async |call| self.together(&[*call]).await);
        let alone = join_all(alone).await;
        alone.into_iter().flatten().collect()
    }

    async fn together(&self, calls: &[&Call]) -> Vec<Result<Vec<Answer>, Error>> {
        match self.ask(calls).await {
            Ok(answers) => answers,
            Err(error) => vec![Err(error); calls.len()],
        }
    }

    /// Asks again, with the periods of the server's time, what it could not tell with ours.
    async fn ask(&self, calls: &[&Call]) -> Result<Vec<Result<Vec<Answer>, Error>>, Error> {
        let now = here().saturating_add_signed(self.ahead.load(Ordering::Relaxed));
        let mut answers = self.send(calls, now).await?;
        if !calls
            .iter()
            .any(|call| call.parts.iter().any(|part| part.rules.is_timed()))
        {
            return Ok(answers);
        }
        for _ in 0..RETRIES {
            let others: Vec<usize> = (0..calls.len())
                .filter(|at| other_periods(&answers[*at]).is_some())
                .collect();
            let Some(there) = others.first().and_then(|at| other_periods(&answers[*at])) else {
                return Ok(answers);
            };
            let ahead = i64::try_from(there)
                .unwrap_or(i64::MAX)
                .saturating_sub_unsigned(here());
            self.ahead.store(ahead, Ordering::Relaxed);
            let asked: Vec<&Call> = others.iter().map(|at| calls[*at]).collect();
            match self.send(&asked, there).await {
                Ok(again) => {
                    for (at, answer) in others.into_iter().zip(again) {
                        answers[at] = answer;
                    }
                }
                // What was decided before is.
                Err(error) => {
                    for at in others {
                        answers[at] = Err(error.clone());
                    }
                }
            }
        }
        for answer in &mut answers {
            if other_periods(answer).is_some() {
                *answer = Err(Error::decode(
                    "the server's clock goes from one period of the calendar to the next and back",
                ));
            }
        }
        Ok(answers)
    }

    /// One script.
    async fn send(
        &self,
        calls: &[&Call],
        now: u64,
    ) -> Result<Vec<Result<Vec<Answer>, Error>>, Error> {
        let mut sets: Vec<&Arc<Rules>> = Vec::with_capacity(1);
        let mut asked = Vec::with_capacity(calls.len());
        for call in calls {
            for (at, part) in call.parts.iter().enumerate() {
                let known = sets
                    .iter()
                    .position(|rules| Arc::ptr_eq(rules, &part.rules));
                let set = known.unwrap_or_else(|| {
                    sets.push(&part.rules);
                    sets.len() - 1
                });
                // No more sets than parts, and of these no more than 32 × 16.
                let set = u8::try_from(set + 1).map_err(|_| unreadable())?;
                let is_joined = at + 1 < call.parts.len();
                asked.push(ask(part.mode, set, part.cost, part.charged_at, is_joined));
            }
        }
        let mut args = vec![Bytes::from(sets.len().to_string())];
        for rules in sets {
            rules.write(now, &mut args);
        }
        args.extend(asked);
        let mut keys: Vec<&Key> = Vec::with_capacity(calls.len());
        for part in calls.iter().flat_map(|call| &call.parts) {
            keys.push(&part.key);
            keys.extend(&part.logs);
        }
        // Whether a call whose reply was lost was charged nobody knows; a second time it may not be.
        let reply = self
            .lane
            .script::<Vec<Reply>>(&SCRIPT, keys, args, Policy::AtMostOnce);
        let mut replies = Box::pin(reply).await?.into_iter();
        let answers = calls.iter().map(|call| {
            let of_call: Vec<Reply> = replies.by_ref().take(call.parts.len()).collect();
            if of_call.len() < call.parts.len() {
                return Err(unreadable());
            }
            of_call.into_iter().map(Answer::read).collect()
        });
        Ok(answers.collect())
    }
}

/// How often it is asked again.
const RETRIES: usize = 2;

/// The server's time, where it is in none of the periods that it was told.
fn other_periods(answer: &Result<Vec<Answer>, Error>) -> Option<u64> {
    let first = answer.as_ref().ok().and_then(|answers| answers.first());
    first
        .filter(|first| first.ruling == Ruling::OtherPeriods)
        .map(|first| first.now)
}

/// The time on this clock, in microseconds since 1970.
pub(crate) fn here() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::time::Duration;

    use russet_core::Redis;
    use russet_testkit::Shared;
    use russet_testkit::proxy::{Fault, Match, Proxy};

    use super::*;
    use crate::keys::CONCERN;
    use crate::policy::{Period, Policy as Limit};

    #[tokio::test]
    async fn a_clock_that_is_in_another_period_is_asked_again() {
        let shared = Shared::get();
        let redis = Redis::connect(shared.url()).await.unwrap();
        let ns = redis.namespace(shared.namespace()).unwrap();
        let stem = ns.stem("ratelimit", "calendar").unwrap();
        let policy = Limit::calendar(5, Period::Minute, "UTC");
        let part = Part {
            key: crate::keys::subject(&stem, "u"),
            logs: Vec::new(),
            rules: Rules::new(vec![policy], false, None).unwrap(),
            mode: Mode::Whole,
            cost: 1,
            charged_at: 0,
        };
        let call = Call { parts: vec![part] };
        for off in [0, 3_600, -3_600] {
            let deciding = Deciding {
                lane: ns.on(CONCERN, &stem),
                ahead: AtomicI64::new(off * 1_000_000),
            };
            let answers = deciding.fly(vec![call.clone()], Instant::now()).await;
            assert_eq!(
                answers[0].as_ref().unwrap()[0].ruling,
                Ruling::Allowed,
                "{off}"
            );
            let ahead = deciding.ahead.load(Ordering::Relaxed);
            assert!(
                ahead.unsigned_abs() < Duration::from_secs(60).as_micros() as u64,
                "{off}: {ahead}"
            );
        }
    }

    #[tokio::test]
    async fn what_was_decided_stays_so_if_others_cannot_be_asked_again() {
        let server = russet_testkit::Server::start();
        let proxy = Proxy::of(&server);
        let redis = Redis::connect(&proxy.url()).await.unwrap();
        let ns = redis.namespace("shop").unwrap();
        let stem = ns.stem("ratelimit", "calendar").unwrap();
        let call = |policy| Call {
            parts: vec![Part {
                key: crate::keys::subject(&stem, "u"),
                logs: Vec::new(),
                rules: Rules::new(vec![policy], false, None).unwrap(),
                mode: Mode::Whole,
                cost: 1,
                charged_at: 0,
            }],
        };
        let calls = [
            call(Limit::fixed_window(5, Duration::from_mins(1))),
            call(Limit::calendar(5, Period::Minute, "UTC")),
        ];
        let deciding = Deciding {
            lane: ns.on(CONCERN, &stem),
            ahead: AtomicI64::new(3_600_000_000),
        };
        // Until its script is known there.
        let _ = deciding.fly(calls[..1].to_vec(), Instant::now()).await;
        let again = Match::command("EVALSHA").nth(2);
        let refused = proxy.inject(again, Fault::RejectReply("ERR no".to_owned()));
        let answers = deciding.fly(calls.to_vec(), Instant::now()).await;
        assert_eq!(refused.hits(), 1);
        assert_eq!(answers[0].as_ref().unwrap()[0].ruling, Ruling::Allowed);
        assert!(answers[1].is_err());
    }
}
