//! What each algorithm means, without a thought for speed.

use crate::clocked::{ALLOWED, Answer, DENIED, IMPOSSIBLE};

/// An algorithm, as it is meant. Its methods are told the time, and what is ahead of it is taken as now.
pub(crate) trait Model: Clone {
    /// Whether what it knows is ahead of the time.
    fn is_ahead(&self, now: i64) -> bool;
    fn limit(&self) -> i64;
    /// How much counts now.
    fn counted(&mut self, now: i64) -> i64;
    /// For how long a cost that is at most the limit does not fit; 0 if it does.
    fn wait(&mut self, now: i64, cost: i64) -> i64;
    /// How long until nothing counts.
    fn idle(&mut self, now: i64) -> i64;
    /// How much a debt has room for.
    fn room(&mut self, now: i64) -> i64;
    fn charge(&mut self, now: i64, cost: i64);
    fn give_back(&mut self, now: i64, cost: i64);
    /// When the first was charged of what may be given back.
    fn counts_from(&mut self, now: i64) -> i64 {
        let _ = now;
        i64::MIN
    }
    /// How much still counts of what was charged then.
    fn still_counts(&mut self, now: i64, cost: i64, charged_at: i64) -> i64 {
        if charged_at < self.counts_from(now) {
            0
        } else {
            cost
        }
    }
}

/// What becomes of giving back what was charged then.
pub(crate) fn give_back<M: Model>(model: &mut M, now: i64, cost: i64, charged_at: i64) -> Answer {
    let is_ahead = model.is_ahead(now);
    let before = model.clone();
    let back = model.still_counts(now, cost, charged_at);
    // The script says what it was asked to give back, not what there was of it.
    let answer = Answer {
        charged: -cost,
        ..ask(model, now, 'r', -back)
    };
    if back == 0 && !is_ahead {
        *model = before;
    }
    answer
}

/// What a decision by one model comes to.
pub(crate) fn ask<M: Model>(model: &mut M, now: i64, mode: char, mut cost: i64) -> Answer {
    // What is not charged is not stored, unless the clock was set back.
    let before = (!model.is_ahead(now)).then(|| model.clone());
    let mut answer = Answer {
        ruling: ALLOWED,
        policy: 1,
        limit: model.limit(),
        current: 0,
        charged: 0,
        wait: 0,
        idle: 0,
    };
    match mode {
        'r' if cost <= 0 => {
            model.give_back(now, -cost);
            answer.charged = cost;
        }
        'r' => {
            cost = cost.min(model.room(now).max(0));
            if cost > 0 {
                model.charge(now, cost);
            }
            answer.charged = cost;
        }
        _ => {
            if mode == 'u' {
                cost = cost.min(model.limit() - model.counted(now)).max(1);
            }
            if cost > model.limit() {
                answer.ruling = IMPOSSIBLE;
            } else {
                answer.wait = model.wait(now, cost);
                if answer.wait > 0 {
                    answer.ruling = DENIED;
                } else {
                    model.charge(now, cost);
                    answer.charged = cost;
                }
            }
        }
    }
    answer.current = model.counted(now);
    answer.idle = model.idle(now);
    // One that was recorded has happened, also if there was no room for any of it.
    if let (Some(before), 0, 'c' | 'u') = (before, answer.charged, mode) {
        *model = before;
    }
    answer
}

fn ceil(a: i64, b: i64) -> i64 {
    (a + b - 1).div_euclid(b)
}

/// Leaks `rate` of `one` a token in each tick.
#[derive(Clone)]
pub(crate) struct TokenBucket {
    pub(crate) burst: i64,
    pub(crate) one: i64,
    pub(crate) rate: i64,
    pub(crate) tick: i64,
    pub(crate) used: i64,
    pub(crate) last: i64,
}

impl TokenBucket {
    fn leak(&mut self, now: i64) {
        self.last = self.last.min(now);
        let ticks = (now - self.last) / self.tick;
        self.last += ticks * self.tick;
        let left = i128::from(self.used) - i128::from(ticks) * i128::from(self.rate);
        self.used = i64::try_from(left.max(0)).unwrap();
        if self.used == 0 {
            self.last = now;
        }
    }
}

impl Model for TokenBucket {
    fn is_ahead(&self, now: i64) -> bool {
        self.last > now
    }

    fn limit(&self) -> i64 {
        self.burst
    }

    fn counted(&mut self, now: i64) -> i64 {
        self.leak(now);
        ceil(self.used, self.one)
    }

    fn wait(&mut self, now: i64, cost: i64) -> i64 {
        self.leak(now);
        let over = self.used + (cost - self.burst) * self.one;
        if over <= 0 {
            return 0;
        }
        ceil(over, self.rate) * self.tick - (now - self.last)
    }

    fn idle(&mut self, now: i64) -> i64 {
        self.leak(now);
        ceil(self.used, self.rate) * self.tick - (now - self.last)
    }

    fn room(&mut self, now: i64) -> i64 {
        self.leak(now);
        (2 * self.burst * self.one - self.used) / self.one
    }

