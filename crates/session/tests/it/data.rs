//! What a session can hold.

use std::collections::BTreeMap;

use russet_session::{Codec, Format, SessionError, Sessions, Written};
use serde::{Deserialize, Serialize};

use crate::{Profile, namespace, patient, profile, secrets};

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
    let told = both.set("role", "admin").send().await;
    assert!(matches!(told, Err(SessionError::Redis(_))), "{told:?}");
    let now = sessions.load(made.token()).await.unwrap().unwrap();
    assert_eq!((now.data(), now.version()), (&profile("Alice"), 0));
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
    use russet_testkit::Server;

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
    let server = russet_testkit::Server::start();
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
    let primary = russet_testkit::Server::start();
    let before = patient(&crate::on(&primary).await).build().unwrap();
    let mut made = before.create("user-1", profile("Alice")).await.unwrap();
    let token = made.token().clone();
    let find = || {
        let mut keys = crate::keys(&primary);
        keys.retain(|key| primary.command(&["TYPE", key]).as_str() == Some("hash"));
        keys.pop().unwrap()
    };
    let key = find();
    let old = primary.command(&["HGETALL", &key]);
    made.update(|data| data.role = "undone".into())
        .await
        .unwrap()
        .unwrap();
    // What the replica would have: as it was before that write.
    let mut connection = primary.connection();
    let mut restore: Vec<&[u8]> = vec![b"HSET", key.as_bytes()];
    restore.extend(
        old.as_array()
            .unwrap()
            .iter()
            .map(|part| part.as_bytes().unwrap()),
    );
    connection.command(&restore).unwrap();
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
