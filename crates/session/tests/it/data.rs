//! What a session can hold.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use russet_session::{Codec, Format, SessionError, Sessions, Written};
use russet_testkit::Server;
use serde::{Deserialize, Serialize};

use crate::{Profile, namespace, on, patient, profile, secrets};

type Free = BTreeMap<String, Vec<u32>>;

#[tokio::test]
async fn fields_are_set_removed_and_counted_by_their_names() {
    let ns = namespace().await;
    let sessions = patient(&ns).counters(["visits"]).build().unwrap();
    let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let mut other = sessions.load(made.token()).await.unwrap().unwrap();
    assert!(made.set("theme", "dark").await.unwrap().is_done());
    assert_eq!(made.data().theme.as_deref(), Some("dark"));
    assert!(made.increment("visits", 5).await.unwrap().is_done());
    assert!(other.increment("visits", -2).await.unwrap().is_done());
    // It knows what it counted, and not what others set meanwhile.
    assert_eq!((other.data().visits, other.data().theme.clone()), (3, None));
    assert!(made.remove("theme").await.unwrap().is_done());
    let all = made.write().set("role", "admin").increment("visits", 1);
    assert!(all.send().await.unwrap().is_done());
    let now = sessions.load(made.token()).await.unwrap().unwrap();
    assert_eq!(now.data(), made.data());
    assert_eq!((now.data().visits, &*now.data().role), (4, "admin"));
    assert_eq!(now.data().theme, None);
    // A counter is data as well.
    made.update(|data| data.visits += 1).await.unwrap().unwrap();
    assert!(made.increment("visits", 1).await.unwrap().is_done());
    assert_eq!(made.data().visits, 6);
}

/// Below 0 by one step, and by two handles that do not know of each other.
#[tokio::test]
async fn a_counter_is_never_what_its_type_does_not_hold() {
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Counts {
        left: u64,
        small: u8,
        #[serde(default)]
        balance: i64,
    }
    let counters = ["left", "small", "balance"];
    let sessions = Sessions::<Counts>::builder(&namespace().await, "web", &secrets())
        .deadline(10 * crate::SECOND)
        .counters(counters)
        .build()
        .unwrap();
    let begun = Counts {
        left: 2,
        ..Counts::default()
    };
    let mut one = sessions.create("user-1", begun).await.unwrap();
    let mut two = sessions.load(one.token()).await.unwrap().unwrap();
    for (field, by) in [("left", -3), ("small", 256), ("small", -1)] {
        let told = one.increment(field, by).await.unwrap_err();
        assert!(told.to_string().contains(field), "{told}");
        assert!(!told.may_have_executed());
    }
    assert!(one.increment("small", 255).await.unwrap().is_done());
    assert!(one.increment("small", -255).await.unwrap().is_done());
    assert!(one.increment("left", -2).await.unwrap().is_done());
    // Two of them go back together; what is signed may be below 0.
    let told = two.write().increment("balance", -5).increment("left", -1);
    let told = told.send().await.unwrap_err();
    assert!(told.to_string().contains("`left` by -1"), "{told}");
    assert_eq!((two.data().left, two.data().balance), (0, 0));
    assert!(two.increment("balance", -5).await.unwrap().is_done());
    let held = sessions.load(one.token()).await.unwrap().unwrap();
    let expected = Counts {
        balance: -5,
        ..Counts::default()
    };
    assert_eq!(*held.data(), expected);
}

