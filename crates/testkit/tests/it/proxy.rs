//! Every fault of the proxy, on a real server.

use std::{
    io,
    net::TcpStream,
    time::{Duration, Instant},
};

use russet_testkit::{
    Server, eventually,
    proxy::{After, Direction, Fault, Match, Proxy},
    resp::{Connection, RespError, Value},
};

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(5);

fn pair() -> (Server, Proxy) {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    (server, proxy)
}

fn client(proxy: &Proxy, timeout: Duration) -> Connection {
    Connection::open(&proxy.url(), timeout).unwrap()
}

fn number(server: &Server) -> i64 {
    server.command(&["GET", "n"]).as_int().unwrap_or(0)
}

#[track_caller]
fn expect_end<T: std::fmt::Debug>(outcome: Result<T, RespError>) {
    match outcome {
        Err(RespError::Io(error)) => {
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
        }
        other => panic!("not the end of the stream: {other:?}"),
    }
}

#[track_caller]
fn expect_silence<T: std::fmt::Debug>(outcome: Result<T, RespError>) {
    match outcome {
        Err(RespError::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}"),
        other => panic!("not silence: {other:?}"),
    }
}

#[test]
fn by_default_everything_passes() {
    let server = Server::builder().password("p w").start();
    let proxy = Proxy::of(&server);
    let mut client = client(&proxy, LONG);
    let large = "x".repeat(3_000_000);
    client.command(&["SET", "large", &large]).unwrap();
    assert_eq!(
        client.command(&["GET", "large"]).unwrap().as_str(),
        Some(large.as_str())
    );
    client
        .send_bytes(b"\r\nPING\r\n*1\r\n$4\r\nping\r\n")
        .unwrap();
    assert_eq!(client.receive().unwrap().as_str(), Some("PONG"));
    assert_eq!(client.receive().unwrap().as_str(), Some("PONG"));

    assert_eq!(
        (proxy.seen("set"), proxy.seen("PING"), proxy.seen("DEL")),
        (1, 2, 0)
    );
    assert_eq!(
        proxy.commands().into_iter().collect::<Vec<_>>(),
        [
            ("AUTH".to_owned(), 1),
            ("GET".to_owned(), 1),
            ("PING".to_owned(), 2),
            ("SET".to_owned(), 1)
        ]
    );
    let counts = proxy.counts();
    assert_eq!((counts.accepted, counts.open, counts.refused), (1, 1, 0));
    assert!(counts.bytes_from_clients > 3_000_000 && counts.bytes_from_server > 3_000_000);
    assert!(counts.reads_from_clients >= 4 && counts.reads_from_server >= 4);
    drop(client);
    eventually(LONG, "the connection is counted out", || {
        proxy.counts().open == 0
    });
    eventually(LONG, "the server hears of the client's end", || {
        server.info("clients")["connected_clients"] == "1"
    });
}

#[test]
fn a_command_is_cut_before_it_is_written() {
    let (server, proxy) = pair();
    let cut = proxy.inject(Match::command("incr").nth(3), Fault::CutBefore);
    let mut client = client(&proxy, LONG);
    // In one segment: the first two run, and their replies come.
    client
        .send_bytes(b"INCR n\r\nINCR n\r\nINCR n\r\nINCR n\r\n")
        .unwrap();
    eventually(LONG, "it struck", || cut.hits() == 1);
    eventually(LONG, "the first two ran", || number(&server) == 2);
    // Perhaps the two replies, then the end.
    loop {
        match client.receive() {
            Ok(reply) => assert!(reply.as_int().is_some_and(|n| n <= 2)),
            end => break expect_end(end),
        }
    }
    eventually(LONG, "the server hears of it", || {
        server.info("clients")["connected_clients"] == "1"
    });
    assert_eq!(number(&server), 2);
    assert_eq!(proxy.counts().open, 0);
}

#[test]
fn a_connection_is_cut_after_the_command_was_written() {
    let (server, proxy) = pair();
    proxy.inject(Match::command("INCR"), Fault::CutAfterWrite);
    for round in 1..=50 {
        let mut client = client(&proxy, LONG);
        expect_end(client.command(&["INCR", "n"]));
        eventually(LONG, "the command ran all the same", || {
            number(&server) == round
        });
    }
    assert_eq!(proxy.counts().open, 0);
}

