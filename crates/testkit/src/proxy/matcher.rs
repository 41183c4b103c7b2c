//! Which commands a fault befalls.

use std::fmt;

use super::command::Command;

/// Picks commands.
#[must_use = "a match picks nothing until it is injected"]
pub struct Match {
    picks: Box<dyn Fn(&Command<'_>) -> bool + Send + Sync>,
    first: u64,
    count: u64,
}

impl Match {
    /// Picks every command, those of a client's greeting too.
    pub fn any() -> Match {
        Match::when(|_| true)
    }

    /// Picks commands by name, and subcommand where there is one, in whatever case: `command("INCR")`,
    /// `command("SCRIPT FLUSH")`.
    pub fn command(name: &str) -> Match {
        let name = name.to_owned();
        Match::when(move |command| command.is(&name))
    }

    /// Picks commands by a predicate of one's own.
    pub fn when(picks: impl Fn(&Command<'_>) -> bool + Send + Sync + 'static) -> Match {
        Match {
            picks: Box::new(picks),
            first: 1,
            count: u64::MAX,
        }
    }

    /// Narrows to commands that have this argument.
    pub fn with_arg(self, arg: impl AsRef<[u8]>) -> Match {
        let arg = arg.as_ref().to_vec();
        let picks = self.picks;
        let with =
            move |command: &Command<'_>| picks(command) && command.args().any(|own| own == arg);
        Match {
            picks: Box::new(with),
            ..self
        }
    }

    /// Narrows to the nth of those commands, counted from 1 and from the injection, over all connections.
    pub fn nth(mut self, n: u64) -> Match {
        self.first = n;
        self.count = 1;
        self
    }

    /// Narrows to the first `count` of those commands; after [`nth`](Match::nth), to as many from the nth on.
    pub fn times(mut self, count: u64) -> Match {
        self.count = count;
        self
    }

    pub(super) fn picks(&self, command: &Command<'_>) -> bool {
        (self.picks)(command)
    }

    /// Says whether the occurrence with this number, from 1, is meant.
    pub(super) fn means(&self, occurrence: u64) -> bool {
        occurrence >= self.first && occurrence - self.first < self.count
    }
}

impl fmt::Debug for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Match")
            .field("first", &self.first)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Command, Match};

    #[test]
    fn occurrences_are_counted_from_one() {
        let meant = |this: &Match| (1..=5).filter(|n| this.means(*n)).collect::<Vec<u64>>();
        assert_eq!(meant(&Match::any()), [1, 2, 3, 4, 5]);
        assert_eq!(meant(&Match::any().nth(2)), [2]);
        assert_eq!(meant(&Match::any().times(2)), [1, 2]);
        assert_eq!(meant(&Match::any().nth(3).times(2)), [3, 4]);
    }

    #[test]
    fn arguments_narrow() {
        let this = Match::command("get").with_arg("k");
        assert!(this.picks(&Command::new(b"GET k\r\n")));
        assert!(!this.picks(&Command::new(b"GET j\r\n")));
        assert!(!this.picks(&Command::new(b"SET k v\r\n")));
    }
}