/// What a type of somebody's own holds, it holds; and one field is changed in one way.
#[tokio::test]
async fn a_field_is_what_was_said_last_and_a_type_of_one_s_own_has_its_limits() {
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(try_from = "i64", into = "i64")]
    struct Percent(i64);

    impl TryFrom<i64> for Percent {
        type Error = &'static str;

        fn try_from(value: i64) -> Result<Self, Self::Error> {
            match (0..=100).contains(&value) {
                true => Ok(Percent(value)),
                false => Err("0 to 100"),
            }
        }
    }

    impl From<Percent> for i64 {
        fn from(percent: Percent) -> i64 {
            percent.0
        }
    }

    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Progress {
        done: Percent,
        left: u64,
        #[serde(default)]
        note: String,
    }

    let ns = namespace().await;
    let sessions_of = |ns| {
        let sessions = Sessions::<Progress>::builder(ns, "web", &secrets());
        sessions
            .deadline(10 * crate::SECOND)
            .counters(["done", "left"])
    };
    let sessions = sessions_of(&ns).build().unwrap();
    let begun = Progress {
        left: 2,
        ..Progress::default()
    };
    let mut one = sessions.create("user-1", begun).await.unwrap();
    assert!(one.increment("done", 100).await.unwrap().is_done());
    for by in [1, -101, i64::MIN] {
        assert!(one.increment("done", by).await.is_err(), "{by}");
    }
    assert!(one.increment("done", -100).await.unwrap().is_done());
    let twice = one.write().increment("left", -5).increment("left", 1);
    assert!(twice.send().await.is_err());
    let twice = one.write().increment("left", -5).increment("left", 4);
    assert!(twice.send().await.unwrap().is_done());
    for both in [
        one.write()
            .set("left", &5)
            .increment("left", 1)
            .send()
            .await,
        one.write().increment("left", 1).remove("left").send().await,
    ] {
        let told = both.unwrap_err();
        assert!(told.to_string().contains("`left`"), "{told}");
    }
    let last = one.write().set("note", "a").remove("note").set("note", "b");
    assert!(last.send().await.unwrap().is_done());
    let expected = Progress {
        left: 1,
        note: "b".to_owned(),
        ..Progress::default()
    };
    // As who remembers nothing reads it.
    let fresh = sessions_of(&ns).local(0).build().unwrap();
    let held = fresh.load(one.token()).await.unwrap().unwrap();
    assert_eq!((one.data(), held.data()), (&expected, &expected));
}

/// Errors are for logs, and what a session holds is not.
#[tokio::test]
async fn what_a_type_refuses_is_not_quoted() {
    #[derive(Clone, Debug, Serialize, Deserialize)]
    struct Old {
        email: String,
    }
    #[derive(Clone, Debug, Serialize, Deserialize)]
    struct Inner {
        email: u8,
    }
    #[derive(Clone, Debug, Serialize, Deserialize)]
    struct New {
        #[serde(flatten)]
        inner: Inner,
    }
    let ns = namespace().await;
    let old = Sessions::<Old>::builder(&ns, "web", &secrets())
        .build()
        .unwrap();
    let new = Sessions::<New>::builder(&ns, "web", &secrets())
        .build()
        .unwrap();
    let email = "alice@example.org".to_owned();
    let made = old.create("user-1", Old { email }).await.unwrap();
    let told = new.load(made.token()).await.unwrap_err();
    assert!(matches!(told, SessionError::Data(_)), "{told:?}");
    assert!(!format!("{told} {told:?}").contains("alice"), "{told:?}");
}

/// Who remembers a session is told by others' use of it no more than when it was, and that.
#[tokio::test]
async fn what_others_prolonged_is_told() {
    let ns = namespace().await;
    let one = patient(&ns).build().unwrap();
    let two = patient(&ns).local(0).build().unwrap();
    let made = one.create("user-1", profile("Alice")).await.unwrap();
    let seen = async |sessions: &Sessions<Profile>| {
        let held = sessions.load(made.token()).await.unwrap().unwrap();
        (held.last_seen(), held.expires())
    };
    let before = seen(&one).await;
    crate::until("the server's clock goes on", async || {
        let mut held = two.load(made.token()).await.unwrap().unwrap();
        assert!(held.extend().await.unwrap().is_done());
        seen(&two).await.0 > before.0
    })
    .await;
    assert_eq!(seen(&one).await, seen(&two).await);
    assert_eq!(seen(&one).await, seen(&two).await, "and remembers that");
}

/// Calls that share a script share no error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_one_caller_s_error() {
    let server = Server::start();
    let sessions = patient(&on(&server).await).local(0).build().unwrap();
    let mut all = Vec::new();
    for at in 0..8 {
        let user = format!("user-{at}");
        all.push(sessions.create(&user, profile(&user)).await.unwrap());
    }
    let bad = all[3].id();
    let foreign = crate::keys(&server);
    let foreign = foreign.iter().find(|key| key.ends_with(bad.as_str()));
    let foreign = foreign.expect("its key ends with its digest");
    server.command(&["DEL", foreign]);
    server.command(&["SET", foreign, "something else"]);
    for _ in 0..10 {
        let loads = all.iter().map(|made| sessions.load(made.token()));
        for (at, told) in join_all(loads).await.into_iter().enumerate() {
            assert_eq!(told.is_err(), at == 3, "{at}: {told:?}");
        }
        let writes = all
            .iter_mut()
            .map(|made| made.update(|data| data.visits += 1));
        for (at, told) in join_all(writes).await.into_iter().enumerate() {
            assert_eq!(told.is_err(), at == 3, "{at}: {told:?}");
        }
    }
    for made in &all[4..] {
        assert_eq!(made.data().visits, 10);
    }
}

