//! What a test run says at its end.

use std::{collections::BTreeMap, time::Duration};

use crate::test::{
    doc::DocTests,
    runner::{Ending, Outcome, Test},
};

#[derive(Default)]
pub(super) struct Report {
    passed: usize,
    /// Name, ending, output.
    failures: Vec<(String, String, String)>,
    /// How many tests gave each reason.
    skips: BTreeMap<String, usize>,
    durations: Vec<(Duration, String)>,
    doc: DocTests,
}

impl Report {
    pub(super) fn add(&mut self, test: &Test<'_>, outcome: Outcome) {
        let name = format!("{} {}", test.binary.name, test.name);
        match outcome.ending {
            Ending::Passed => self.passed += 1,
            Ending::Skipped(reason) => *self.skips.entry(reason).or_default() += 1,
            Ending::Failed(how, output) => {
                println!("FAILED {name} ({how})");
                self.failures.push((name.clone(), how, output));
            }
        }
        self.durations.push((outcome.duration, name));
    }

    pub(super) fn add_doc_tests(&mut self, doc: DocTests) {
        self.doc = doc;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.durations.is_empty() && self.doc.passed + self.doc.failed == 0
    }

    pub(super) fn has_passed(&self) -> bool {
        self.failures.is_empty() && self.doc.failed == 0
    }

    /// Prints what failed and why, what took long, what was skipped, and the sums in the last line.
    pub(super) fn print(&mut self) {
        for (name, how, output) in &self.failures {
            println!("\n---- {name} ({how})\n{}", output.trim_end());
        }
        if self.doc.failed > 0 {
            println!(
                "\n---- examples in the documentation\n{}",
                self.doc.printed.trim_end()
            );
        }
        self.durations.sort_by(|a, b| b.cmp(a));
        if !self.durations.is_empty() {
            println!("\nthe slowest:");
        }
        for (duration, name) in self.durations.iter().take(10) {
            println!("{:>8.2} s  {name}", duration.as_secs_f64());
        }
        println!();
        for (name, how, _) in &self.failures {
            println!("FAILED {name} ({how})");
        }
        for (reason, count) in &self.skips {
            println!("{count} skipped: {reason}");
        }
        println!("{}", self.sums());
    }

    fn sums(&self) -> String {
        format!(
            "{} passed, {} failed, {} skipped",
            self.passed + self.doc.passed,
            self.failures.len() + self.doc.failed,
            self.skips.values().sum::<usize>()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Report;
    use crate::test::{
        build::Binary,
        doc::DocTests,
        runner::{Ending, Outcome, Test},
    };

    #[test]
    fn the_sums_hold_the_examples_too() {
        let binary = Binary {
            path: "x".into(),
            name: "x".to_owned(),
            package: "x".to_owned(),
            folder: "x".into(),
        };
        let test = Test {
            binary: &binary,
            name: "a".to_owned(),
        };
        let mut report = Report::default();
        assert!(report.is_empty());
        for ending in [
            Ending::Passed,
            Ending::Skipped("no server".to_owned()),
            Ending::Skipped("no server".to_owned()),
        ] {
            report.add(
                &test,
                Outcome {
                    ending,
                    duration: Duration::ZERO,
                },
            );
        }
        assert!(report.has_passed());
        report.add_doc_tests(DocTests {
            passed: 2,
            failed: 1,
            printed: String::new(),
        });
        assert!(!report.has_passed());
        assert_eq!(report.sums(), "3 passed, 1 failed, 2 skipped");
        assert_eq!(report.skips.len(), 1, "a reason is said once");
    }
}
