//! The command as a shell runs it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::process::{Command, Output};

use russet_testkit::Server;

fn russet(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_russet"));
    command.args(arguments).env("CACHE_PASSWORD", "secret");
    command.output().unwrap()
}

#[track_caller]
fn said(arguments: &[&str]) -> String {
    let output = russet(arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    text
}

#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let output = russet(arguments);
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_crates_own_keys() {
    let docs = said(&["keys", "docs"]);
    assert!(
        docs.contains("| `{prefix}:cache:{cache}:{key..}` | string |"),
        "{docs}"
    );
    let persistent = said(&["keys", "persistent"]);
    assert!(
        persistent.starts_with("{prefix}:namespace:shards  "),
        "{persistent}"
    );
    let found = said(&[
        "keys",
        "--prefix",
        "prod:shop",
        "find",
        "prod:shop:cache:users:7",
    ]);
    for line in [
        "pattern  prod:shop:cache:{cache}:{key..}",
        "cache    users",
        "key      7",
    ] {
        assert!(found.lines().any(|one| one == line), "{line}\n{found}");
    }
    let unknown = refused(&["keys", "find", "x"]);
    assert!(unknown.contains("of no pattern"), "{unknown}");
}

#[test]
fn access_rules_that_a_server_takes() {
    let server = Server::start();
    let users = [
        "--user",
        "cache_user=cache",
        "--password-from",
        "cache_user=CACHE_PASSWORD",
    ];
    let rules = said(
        &[
            &["keys", "--prefix", "prod:shop", "acl", "--commands"],
            &users[..],
        ]
        .concat(),
    );
    let mut taken = 0;
    for line in rules.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(server.command(&words).as_str(), Some("OK"), "{line}");
        taken += 1;
    }
    assert_eq!(taken, 4, "cache, namespace, ops, admin");
    let url = server.url();
    let check = ["keys", "--prefix", "prod:shop", "check", "--url", &url];
    let checks = said(&[&check, &users[..]].concat());
    assert!(checks.contains("cache_user: "), "{checks}");
    assert!(
        checks.lines().all(|line| line.ends_with("0 not as meant")),
        "{checks}"
    );
    let refused = refused(&["keys", "acl", "--user", "a=cash"]);
    assert!(refused.contains("of which there are no keys"), "{refused}");
    let away = self::refused(&["keys", "check", "--url", "redis://127.0.0.1:1"]);
    assert!(away.contains("cannot be reached"), "{away}");
}

#[test]
fn a_catalogue_of_a_file() {
    let wrong = refused(&["keys", "--catalogue", "/nowhere.json", "docs"]);
    assert!(wrong.contains("/nowhere.json"), "{wrong}");
}