#[tokio::test]
async fn a_version_that_is_not_the_expected_one_writes_nothing() {
    let sessions = patient(&namespace().await).build().unwrap();
    let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let mut other = sessions.load(made.token()).await.unwrap().unwrap();
    assert!(made.set("role", "admin").await.unwrap().is_done());
    let version = other.version();
    let late = other.write().set("role", "guest").expect_version(version);
    assert_eq!(late.send().await.unwrap(), Written::Stale);
    // It has learned what stands there.
    assert_eq!((&*other.data().role, other.version()), ("admin", 1));
    let again = other.write().set("role", "guest").expect_version(1);
    assert_eq!(again.send().await.unwrap(), Written::Done);
    let now = sessions.load(made.token()).await.unwrap().unwrap();
    assert_eq!((&*now.data().role, now.version()), ("guest", 2));
}

#[tokio::test]
async fn what_would_be_no_data_of_its_type_is_refused_before_it_is_written() {
    let ns = namespace().await;
    let sessions = patient(&ns).counters(["visits"]).build().unwrap();
    let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let refused = [
        made.set("role", &7).await,
        made.remove("role").await,
        made.set("visits", "many").await,
        made.set("", "nameless").await,
        made.remove("").await,
        made.increment("role", 1).await,
        made.increment("theme", 1).await,
    ];
    for (at, told) in refused.into_iter().enumerate() {
        assert!(matches!(told, Err(SessionError::Data(_))), "{at}: {told:?}");
    }
    // Beyond 64 bits; and what was to be set with it is not.
    let both = made
        .write()
        .increment("visits", i64::MAX)
        .increment("visits", 1);
    let told = both.send().await;
    assert!(matches!(told, Err(SessionError::Data(_))), "{told:?}");
    let now = sessions.load(made.token()).await.unwrap().unwrap();
    assert_eq!((now.data(), now.version()), (&profile("Alice"), 0));
    assert!(made.increment("visits", i64::MAX).await.unwrap().is_done());
    let told = made.write().increment("visits", 1).set("role", "admin");
    let told = told.send().await;
    assert!(matches!(told, Err(SessionError::Redis(_))), "{told:?}");
    let now = sessions.load(made.token()).await.unwrap().unwrap();
    assert_eq!((&*now.data().role, now.version()), ("reader", 1));
}

#[tokio::test]
async fn data_is_a_map() {
    let ns = namespace().await;
    let free = Sessions::<Free>::builder(&ns, "free", &secrets())
        .build()
        .unwrap();
    let mut made = free.create("user-1", Free::new()).await.unwrap();
    let added = made.update(|data| {
        data.insert("cart".into(), vec![1, 2]);
        data.insert("seen".into(), vec![]);
    });
    added.await.unwrap().unwrap();
    made.update(|data| data.remove("seen"))
        .await
        .unwrap()
        .unwrap();
    let now = free.load(made.token()).await.unwrap().unwrap();
    assert_eq!(now.data(), &Free::from([("cart".into(), vec![1, 2])]));

    let list = Sessions::<Vec<u8>>::builder(&ns, "list", &secrets())
        .build()
        .unwrap();
    let told = list.create("user-1", vec![1]).await.unwrap_err();
    assert!(matches!(told, SessionError::Data(_)), "{told:?}");
    let numbered = Sessions::<BTreeMap<u8, u8>>::builder(&ns, "numbered", &secrets());
    let told = numbered
        .build()
        .unwrap()
        .create("user-1", [(1, 1)].into())
        .await;
    assert!(matches!(told, Err(SessionError::Data(_))), "{told:?}");
    let nameless = free
        .create("user-1", [(String::new(), vec![])].into())
        .await;
    assert!(
        matches!(nameless, Err(SessionError::Data(_))),
        "{nameless:?}"
    );
}

