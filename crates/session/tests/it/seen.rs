//! What somebody sees who watches the server: one command for each operation, and no secret.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use russet_session::{Device, Redis, Refreshed, Sessions};
use russet_testkit::Server;

use crate::{Profile, patient, profile};

/// What was sent since the server was asked to tell: by clients, not by scripts; and all of it as text.
fn since(watcher: &mut russet_testkit::resp::Connection, server: &Server) -> (Vec<String>, String) {
    let (mark, mut sent, mut all) = (
        russet_testkit::unique_name("mark"),
        Vec::new(),
        String::new(),
    );
    server.command(&["ECHO", &mark]);
    loop {
        let line = watcher.receive().unwrap();
        let line = line.as_str().unwrap().to_owned();
        if line.contains(&mark) {
            return (sent, all);
        }
        all.push_str(&line);
        if !line.contains(" lua] ") {
            let (_, command) = line.split_once("] ").unwrap();
            sent.push(command.split('"').nth(1).unwrap().to_owned());
        }
    }
}

/// Whether a token's secret is in what `MONITOR` showed: as text, or its bytes with escapes. Backslashes are left out of both: Valkey 8.1 escapes none that stands for itself.
fn shows(all: &str, token: &str) -> bool {
    let secret = token.rsplit_once('.').unwrap().1;
    let bytes = Base64UrlUnpadded::decode_vec(secret).unwrap();
    let escaped: String = bytes
        .iter()
        .map(|byte| match byte {
            b'\\' => String::new(),
            b'\n' => "n".to_owned(),
            b'\r' => "r".to_owned(),
            b'\t' => "t".to_owned(),
            7 => "a".to_owned(),
            8 => "b".to_owned(),
            32..=126 => char::from(*byte).to_string(),
            _ => format!("x{byte:02x}"),
        })
        .collect();
    all.contains(secret) || all.replace('\\', "").contains(&escaped)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_watches_sees_one_command_for_each_operation_and_no_secret() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let sessions: Sessions<Profile> = patient(&redis.namespace("shop").unwrap())
        .counters(["visits"])
        .build()
        .unwrap();
    let mut everything = String::new();
    let mut tokens = Vec::new();
    // The second time the server knows the scripts, and it is counted.
    for is_counted in [false, true] {
        let mut watcher = server.connection();
        watcher.command(&["MONITOR"]).unwrap();
        let mut costs = |what: &str, commands: usize| {
            let (mut sent, all) = since(&mut watcher, &server);
            // The connection's own heartbeat and looks.
            sent.retain(|name| {
                let name = name.to_uppercase();
                name.starts_with("EVAL") || name.ends_with("GET")
            });
            everything.push_str(&all);
            assert!(!is_counted || sent.len() == commands, "{what}: {sent:?}");
        };
        let mut visitor = sessions.create_anonymous(profile("cart")).await.unwrap();
        costs("create_anonymous", 1);
        tokens.push(visitor.token().to_string());
        assert!(
            visitor
                .login("user-1", Device::unknown())
                .await
                .unwrap()
                .is_done()
        );
        costs("login", 1);
        tokens.push(visitor.token().to_string());
        let mut made = sessions.create("user-1", profile("Alice")).await.unwrap();
        costs("create", 1);
        tokens.push(made.token().to_string());
        sessions.load(made.token()).await.unwrap().unwrap();
        costs("load", 1);
        made.update(|data| data.role = "admin".into())
            .await
            .unwrap()
            .unwrap();
        costs("update", 1);
        let change = sessions.update(made.token(), |data| data.role = "reader".into());
        change.await.unwrap().unwrap();
        costs("update by a token", 2);
        assert!(made.set("role", "owner").await.unwrap().is_done());
        costs("set", 1);
        assert!(made.increment("visits", 1).await.unwrap().is_done());
        costs("increment", 1);
        assert!(made.extend().await.unwrap().is_done());
        costs("extend", 1);
        assert!(made.rotate().await.unwrap().is_done());
        costs("rotate", 1);
        tokens.push(made.token().to_string());
        let token = made.issue_refresh("web").await.unwrap().unwrap();
        costs("issue_refresh", 1);
        tokens.push(token.to_string());
        let Refreshed::Done(renewal) = sessions.refresh(&token, "web").await.unwrap() else {
            panic!("it is good")
        };
        costs("refresh", 1);
        tokens.push(renewal.token.to_string());
        assert!(sessions.end_refresh(&renewal.token).await.unwrap());
        costs("end_refresh", 1);
        assert_eq!(sessions.list("user-1").await.unwrap().len(), 2);
        costs("list", 2);
        assert_eq!(sessions.export_user("user-1").await.unwrap().len(), 2);
        // The first load goes at once, and those behind it together.
        costs("export_user", 3);
        sessions.begin_login("user-1").await.unwrap();
        costs("begin_login", 1);
        assert!(visitor.delete().await.unwrap());
        costs("delete", 1);
        assert_eq!(sessions.revoke_all("user-1").await.unwrap(), 1);
        costs("revoke_all", 2);
        assert!(sessions.load(made.token()).await.unwrap().is_none());
        costs("load of none", 1);
    }
    assert!(everything.contains("shop:session:web:{"), "it was watched");
    for token in &tokens {
        assert!(!shows(&everything, token));
    }
    // And so it would have been seen.
    let seen = Base64UrlUnpadded::decode_vec(tokens[0].rsplit_once('.').unwrap().1).unwrap();
    let mut watcher = server.connection();
    watcher.command(&["MONITOR"]).unwrap();
    server
        .connection()
        .command(&[&b"ECHO"[..], &seen[..]])
        .unwrap();
    let (_, all) = since(&mut watcher, &server);
    assert!(shows(&all, &tokens[0]));
}