    fn charge(&mut self, now: i64, cost: i64) {
        self.leak(now);
        self.used += cost * self.one;
    }

    fn still_counts(&mut self, now: i64, cost: i64, charged_at: i64) -> i64 {
        if charged_at > now {
            return cost;
        }
        let leaked = i128::from(ceil(now - charged_at, self.tick)) * i128::from(self.rate);
        let weight = i128::from(cost) * i128::from(self.one);
        i64::try_from((weight - leaked).max(0) / i128::from(self.one)).unwrap()
    }

    fn give_back(&mut self, now: i64, cost: i64) {
        self.leak(now);
        self.used = (self.used - cost * self.one).max(0);
    }
}

/// What was counted in which sub-window; the newest is the last.
#[derive(Clone)]
pub(crate) struct SlidingWindow {
    pub(crate) limit: i64,
    pub(crate) width: i64,
    pub(crate) count: i64,
    pub(crate) is_smooth: bool,
    pub(crate) events: Vec<(i64, i64)>,
    pub(crate) head: i64,
}

impl SlidingWindow {
    fn turn(&mut self, now: i64) {
        let at = now.div_euclid(self.width);
        if self.head > at {
            for event in &mut self.events {
                event.0 -= self.head - at;
            }
        }
        self.head = at;
        self.events.retain(|event| at - event.0 <= self.count);
    }

    fn total(&self) -> i64 {
        self.events.iter().map(|event| event.1).sum()
    }

    /// How much counts at a time that is not before now.
    fn counted_at(&self, time: i64) -> i64 {
        let at = time.div_euclid(self.width);
        let counts = |event: &(i64, i64)| match at - event.0 {
            age if age > self.count => 0,
            _ => event.1,
        };
        let oldest: i64 = self
            .events
            .iter()
            .filter(|event| at - event.0 == self.count)
            .map(|event| event.1)
            .sum();
        let covered = time - at * self.width;
        let passed = if self.is_smooth {
            oldest * covered / self.width
        } else {
            0
        };
        self.events.iter().map(counts).sum::<i64>() - passed
    }
}

impl Model for SlidingWindow {
    fn is_ahead(&self, now: i64) -> bool {
        self.head > now.div_euclid(self.width)
    }

    fn limit(&self) -> i64 {
        self.limit
    }

    fn counted(&mut self, now: i64) -> i64 {
        self.turn(now);
        self.counted_at(now)
    }

    fn wait(&mut self, now: i64, cost: i64) -> i64 {
        self.turn(now);
        // It only ever becomes less: the first moment at which it fits, by halving.
        let (mut no, mut yes) = (now - 1, now + (self.count + 2) * self.width);
        while yes - no > 1 {
            let middle = (no + yes) / 2;
            if self.counted_at(middle) + cost <= self.limit {
                yes = middle;
            } else {
                no = middle;
            }
        }
        yes - now
    }

    fn idle(&mut self, now: i64) -> i64 {
        self.turn(now);
        let newest = self.events.iter().map(|event| event.0).max();
        newest.map_or(0, |newest| (newest + self.count + 1) * self.width - now)
    }

    fn room(&mut self, now: i64) -> i64 {
        // What fits without a debt is charged whatever the debt may be.
        let fits = self.limit - self.counted(now);
        (2 * self.limit - self.total()).max(fits)
    }

    fn charge(&mut self, now: i64, cost: i64) {
        self.turn(now);
        self.events.push((self.head, cost));
    }

    fn counts_from(&mut self, now: i64) -> i64 {
        (now / self.width - self.count) * self.width
    }

    fn give_back(&mut self, now: i64, mut cost: i64) {
        self.turn(now);
        for event in &mut self.events {
            let less = cost.min(event.1);
            event.1 -= less;
            cost -= less;
        }
        self.events.retain(|event| event.1 > 0);
    }
}

#[derive(Clone)]
pub(crate) struct FixedWindow {
    pub(crate) limit: i64,
    pub(crate) window: i64,
    pub(crate) count: i64,
    pub(crate) begins: i64,
}

impl FixedWindow {
    fn turn(&mut self, now: i64) {
        self.begins = self.begins.min(now);
        if self.begins + self.window <= now {
            (self.count, self.begins) = (0, now);
        }
    }

    fn ends(&self) -> i64 {
        self.begins + self.window
    }
}

impl Model for FixedWindow {
    fn is_ahead(&self, now: i64) -> bool {
        self.begins > now
    }

    fn limit(&self) -> i64 {
        self.limit
    }

    fn counted(&mut self, now: i64) -> i64 {
        self.turn(now);
        self.count
    }

    fn wait(&mut self, now: i64, cost: i64) -> i64 {
        self.turn(now);
        if self.count + cost <= self.limit {
            0
        } else {
            self.ends() - now
        }
    }

    fn idle(&mut self, now: i64) -> i64 {
        self.turn(now);
        if self.count > 0 { self.ends() - now } else { 0 }
    }

    fn room(&mut self, now: i64) -> i64 {
        self.turn(now);
        2 * self.limit - self.count
    }

