//! Who we are, asked again at every connect.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use russet_core::{Command, Credentials, Endpoint, ErrorKind, Key, Login, Policy, Redis};
use russet_testkit::{Server, unique_name};

use super::{TEST, size, until};

fn endpoint(server: &Server) -> Endpoint {
    let url = format!("redis://127.0.0.1:{}", server.port());
    Endpoint::parse(&url).unwrap()
}

fn app(passwords: &str) -> Server {
    let user = format!("app on {passwords} ~* &* +@all");
    Server::builder().acl_user(&user).start()
}

async fn whoami(redis: &Redis) -> String {
    let whoami = Command::new("ACL WHOAMI");
    redis
        .on(TEST)
        .run(whoami, Policy::Idempotent)
        .await
        .unwrap()
}

#[tokio::test]
async fn from_the_url_a_file_and_a_provider() {
    let server = app(">s3cret");
    let file = std::env::temp_dir().join(unique_name("russet-secret"));
    std::fs::write(&file, "s3cret\n").unwrap();
    let url = format!("redis://app:s3cret@127.0.0.1:{}", server.port());
    for endpoint in [
        Endpoint::parse(&url).unwrap(),
        endpoint(&server).credentials(Credentials::fixed(Login::user("app", "s3cret"))),
        endpoint(&server).credentials(Credentials::from_file(Some("app"), &file)),
        endpoint(&server).credentials(Credentials::provided_by(|| async {
            Ok::<_, std::io::Error>(Login::user("app", "s3cret"))
        })),
    ] {
        let redis = Redis::builder().topology(endpoint).connect().await.unwrap();
        assert_eq!(whoami(&redis).await, "app");
    }
    std::fs::remove_file(&file).unwrap();
}

/// A password is data: nothing in it is syntax, neither of the URL nor of the protocol.
#[tokio::test]
async fn any_character_may_stand_in_a_password() {
    let server = Server::start();
    for password in [
        "p w",
        " ",
        "a\"b'c\\d",
        "%41%",
        "tab\tand\u{1}",
        "straße",
        "x\r\nSET injected 1\r\n",
    ] {
        server.command(&[
            "ACL",
            "SETUSER",
            "app",
            "reset",
            "on",
            "~*",
            "+@all",
            &format!(">{password}"),
        ]);
        let login = Login::user("app", password);
        let endpoint = endpoint(&server).credentials(Credentials::fixed(login));
        let redis = Redis::builder().topology(endpoint).connect().await;
        assert_eq!(whoami(&redis.expect(password)).await, "app");
    }
    assert_eq!(server.command(&["EXISTS", "injected"]).as_int(), Some(0));
}

#[tokio::test]
async fn what_holds_no_password_is_named() {
    let server = app(">s3cret");
    let file = std::env::temp_dir().join(unique_name("russet-secret"));
    std::fs::write(&file, "hunter2\nhunter3\n").unwrap();
    let failing = || async { Err::<Login, _>(std::io::Error::other("the vault is sealed")) };
    let endless = || async {
        std::future::pending::<()>().await;
        Ok::<_, std::io::Error>(Login::password("never"))
    };
    for (credentials, says) in [
        (
            Credentials::from_var(None, "RUSSET_TEST_UNSET"),
            "RUSSET_TEST_UNSET",
        ),
        (
            Credentials::from_file(None, "/nowhere/secret"),
            "/nowhere/secret",
        ),
        (Credentials::from_file(None, &file), "more than one line"),
        (Credentials::provided_by(failing), "the vault is sealed"),
        (Credentials::provided_by(endless), "no credentials within"),
    ] {
        let redis = Redis::builder()
            .topology(endpoint(&server).credentials(credentials))
            .connect_timeout(Duration::from_millis(200));
        let error = redis.connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        let told = format!("{error} {error:?}");
        assert!(told.contains(says) && !told.contains("hunter"), "{told}");
    }
    std::fs::remove_file(&file).unwrap();
}

/// The documented order: the server knows both passwords, the source changes, connections are made anew, the old
/// password goes. All under load, and not one command fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_rotated_under_load_without_one_failed_command() {
    let server = app(">old");
    let password = Arc::new(Mutex::new("old"));
    let asked = Arc::new(AtomicU64::new(0));
    let credentials = {
        let (password, asked) = (password.clone(), asked.clone());
        Credentials::provided_by(move || {
            asked.fetch_add(1, Ordering::Relaxed);
            let login = Login::user("app", *password.lock().unwrap());
            async move { Ok::<_, std::io::Error>(login) }
        })
    };
    let redis = Redis::builder()
        .topology(endpoint(&server).credentials(credentials))
        .connect()
        .await
        .unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let load: Vec<_> = (0..32)
        .map(|task| {
            let (lane, stop, done) = (redis.on(TEST), stop.clone(), done.clone());
            tokio::spawn(async move {
                let key = Key::raw(format!("k{task}"));
                while !stop.load(Ordering::Relaxed) {
                    let set = Command::new("SET").key(&key).arg("v");
                    lane.run::<()>(set, Policy::Idempotent).await.unwrap();
                    let got: String = lane
                        .run(Command::new("GET").key(&key), Policy::Idempotent)
                        .await
                        .unwrap();
                    assert_eq!(got, "v");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let some_more = async |count: u64| {
        let end = done.load(Ordering::Relaxed) + count;
        let limit = Duration::from_secs(20);
        until(limit, "the load goes on", async || {
            done.load(Ordering::Relaxed) >= end
        })
        .await;
    };
    let names: Vec<String> = (0..size(50, 5)).map(|turn| format!("new{turn}")).collect();
    let mut old = "old";
    for new in &names {
        some_more(500).await;
        server.command(&["ACL", "SETUSER", "app", &format!(">{new}")]);
        *password.lock().unwrap() = Box::leak(new.clone().into_boxed_str());
        let before = asked.load(Ordering::Relaxed);
        // From here on the old one opens nothing, and every connection has to be made with the new one.
        server.command(&["ACL", "SETUSER", "app", &format!("<{old}")]);
        server.command(&["CLIENT", "KILL", "USER", "app"]);
        some_more(500).await;
        assert!(asked.load(Ordering::Relaxed) > before);
        old = new;
    }
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.expect("not one command failed");
    }
}

#[tokio::test]
async fn a_source_that_is_late_heals_by_itself() {
    let server = app(">new");
    let password = Arc::new(Mutex::new("stale"));
    let shared = password.clone();
    let credentials = Credentials::provided_by(move || {
        let login = Login::user("app", *shared.lock().unwrap());
        async move { Ok::<_, std::io::Error>(login) }
    });
    let endpoint = endpoint(&server).credentials(credentials);
    let redis = Redis::builder().topology(endpoint).lazy().unwrap();
    let error = redis
        .on(TEST)
        .run::<String>(Command::new("PING"), Policy::Idempotent)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(!error.may_have_executed());
    *password.lock().unwrap() = "new";
    let lane = redis.on(TEST);
    until(Duration::from_secs(2), "healed", async || {
        let ping = Command::new("PING");
        let pong = lane.run::<String>(ping, Policy::Idempotent);
        pong.await.is_ok()
    })
    .await;
}
