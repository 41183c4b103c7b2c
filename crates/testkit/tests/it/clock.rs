//! A server with a clock of its own.

use russet_testkit::Server;

fn seconds(server: &Server) -> i64 {
    let time = server.command(&["TIME"]);
    time.as_array().unwrap()[0]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn a_clock_is_set_at_once_and_stays_over_a_restart() {
    let (one, other) = (
        Server::builder().own_clock().start(),
        Server::builder().own_clock().start(),
    );
    assert!((seconds(&one) - seconds(&other)).abs() <= 1);
    one.set_clock(3_600);
    assert!((seconds(&one) - seconds(&other) - 3_600).abs() <= 1);
    one.set_clock(-60);
    assert!((seconds(&one) - seconds(&other) + 60).abs() <= 1);
    // Keys expire by it.
    one.command(&["SET", "a", "1", "EX", "100"]);
    one.set_clock(60);
    assert!(one.command(&["GET", "a"]).is_nil());
    one.restart();
    assert!((seconds(&one) - seconds(&other) - 60).abs() <= 1);
}

#[test]
#[should_panic = "own_clock"]
fn without_one_it_cannot_be_set() {
    Server::start().set_clock(1);
}
