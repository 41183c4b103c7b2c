//! What holds of a subject besides its counts, and several subjects in one decision, against a model: blocks, limits of its own, denials
//! that lead to blocks, whatever is asked in which order.

use proptest::prelude::*;

use crate::clocked::{
    ALLOWED, Answer, BLOCKED, Clocked, DENIED, HELD_BACK, IMPOSSIBLE, asked, settings,
};
use crate::model::{FixedWindow, Model as _, SlidingLog, SlidingWindow};

const SECOND: i64 = 1_000_000;
/// Keys live by the server's own clock.
const SLACK: i64 = 3_600 * SECOND;
const LIMITS: [i64; 3] = [6, 8, 9];
const SUBJECTS: usize = 2;
const NAMES: [&str; 3] = ["fixed", "sliding", "log"];

#[derive(Clone, Debug)]
enum Step {
    Pass(i64),
    /// Of each subject what it costs, if it takes part.
    Check([Option<i64>; SUBJECTS]),
    Penalize(usize, i64),
    Block(usize, i64),
    Unblock(usize),
    Override(usize, i64, i64),
    EndOverride(usize),
    Reset(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = 0..SUBJECTS;
    let cost = || prop::option::weighted(0.7, 1..8_i64);
    let step = prop_oneof![
        6 => (0..15 * SECOND).prop_map(Step::Pass),
        12 => [cost(), cost()].prop_map(Step::Check),
        1 => (one.clone(), 1..5_i64).prop_map(|(one, cost)| Step::Penalize(one, cost)),
        1 => (one.clone(), SECOND..30 * SECOND).prop_map(|(one, lasts)| Step::Block(one, lasts)),
        1 => one.clone().prop_map(Step::Unblock),
        1 => (one.clone(), 1..20_i64, SECOND..30 * SECOND).prop_map(|(one, limit, lasts)| Step::Override(one, limit, lasts)),
        1 => one.clone().prop_map(Step::EndOverride),
        1 => one.prop_map(Step::Reset),
    ];
    prop::collection::vec(step, 1..80)
}

/// After how many denials within how long a subject is blocked, for how long, times what for each one more, at most how long, and
/// when that is forgotten.
const ESCALATES: [f64; 6] = [3.0, 20e6, 5e6, 2.0, 12e6, 25e6];

#[derive(Clone, Copy, Default)]
struct Block {
    till: i64,
    /// How many there have been, until they are forgotten.
    times: i32,
    forgotten: i64,
}

#[derive(Clone)]
struct Subject {
    fixed: FixedWindow,
    sliding: SlidingWindow,
    log: SlidingLog,
    block: Block,
    /// How many, and until when they count.
    denials: (i64, i64),
    /// Of the fixed window, and until when.
    its_own: (i64, i64),
}

impl Subject {
    fn new() -> Self {
        let [fixed, sliding, log] = LIMITS;
        Subject {
            fixed: FixedWindow {
                limit: fixed,
                window: 10 * SECOND,
                count: 0,
                begins: 0,
            },
            sliding: SlidingWindow {
                limit: sliding,
                width: 2 * SECOND,
                count: 10,
                is_smooth: false,
                events: Vec::new(),
                head: 0,
            },
            log: SlidingLog {
                limit: log,
                window: 15 * SECOND,
                events: Vec::new(),
            },
            block: Block::default(),
            denials: (0, 0),
            its_own: (0, 0),
        }
    }

    /// For how long each of the policies denies a cost; nothing for ever.
    fn waits(&mut self, now: i64, cost: i64) -> [Option<i64>; 3] {
        let (limit, till) = self.its_own;
        self.fixed.limit = if till > now { limit } else { LIMITS[0] };
        [
            (cost <= self.fixed.limit).then(|| self.fixed.wait(now, cost)),
            (cost <= self.sliding.limit).then(|| self.sliding.wait(now, cost)),
            (cost <= self.log.limit).then(|| self.log.wait(now, cost)),
        ]
    }