#[test]
fn a_reply_is_dropped_after_its_command_was_applied() {
    let (server, proxy) = pair();
    proxy.inject(
        Match::command("INCR").nth(2),
        Fault::DropReply(After::Close),
    );
    let mut first = client(&proxy, LONG);
    // In one segment with its neighbours: the reply before it comes, the one behind it does not.
    first.send_bytes(b"INCR n\r\nINCR n\r\nINCR n\r\n").unwrap();
    assert_eq!(first.receive().unwrap().as_int(), Some(1));
    expect_end(first.receive());
    assert_eq!(number(&server), 3);
    assert_eq!(proxy.counts().replies_dropped, 1);

    proxy.clear();
    proxy.inject(
        Match::command("INCR").times(1),
        Fault::DropReply(After::Silence),
    );
    let mut second = client(&proxy, SHORT);
    // Not even the reply behind it comes.
    second.send_bytes(b"INCR n\r\nPING\r\n").unwrap();
    expect_silence(second.receive());
    assert_eq!(number(&server), 4);
    assert_eq!(
        (proxy.counts().replies_dropped, proxy.counts().open),
        (2, 1)
    );
    let mut third = client(&proxy, LONG);
    assert_eq!(third.command(&["INCR", "n"]).unwrap().as_int(), Some(5));
}

#[test]
fn a_reply_is_truncated() {
    let (server, proxy) = pair();
    server.command(&["SET", "k", "0123456789"]);
    for (length, whole) in [(0, 0), (1, 0), (6, 0), (17, 1), (1_000, 1)] {
        proxy.clear();
        proxy.inject(Match::command("GET"), Fault::TruncateReply(length));
        let mut client = client(&proxy, LONG);
        client.send_bytes(b"PING\r\nGET k\r\nPING\r\n").unwrap();
        assert_eq!(client.receive().unwrap().as_str(), Some("PONG"));
        for _ in 0..whole {
            assert_eq!(client.receive().unwrap().as_str(), Some("0123456789"));
        }
        expect_end(client.receive());
    }
}

#[test]
fn a_truncated_reply_has_exactly_so_many_bytes() {
    use std::io::{Read, Write};

    let (server, proxy) = pair();
    server.command(&["SET", "k", "0123456789"]);
    proxy.inject(Match::command("GET"), Fault::TruncateReply(8));
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(b"GET k\r\nPING\r\n").unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert_eq!(got, b"$10\r\n012");
}

#[test]
fn a_command_is_rejected_in_its_turn() {
    let (server, proxy) = pair();
    proxy.inject(
        Match::command("SET").with_arg("b"),
        Fault::RejectReply("OOM no\r\nmemory".into()),
    );
    let mut client = client(&proxy, LONG);
    assert_eq!(
        client.command(&["SET", "b", "1"]).unwrap().as_error(),
        Some("OOM no  memory")
    );
    for round in 0..200 {
        // The first reply is slow, so that the rejection has to wait for it.
        let slow = if round == 0 {
            &b"BLPOP none 0.05\r\n"[..]
        } else {
            b"ECHO x\r\n"
        };
        client.send_bytes(slow).unwrap();
        client
            .send_bytes(b"SET a 1\r\nSET b 1\r\nSET b 2\r\nPING\r\n")
            .unwrap();
        let first = client.receive().unwrap();
        assert!(first.is_nil() || first.as_str() == Some("x"), "{first:?}");
        assert_eq!(client.receive().unwrap().as_str(), Some("OK"));
        assert!(client.receive().unwrap().as_error().is_some());
        assert!(client.receive().unwrap().as_error().is_some());
        assert_eq!(client.receive().unwrap().as_str(), Some("PONG"));
    }
    assert!(server.command(&["GET", "b"]).is_nil());
}

#[test]
fn single_commands_and_replies_are_late() {
    let (_server, proxy) = pair();
    let mut client = client(&proxy, LONG);
    for fault in [Fault::DelayCommand(SHORT), Fault::DelayReply(SHORT)] {
        let late = proxy.inject(Match::command("ECHO").nth(2), fault);
        for slow in [false, true, false] {
            let start = Instant::now();
            assert_eq!(client.command(&["ECHO", "x"]).unwrap().as_str(), Some("x"));
            assert_eq!(start.elapsed() >= SHORT, slow, "{:?}", start.elapsed());
        }
        late.remove();
    }
    // What follows a late command stays behind it.
    proxy.inject(Match::command("ECHO"), Fault::DelayCommand(SHORT));
    let start = Instant::now();
    client.send_bytes(b"ECHO x\r\nPING\r\n").unwrap();
    assert_eq!(client.receive().unwrap().as_str(), Some("x"));
    assert_eq!(client.receive().unwrap().as_str(), Some("PONG"));
    assert!(start.elapsed() >= SHORT);
}

