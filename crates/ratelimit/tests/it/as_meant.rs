//! Every algorithm against a model of it: whatever is asked, however the clock goes.

use proptest::prelude::*;
use proptest::sample::select;

use crate::clocked::{ALLOWED, Clocked, DENIED, settings};
use crate::model::{
    Calendar, Cooldown, FixedWindow, Model, SlidingLog, SlidingWindow, TokenBucket, ask, give_back,
};

/// Keys live by the server's own clock, which goes on: an hour is longer than any of these tests.
const SLACK: i64 = 3_600_000_000;

#[derive(Clone, Debug)]
enum Step {
    /// Microseconds, also backwards.
    Pass(i64),
    Ask(char, i64),
    /// This much, which was charged so long ago.
    GiveBack(i64, i64),
}

/// Times around what matters for a window: a microsecond, a part of it, all of it, much more; and back.
fn steps(window: i64, limit: i64) -> impl Strategy<Value = Vec<Step>> {
    let pass = prop_oneof![
        4 => 0..=window / 50 + 1,
        4 => 0..=window + window / 10,
        1 => 0..=3 * window,
        1 => -window..=0,
        1 => select(vec![3_600_000_000, -3_600_000_000]),
    ];
    let cost = prop_oneof![4 => Just(1), 3 => 1..=limit, 1 => limit..=3 * limit + 1];
    let step = prop_oneof![
        2 => pass.prop_map(Step::Pass),
        5 => cost.clone().prop_map(|cost| Step::Ask('c', cost)),
        1 => cost.clone().prop_map(|cost| Step::Ask('u', cost)),
        1 => cost.clone().prop_map(|cost| Step::Ask('r', cost)),
        1 => cost.clone().prop_map(|cost| Step::Ask('r', -cost)),
        1 => (cost, 0..=2 * window).prop_map(|(cost, ago)| Step::GiveBack(cost, ago)),
    ];
    prop::collection::vec(step, 1..60)
}

/// All steps, by the script and by the model; and of each denial, whether its wait is the truth.
fn compare<M: Model>(
    kind: u8,
    numbers: &[i64],
    model: &mut M,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    compare_timed(kind, &|_| numbers.to_vec(), model, steps)
}

/// The same of settings that are others at other times.
fn compare_timed<M: Model>(
    kind: u8,
    numbers: &dyn Fn(i64) -> Vec<i64>,
    model: &mut M,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let name = "it";
    let mut script = Clocked::new();
    let mut was_set_back = false;
    // By the server's own clock time passes meanwhile.
    let began = std::time::Instant::now();
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Pass(time) => {
                script.now += time;
                // Its TTL went by the server's own clock, which was not.
                was_set_back |= time < 0;
            }
            Step::GiveBack(cost, ago) => {
                let numbers = numbers(script.now);
                let charged_at = script.now - ago;
                prop_assert_eq!(
                    script.give_back(&[(name, settings(kind, &numbers))], cost, charged_at),
                    give_back(model, script.now, cost, charged_at),
                    "step {} of {:?} by {:?}",
                    number,
                    steps,
                    numbers
                );
            }
            Step::Ask(mode, cost) => {
                let numbers = numbers(script.now);
                let policies = [(name, settings(kind, &numbers))];
                let meant = ask(model, script.now, mode, cost);
                let told = script.ask(&policies, mode, cost);
                prop_assert_eq!(
                    told,
                    meant,
                    "step {} of {:?} by {:?}",
                    number,
                    steps,
                    numbers
                );
                if told.ruling == DENIED {
                    let at = |script: &mut Clocked, wait: i64| {
                        script.aside(name, |script| {
                            script.now += wait;
                            script.ask(&policies, mode, cost).ruling
                        })
                    };
                    prop_assert_eq!(
                        at(&mut script, told.wait),
                        ALLOWED,
                        "after its wait, step {}",
                        number
                    );
                    prop_assert_eq!(
                        at(&mut script, (told.wait - 1).max(0)),
                        DENIED,
                        "before it, step {}",
                        number
                    );
                }
                let ttl = script
                    .command(&["PTTL", &script.key.clone()])
                    .as_int()
                    .unwrap();
                prop_assert!(ttl != -1, "a key without a TTL, step {}", number);
                if !was_set_back && meant.idle > 0 && meant.charged > 0 {
                    prop_assert!(
                        ttl * 1_000 + i64::try_from(began.elapsed().as_micros()).unwrap()
                            >= meant.idle - 1_000_000,
                        "{} of {}",
                        ttl,
                        meant.idle
                    );
                }
            }
        }
    }
    Ok(())
}

