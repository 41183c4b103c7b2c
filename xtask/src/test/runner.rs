//! Running tests: each in a process, on a few threads.

use std::{
    collections::VecDeque,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Result,
    process::{read, wait_within},
    test::build::Binary,
};

pub(super) struct Runner<'a> {
    /// How many run at once. More than there are cores: most of them wait for a server most of the time.
    pub(super) threads: usize,
    /// How long one may take.
    pub(super) limit: Duration,
    /// The folder for what the running ones print.
    pub(super) outputs: PathBuf,
    /// Tells a test about the server.
    pub(super) environment: &'a (dyn Fn(&mut Command) + Sync),
}

#[derive(Clone)]
pub(super) struct Test<'a> {
    pub(super) binary: &'a Binary,
    pub(super) name: String,
}

pub(super) struct Outcome {
    pub(super) ending: Ending,
    pub(super) duration: Duration,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Passed,
    /// The test cannot run here, and says why.
    Skipped(String),
    /// How it ended, and what it printed.
    Failed(String, String),
}

impl Test<'_> {
    /// Says whether the test measures time and so wants the machine for itself: some part of its path begins with
    /// `alone`.
    fn is_alone(&self) -> bool {
        self.name.split("::").any(|part| part.starts_with("alone"))
    }
}

impl<'a> Runner<'a> {
    /// The tests in the binaries whose names contain `filter`.
    pub(super) fn list<'b>(
        &self,
        binaries: &'b [Binary],
        filter: Option<&str>,
    ) -> Result<Vec<Test<'b>>> {
        let mut tests = Vec::new();
        for binary in binaries {
            let mut command = self.command(binary);
            let list = read(command.args(["--list", "--format", "terse"]))?;
            let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
            let names = names.filter(|name| filter.is_none_or(|filter| name.contains(filter)));
            tests.extend(names.map(|name| Test {
                binary,
                name: name.to_owned(),
            }));
        }
        Ok(tests)
    }

    /// Runs the tests, those that want to be alone one by one at the end, and hands over each outcome as it comes.
    pub(super) fn run(
        &self,
        tests: &[Test<'_>],
        mut each: impl FnMut(&Test<'_>, Outcome),
    ) -> Result {
        fs::create_dir_all(&self.outputs)
            .map_err(|error| format!("{}: {error}", self.outputs.display()))?;
        let (alone, together): (Vec<_>, Vec<_>) = tests.iter().cloned().partition(Test::is_alone);
        let mut progress = Progress::new(tests.len());
        for (tests, threads) in [(together, self.threads), (alone, 1)] {
            self.run_on(threads, tests, &mut |test, outcome| {
                progress.step();
                each(test, outcome);
            });
        }
        Ok(())
    }

    fn run_on(
        &self,
        threads: usize,
        tests: Vec<Test<'_>>,
        each: &mut dyn FnMut(&Test<'_>, Outcome),
    ) {
        let ahead = Mutex::new(VecDeque::from(tests));
        let (done, outcomes) = mpsc::channel();
        thread::scope(|scope| {
            for thread in 0..threads {
                let (ahead, done) = (&ahead, done.clone());
                let output = self.outputs.join(format!("{}-{thread}", process::id()));
                scope.spawn(move || {
                    let next = || {
                        ahead
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .pop_front()
                    };
                    while let Some(test) = next() {
                        let outcome = self.run_one(&test, &output);
                        let _ = done.send((test, outcome));
                    }
                    let _ = fs::remove_file(output);
                });
            }
            drop(done);
            for (test, outcome) in outcomes {
                each(&test, outcome);
            }
        });
    }

    fn run_one(&self, test: &Test<'_>, output: &Path) -> Outcome {
        let start = Instant::now();
        let ending = self.ending(test, output).unwrap_or_else(|error| {
            Ending::Failed(format!("cannot run it: {error}"), String::new())
        });
        Outcome {
            ending,
            duration: start.elapsed(),
        }
    }

    fn ending(&self, test: &Test<'_>, output: &Path) -> Result<Ending> {
        // Into a file and not a pipe: what a test leaves running may hold a pipe open for ever.
        let file = File::create(output)?;
        let mut child = self
            .command(test.binary)
            .args(["--exact", &test.name, "--nocapture", "--include-ignored"])
            .env("RUSSET_TEST_RUNNER", "1")
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        let status = wait_within(&mut child, self.limit)?;
        let printed = String::from_utf8_lossy(&fs::read(output)?).into_owned();
        Ok(match status {
            Some(status) if status.success() => {
                skip_reason(&printed).map_or(Ending::Passed, Ending::Skipped)
            }
            Some(status) => Ending::Failed(status.to_string(), printed),
            None => Ending::Failed(
                format!("hung: killed after {} s", self.limit.as_secs()),
                printed,
            ),
        })
    }

    /// The binary as cargo would run it.
    fn command(&self, binary: &Binary) -> Command {
        let mut command = Command::new(&binary.path);
        command
            .current_dir(&binary.folder)
            .env("CARGO_MANIFEST_DIR", &binary.folder)
            .env("CARGO_PKG_NAME", &binary.package);
        (self.environment)(&mut command);
        command
    }
}

/// The reason after `russet-skip: `. The harness may have written the test's name before it on the same line.
fn skip_reason(printed: &str) -> Option<String> {
    let (_, reason) = printed
        .lines()
        .find_map(|line| line.split_once("russet-skip: "))?;
    Some(reason.trim().to_owned())
}

/// A line every ten seconds, so that a long run is not a silent one.
struct Progress {
    start: Instant,
    last: Instant,
    done: usize,
    total: usize,
}

impl Progress {
    fn new(total: usize) -> Progress {
        let start = Instant::now();
        if total > 0 {
            println!("running {total} tests");
        }
        Progress {
            start,
            last: start,
            done: 0,
            total,
        }
    }

    fn step(&mut self) {
        self.done += 1;
        if self.last.elapsed() >= Duration::from_secs(10) {
            self.last = Instant::now();
            println!(
                "  {} of {} after {} s",
                self.done,
                self.total,
                self.start.elapsed().as_secs()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs, os::unix::fs::PermissionsExt, path::PathBuf, process, time::Duration};

    use super::{Ending, Runner, Test, skip_reason};
    use crate::test::build::Binary;

    /// Speaks as a test binary does.
    const HARNESS: &str = r#"#!/bin/sh
case $1 in
  --list) printf 'a::passes: test\na::fails: test\na::skips: test\nalone_hangs: test\nbench: benchmark\n' ;;
  --exact)
    echo "$2 in $(pwd) of $CARGO_PKG_NAME for $SERVER"
    case $2 in
      a::fails) echo 'it is broken' >&2; exit 101 ;;
      a::skips) echo 'test a::skips ... russet-skip: no server' ;;
      alone_hangs) sleep 60 ;;
    esac ;;
