//! Start, kill, stop, pause, restart.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use russet_testkit::{
    Server,
    resp::{Connection, RespError},
};

use crate::helper;

#[test]
fn a_server_is_up_in_less_than_100_ms() {
    if !helper::local() {
        return;
    }
    let mut times: Vec<Duration> = (0..9)
        .map(|_| {
            let start = Instant::now();
            let server = Server::start();
            let time = start.elapsed();
            assert_eq!(server.command(&["PING"]).as_str(), Some("PONG"));
            time
        })
        .collect();
    times.sort();
    println!("starts: {times:?}");
    let median = times[times.len() / 2];
    assert!(
        median < Duration::from_millis(russet_testkit::size(100, 1_000)),
        "a start took {median:?}"
    );
}

#[test]
fn two_servers_share_nothing() {
    let (a, b) = (Server::start(), Server::start());
    assert_ne!(a.port(), b.port());
    a.command(&["SET", "k", "a"]);
    assert!(b.command(&["GET", "k"]).is_nil());
    assert_eq!(a.url(), format!("redis://127.0.0.1:{}/0", a.port()));
}

#[test]
fn a_killed_server_comes_back_on_its_port_with_its_data() {
    let server = Server::builder().append_only().start();
    let port = server.port();
    for round in 1..=3 {
        assert_eq!(server.command(&["INCR", "rounds"]).as_int(), Some(round));
        server.kill();
        assert!(TcpStream::connect(server.address()).is_err());
        server.kill();
        server.restart();
        assert_eq!(server.port(), port);
    }
    assert_eq!(server.command(&["GET", "rounds"]).as_int(), Some(3));
}

#[test]
fn without_persistence_a_restarted_server_is_empty() {
    let server = Server::start();
    server.command(&["SET", "k", "v"]);
    server.restart();
    assert_eq!(server.command(&["DBSIZE"]).as_int(), Some(0));
}

#[test]
fn a_stopped_server_has_saved_what_it_was_told_to() {
    let server = Server::with_config([("save", "900 1")]);
    server.command(&["SET", "k", "v"]);
    server.pause();
    server.stop();
    assert!(TcpStream::connect(server.address()).is_err());
    server.restart();
    assert_eq!(server.command(&["GET", "k"]).as_str(), Some("v"));
}

#[test]
fn a_frozen_server_accepts_and_says_nothing() {
    let server = Server::start();
    server.pause();
    let mut connection = Connection::open(&server.url(), Duration::from_millis(50)).unwrap();
    let start = Instant::now();
    assert!(matches!(
        connection.command(&["PING"]),
        Err(RespError::Io(_))
    ));
    assert!(start.elapsed() >= Duration::from_millis(50));
    // The late reply must not be taken for that of another command.
    server.resume();
    assert!(connection.command(&["ECHO", "x"]).is_err());
    assert_eq!(server.command(&["PING"]).as_str(), Some("PONG"));
    server.pause();
    server.kill();
    server.restart();
    assert_eq!(server.command(&["PING"]).as_str(), Some("PONG"));
}

#[test]
fn a_server_that_ended_by_itself_can_be_restarted() {
    let server = Server::start();
    let mut connection = server.connection();
    assert!(connection.command(&["SHUTDOWN", "NOSAVE"]).is_err());
    server.restart();
    assert_eq!(server.command(&["PING"]).as_str(), Some("PONG"));
}
