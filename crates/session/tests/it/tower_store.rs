//! The store for tower-sessions: what that crate expects of one, and its own layer over it.

use std::collections::HashMap;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use russet_session::{Codec, Ids, Sessions, TowerData, TowerStore};
use russet_testkit::Server;
use serde_json::json;
use tower::ServiceExt as _;
use tower_sessions::cookie::time::{Duration, OffsetDateTime};
use tower_sessions::session::{Id, Record};
use tower_sessions::{Expiry, Session, SessionManagerLayer, SessionStore as _};

use crate::{SECOND, namespace, on, secrets};

async fn store() -> TowerStore {
    let ns = namespace().await;
    let sessions = Sessions::<TowerData>::builder(&ns, "tower", &secrets()).deadline(10 * SECOND);
    TowerStore::new(sessions.build().unwrap())
}

fn record(lasts: Duration) -> Record {
    Record {
        id: Id::default(),
        data: HashMap::from([
            ("user".to_owned(), json!("Alice")),
            ("n".to_owned(), json!([1, {"a": null}])),
        ]),
        expiry_date: OffsetDateTime::now_utc() + lasts,
    }
}

#[tokio::test]
async fn a_record_is_there_from_its_creation_to_its_end() {
    let store = store().await;
    let mut made = record(Duration::hours(1));
    assert!(store.load(&made.id).await.unwrap().is_none());
    store.create(&mut made).await.unwrap();
    let loaded = store.load(&made.id).await.unwrap().unwrap();
    assert_eq!((loaded.id, &loaded.data), (made.id, &made.data));
    // Redis counts milliseconds.
    assert!((loaded.expiry_date - made.expiry_date).abs() < Duration::milliseconds(1));

    made.data.remove("n");
    made.data.insert("cart".to_owned(), json!({"apples": 7}));
    made.expiry_date = OffsetDateTime::now_utc() + Duration::minutes(5);
    store.save(&made).await.unwrap();
    let loaded = store.load(&made.id).await.unwrap().unwrap();
    assert_eq!(loaded.data, made.data);
    assert!((loaded.expiry_date - made.expiry_date).abs() < Duration::seconds(5));

    store.delete(&made.id).await.unwrap();
    store.delete(&made.id).await.unwrap();
    assert!(store.load(&made.id).await.unwrap().is_none());
    // What is slower than a logout does not bring it back.
    store.save(&made).await.unwrap();
    assert!(store.load(&made.id).await.unwrap().is_none());
}

/// Who loads the same sessions without that crate does not go on with what it remembers.
#[tokio::test]
async fn a_save_is_known_to_who_remembers_the_session() {
    let ns = namespace().await;
    let build = || Sessions::<TowerData>::builder(&ns, "tower", &secrets()).deadline(10 * SECOND);
    let sessions = build().ids(Ids::Uuid).build().unwrap();
    let store = TowerStore::new(build().build().unwrap());
    let mut made = record(Duration::hours(1));
    store.create(&mut made).await.unwrap();
    let id = made.id.to_string();
    for saved in 0..3 {
        for _ in 0..2 {
            let loaded = sessions.load(&id).await.unwrap().unwrap();
            assert_eq!(loaded.version(), saved);
        }
        store.save(&made).await.unwrap();
    }
    made.expiry_date = OffsetDateTime::now_utc() - Duration::seconds(1);
    // Until it believes that nobody changes it any more.
    for _ in 0..3 {
        assert!(sessions.load(&id).await.unwrap().is_some());
    }
    store.save(&made).await.unwrap();
    assert!(sessions.load(&id).await.unwrap().is_none());
}

#[tokio::test]
async fn an_id_that_there_is_already_is_replaced() {
    let store = store().await;
    let mut first = record(Duration::hours(1));
    store.create(&mut first).await.unwrap();
    let mut second = Record {
        data: HashMap::from([("user".to_owned(), json!("Bob"))]),
        ..first.clone()
    };
    store.create(&mut second).await.unwrap();
    assert_ne!(first.id, second.id);
    let loaded = store.load(&first.id).await.unwrap().unwrap();
    assert_eq!(loaded.data, first.data);
    let loaded = store.load(&second.id).await.unwrap().unwrap();
    assert_eq!(loaded.data, second.data);
}

