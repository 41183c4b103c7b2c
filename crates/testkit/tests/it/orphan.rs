//! Nothing outlives its owner, however the owner ends.

use std::{
    net::{Ipv4Addr, TcpStream},
    panic::{self, AssertUnwindSafe},
    path::Path,
    process::{Child, Command},
    time::Duration,
};

use russet_testkit::{Server, eventually};

use crate::helper;

/// Starts a role that starts a server; where none can be had, this test ends as every other one does.
fn start(role: &str) -> (Child, String) {
    drop(Server::start());
    helper::start(role, "server ")
}

#[test]
fn a_killed_process_leaves_nothing() {
    let (mut process, server) = start("own");
    assert!(is_up(&server));
    process.kill().unwrap();
    process.wait().unwrap();
    expect_gone(&server);
}

#[test]
fn a_killed_process_leaves_no_frozen_server() {
    let (mut process, server) = start("paused");
    assert!(is_up(&server), "the system accepts for a frozen server");
    process.kill().unwrap();
    process.wait().unwrap();
    expect_gone(&server);
}

#[test]
fn signals_to_the_whole_group_leave_nothing() {
    // What a terminal sends on Ctrl-C, and what a test runner sends when its patience ends.
    for signal in ["INT", "KILL"] {
        let (mut process, server) = start("own");
        let group = format!("-{}", process.id());
        let sent = Command::new("sh")
            .args(["-c", "kill -\"$1\" \"$2\"", "sh", signal, &group])
            .status()
            .unwrap();
        assert!(sent.success());
        assert!(!process.wait().unwrap().success());
        expect_gone(&server);
    }
}

#[test]
fn a_server_in_a_static_ends_with_the_process() {
    let (mut process, server) = start("shared");
    assert!(process.wait().unwrap().success());
    expect_gone(&server);
}

#[test]
fn a_panic_leaves_nothing() {
    let mut said = String::new();
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
        let server = Server::start();
        said = format!("server {} {}", server.port(), server.config_get("dir"));
        assert!(is_up(&said));
        panic::resume_unwind(Box::new("the test fails"));
    }));
    assert!(outcome.is_err());
    // At once: dropping waits until all is cleared up.
    assert!(!is_up(&said));
    assert!(!folder(&said).exists());
}

fn expect_gone(server: &str) {
    eventually(Duration::from_secs(5), "the server is gone", || {
        !is_up(server)
    });
    eventually(Duration::from_secs(5), "its folder is gone", || {
        !folder(server).exists() && !folder(server).with_extension("gone").exists()
    });
}

fn is_up(server: &str) -> bool {
    let port = server.split(' ').nth(1).unwrap().parse().unwrap();
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn folder(server: &str) -> &Path {
    Path::new(server.split(' ').nth(2).unwrap())
}
