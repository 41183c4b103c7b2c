//! How exact each algorithm is, on a real server, by the times at which calls came: what the README's table says.

use std::collections::VecDeque;

use crate::clocked::{ALLOWED, Clocked, settings};
use crate::size;

const LIMIT: usize = 100;
const SECOND: i64 = 1_000_000;
const WINDOW: i64 = 60 * SECOND;

/// What came of one algorithm under one kind of traffic, judged by what it let through itself.
#[derive(Clone, Copy, Debug, Default)]
#[expect(dead_code, reason = "what is judged is told if it is wrong")]
struct Judged {
    admitted: usize,
    /// The most in any window of time.
    peak: usize,
    /// Let through although there had been as many as the limit.
    over: usize,
    /// Denied although there had not.
    denied_wrongly: usize,
    calls: usize,
}

fn judge(times: &[i64], allowed: &[bool]) -> Judged {
    let mut recent = VecDeque::new();
    let mut judged = Judged {
        calls: times.len(),
        ..Judged::default()
    };
    for (time, allowed) in times.iter().zip(allowed) {
        while recent.front().is_some_and(|first| *first <= time - WINDOW) {
            recent.pop_front();
        }
        if *allowed {
            judged.over += usize::from(recent.len() >= LIMIT);
            recent.push_back(*time);
            judged.admitted += 1;
            judged.peak = judged.peak.max(recent.len());
        } else {
            judged.denied_wrongly += usize::from(recent.len() < LIMIT);
        }
    }
    judged
}

/// What an algorithm lets through.
fn run(kind: u8, numbers: &[i64], times: &[i64]) -> Judged {
    let mut script = Clocked::new();
    let policies = [("it", settings(kind, numbers))];
    let mut allowed = Vec::with_capacity(times.len());
    for some in times.chunks(500) {
        for time in some {
            script.now = *time;
            script.send(&policies, 'c', 1);
        }
        allowed.extend(some.iter().map(|_| script.receive().ruling == ALLOWED));
    }
    judge(times, &allowed)
}

/// A number between 0 and 1, the same ones each time.
struct Random(fastrand::Rng);

impl Random {
    fn new() -> Self {
        Random(fastrand::Rng::with_seed(7))
    }

    /// How long until the next of events that come at this rate, a second.
    fn pause(&mut self, rate: f64) -> i64 {
        (-(1.0 - self.0.f64()).ln() / rate * 1e6) as i64
    }
}

/// The minute at which all traffic begins.
const BEGIN: i64 = 1_790_000_040 * SECOND;

/// Of every two minutes: one call that opens the first, as many as it can at its end, and a steady stream through the second.
fn boundary(calls: usize) -> Vec<i64> {
    let pairs = (0..).flat_map(|pair: i64| {
        let begin = BEGIN + pair * 2 * WINDOW;
        let middle = begin + WINDOW;
        let before = (0..150).map(move |number| middle - 100_000 + number * 600);
        let after = (0..300).map(move |number| middle + 5_000 + number * 199_000);
        std::iter::once(begin).chain(before).chain(after)
    });
    pairs.take(calls).collect()
}

/// 50 to 250 calls within a second, twice a minute, whenever it pleases.
fn bursts(calls: usize) -> Vec<i64> {
    let mut random = Random::new();
    let mut times = Vec::with_capacity(calls);
    let mut begin = BEGIN;
    while times.len() < calls {
        begin += SECOND + random.pause(1.0 / 29.0);
        let mut burst: Vec<i64> = (0..random.0.usize(50..250))
            .map(|_| begin + random.0.i64(0..SECOND))
            .collect();
        burst.sort_unstable();
        times.extend(burst);
    }
    times.truncate(calls);
    times
}

fn poisson(calls: usize, times_limit: f64) -> Vec<i64> {
    let mut random = Random::new();
    let rate = LIMIT as f64 / 60.0 * times_limit;
    let mut time = BEGIN;
    std::iter::repeat_with(|| {
        time += random.pause(rate);
        time
    })
    .take(calls)
    .collect()
}

#[test]
fn algorithms_are_as_exact_as_their_documents_say() {
    let calls = usize::try_from(size(60_000, 3_000)).unwrap();
    let traffic = [
        ("boundary attacker", boundary(calls)),
        ("bursts", bursts(calls)),
        ("Poisson 1 ×", poisson(calls, 1.0)),
        ("Poisson 3 ×", poisson(calls, 3.0)),
    ];
    let limit = LIMIT as i64;
    let sliding = |count: i64, smooth: i64| vec![limit, WINDOW / count, count, smooth, SECOND];
    let algorithms: [(&str, u8, Vec<i64>); 8] = [
        ("sliding_log", 5, vec![limit, WINDOW, SECOND]),
        ("sliding_window", 2, sliding(60, 0)),
        ("sliding_window, resolution 10", 2, sliding(10, 0)),
        ("sliding_window, interpolated", 2, sliding(60, 1)),
        (
            "sliding_window, resolution 1, interpolated",
            2,
            sliding(1, 1),
        ),
        // 100 a minute are 5 in 3 s: a token weighs 600,000.
        (
            "token_bucket, burst 100",
            1,
            vec![limit, 600_000, 1, 1, SECOND],
        ),
        (
            "token_bucket, 50 a minute, burst 50",
            1,
            vec![limit / 2, 1_200_000, 1, 1, SECOND],
        ),
        ("fixed_window", 3, vec![limit, WINDOW, SECOND]),
    ];
    let exact: Vec<usize> = traffic
        .iter()
        .map(|(_, times)| run(5, &[limit, WINDOW, SECOND], times).admitted)
        .collect();
    println!(
        "| policy | {} |",
        traffic.each_ref().map(|(name, _)| *name).join(" | ")
    );
    println!("|---|---|---|---|---|");
    for (name, kind, numbers) in &algorithms {
        let judged: Vec<Judged> = traffic
            .iter()
            .map(|(_, times)| run(*kind, numbers, times))
            .collect();
        let cells = judged.iter().zip(&exact).map(|(judged, exact)| {
            format!(
                "{:.2} L, {:.1} %, {:.0} %",
                judged.peak as f64 / LIMIT as f64,
                100.0 * judged.over as f64 / judged.admitted as f64,
                100.0 * judged.admitted as f64 / *exact as f64,
            )
        });
        println!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
        for ((traffic, _), (judged, exact)) in traffic.iter().zip(judged.iter().zip(&exact)) {
            let told = format!("{name}, {traffic}: {judged:?}");
            match *name {
                "sliding_log" => assert_eq!(
                    (judged.peak <= LIMIT, judged.denied_wrongly),
                    (true, 0),
                    "{told}"
                ),
                "sliding_window" => {
                    assert!(judged.peak <= LIMIT && judged.over == 0, "{told}");
                    // The attacker comes when the last sub-window is still counted whole, and loses by it.
                    assert!(
                        *traffic == "boundary attacker" || judged.admitted * 100 >= exact * 95,
                        "{told}"
                    );
                }
                "sliding_window, resolution 10" => assert!(judged.peak <= LIMIT, "{told}"),
                "token_bucket, 50 a minute, burst 50" => assert!(judged.peak <= LIMIT, "{told}"),
                "token_bucket, burst 100" | "fixed_window" => {
                    assert!(judged.peak <= 2 * LIMIT, "{told}");
                }
                "sliding_window, interpolated" => assert!(judged.peak <= LIMIT * 3 / 2, "{told}"),
                _ => {}
            }
        }
    }
}
