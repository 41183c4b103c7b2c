//! The short way of a limiter with one policy decides as the long one does.

use proptest::prelude::*;
use proptest::sample::select;

use crate::clocked::{Clocked, settings};

/// Keys live by the server's own clock.
const SLACK: i64 = 3_600_000_000;

/// A policy, and about how long its window is.
fn policies() -> impl Strategy<Value = (u8, Vec<i64>, i64)> {
    let limit = 1..20_i64;
    prop_oneof![
        (
            limit.clone(),
            1..9_000_i64,
            1..50_i64,
            select(vec![1, 1_000_i64])
        )
            .prop_map(|(burst, one, rate, tick)| {
                (
                    1,
                    vec![burst, one, rate, tick, SLACK],
                    (burst * one / rate + 1) * tick,
                )
            }),
        (
            limit.clone(),
            1..1_000_000_i64,
            select(vec![1, 10, 60_i64]),
            0..=1_i64
        )
            .prop_map(|(limit, width, count, smooth)| (
                2,
                vec![limit, width, count, smooth, SLACK],
                width * count
            )),
        (limit, 1_000..90_000_000_i64).prop_map(|(limit, window)| (
            3,
            vec![limit, window, SLACK],
            window
        )),
        (1_000..90_000_000_i64).prop_map(|lasts| (6, vec![lasts, SLACK], lasts)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(u32::try_from(crate::size(1_200, 60)).unwrap())
    })]

    #[test]
    fn both_ways_are_one(
        (policy, steps) in policies().prop_flat_map(|policy| {
            let window = policy.2;
            let pass = prop_oneof![0..=window / 20 + 1, 0..=2 * window, -window..=0, Just(-3_600_000_000)];
            let step = (pass, prop_oneof![4 => Just(1), 2 => 0..25_i64]);
            (Just(policy), prop::collection::vec(step, 1..40))
        })
    ) {
        let (kind, numbers, _) = policy;
        let policies = [("it", settings(kind, &numbers))];
        let (mut long, mut short) = (Clocked::new(), Clocked::short(kind));
        for (number, (pass, cost)) in steps.iter().enumerate() {
            long.now += pass;
            short.now = long.now;
            let meant = long.ask(&policies, 'c', *cost);
            let told = short.ask_short("it", &policies[0].1, *cost);
            prop_assert_eq!(told, meant, "step {} of {:?} by {} {:?}", number, &steps, kind, &numbers);
        }
        let held = |clocked: &mut Clocked| {
            let key = clocked.key.clone();
            clocked.command(&["HGET", &key, "it"])
        };
        prop_assert_eq!(held(&mut long), held(&mut short));
    }
}