#[tokio::test]
async fn a_type_that_changed_reads_what_it_can() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Newer {
        user: String,
        #[serde(default)]
        plan: Option<String>,
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Other {
        user: u64,
    }
    let ns = namespace().await;
    let old = patient(&ns).build().unwrap();
    let newer = Sessions::<Newer>::builder(&ns, "web", &secrets())
        .build()
        .unwrap();
    let other = Sessions::<Other>::builder(&ns, "web", &secrets())
        .build()
        .unwrap();
    let made = old.create("user-1", profile("Alice")).await.unwrap();
    let mut now = newer.load(made.token()).await.unwrap().unwrap();
    assert_eq!(now.data().user, "Alice");
    now.update(|data| data.plan = Some("pro".into()))
        .await
        .unwrap()
        .unwrap();
    // What the newer type does not know is still there.
    let then = old.load(made.token()).await.unwrap().unwrap();
    assert_eq!(then.data(), &profile("Alice"));
    let told = other.load(made.token()).await.unwrap_err();
    assert!(matches!(told, SessionError::Data(_)), "{told:?}");
    assert!(!format!("{told} {told:?}").contains("Alice"), "{told:?}");
}

#[tokio::test]
async fn a_session_has_a_size() {
    let ns = namespace().await;
    let sessions = patient(&ns).max_size(1_000).build().unwrap();
    let large = "x".repeat(1_000);
    let told = sessions
        .create("user-1", profile(&large))
        .await
        .unwrap_err();
    assert!(
        matches!(told, SessionError::TooLarge { most: 1_000, .. }),
        "{told:?}"
    );
    let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let told = made.update(|data| data.theme = Some(large.clone())).await;
    assert!(
        matches!(told, Err(SessionError::TooLarge { .. })),
        "{told:?}"
    );
    let told = made.set("theme", &large).await;
    assert!(
        matches!(told, Err(SessionError::TooLarge { .. })),
        "{told:?}"
    );
    assert_eq!(made.data(), &profile("Alice"));
    let free = Sessions::<Free>::builder(&ns, "free", &secrets())
        .build()
        .unwrap();
    let many: Free = (0..1_001).map(|at| (at.to_string(), vec![])).collect();
    assert!(matches!(
        free.create("user-1", many).await,
        Err(SessionError::Data(_))
    ));
}

#[tokio::test]
async fn a_format_that_changed_reads_both() {
    let ns = namespace().await;
    let build = |codec| patient(&ns).codec(codec).build().unwrap();
    let (packed, json) = (build(Codec::default()), build(Codec::new(Format::Json)));
    let made = packed.create("user-1", profile("Alice")).await.unwrap();
    let mut mixed = json.load(made.token()).await.unwrap().unwrap();
    mixed.update(|data| data.visits = 7).await.unwrap().unwrap();
    let now = packed.load(made.token()).await.unwrap().unwrap();
    assert_eq!(
        now.data(),
        &Profile {
            visits: 7,
            ..profile("Alice")
        }
    );
}

#[cfg(feature = "encryption")]
#[tokio::test]
async fn what_is_encrypted_is_readable_by_its_key_and_in_its_place_only() {
    use russet_session::KeyRing;
    let server = Server::start();
    let ns = crate::on(&server).await;
    // What somebody writes by hand is told of no version.
    let build = |codec| patient(&ns).codec(codec).local(0).build().unwrap();
    let sessions = build(Codec::default().encrypt(KeyRing::new([1; 32])));
    let rotated = build(Codec::default().encrypt(KeyRing::new([2; 32]).knows([1; 32])));
    let foreign = build(Codec::default().encrypt(KeyRing::new([3; 32])));
    let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
    made.update(|data| data.visits += 1).await.unwrap().unwrap();
    let mut now = rotated.load(made.token()).await.unwrap().unwrap();
    now.update(|data| data.visits += 1).await.unwrap().unwrap();
    assert!(now.rotate().await.unwrap().is_done());
    let now = rotated.load(now.token()).await.unwrap().unwrap();
    assert_eq!(now.data().visits, 2);
    assert!(matches!(
        foreign.load(now.token()).await,
        Err(SessionError::Data(_))
    ));
    let keys = server.command(&["KEYS", "*"]);
    for key in keys.as_array().unwrap() {
        let key = key.as_str().unwrap();
        if server.command(&["TYPE", key]).as_str() == Some("hash") {
            let held = format!("{:?}", server.command(&["HGETALL", key]));
            assert!(
                !held.contains("Alice") && !held.contains("user-1"),
                "{held}"
            );
            // One field's value in another's place.
            if server.command(&["HEXISTS", key, "user"]).as_int() == Some(1) {
                let moved =
                    "redis.call('HSET', KEYS[1], 'role', redis.call('HGET', KEYS[1], 'user'))";
                server.command(&["EVAL", moved, "1", key]);
            }
        }
    }
    assert!(matches!(
        rotated.load(now.token()).await,
        Err(SessionError::Data(_))
    ));
}