esac
"#;

    struct Harness(PathBuf);

    impl Harness {
        fn new(test: &str) -> Harness {
            let folder = env::temp_dir().join(format!("russet-xtask-{test}-{}", process::id()));
            fs::create_dir_all(&folder).unwrap();
            let path = folder.join("harness");
            fs::write(&path, HARNESS).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            Harness(folder)
        }

        fn run(&self, filter: Option<&str>) -> Vec<(String, Ending)> {
            let binaries = [Binary {
                path: self.0.join("harness"),
                name: "x".to_owned(),
                package: "russet-x".to_owned(),
                folder: self.0.clone(),
            }];
            let runner = Runner {
                threads: 3,
                limit: Duration::from_secs(2),
                outputs: self.0.join("outputs"),
                environment: &|command| {
                    command.env("SERVER", "redis://x");
                },
            };
            let tests = runner.list(&binaries, filter).unwrap();
            let mut outcomes = Vec::new();
            let add = |test: &Test<'_>, outcome: super::Outcome| {
                outcomes.push((test.name.clone(), outcome.ending));
            };
            runner.run(&tests, add).unwrap();
            outcomes
        }
    }

    impl Drop for Harness {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn each_test_ends_in_its_own_way() {
        let harness = Harness::new("runner");
        let mut outcomes = harness.run(None);
        let (last, hung) = outcomes.pop().unwrap();
        assert_eq!(last, "alone_hangs", "it runs after the others");
        let Ending::Failed(how, _) = hung else {
            panic!("{hung:?}")
        };
        assert_eq!(how, "hung: killed after 2 s");

        outcomes.sort_by(|a, b| a.0.cmp(&b.0));
        let Ending::Failed(how, printed) = &outcomes[0].1 else {
            panic!("{outcomes:?}")
        };
        assert!(how.contains("101"), "{how}");
        assert!(
            printed.contains("of russet-x for redis://x\nit is broken\n"),
            "{printed}"
        );
        assert_eq!(outcomes[1], ("a::passes".to_owned(), Ending::Passed));
        assert_eq!(
            outcomes[2],
            (
                "a::skips".to_owned(),
                Ending::Skipped("no server".to_owned())
            )
        );
        assert_eq!(outcomes.len(), 3);
    }

    #[test]
    fn a_filter_chooses_by_name() {
        let harness = Harness::new("filter");
        assert_eq!(
            harness.run(Some("pass")),
            [("a::passes".to_owned(), Ending::Passed)]
        );
        assert_eq!(harness.run(Some("nothing")), []);
    }

    #[test]
    fn a_skip_is_read_wherever_it_stands() {
        assert_eq!(
            skip_reason("running\nrusset-skip: no server \n").as_deref(),
            Some("no server")
        );
        assert_eq!(skip_reason("all is well"), None);
    }
}
