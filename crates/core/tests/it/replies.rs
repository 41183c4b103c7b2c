//! No caller gets another one's reply, whatever is stored.
//!
//! The client library takes an array of three to five elements whose first one reads like a pub/sub message for
//! one: it swallows the reply, and all later ones go to the wrong callers.

use russet_core::{Bytes, Command, Policy, Reply, Script};

use super::shared;

#[tokio::test]
async fn a_stored_value_cannot_shift_the_replies() {
    let (lane, key) = shared().await;
    for word in [
        "message",
        "smessage",
        "pmessage",
        "subscribe",
        "unsubscribe",
        "pubsub",
    ] {
        lane.run::<()>(
            Command::new("SET")
                .key(&key)
                .arg(word)
                .arg("PX")
                .arg(60_000),
            Policy::Idempotent,
        )
        .await
        .unwrap();
        for keys in 1..=7 {
            let mget = (0..keys).fold(Command::new("MGET"), |mget, _| mget.key(&key));
            let many = lane.run::<Vec<String>>(mget, Policy::Idempotent);
            let one = lane.run::<String>(Command::new("ECHO").arg("mine"), Policy::Idempotent);
            let (many, one) = tokio::join!(many, one);
            assert_eq!(many.unwrap(), vec![word; keys], "{word} × {keys}");
            assert_eq!(one.unwrap(), "mine", "{word} × {keys}");
        }
    }
}

/// The same for every way to read lists of stored text, scripts among them.
#[tokio::test]
async fn no_list_of_stored_text_can_shift_the_replies() {
    static FLAT: Script = Script::new("return redis.call('LRANGE', KEYS[1], 0, -1)");
    let (lane, key) = shared().await;
    let words = ["message", "a", "b"];
    for length in 3..=5 {
        for word in [
            "message",
            "pmessage",
            "smessage",
            "subscribe",
            "punsubscribe",
            "pubsub",
        ] {
            lane.run::<()>(Command::new("DEL").key(&key), Policy::Idempotent)
                .await
                .unwrap();
            let list: Vec<&str> = std::iter::once(word)
                .chain(words.into_iter().cycle().skip(1))
                .take(length)
                .collect();
            lane.run::<()>(
                Command::new("RPUSH").key(&key).args(list.clone()),
                Policy::AtMostOnce,
            )
            .await
            .unwrap();
            let range = Command::new("LRANGE").key(&key).arg(0).arg(-1);
            let sort = Command::new("SORT").key(&key).arg("BY").arg("nosort");
            let echo = |text: &'static str| {
                lane.run::<String>(Command::new("ECHO").arg(text), Policy::Idempotent)
            };
            let (ranged, one, sorted, two, scripted, three) = tokio::join!(
                lane.run::<Vec<String>>(range, Policy::Idempotent),
                echo("one"),
                lane.run::<Vec<String>>(sort, Policy::Idempotent),
                echo("two"),
                lane.script::<Vec<String>>(&FLAT, [&key], [0; 0], Policy::Idempotent),
                echo("three"),
            );
            for answer in [ranged.unwrap(), sorted.unwrap(), scripted.unwrap()] {
                assert_eq!(answer, list);
            }
            assert_eq!(
                [one.unwrap(), two.unwrap(), three.unwrap()],
                ["one", "two", "three"],
                "{word} × {length}"
            );
        }
    }
}

#[tokio::test]
async fn wrapped_commands_answer_as_bare_ones_do() {
    let (lane, key) = shared().await;
    lane.run::<()>(
        Command::new("ZADD")
            .key(&key)
            .arg(1.5)
            .arg("a")
            .arg(2)
            .arg("b"),
        Policy::AtMostOnce,
    )
    .await
    .unwrap();
    let with_scores = Command::new("ZRANGE")
        .key(&key)
        .arg(0)
        .arg(-1)
        .arg("WITHSCORES");
    let scored: Vec<(String, f64)> = lane.run(with_scores, Policy::Idempotent).await.unwrap();
    assert_eq!(scored, [("a".to_owned(), 1.5), ("b".to_owned(), 2.0)]);
    let error = lane
        .run::<Reply>(
            Command::new("LRANGE").key(&key).arg(0).arg(-1),
            Policy::Idempotent,
        )
        .await
        .unwrap_err();
    assert_eq!(error.kind(), russet_core::ErrorKind::WrongType);
    lane.run::<()>(Command::new("DEL").key(&key), Policy::Idempotent)
        .await
        .unwrap();
    let empty: Vec<String> = lane
        .run(
            Command::new("LRANGE").key(&key).arg(0).arg(-1),
            Policy::Idempotent,
        )
        .await
        .unwrap();
    assert!(empty.is_empty());
    lane.run::<()>(
        Command::new("HSET").key(&key).arg("f").arg("v"),
        Policy::AtMostOnce,
    )
    .await
    .unwrap();
    let hmget = Command::new("HMGET")
        .key(&key)
        .arg("f")
        .arg("missing")
        .arg("f");
    let values: Vec<Option<Bytes>> = lane.run(hmget, Policy::Idempotent).await.unwrap();
    assert_eq!(
        values,
        [
            Some(Bytes::from_static(b"v")),
            None,
            Some(Bytes::from_static(b"v"))
        ]
    );
    lane.run::<()>(Command::new("DEL").key(&key), Policy::Idempotent)
        .await
        .unwrap();
}

/// What a script answers comes out as it went in.
#[tokio::test]
async fn scripts_answer_as_bare_ones_do() {
    static NIL: Script = Script::new("return nil");
    static NOTHING: Script = Script::new("local unused = 1");
    static STATUS: Script = Script::new("return redis.status_reply('FINE')");
    static NUMBER: Script = Script::new("return 3.9 -- a comment at the end");
    static NESTED: Script = Script::new("return {1, {'a', false}}");
    static FAILS: Script =
        Script::new("#!lua flags=no-writes\nreturn redis.error_reply('MINE is broken')");
    let (lane, _) = shared().await;
    let run = async |script| {
        lane.script::<Reply>(script, [], [0; 0], Policy::Idempotent)
            .await
    };
    assert_eq!(run(&NIL).await.unwrap(), Reply::Nil);
    assert_eq!(run(&NOTHING).await.unwrap(), Reply::Nil);
    assert_eq!(
        run(&STATUS).await.unwrap(),
        Reply::Bytes(Bytes::from_static(b"FINE"))
    );
    assert_eq!(run(&NUMBER).await.unwrap(), Reply::Int(3));
    let inner = Reply::Array(vec![Reply::Bytes(Bytes::from_static(b"a")), Reply::Nil]);
    assert_eq!(
        run(&NESTED).await.unwrap(),
        Reply::Array(vec![Reply::Int(1), inner])
    );
    let error = run(&FAILS).await.unwrap_err();
    assert!(error.to_string().contains("MINE is broken"), "{error}");
}
