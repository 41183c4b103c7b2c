//! The faults that are armed.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use super::{command::Command, fault::Fault, matcher::Match};

/// A fault that was injected: it says how often it struck, and can be taken back. Dropping it changes nothing.
#[derive(Debug)]
pub struct Injection {
    rule: Arc<Rule>,
    rules: Arc<Rules>,
}

impl Injection {
    /// How many commands it befell.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.rule.hits.load(Ordering::Acquire)
    }

    /// Takes it back. What it already did to a connection stays done.
    pub fn remove(self) {
        self.rules.retain(|rule| !Arc::ptr_eq(rule, &self.rule));
    }
}

#[derive(Debug)]
struct Rule {
    matching: Match,
    fault: Fault,
    occurrences: AtomicU64,
    hits: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: RwLock<Vec<Arc<Rule>>>,
    /// How many there are, to be asked without the lock.
    count: AtomicUsize,
}

impl Rules {
    pub(super) fn add(self: &Arc<Rules>, matching: Match, fault: Fault) -> Injection {
        let rule = Arc::new(Rule {
            matching,
            fault,
            occurrences: AtomicU64::new(0),
            hits: AtomicU64::new(0),
        });
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        rules.push(Arc::clone(&rule));
        self.count.store(rules.len(), Ordering::Release);
        drop(rules);
        Injection {
            rule,
            rules: Arc::clone(self),
        }
    }

    pub(super) fn clear(&self) {
        self.retain(|_| false);
    }

    /// Decides what befalls a command: the earliest injection that means it wins, and later ones do not see it.
    pub(super) fn fault(&self, command: &Command<'_>) -> Fault {
        if self.count.load(Ordering::Acquire) == 0 {
            return Fault::Pass;
        }
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        for rule in &*rules {
            if rule.matching.picks(command) {
                let occurrence = rule.occurrences.fetch_add(1, Ordering::AcqRel) + 1;
                if rule.matching.means(occurrence) {
                    rule.hits.fetch_add(1, Ordering::AcqRel);
                    return rule.fault.clone();
                }
            }
        }
        Fault::Pass
    }

    fn retain(&self, keep: impl FnMut(&Arc<Rule>) -> bool) {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        rules.retain(keep);
        self.count.store(rules.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Command, Fault, Match, Rules};

    #[test]
    fn the_earliest_injection_wins_and_can_be_taken_back() {
        let rules = Arc::new(Rules::default());
        let command = Command::new(b"INCR n\r\n");
        let first = rules.add(Match::command("INCR").nth(2), Fault::CutBefore);
        let second = rules.add(Match::any(), Fault::CutAfterWrite);
        let faults: Vec<Fault> = (0..3).map(|_| rules.fault(&command)).collect();
        assert_eq!(
            faults,
            [Fault::CutAfterWrite, Fault::CutBefore, Fault::CutAfterWrite]
        );
        assert_eq!((first.hits(), second.hits()), (1, 2));
        second.remove();
        assert_eq!(rules.fault(&command), Fault::Pass);
        rules.add(Match::any(), Fault::CutBefore);
        rules.clear();
        assert_eq!(rules.fault(&command), Fault::Pass);
    }
}