/// Whatever a process remembers, it tells what Redis has; and what it remembers is not sent.
#[tokio::test]
async fn what_is_remembered_is_never_old_and_is_not_sent() {
    let server = Server::start();
    let ns = crate::on(&server).await;
    let build = |bytes| patient(&ns).local(bytes).build().unwrap();
    let (one, two, bare) = (build(1 << 20), build(1 << 20), build(0));
    let data = Profile {
        role: "x".repeat(10_000),
        ..profile("Alice")
    };
    let made = one.create("user-1", data).await.unwrap();
    let sent = || -> u64 {
        let stats = server.info("stats");
        stats["total_net_output_bytes"].parse().unwrap()
    };
    let loads = async |sessions: &Sessions<Profile>| {
        let before = sent();
        for _ in 0..20 {
            sessions.load(made.token()).await.unwrap().unwrap();
        }
        sent() - before
    };
    loads(&two).await;
    let (remembered, all) = (loads(&two).await, loads(&bare).await);
    assert!(
        all > 200_000 && remembered < 50_000,
        "{remembered} of {all}"
    );
    // Each sees at once what the other has written, also where both write at the same version.
    for turn in 1..=50 {
        let (writer, reader) = if turn % 2 == 0 {
            (&one, &two)
        } else {
            (&two, &one)
        };
        let mut session = writer.load(made.token()).await.unwrap().unwrap();
        let mut stale = reader.load(made.token()).await.unwrap().unwrap();
        session
            .update(|data| data.visits += 1)
            .await
            .unwrap()
            .unwrap();
        stale
            .update(|data| data.theme = Some(turn.to_string()))
            .await
            .unwrap()
            .unwrap();
        for sessions in [&one, &two, &bare] {
            let now = sessions.load(made.token()).await.unwrap().unwrap();
            let seen = (now.data().visits, now.data().theme.as_deref());
            assert_eq!(seen, (turn, Some(&*turn.to_string())));
        }
        // A handle that does not know what others wrote does not make others believe it.
        stale
            .update(|data| data.user = turn.to_string())
            .await
            .unwrap()
            .unwrap();
        let now = reader.load(made.token()).await.unwrap().unwrap();
        assert_eq!(
            (now.data().visits, &now.data().user),
            (turn, &turn.to_string())
        );
    }
}

/// A failover undoes a write, and another takes its number: what a process remembers of the first is not what there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failover_undid_is_not_remembered() {
    let primary = Server::start();
    let before = patient(&crate::on(&primary).await).build().unwrap();
    let made = before.create("user-1", profile("Alice")).await.unwrap();
    let token = made.token().clone();
    let mut made = before.load(&token).await.unwrap().unwrap();
    let mut connection = primary.connection();
    let mut old = Vec::new();
    for key in crate::keys(&primary) {
        let ends = primary.command(&["PEXPIRETIME", &key]).as_int().unwrap();
        let dump = primary.command(&["DUMP", &key]);
        old.push((key, ends.to_string(), dump));
    }
    assert_eq!(old.len(), 3, "session, index and etag: {old:?}");
    made.update(|data| data.role = "undone".into())
        .await
        .unwrap()
        .unwrap();
    // What the replica would have: as it was before that write.
    for (key, ends, dump) in &old {
        let restore: [&[u8]; 6] = [
            b"RESTORE",
            key.as_bytes(),
            ends.as_bytes(),
            dump.as_bytes().unwrap(),
            b"REPLACE",
            b"ABSTTL",
        ];
        assert_eq!(connection.command(&restore).unwrap().as_str(), Some("OK"));
    }
    let other = patient(&crate::on(&primary).await).build().unwrap();
    let mut session = other.load(&token).await.unwrap().unwrap();
    assert_eq!((session.version(), &*session.data().role), (0, "reader"));
    session
        .update(|data| data.role = "other".into())
        .await
        .unwrap()
        .unwrap();
    let now = before.load(&token).await.unwrap().unwrap();
    assert_eq!((now.version(), &*now.data().role), (1, "other"));
}