    fn charge(&mut self, now: i64, cost: i64) {
        self.turn(now);
        if self.count == 0 {
            self.begins = now;
        }
        self.count += cost;
    }

    fn counts_from(&mut self, now: i64) -> i64 {
        self.turn(now);
        self.begins
    }

    fn give_back(&mut self, now: i64, cost: i64) {
        self.turn(now);
        self.count = (self.count - cost).max(0);
        if self.count == 0 {
            self.begins = 0;
        }
    }
}

/// What was charged when, oldest first.
#[derive(Clone)]
pub(crate) struct SlidingLog {
    pub(crate) limit: i64,
    pub(crate) window: i64,
    pub(crate) events: Vec<(i64, i64)>,
}

impl SlidingLog {
    fn turn(&mut self, now: i64) {
        for event in &mut self.events {
            event.0 = event.0.min(now);
        }
        self.events
            .retain(|event| event.0 > now - self.window && event.1 > 0);
    }
}

impl Model for SlidingLog {
    fn is_ahead(&self, now: i64) -> bool {
        self.events.iter().any(|event| event.0 > now)
    }

    fn limit(&self) -> i64 {
        self.limit
    }

    fn counted(&mut self, now: i64) -> i64 {
        self.turn(now);
        self.events.iter().map(|event| event.1).sum()
    }

    fn wait(&mut self, now: i64, cost: i64) -> i64 {
        let mut rest = self.counted(now);
        let mut wait = 0;
        for event in &self.events {
            if rest + cost <= self.limit {
                break;
            }
            rest -= event.1;
            wait = event.0 + self.window - now;
        }
        wait
    }

    fn idle(&mut self, now: i64) -> i64 {
        self.turn(now);
        self.events
            .last()
            .map_or(0, |event| event.0 + self.window - now)
    }

    fn room(&mut self, now: i64) -> i64 {
        2 * self.limit - self.counted(now)
    }

    fn charge(&mut self, now: i64, cost: i64) {
        self.turn(now);
        self.events.push((now, cost));
    }

    fn counts_from(&mut self, now: i64) -> i64 {
        now - self.window
    }

    fn give_back(&mut self, now: i64, mut cost: i64) {
        self.turn(now);
        for event in &mut self.events {
            let less = cost.min(event.1);
            event.1 -= less;
            cost -= less;
        }
        self.turn(now);
    }
}

/// Periods that are all as long.
#[derive(Clone)]
pub(crate) struct Calendar {
    pub(crate) limit: i64,
    pub(crate) length: i64,
    pub(crate) count: i64,
    pub(crate) begins: i64,
}

impl Calendar {
    /// What was counted in a period that is ahead counts in this one.
    fn turn(&mut self, now: i64) {
        let begins = now.div_euclid(self.length) * self.length;
        if self.begins < begins {
            self.count = 0;
        }
        self.begins = begins;
    }

    fn ends(&self) -> i64 {
        self.begins + self.length
    }
}

impl Model for Calendar {
    fn is_ahead(&self, now: i64) -> bool {
        self.begins > now
    }

    fn limit(&self) -> i64 {
        self.limit
    }

    fn counted(&mut self, now: i64) -> i64 {
        self.turn(now);
        self.count
    }

    fn wait(&mut self, now: i64, cost: i64) -> i64 {
        self.turn(now);
        if self.count + cost <= self.limit {
            0
        } else {
            self.ends() - now
        }
    }

    fn idle(&mut self, now: i64) -> i64 {
        self.turn(now);
        if self.count > 0 { self.ends() - now } else { 0 }
    }

    fn room(&mut self, now: i64) -> i64 {
        self.turn(now);
        2 * self.limit - self.count
    }

    fn charge(&mut self, now: i64, cost: i64) {
        self.turn(now);
        self.count += cost;
    }

    fn counts_from(&mut self, now: i64) -> i64 {
        self.turn(now);
        self.begins
    }

    fn give_back(&mut self, now: i64, cost: i64) {
        self.turn(now);
        self.count = (self.count - cost).max(0);
    }
}

#[derive(Clone)]
pub(crate) struct Cooldown {
    pub(crate) lasts: i64,
    pub(crate) free: i64,
}

impl Cooldown {
    fn left(&self, now: i64) -> i64 {
        (self.free.min(now + self.lasts) - now).max(0)
    }
}

impl Model for Cooldown {
    fn is_ahead(&self, now: i64) -> bool {
        self.free > now + self.lasts
    }

    fn limit(&self) -> i64 {
        1
    }

    fn counted(&mut self, now: i64) -> i64 {
        i64::from(self.idle(now) > 0)
    }

    fn wait(&mut self, now: i64, _: i64) -> i64 {
        self.idle(now)
    }

    fn idle(&mut self, now: i64) -> i64 {
        self.free = self.free.min(now + self.lasts);
        self.left(now)
    }

    fn room(&mut self, _: i64) -> i64 {
        i64::MAX
    }

    fn charge(&mut self, now: i64, _: i64) {
        self.free = now + self.lasts;
    }

    /// What is given back does not end it.
    fn give_back(&mut self, _: i64, _: i64) {}
}