    fn charge(&mut self, now: i64, cost: i64) {
        self.waits(now, cost);
        macro_rules! charge {
            ($policy:expr) => {
                let cost = cost.min($policy.room(now).max(0));
                if cost > 0 {
                    $policy.charge(now, cost);
                }
            };
        }
        charge!(self.fixed);
        charge!(self.sliding);
        charge!(self.log);
    }

    fn blocked(&self, now: i64) -> i64 {
        (self.block.till - now).max(0)
    }

    fn block(&mut self, now: i64, lasts: i64, remembered: i64) {
        let till = (now + lasts).max(self.block.till);
        if self.block.forgotten <= now {
            self.block.times = 0;
        }
        (self.block.till, self.block.forgotten) = (till, till + remembered);
    }

    /// For how long a denial leads to a block.
    fn denied(&mut self, now: i64) -> i64 {
        let [after, within, lasts, factor, most, forgotten] = ESCALATES;
        if self.denials.1 <= now {
            self.denials = (0, now + within as i64);
        }
        self.denials.0 += 1;
        if self.denials.0 < after as i64 {
            return 0;
        }
        self.denials = (0, 0);
        let before = if self.block.forgotten > now {
            self.block.times
        } else {
            0
        };
        let lasts = (lasts * factor.powi(before)).min(most) as i64;
        self.block(now, lasts, forgotten as i64);
        self.block.times = before + 1;
        self.blocked(now)
    }
}

/// What becomes of denials.
#[derive(Clone, Copy)]
struct Options {
    escalates: bool,
    charges: bool,
}

/// What is to be told of each: the ruling and the wait.
fn decide(
    subjects: &mut [Subject; SUBJECTS],
    now: i64,
    costs: [Option<i64>; SUBJECTS],
    Options { escalates, charges }: Options,
) -> Vec<(u8, i64)> {
    let takes_part = |at: usize| costs[at].map(|cost| (at, cost));
    let parts: Vec<(usize, i64)> = (0..SUBJECTS).filter_map(takes_part).collect();
    let mut passes = true;
    for (at, cost) in &parts {
        let waits = subjects[*at].waits(now, *cost);
        passes &= subjects[*at].blocked(now) == 0 && waits == [Some(0); 3];
    }
    let told = parts.iter().map(|(at, cost)| {
        let one = &mut subjects[*at];
        let waits = one.waits(now, *cost);
        if one.blocked(now) > 0 {
            return (BLOCKED, one.blocked(now));
        }
        if passes {
            one.charge(now, *cost);
            return (ALLOWED, 0);
        }
        let longest_of =
            |waits: [Option<i64>; 3]| waits.iter().flatten().max().copied().unwrap_or(0);
        let mut longest = longest_of(waits);
        let is_impossible = waits.contains(&None);
        let blocked = if escalates && longest > 0 {
            one.denied(now)
        } else {
            0
        };
        if charges && longest > 0 {
            one.charge(now, *cost);
            longest = longest_of(one.waits(now, *cost));
        }
        match (is_impossible, longest) {
            (true, _) => (IMPOSSIBLE, blocked),
            (false, 0) => (HELD_BACK, 0),
            (false, wait) => (DENIED, wait.max(blocked)),
        }
    });
    told.collect()
}

fn run(steps: &[Step], escalates: bool, charges: bool) -> Result<(), TestCaseError> {
    let mut subjects = [Subject::new(), Subject::new()];
    let mut script = Clocked::new();
    let [block, unblock, overriding, reset] = [
        "Blocks a subject, whatever",
        "-- Ends a subject's block",
        "-- Gives a subject settings",
        "-- Forgets what is counted",
    ]
    .map(|begins| script.script(begins));
    let keys = [0, 1].map(|subject| format!("{}:{subject}", script.key));
    let logs = [0, 1].map(|subject| format!("{}:%log", keys[subject]));
    let fixed = |limit: i64| settings(3, &[limit, 10 * SECOND, SLACK]);
    let policies = [
        (NAMES[0], fixed(LIMITS[0])),
        (
            NAMES[1],
            settings(2, &[LIMITS[1], 2 * SECOND, 10, 0, SLACK]),
        ),
        (NAMES[2], settings(5, &[LIMITS[2], 15 * SECOND, SLACK])),
    ];
    let mut says = vec![2 * u8::from(escalates) + u8::from(charges), 0, 0, 0];
    if escalates {
        says.extend(ESCALATES.iter().flat_map(|number| number.to_le_bytes()));
    }
    let number = |number: i64| number.to_string().into_bytes();
    for (at, step) in steps.iter().enumerate() {
        match *step {
            Step::Pass(time) => script.now += time,
            Step::Check(costs) => {
                let parts: Vec<(usize, i64)> = (0..SUBJECTS)
                    .filter_map(|subject| Some((subject, costs[subject]?)))
                    .collect();
                let names: Vec<&str> = parts
                    .iter()
                    .flat_map(|(subject, _)| [&*keys[*subject], &*logs[*subject]])
                    .collect();
                let calls = parts.iter().enumerate().map(|(place, (_, cost))| {
                    let mode = if place + 1 < parts.len() { 'C' } else { 'c' };
                    asked(mode, *cost)
                });
                let told = script.together(&names, &says, &policies, calls.collect());
                let meant = decide(
                    &mut subjects,
                    script.now,
                    costs,
                    Options { escalates, charges },
                );
                let told: Vec<(u8, i64)> = told
                    .iter()
                    .map(|Answer { ruling, wait, .. }| (*ruling, *wait))
                    .collect();
                prop_assert_eq!(told, meant, "step {} of {:?}", at, steps);
            }
            Step::Penalize(subject, cost) => {
                let names = [&*keys[subject], &*logs[subject]];
                script.together(&names, &says, &policies, vec![asked('p', cost)]);
                let one = &mut subjects[subject];
                one.charge(script.now, cost);
                if escalates && one.blocked(script.now) == 0 {
                    one.denied(script.now);
                }
            }
            Step::Block(subject, lasts) => {
                let args = [number(lasts), number(20 * SECOND)];
                script.call(&block, &[&keys[subject]], &args);
                subjects[subject].block(script.now, lasts, 20 * SECOND);
            }
            Step::Unblock(subject) => {
                let was = script.call(&unblock, &[&keys[subject]], &[]).as_int();
                let one = &mut subjects[subject];
                prop_assert_eq!(was, Some(i64::from(one.blocked(script.now) > 0)));
                (one.block, one.denials) = (Block::default(), (0, 0));
            }
            Step::Override(subject, limit, lasts) => {
                let args = [NAMES[0].into(), fixed(limit), number(lasts)];
                script.call(&overriding, &[&keys[subject]], &args);
                subjects[subject].its_own = (limit, script.now + lasts);
            }
            Step::EndOverride(subject) => {
                let args = [NAMES[0].into(), Vec::new(), number(0)];
                script.call(&overriding, &[&keys[subject]], &args);
                subjects[subject].its_own = (0, 0);
            }
            Step::Reset(subject) => {
                script.call(&reset, &[&keys[subject], &logs[subject]], &[]);
                let fresh = Subject::new();
                let one = &mut subjects[subject];
                (one.fixed, one.sliding, one.log) = (fresh.fixed, fresh.sliding, fresh.log);
            }
        }
    }
    for key in keys.iter().chain(&logs) {
        let ttl = script.command(&["PTTL", key]).as_int().unwrap();
        prop_assert!(ttl != -1, "a key without a TTL after {:?}", steps);
    }
    Ok(())
}

proptest! {
    #![proptest_config(crate::as_meant::cases())]

    #[test]
    fn blocks_and_limits_of_their_own_are_as_meant(steps in steps(), charges in any::<bool>()) {
        run(&steps, false, charges)?;
    }

    #[test]
    fn denials_lead_to_blocks_as_meant(steps in steps(), charges in any::<bool>()) {
        run(&steps, true, charges)?;
    }
}