#[tokio::test]
async fn a_record_ends_when_it_says() {
    let store = store().await;
    let mut over = record(Duration::seconds(-1));
    store.create(&mut over).await.unwrap();
    assert!(store.load(&over.id).await.unwrap().is_none());
    let mut ends = record(Duration::milliseconds(300));
    store.create(&mut ends).await.unwrap();
    assert!(store.load(&ends.id).await.unwrap().is_some());
    crate::until("it ends", async || {
        store.load(&ends.id).await.unwrap().is_none()
    })
    .await;
    assert!(OffsetDateTime::now_utc() >= ends.expiry_date - Duration::milliseconds(1));
    let mut ends = record(Duration::hours(1));
    store.create(&mut ends).await.unwrap();
    ends.expiry_date = OffsetDateTime::now_utc() - Duration::seconds(1);
    store.save(&ends).await.unwrap();
    assert!(store.load(&ends.id).await.unwrap().is_none());
}

#[cfg(feature = "encryption")]
#[tokio::test]
async fn nothing_in_redis_opens_or_tells_it() {
    use russet_session::KeyRing;

    let server = Server::start();
    let ns = on(&server).await;
    let codec = Codec::default().encrypt(KeyRing::new([1; 32]));
    let sessions = Sessions::<TowerData>::builder(&ns, "tower", &secrets()).codec(codec);
    let store = TowerStore::new(sessions.build().unwrap());
    let mut made = record(Duration::hours(1));
    store.create(&mut made).await.unwrap();
    store.save(&made).await.unwrap();
    assert_eq!(store.load(&made.id).await.unwrap().unwrap().data, made.data);
    let mut all = String::new();
    for key in crate::keys(&server) {
        all.push_str(&format!("{key}{:?}", server.command(&["DUMP", &key])));
    }
    assert!(!all.contains("Alice") && !all.contains(&made.id.to_string()));
}

/// That crate's own layer.
#[tokio::test]
async fn its_own_layer_runs_over_it() {
    let count = async |session: Session| {
        let visits: u64 = session.get("visits").await.unwrap().unwrap_or_default();
        session.insert("visits", visits + 1).await.unwrap();
        visits.to_string()
    };
    let cycle = async |session: Session| session.cycle_id().await.unwrap();
    let flush = async |session: Session| session.flush().await.unwrap();
    let layer = SessionManagerLayer::new(store().await)
        .with_expiry(Expiry::OnInactivity(Duration::hours(1)));
    let app = Router::new()
        .route("/", get(count))
        .route("/cycle", post(cycle))
        .route("/flush", post(flush))
        .layer(layer);
    let mut cookie: Option<String> = None;
    let ask = async |method: &str, path: &str, cookie: &mut Option<String>| {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(cookie) = &cookie {
            request = request.header("cookie", cookie);
        }
        let response = app
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        if let Some(set) = response.headers().get("set-cookie") {
            let set = set.to_str().unwrap().split(';').next().unwrap();
            *cookie = Some(set.to_owned());
        }
        let body = axum::body::to_bytes(response.into_body(), 1_000)
            .await
            .unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    };
    assert_eq!(ask("GET", "/", &mut cookie).await, "0");
    assert_eq!(ask("GET", "/", &mut cookie).await, "1");
    let before = cookie.clone();
    ask("POST", "/cycle", &mut cookie).await;
    assert_ne!(cookie, before);
    assert_eq!(ask("GET", "/", &mut cookie).await, "2");
    let mut old = before;
    assert_eq!(
        ask("GET", "/", &mut old).await,
        "0",
        "the old id leads nowhere"
    );
    let ended = cookie.clone();
    ask("POST", "/flush", &mut cookie).await;
    let mut ended = ended;
    assert_eq!(ask("GET", "/", &mut ended).await, "0");
}
