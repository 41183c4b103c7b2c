//! What a server can be asked to be.

use std::time::Duration;

use russet_testkit::{
    Product, Server,
    resp::{Connection, RespError, Value},
};

use crate::helper;

#[test]
fn lines_of_the_configuration_are_taken_as_in_redis_conf() {
    let server = Server::with_config([
        ("maxmemory", "10mb"),
        ("save", "900 1 300 10"),
        ("notify-keyspace-events", ""),
    ]);
    assert_eq!(server.config_get("maxmemory"), "10485760");
    assert_eq!(server.config_get("save"), "900 1 300 10");
    server.config_set("maxmemory-policy", "allkeys-lru");
    assert_eq!(server.config_get("maxmemory-policy"), "allkeys-lru");
}

#[test]
fn by_default_nothing_is_saved_and_nobody_else_can_connect() {
    let server = Server::start();
    assert_eq!(server.config_get("save"), "");
    assert_eq!(server.config_get("appendonly"), "no");
    if helper::local() {
        assert_eq!(server.config_get("bind"), "127.0.0.1");
    }
}

#[test]
fn a_bad_line_is_an_error_with_the_servers_own_words() {
    drop(Server::start());
    let error = Server::builder()
        .config("no-such-thing", "1")
        .try_start()
        .unwrap_err();
    assert!(!error.is_unavailable());
    assert!(error.to_string().contains("no-such-thing"), "{error}");
}

#[test]
fn passwords_and_users_work() {
    let server = Server::builder()
        .password("p@ss \"word\"/:ü")
        .acl_user("reader on >secret ~* +@read +ping")
        .start();
    assert!(
        server.url().starts_with("redis://:p%40ss"),
        "{}",
        server.url()
    );
    assert!(!format!("{server:?}").contains("p@ss"));
    assert_eq!(server.command(&["SET", "k", "v"]).as_str(), Some("OK"));

    let timeout = Duration::from_secs(1);
    let at = server.address();
    let mut nobody = Connection::open(&format!("redis://{at}"), timeout).unwrap();
    assert!(
        matches!(nobody.command(&["PING"]).unwrap(), Value::Error(text) if text.starts_with("NOAUTH"))
    );
    let mut reader = Connection::open(&format!("redis://reader:secret@{at}"), timeout).unwrap();
    assert_eq!(reader.command(&["GET", "k"]).unwrap().as_str(), Some("v"));
    assert!(
        matches!(reader.command(&["SET", "k", "w"]).unwrap(), Value::Error(text) if text.starts_with("NOPERM"))
    );
    let refused = Connection::open(&format!("redis://reader:wrong@{at}"), timeout).unwrap_err();
    assert!(
        matches!(&refused, RespError::Refused(text) if text.starts_with("WRONGPASS")),
        "{refused}"
    );
    let refused = Connection::open(&server.url().replace("/0", "/99"), timeout).unwrap_err();
    assert!(matches!(refused, RespError::Refused(_)), "{refused}");
}

#[test]
fn a_unix_socket_serves() {
    if !helper::local() {
        return;
    }
    let server = Server::builder().unix_socket().password("pw").start();
    assert!(
        server.url().starts_with("redis+unix://:pw@/"),
        "{}",
        server.url()
    );
    assert_eq!(server.command(&["PING"]).as_str(), Some("PONG"));
    server.restart();
    assert_eq!(server.command(&["PING"]).as_str(), Some("PONG"));
}

#[test]
fn the_server_says_what_it_is() {
    let server = Server::start();
    let version = server.version();
    assert!(
        version.is_at_least(Product::Redis, 6, 0) || version.is_at_least(Product::Valkey, 7, 2),
        "{version}"
    );
    if helper::local() {
        assert_eq!(server.info("server")["tcp_port"], server.port().to_string());
    }
}

#[test]
fn flush_all_empties_every_database() {
    let server = Server::start();
    let mut other =
        Connection::open(&server.url().replace("/0", "/5"), Duration::from_secs(1)).unwrap();
    other.command(&["SET", "k", "v"]).unwrap();
    server.flush_all();
    assert_eq!(other.command(&["DBSIZE"]).unwrap().as_int(), Some(0));
}

#[test]
fn resp3_replies_are_understood() {
    let server = Server::start();
    let mut connection = server.connection();
    assert!(matches!(
        connection.command(&["HELLO", "3"]).unwrap(),
        Value::Map(_)
    ));
    connection.command(&["HSET", "h", "f", "1"]).unwrap();
    connection.command(&["SADD", "s", "m"]).unwrap();
    connection.command(&["ZADD", "z", "1.5", "m"]).unwrap();
    let (f, one, m) = (b"f".to_vec(), b"1".to_vec(), b"m".to_vec());
    assert_eq!(
        connection.command(&["HGETALL", "h"]).unwrap(),
        Value::Map(vec![(Value::Bytes(f), Value::Bytes(one))])
    );
    assert_eq!(
        connection.command(&["SMEMBERS", "s"]).unwrap(),
        Value::Set(vec![Value::Bytes(m)])
    );
    assert_eq!(
        connection.command(&["ZSCORE", "z", "m"]).unwrap(),
        Value::Double(1.5)
    );
    assert_eq!(connection.command(&["GET", "none"]).unwrap(), Value::Nil);

    // A push before the reply is not taken for it.
    connection.send(&["SUBSCRIBE", "c"]).unwrap();
    assert!(matches!(connection.receive().unwrap(), Value::Push(_)));
    server.command(&["PUBLISH", "c", "hello"]);
    assert_eq!(
        connection.command(&["PING"]).unwrap().as_str(),
        Some("PONG")
    );
}
