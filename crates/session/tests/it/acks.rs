//! Ends that replicas must know of.

use std::time::Duration;

use russet_session::{Ack, BuildErrorKind, Redis, Refreshed, SessionError};
use russet_testkit::Server;

use crate::{SECOND, namespace, on, patient, profile};

fn is_unconfirmed<T: std::fmt::Debug>(told: Result<T, SessionError>) {
    let error = told.unwrap_err();
    assert!(error.may_have_executed() && error.is_retryable());
    let is_it = matches!(error, SessionError::NotReplicated { by: 0, wanted: 1 });
    assert!(is_it, "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_no_replica_knows_of_says_so() {
    let primary = Server::start();
    let replica = tokio::task::block_in_place(|| primary.replica());
    let ns = on(&primary).await;
    let with = |millis| {
        let timeout = Duration::from_millis(millis);
        patient(&ns)
            .ack(Ack::Replicas { n: 1, timeout })
            .build()
            .unwrap()
    };
    let (patient, hasty) = (with(10_000), with(100));
    let mut made = Vec::new();
    for at in 0..7 {
        let user = format!("user-{}", at / 2);
        made.push(patient.create(&user, profile("Alice")).await.unwrap());
    }
    let refresh = made[6].issue_refresh("web").await.unwrap().unwrap();
    assert!(patient.delete(made[0].token()).await.unwrap());
    replica.pause();
    // It is done all the same, and whoever asks again waits again.
    for _ in 0..2 {
        is_unconfirmed(hasty.delete(made[1].token()).await);
        is_unconfirmed(hasty.revoke("user-1", &made[2].id()).await);
        is_unconfirmed(hasty.revoke_others(&made[4]).await);
        is_unconfirmed(hasty.end_refresh(&refresh).await);
    }
    for ended in [1, 2, 5] {
        let found = patient.load(made[ended].token()).await.unwrap();
        assert!(found.is_none(), "{ended}");
    }
    assert!(patient.load(made[3].token()).await.unwrap().is_some());
    assert!(patient.load(made[4].token()).await.unwrap().is_some());
    for _ in 0..2 {
        is_unconfirmed(hasty.revoke_all("user-2").await);
        is_unconfirmed(hasty.wipe_user("user-1").await);
    }
    assert!(patient.load(made[3].token()).await.unwrap().is_none());
    let told = patient.refresh(&refresh, "web").await.unwrap();
    assert!(matches!(told, Refreshed::Gone), "{told:?}");
    replica.resume();
    // The replica has caught up then.
    assert_eq!(patient.revoke_all("user-2").await.unwrap(), 0);
    assert!(patient.delete(made[6].token()).await.unwrap());
}

/// What was confirmed is not undone by a failover to who confirmed it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_that_a_replica_knows_of_is_one_after_a_failover() {
    let primary = Server::start();
    let replica = tokio::task::block_in_place(|| primary.replica());
    let sessions = patient(&on(&primary).await);
    let timeout = 10 * SECOND;
    let sessions = sessions
        .ack(Ack::Replicas { n: 1, timeout })
        .build()
        .unwrap();
    let made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let other = sessions.create("user-1", profile("Alice")).await.unwrap();
    assert!(sessions.delete(made.token()).await.unwrap());
    primary.kill();
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    // The replica knows no users of the primary's.
    let redis = Redis::connect(&replica.unrestricted_url()).await.unwrap();
    let after = patient(&redis.namespace("shop").unwrap()).build().unwrap();
    assert!(after.load(made.token()).await.unwrap().is_none());
    assert!(after.load(other.token()).await.unwrap().is_some());
}

#[tokio::test]
async fn who_must_know_is_checked() {
    let ns = namespace().await;
    for (n, millis) in [(0, 100), (1, 0), (1, 60_001)] {
        let timeout = Duration::from_millis(millis);
        let told = patient(&ns)
            .ack(Ack::Replicas { n, timeout })
            .build()
            .map(drop);
        assert_eq!(told.unwrap_err().kind(), BuildErrorKind::Limit);
    }
}
