//! How long an entry is fresh, and what it is good for afterwards.

use std::time::Duration;

/// What a cache says of it.
#[derive(Clone, Debug)]
pub(crate) struct Freshness {
    pub(crate) jitter: f64,
    pub(crate) while_revalidate: Duration,
    pub(crate) if_error: Duration,
    pub(crate) throttle: Duration,
    pub(crate) early: f64,
    pub(crate) sliding: bool,
}

/// What an entry is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    Fresh,
    /// Served at once, while it is loaded anew.
    Revalidated,
    /// Served if the load fails, or takes too long.
    Fallback,
    /// Nothing.
    Over,
}

impl Freshness {
    /// How long an entry of this TTL is fresh: up to the jitter less, so that what was stored together does not end together.
    pub(crate) fn fresh(&self, ttl: Duration) -> Duration {
        let less = ttl.mul_f64(self.jitter * fastrand::f64());
        (ttl - less).max(Duration::from_millis(1))
    }

    /// How long it stands in Redis.
    pub(crate) fn lives(&self, fresh: Duration) -> Duration {
        fresh + self.while_revalidate.max(self.if_error)
    }

    pub(crate) fn of(&self, age: Duration, fresh: Duration, kept_in_use: bool) -> Age {
        let stale = match age.checked_sub(fresh) {
            None | Some(Duration::ZERO) => return Age::Fresh,
            Some(stale) => stale,
        };
        if stale <= self.while_revalidate {
            Age::Revalidated
        // One that was kept in use began its age anew; it ends with its key.
        } else if stale <= self.if_error || (kept_in_use && !self.if_error.is_zero()) {
            Age::Fallback
        } else {
            Age::Over
        }
    }

    /// Whether a fresh entry is to be loaded anew already: the nearer its end and the longer its load took, the likelier, so that
    /// some reader does so before it ends, and hardly more than one. `XFetch`, of Vattani, Chierichetti and Lowenstein,
    /// "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015.
    pub(crate) fn is_early(&self, age: Duration, fresh: Duration, load_took: Duration) -> bool {
        if self.early == 0.0 || load_took.is_zero() {
            return false;
        }
        let left = fresh.saturating_sub(age);
        // In (0, 1], whose logarithm is a number.
        let chance = 1.0 - fastrand::f64();
        load_took.mul_f64(self.early).as_secs_f64() * -chance.ln() >= left.as_secs_f64()
    }

    /// Whether a sliding entry is to be extended: past half of its life, never on each read.
    pub(crate) fn slides(&self, age: Duration, fresh: Duration) -> bool {
        self.sliding && age > fresh / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn plain() -> Freshness {
        Freshness {
            jitter: 0.1,
            while_revalidate: Duration::ZERO,
            if_error: Duration::ZERO,
            throttle: MINUTE,
            early: 0.0,
            sliding: false,
        }
    }

    #[test]
    fn jitter_shortens_and_spreads() {
        let all: Vec<_> = (0..1_000).map(|_| plain().fresh(MINUTE)).collect();
        let (least, most) = (all.iter().min(), all.iter().max());
        assert!(least >= Some(&(MINUTE * 9 / 10)) && most <= Some(&MINUTE));
        assert!(least < Some(&(MINUTE * 91 / 100)) && most > Some(&(MINUTE * 99 / 100)));
        let exact = Freshness {
            jitter: 0.0,
            ..plain()
        };
        assert_eq!(exact.fresh(MINUTE), MINUTE);
        assert!(!exact.fresh(Duration::from_nanos(1)).is_zero());
    }

    #[test]
    fn what_is_stale_is_good_for_less_and_less() {
        let of = Freshness {
            while_revalidate: MINUTE,
            if_error: 10 * MINUTE,
            ..plain()
        };
        for (minutes, kept, expected) in [
            (0, false, Age::Fresh),
            (5, false, Age::Fresh),
            (6, false, Age::Revalidated),
            (7, false, Age::Fallback),
            (15, false, Age::Fallback),
            (16, false, Age::Over),
            (16, true, Age::Fallback),
        ] {
            let age = of.of(minutes * MINUTE, 5 * MINUTE, kept);
            assert_eq!(age, expected, "{minutes} {kept}");
        }
        assert_eq!(plain().of(6 * MINUTE, 5 * MINUTE, true), Age::Over);
        assert_eq!(of.lives(5 * MINUTE), 15 * MINUTE);
    }

    /// The share of readers who refresh is exp(-left / (beta × took)).
    #[test]
    fn the_nearer_its_end_the_likelier_it_is_loaded_early() {
        let of = Freshness {
            early: 1.0,
            ..plain()
        };
        let second = Duration::from_secs(1);
        for (left, expected) in [(1, 0.368), (2, 0.135), (5, 0.0067)] {
            let age = MINUTE - left * second;
            let tries = 200_000;
            let early = (0..tries).filter(|_| of.is_early(age, MINUTE, second));
            let share = f64::from(u32::try_from(early.count()).unwrap_or(0)) / f64::from(tries);
            assert!(
                (share - expected).abs() < 0.01,
                "{left} s left: {share}, not {expected}"
            );
        }
        assert!(!plain().is_early(MINUTE, MINUTE, second), "not asked for");
        assert!(of.is_early(MINUTE, MINUTE, second), "at its end always");
    }

    #[test]
    fn sliding_entries_are_extended_in_their_second_half() {
        let sliding = Freshness {
            sliding: true,
            ..plain()
        };
        assert!(!sliding.slides(MINUTE / 3, MINUTE) && sliding.slides(MINUTE * 2 / 3, MINUTE));
        assert!(!plain().slides(MINUTE, MINUTE));
    }
}
