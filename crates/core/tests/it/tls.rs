//! TLS to a real server, with certificates that were made for the test.

use std::path::Path;

use russet_core::{
    BuildErrorKind, Command, Endpoint, Error, ErrorKind, Policy, Redis, Target, Tls,
};
use russet_testkit::Server;

use super::TEST;

async fn connect(url: &str, tls: Tls) -> Result<Redis, Error> {
    let endpoint = Endpoint::parse(url)?.tls(tls)?;
    Redis::builder().topology(endpoint).connect().await
}

async fn answers(redis: &Redis) -> Result<String, Error> {
    redis
        .on(TEST)
        .run(Command::new("PING"), Policy::Idempotent)
        .await
}

#[tokio::test]
async fn every_lane_speaks_tls() {
    let server = Server::builder().password("p w/").tls().start();
    // Nobody gets in without TLS.
    let tls = Tls::new().ca_file(server.tls().ca_file());
    let redis = connect(&server.tls_url(), tls).await.unwrap();
    assert_eq!(answers(&redis).await.unwrap(), "PONG");
    let target = Target::Channel(russet_core::Key::raw("room"));
    let _room = redis.server(TEST).subscribe(target).await.unwrap();
    let mut blocking = redis.server(TEST).blocking().unwrap();
    let pop = Command::new("BLPOP")
        .key(&russet_core::Key::raw("none"))
        .arg("0.01");
    let wait = std::time::Duration::from_millis(10);
    assert_eq!(
        blocking
            .run::<Option<Vec<String>>>(&pop, wait)
            .await
            .unwrap(),
        None
    );
    let clients = server.command(&["CLIENT", "LIST"]);
    let plain_port = format!("laddr=127.0.0.1:{}", server.port());
    let by_plain = clients
        .as_str()
        .unwrap()
        .lines()
        .filter(|line| line.contains(&plain_port));
    // The one that asks.
    assert!(by_plain.count() <= 1, "{clients:?}");
}

#[tokio::test]
async fn a_stranger_s_certificate_is_refused() {
    let server = Server::builder().tls().start();
    let other = Server::builder().tls().start();
    for (tls, says) in [
        (
            Tls::new().ca_file(other.tls().ca_file()),
            "InvalidCertificate",
        ),
        // Not by one of the system's authorities.
        (Tls::new(), "InvalidCertificate"),
        (
            Tls::new()
                .ca_file(server.tls().ca_file())
                .server_name("elsewhere.example"),
            "InvalidCertificate",
        ),
    ] {
        let error = connect(&server.tls_url(), tls).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn the_name_in_the_certificate_may_be_another_than_the_host() {
    let server = Server::builder().tls().start();
    // `::ffff:127.0.0.1` is not in the certificate, `localhost` is.
    let url = format!("rediss://[::ffff:127.0.0.1]:{}", server.tls().port());
    let tls = Tls::new().ca_file(server.tls().ca_file());
    assert!(connect(&url, tls.clone()).await.is_err());
    let redis = connect(&url, tls.server_name("localhost")).await.unwrap();
    assert_eq!(answers(&redis).await.unwrap(), "PONG");
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_ours() {
    let server = Server::builder()
        .tls()
        .config("tls-auth-clients", "yes")
        .start();
    let files = server.tls();
    let tls = Tls::new().ca_file(files.ca_file());
    let error = connect(&server.tls_url(), tls.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let tls = tls.identity_files(files.client_cert_file(), files.client_key_file());
    let redis = connect(&server.tls_url(), tls).await.unwrap();
    assert_eq!(answers(&redis).await.unwrap(), "PONG");
}

/// The authority, the server's and our own certificate are all replaced; the handle lives on.
#[tokio::test]
async fn renewed_material_is_taken_up_without_a_restart() {
    let server = Server::builder()
        .tls()
        .config("tls-auth-clients", "yes")
        .start();
    let files = server.tls();
    let tls = Tls::new()
        .ca_file(files.ca_file())
        .identity_files(files.client_cert_file(), files.client_key_file());
    let redis = connect(&server.tls_url(), tls).await.unwrap();
    let old = std::fs::read(files.ca_file()).unwrap();
    files.renew(&server);
    assert_ne!(std::fs::read(files.ca_file()).unwrap(), old);
    server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    assert_eq!(answers(&redis).await.unwrap(), "PONG");
    let ids = server.command(&["CLIENT", "LIST", "TYPE", "normal"]);
    let tls_port = format!("laddr=127.0.0.1:{}", files.port());
    assert!(ids.as_str().unwrap().contains(&tls_port), "{ids:?}");
}

#[tokio::test]
async fn unusable_material_is_told_before_anything_is_sent() {
    let server = Server::builder().tls().start();
    let folder = server.tls().ca_file();
    let folder = folder.parent().unwrap();
    let empty = folder.join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    let files = server.tls();
    let ca = || Tls::new().ca_file(files.ca_file());
    let missing = Path::new("/nowhere/at/all.pem");
    for (tls, says) in [
        (Tls::new().ca_file(missing), "/nowhere/at/all.pem"),
        (Tls::new().ca_file(&empty), "no certificate"),
        (ca().identity_files(files.client_cert_file(), &empty), "key"),
        (
            ca().identity_files(missing, files.client_key_file()),
            "/nowhere",
        ),
        (
            ca().identity_files(files.ca_file(), files.client_key_file()),
            "does not go with",
        ),
    ] {
        let endpoint = Endpoint::parse(&server.tls_url())
            .unwrap()
            .tls(tls)
            .unwrap();
        let error = Redis::builder().topology(endpoint).lazy().unwrap_err();
        assert_eq!(error.kind(), BuildErrorKind::Tls, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    let error = Endpoint::parse(&server.url())
        .unwrap()
        .tls(ca())
        .unwrap_err();
    assert_eq!(error.kind(), BuildErrorKind::Conflict);
}
