//! A machine without a server is told what to do.

use std::process::Command;

use crate::helper;

#[test]
fn a_runner_of_single_tests_is_told_that_the_test_was_skipped() {
    let output = nowhere("start")
        .env("RUSSET_TEST_RUNNER", "1")
        .output()
        .unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    let skip = said
        .lines()
        .find_map(|line| line.find("russet-skip: ").map(|at| &line[at..]));
    expect_ways(skip.expect("the reason stands on a line of its own"));
}

#[test]
fn elsewhere_the_test_fails() {
    for role in ["start", "url"] {
        let output = nowhere(role)
            .env_remove("RUSSET_TEST_RUNNER")
            .output()
            .unwrap();
        assert!(!output.status.success());
        expect_ways(&String::from_utf8(output.stderr).unwrap());
    }
}

#[test]
fn an_example_in_documentation_is_never_skipped() {
    let output = nowhere("url")
        .env("RUSSET_TEST_RUNNER", "1")
        .output()
        .unwrap();
    assert!(!output.status.success());
}

#[test]
fn a_named_binary_that_cannot_run_is_a_failure_and_not_a_skip() {
    let output = helper::command("start")
        .env("RUSSET_REDIS_SERVER", "/nonexistent/redis-server")
        .env("RUSSET_TEST_RUNNER", "1")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("/nonexistent/redis-server"), "{said}");
}

/// A machine with nothing on it.
fn nowhere(role: &str) -> Command {
    let mut command = helper::command(role);
    command.env("PATH", "").env_remove("RUSSET_REDIS_SERVER");
    command
}

fn expect_ways(text: &str) {
    for way in [
        "redis-server",
        "RUSSET_REDIS_SERVER",
        "Docker",
        "cargo xtask test",
    ] {
        assert!(text.contains(way), "{way} is missing in: {text}");
    }
}
