//! One command and its reply.

use std::collections::HashMap;

use russet_core::{Bytes, Command, ErrorKind, Policy};

use super::shared;

#[tokio::test]
async fn values_come_back_as_they_went() {
    let (lane, key) = shared().await;
    let bytes: Vec<u8> = (0..=255).collect();
    let set = Command::new("SET")
        .key(&key)
        .arg(bytes.clone())
        .arg("PX")
        .arg(60_000);
    lane.run::<()>(set, Policy::Idempotent).await.unwrap();
    let read: Bytes = lane
        .run(Command::new("GET").key(&key), Policy::Idempotent)
        .await
        .unwrap();
    assert_eq!(read, bytes);
    let ttl: i64 = lane
        .run(Command::new("PTTL").key(&key), Policy::Idempotent)
        .await
        .unwrap();
    assert!((1..=60_000).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn set_takes_its_conditions() {
    let (lane, key) = shared().await;
    let set = |value: &str, condition: &str| {
        let set = Command::new("SET")
            .key(&key)
            .arg(value)
            .arg("PX")
            .arg(60_000)
            .arg(condition);
        lane.run::<bool>(set, Policy::AtMostOnce)
    };
    assert!(!set("a", "XX").await.unwrap(), "XX on nothing");
    assert!(set("b", "NX").await.unwrap(), "NX on nothing");
    assert!(!set("c", "NX").await.unwrap(), "NX on something");
    let value: String = lane
        .run(Command::new("GET").key(&key), Policy::Idempotent)
        .await
        .unwrap();
    assert_eq!(value, "b");
}

#[tokio::test]
async fn commands_that_the_driver_has_no_method_for() {
    let (lane, key) = shared().await;
    let hset = Command::new("HSET")
        .key(&key)
        .arg("a")
        .arg(1)
        .arg("b")
        .arg(2);
    assert_eq!(lane.run::<i64>(hset, Policy::Idempotent).await.unwrap(), 2);
    let all: HashMap<String, i64> = lane
        .run(Command::new("HGETALL").key(&key), Policy::Idempotent)
        .await
        .unwrap();
    assert_eq!(
        all,
        HashMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)])
    );
    lane.run::<()>(Command::new("DEL").key(&key), Policy::Idempotent)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_server_s_refusal_is_classified() {
    let (lane, key) = shared().await;
    lane.run::<()>(Command::new("LPUSH").key(&key).arg("x"), Policy::AtMostOnce)
        .await
        .unwrap();
    let error = lane
        .run::<String>(Command::new("GET").key(&key), Policy::Idempotent)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongType);
    assert_eq!(error.operation(), Some("GET"));
    assert!(!error.may_have_executed(), "{error}");
    assert!(!error.to_string().contains("key\""), "{error}");
    lane.run::<()>(Command::new("DEL").key(&key), Policy::Idempotent)
        .await
        .unwrap();
}
