//! The examples in the documentation, which cargo alone can run.

use std::process::{Command, Stdio};

use crate::{Result, cargo::cargo, test::Plan};

/// What came of the examples.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DocTests {
    pub(super) passed: usize,
    pub(super) failed: usize,
    /// What cargo printed, if any failed.
    pub(super) printed: String,
}

pub(super) fn run(plan: &Plan<'_>) -> Result<DocTests> {
    // Cargo refuses a selection in which nothing has documentation to test.
    if !plan.packages.iter().any(|package| package.has_lib) {
        return Ok(DocTests::default());
    }
    println!("running the examples in the documentation");
    let mut command: Command = cargo();
    command
        .args(["test", "--doc", "--no-fail-fast"])
        .args(plan.selection());
    plan.environment(&mut command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()?;
    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let mut tests = counts(&printed);
    if !output.status.success() {
        // It may also end without running any.
        tests.failed = tests.failed.max(1);
        tests.printed = printed.into_owned();
    }
    Ok(tests)
}

/// Adds up lines like `test result: ok. 3 passed; 0 failed; 0 ignored; …`.
fn counts(printed: &str) -> DocTests {
    let mut tests = DocTests::default();
    for line in printed
        .lines()
        .filter(|line| line.starts_with("test result: "))
    {
        let words: Vec<&str> = line.split([' ', ';']).collect();
        for pair in words.windows(2) {
            let count = pair[0].parse().unwrap_or(0);
            match pair[1] {
                "passed" => tests.passed += count,
                "failed" => tests.failed += count,
                _ => {}
            }
        }
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::{DocTests, counts};

    #[test]
    fn results_are_added_up() {
        let printed = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\
                       all doctests ran in 1.2s\ntest result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured\n";
        assert_eq!(
            counts(printed),
            DocTests {
                passed: 4,
                failed: 2,
                printed: String::new()
            }
        );
        assert_eq!(counts("error: no"), DocTests::default());
    }
}