#[test]
fn a_constant_delay_costs_time_and_no_throughput() {
    let (_server, proxy) = pair();
    let delay = Duration::from_millis(20);
    proxy.set_delay(delay);
    let mut client = client(&proxy, LONG);
    let start = Instant::now();
    client.command(&["PING"]).unwrap();
    assert!(start.elapsed() >= 2 * delay, "{:?}", start.elapsed());

    // A thousand segments at once take hardly longer than one.
    let start = Instant::now();
    for _ in 0..1_000 {
        client.send(&["INCR", "n"]).unwrap();
    }
    for n in 1..=1_000 {
        assert_eq!(client.receive().unwrap().as_int(), Some(n));
    }
    assert!(start.elapsed() >= 2 * delay);
    assert!(start.elapsed() < 25 * delay, "{:?}", start.elapsed());
    proxy.heal();
    let start = Instant::now();
    client.command(&["PING"]).unwrap();
    assert!(start.elapsed() < delay, "{:?}", start.elapsed());
}

#[test]
fn commands_fall_into_a_black_hole() {
    let (server, proxy) = pair();
    let mut old = client(&proxy, SHORT);
    old.command(&["PING"]).unwrap();
    proxy.black_hole(Direction::ToServer);
    expect_silence(old.command(&["INCR", "n"]));
    let mut new = client(&proxy, SHORT);
    expect_silence(new.command(&["INCR", "n"]));
    assert_eq!((proxy.seen("INCR"), number(&server)), (2, 0));
    assert_eq!(proxy.counts().open, 2);

    proxy.heal();
    assert_eq!(
        client(&proxy, LONG)
            .command(&["INCR", "n"])
            .unwrap()
            .as_int(),
        Some(1)
    );
}

#[test]
fn replies_fall_into_a_black_hole_and_their_connection_never_recovers() {
    let (server, proxy) = pair();
    let mut lost = client(&proxy, SHORT);
    proxy.black_hole(Direction::ToClient);
    lost.send(&["INCR", "n"]).unwrap();
    eventually(LONG, "the reply is lost", || {
        proxy.counts().bytes_swallowed == 4
    });
    assert_eq!(number(&server), 1);
    proxy.heal();
    lost.send(&["INCR", "n"]).unwrap();
    expect_silence(lost.receive());
    assert_eq!(number(&server), 2);
    assert_eq!(
        client(&proxy, LONG)
            .command(&["INCR", "n"])
            .unwrap()
            .as_int(),
        Some(3)
    );
}

#[test]
fn one_command_opens_a_black_hole_on_its_connection_only() {
    let (server, proxy) = pair();
    proxy.inject(
        Match::command("INCR").nth(1),
        Fault::BlackHole(Direction::ToServer),
    );
    proxy.inject(
        Match::command("INCR").nth(1),
        Fault::BlackHole(Direction::ToClient),
    );
    let mut other = client(&proxy, LONG);
    // The first injection takes the first, the second one the next: it never saw the first.
    let mut client_1 = client(&proxy, SHORT);
    expect_silence(client_1.command(&["INCR", "n"]));
    assert_eq!(number(&server), 0);
    let mut client_2 = client(&proxy, SHORT);
    expect_silence(client_2.command(&["INCR", "n"]));
    assert_eq!(number(&server), 1);
    assert_eq!(other.command(&["INCR", "n"]).unwrap().as_int(), Some(2));
}