pub(crate) fn cases() -> ProptestConfig {
    ProptestConfig {
        max_shrink_iters: 400,
        failure_persistence: None,
        ..ProptestConfig::with_cases(u32::try_from(crate::size(1_200, 60)).unwrap())
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn token_buckets_are_as_meant(
        (numbers, steps) in (1..50_i64, 1..100_000_i64, 1..100_i64, select(vec![1, 1_000, 1_000_000_i64])).prop_flat_map(
            |(burst, one, rate, tick)| {
                let window = (burst * one / rate + 1) * tick;
                (Just([burst, one, rate, tick, SLACK]), steps(window, burst))
            }
        )
    ) {
        let [burst, one, rate, tick, _] = numbers;
        let mut model = TokenBucket { burst, one, rate, tick, used: 0, last: 0 };
        compare(1, &numbers, &mut model, &steps)?;
    }

    #[test]
    fn sliding_windows_are_as_meant(
        (numbers, steps) in (1..50_i64, 1..2_000_000_i64, select(vec![1, 2, 10, 60, 1_000_i64]), 0..=1_i64).prop_flat_map(
            |(limit, width, count, smooth)| (Just([limit, width, count, smooth, SLACK]), steps(width * count, limit))
        )
    ) {
        let [limit, width, count, smooth, _] = numbers;
        let mut model = SlidingWindow { limit, width, count, is_smooth: smooth == 1, events: Vec::new(), head: 0 };
        compare(2, &numbers, &mut model, &steps)?;
    }

    #[test]
    fn fixed_windows_are_as_meant(
        (numbers, steps) in (1..50_i64, 1_000..100_000_000_i64)
            .prop_flat_map(|(limit, window)| (Just([limit, window, SLACK]), steps(window, limit)))
    ) {
        let [limit, window, _] = numbers;
        let mut model = FixedWindow { limit, window, count: 0, begins: 0 };
        compare(3, &numbers, &mut model, &steps)?;
    }

    #[test]
    fn sliding_logs_are_as_meant(
        (numbers, steps) in (1..50_i64, 1_000..100_000_000_i64)
            .prop_flat_map(|(limit, window)| (Just([limit, window, SLACK]), steps(window, limit)))
    ) {
        let [limit, window, _] = numbers;
        let mut model = SlidingLog { limit, window, events: Vec::new() };
        compare(5, &numbers, &mut model, &steps)?;
    }

    /// Of periods that are as long as each other, which the script is told of as the limiter does.
    #[test]
    fn periods_of_the_calendar_are_as_meant(
        (numbers, steps) in (1..50_i64, 1_000..100_000_000_i64)
            .prop_flat_map(|(limit, window)| (Just([limit, window]), steps(window, limit)))
    ) {
        let [limit, length] = numbers;
        let mut model = Calendar { limit, length, count: 0, begins: 0 };
        let settings = move |now: i64| {
            let begins = now.div_euclid(length) * length;
            vec![limit, begins - length, begins, begins + length, begins + 2 * length, SLACK]
        };
        compare_timed(4, &settings, &mut model, &steps)?;
    }

    #[test]
    fn cooldowns_are_as_meant(
        (numbers, steps) in (1_000..100_000_000_i64).prop_flat_map(|lasts| (Just([lasts, SLACK]), steps(lasts, 1)))
    ) {
        let [lasts, _] = numbers;
        let mut model = Cooldown { lasts, free: 0 };
        // A cooldown does not mind what a call costs.
        let steps: Vec<Step> = steps.into_iter().map(|step| match step {
            Step::Ask(mode, cost) => Step::Ask(mode, cost.signum()),
            Step::GiveBack(cost, ago) => Step::GiveBack(cost.signum(), ago),
            pass @ Step::Pass(_) => pass,
        }).collect();
        compare(6, &numbers, &mut model, &steps)?;
    }

    /// Whatever is given back, late and in whatever order: there is never less counted than if it had never been charged.
    #[test]
    fn a_bucket_gives_back_no_more_than_a_charge_is_still_worth(
        steps in prop::collection::vec((0..3_000_000_i64, 1..60_i64, prop::option::weighted(0.4, any::<prop::sample::Index>()), 1..=100_i64), 1..80)
    ) {
        // A token in 50 ms.
        let fresh = TokenBucket { burst: 100, one: 50_000, rate: 1, tick: 1, used: 0, last: 0 };
        let policies = [("it", settings(1, &[100, 50_000, 1, 1, SLACK]))];
        let mut script = Clocked::new();
        // When, how much, and how much of it was given back.
        let mut charged: Vec<(i64, i64, i64)> = Vec::new();
        for (pass, cost, given_back, percent) in &steps {
            script.now += pass / 3;
            let told = match given_back {
                Some(which) if !charged.is_empty() => {
                    let one = which.get(&charged);
                    let at = charged.iter().position(|other| std::ptr::eq(other, one)).unwrap();
                    let (when, cost, back) = charged[at];
                    let less = (cost - back) * percent / 100;
                    charged[at].2 += less;
                    script.give_back(&policies, less, when)
                }
                _ => {
                    let told = script.ask(&policies, 'c', *cost);
                    if told.ruling == ALLOWED {
                        charged.push((script.now, *cost, 0));
                    }
                    told
                }
            };
            let mut meant = fresh.clone();
            for (when, cost, back) in &charged {
                if cost > back {
                    meant.charge(*when, cost - back);
                }
            }
            prop_assert!(told.current >= meant.counted(script.now), "{} of {} after {:?}", told.current, meant.counted(script.now), steps);
        }
    }

    /// Limits and sub-windows that change with each call: there are never more than the limit of now, by what was let through.
    #[test]
    fn a_window_that_changes_while_in_use_holds(
        steps in prop::collection::vec((0..9_000_000_i64, 1..4_i64, 1..30_i64, select(vec![1, 7, 10, 60, 600_i64])), 1..80)
    ) {
        const WINDOW: i64 = 60_000_000;
        let mut script = Clocked::new();
        let mut charged: Vec<(i64, i64)> = Vec::new();
        for (pass, cost, limit, count) in steps {
            script.now += pass;
            let width = (WINDOW + count - 1) / count;
            let policies = [("it", settings(2, &[limit, width, count, 0, SLACK]))];
            let answer = script.ask(&policies, 'c', cost);
            if answer.ruling == ALLOWED {
                charged.push((script.now, cost));
                let counted = charged.iter().filter(|(at, _)| *at > script.now - WINDOW).map(|(_, cost)| cost).sum::<i64>();
                prop_assert!(counted <= limit, "{} of {}", counted, limit);
                prop_assert!(answer.current >= counted, "{} of {}", answer.current, counted);
            }
        }
    }
}