#[test]
fn connections_are_refused_cut_and_not_listened_for() {
    let (server, proxy) = pair();
    let mut open = client(&proxy, LONG);
    open.command(&["PING"]).unwrap();

    proxy.refuse();
    assert!(client(&proxy, LONG).command(&["PING"]).is_err());
    proxy.stop_listening();
    let error = TcpStream::connect(proxy.address()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(open.command(&["PING"]).unwrap().as_str(), Some("PONG"));

    proxy.cut_all();
    expect_end(open.command(&["PING"]));
    assert!(proxy.counts().refused >= 1);
    proxy.heal();
    assert_eq!(
        client(&proxy, LONG).command(&["PING"]).unwrap().as_str(),
        Some("PONG")
    );

    server.kill();
    assert!(client(&proxy, LONG).command(&["PING"]).is_err());
    server.restart();
    assert_eq!(
        client(&proxy, LONG).command(&["PING"]).unwrap().as_str(),
        Some("PONG")
    );
}

#[test]
fn pushes_and_subscriptions_do_not_confuse_it() {
    for protocol in ["2", "3"] {
        let (server, proxy) = pair();
        let mut client = client(&proxy, SHORT);
        client.command(&["HELLO", protocol]).unwrap();
        client.send(&["SUBSCRIBE", "a", "b"]).unwrap();
        client.receive().unwrap();
        client.receive().unwrap();
        // Messages come between a command and its reply.
        proxy.inject(Match::command("PING"), Fault::DropReply(After::Silence));
        server.command(&["PUBLISH", "a", "one"]);
        client.receive().unwrap();
        server.command(&["PUBLISH", "b", "two"]);
        assert!(client.receive().unwrap().as_array().is_some());
        client.send(&["PING"]).unwrap();
        expect_silence(client.receive());
        assert_eq!(proxy.counts().replies_dropped, 1);

        // The confirmation of a subscription is its reply.
        proxy.clear();
        proxy.inject(Match::command("SUBSCRIBE"), Fault::DropReply(After::Close));
        let mut other = Connection::open(&proxy.url(), LONG).unwrap();
        other.command(&["HELLO", protocol]).unwrap();
        other.command(&["PING"]).unwrap();
        expect_end(other.command(&["SUBSCRIBE", "c"]));
        assert_eq!(proxy.counts().replies_dropped, 2);
    }
}

#[test]
fn an_invalidation_is_not_taken_for_a_reply() {
    let (server, proxy) = pair();
    let mut client = client(&proxy, LONG);
    client.command(&["HELLO", "3"]).unwrap();
    client.command(&["CLIENT", "TRACKING", "ON"]).unwrap();
    client.command(&["GET", "k"]).unwrap();
    proxy.inject(Match::command("BLPOP"), Fault::DropReply(After::Close));
    client.send(&["BLPOP", "list", "5"]).unwrap();
    eventually(LONG, "it blocks", || {
        server.info("clients")["blocked_clients"] == "1"
    });
    server.command(&["SET", "k", "v"]);
    assert!(matches!(client.receive().unwrap(), Value::Push(_)));
    server.command(&["RPUSH", "list", "x"]);
    expect_end(client.receive());
    assert!(
        server.command(&["LPOP", "list"]).is_nil(),
        "the command was applied"
    );
}

#[test]
fn dropping_it_ends_everything() {
    let (server, proxy) = pair();
    let mut clients: Vec<Connection> = (0..20).map(|_| client(&proxy, LONG)).collect();
    for client in &mut clients {
        client.command(&["PING"]).unwrap();
    }
    proxy.black_hole(Direction::ToClient);
    let address = proxy.address();
    let start = Instant::now();
    drop(proxy);
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    assert!(TcpStream::connect(address).is_err());
    for mut client in clients {
        assert!(client.command(&["PING"]).is_err());
    }
    eventually(LONG, "the server has none of them", || {
        server.info("clients")["connected_clients"] == "1"
    });
}

#[test]
fn it_sustains_many_small_commands() {
    const COMMANDS: usize = 200_000;
    const BATCH: usize = 500;
    let (_server, proxy) = pair();
    for delay in [Duration::ZERO, Duration::from_millis(1)] {
        proxy.set_delay(delay);
        let start = Instant::now();
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let mut client = client(&proxy, LONG);
                std::thread::spawn(move || {
                    let key = format!("key:{worker}");
                    let one = format!("*3\r\n$3\r\nSET\r\n$5\r\n{key}\r\n$4\r\nabcd\r\n");
                    let batch = one.repeat(BATCH);
                    for _ in 0..COMMANDS / 4 / BATCH {
                        client.send_bytes(batch.as_bytes()).unwrap();
                        for _ in 0..BATCH {
                            assert_eq!(client.receive().unwrap().as_str(), Some("OK"));
                        }
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
        let rate = COMMANDS as f64 / start.elapsed().as_secs_f64();
        println!("through the proxy with {delay:?}: {rate:.0} commands/s");
        // Not a benchmark: a debug build on a busy machine; it must only not be an obstacle.
        assert!(rate > 20_000.0, "{rate}");
    }
    assert_eq!(proxy.seen("SET"), 2 * COMMANDS as u64);
}
