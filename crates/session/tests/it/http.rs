//! The layer around an axum service.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::routing::{get, post};
use russet_session::http::{Current, SameSite, SessionLayer, SignedIn};
use russet_session::{Device, OnOutage, SessionError, Sessions};
use russet_testkit::Server;
use tower::ServiceExt as _;

use crate::{Profile, SECOND, on, patient, profile, sessions};

type Here = Current<Profile>;

fn app(layer: SessionLayer<Profile>) -> Router {
    Router::new()
        .route("/", get(|| async { "nobody asks" }))
        .route("/login", post(login))
        .route("/visit", post(visit))
        .route("/me", get(me).post(change))
        .route("/rotate", post(rotate))
        .route("/logout", post(logout))
        .route("/fails", post(fails))
        .route("/stuck", post(stuck))
        .route("/quit", post(quit))
        .layer(layer)
}

/// Who was nobody before keeps what they had put aside.
async fn login(current: Here) -> StatusCode {
    let held = current.load().await.unwrap();
    match held {
        Some(mut held) => {
            let device = current.device().clone();
            assert!(held.login("user-1", device).await.unwrap().is_done());
        }
        None => {
            drop(held);
            current.create("user-1", profile("Alice")).await.unwrap();
        }
    }
    StatusCode::NO_CONTENT
}

async fn visit(current: Here) {
    let sessions = current.sessions();
    let made = sessions.create_anonymous(profile("cart")).await.unwrap();
    current.begin(made).await.unwrap();
}

async fn me(signed_in: SignedIn<Profile>) -> String {
    let held = signed_in.current().load().await.unwrap().unwrap();
    format!(
        "{} {} {}",
        signed_in.user(),
        held.data().user,
        held.data().visits
    )
}

async fn change(signed_in: SignedIn<Profile>) {
    let mut held = signed_in.current().load().await.unwrap().unwrap();
    held.update(|data| data.visits += 1).await.unwrap().unwrap();
}

async fn rotate(current: Here) -> String {
    let mut held = current.load().await.unwrap().unwrap();
    assert!(held.rotate().await.unwrap().is_done());
    held.token().to_string()
}

async fn logout(current: Here) -> String {
    current
        .logout()
        .await
        .map_or("unknown".into(), |was| was.to_string())
}

async fn fails(current: Here) -> (StatusCode, &'static str) {
    let mut held = current.load().await.unwrap().unwrap();
    assert!(held.rotate().await.unwrap().is_done());
    (StatusCode::INTERNAL_SERVER_ERROR, "its own words")
}

/// Asks for what it holds itself. What was to begin and could not leaves nothing.
async fn stuck(current: Here) -> Result<String, SessionError> {
    let held = current.load().await?.unwrap();
    let made = current.sessions().create("user-1", profile("Alice"));
    for told in [
        current.logout().await.map(drop),
        current.create("user-1", profile("Alice")).await,
        current.begin(made.await?).await,
    ] {
        assert!(matches!(told, Err(SessionError::InUse)), "{told:?}");
    }
    assert_eq!(current.sessions().list("user-1").await?.len(), 1);
    drop(held);
    assert!(current.logout().await?);
    Ok("logged out".to_owned())
}

async fn quit(current: Here) -> Result<String, SessionError> {
    Ok(current.logout().await?.to_string())
}

/// A browser: it keeps the cookie that it is given.
struct Browser {
    app: Router,
    cookie: Option<String>,
    fields: Vec<(&'static str, &'static str)>,
}

impl Browser {
    fn new(app: &Router) -> Self {
        let (app, fields) = (app.clone(), vec![("sec-fetch-site", "same-origin")]);
        Browser {
            app,
            cookie: None,
            fields,
        }
    }

    async fn ask(&mut self, method: &str, path: &str) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "shop.example.org");
        for (name, value) in &self.fields {
            request = request.header(*name, *value);
        }
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", format!("theme=dark; {cookie}; a"));
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 10_000).await.unwrap();
        if let Some(set) = parts.headers.get("set-cookie") {
            let set = set.to_str().unwrap();
            let cookie = set.split(';').next().unwrap().to_owned();
            self.cookie = (!set.contains("Max-Age=0")).then_some(cookie);
        }
        let body = String::from_utf8(body.to_vec()).unwrap();
        (parts.status, parts.headers, body)
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

/// Who holds the session of a request and asks for it again waits no longer than the deadline.
#[tokio::test]
async fn who_waits_for_themselves_is_told_so() {
    let ns = crate::namespace().await;
    let sessions = patient(&ns).deadline(SECOND).build().unwrap();
    let mut browser = Browser::new(&app(SessionLayer::new(sessions.clone())));
    browser.ask("POST", "/login").await;
    let (status, _, body) = browser.ask("POST", "/stuck").await;
    assert_eq!((status, &*body), (StatusCode::OK, "logged out"));
    assert!(sessions.list("user-1").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_browser_logs_in_comes_again_and_logs_out() {
    let sessions = sessions().await;
    let app = app(SessionLayer::new(sessions.clone()));
    let mut browser = Browser::new(&app);
    browser.fields.push(("user-agent", "Mozilla/5.0"));
    let (status, headers, _) = browser.ask("GET", "/me").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(text(&headers, "www-authenticate"), Some("Bearer"));
    assert_eq!(
        (
            text(&headers, "set-cookie"),
            text(&headers, "cache-control")
        ),
        (None, None)
    );

    let (status, headers, _) = browser.ask("POST", "/login").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let set = text(&headers, "set-cookie").unwrap();
    assert!(set.starts_with("__Host-session=v1."), "{set}");
    let mut attributes: Vec<&str> = set.split("; ").skip(1).collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]);
    assert!(headers["set-cookie"].is_sensitive());
    assert_eq!(text(&headers, "cache-control"), Some("no-store"));
    let listed = sessions.list("user-1").await.unwrap();
    assert_eq!(listed[0].device.agent.as_deref(), Some("Mozilla/5.0"));

    assert_eq!(browser.ask("POST", "/me").await.0, StatusCode::OK);
    let (_, headers, body) = browser.ask("GET", "/me").await;
    assert_eq!(body, "user-1 Alice 1");
    assert_eq!(
        (
            text(&headers, "set-cookie"),
            text(&headers, "cache-control")
        ),
        (None, None)
    );

    let before = browser.cookie.clone();
    let (_, headers, token) = browser.ask("POST", "/rotate").await;
    assert_eq!(
        browser.cookie.as_deref(),
        Some(&*format!("__Host-session={token}"))
    );
    assert_eq!(text(&headers, "cache-control"), Some("no-store"));
    // Another tab that still has the old one keeps what it has: it is not told the new one, and its own is not taken.
    let mut tab = Browser::new(&app);
    tab.cookie = before;
    let (status, headers, _) = tab.ask("GET", "/me").await;
    assert_eq!(
        (status, text(&headers, "set-cookie")),
        (StatusCode::OK, None)
    );

    let (_, headers, body) = browser.ask("POST", "/logout").await;
    assert_eq!(body, "true");
    let set = text(&headers, "set-cookie").unwrap();
    assert!(
        set.starts_with("__Host-session=;") && set.contains("Max-Age=0"),
        "{set}"
    );
    assert!(set.contains("Secure") && set.contains("Path=/"), "{set}");
    assert_eq!(
        text(&headers, "clear-site-data"),
        Some("\"cookies\", \"storage\"")
    );
    assert_eq!(text(&headers, "cache-control"), Some("no-store"));
    assert_eq!(browser.cookie, None);
    // The cookie of a session that is gone stays where it is.
    let (status, headers, _) = tab.ask("GET", "/me").await;
    assert_eq!(
        (status, text(&headers, "set-cookie")),
        (StatusCode::UNAUTHORIZED, None)
    );
    assert_eq!(sessions.list("user-1").await.unwrap(), []);
    let (_, headers, body) = tab.ask("POST", "/logout").await;
    assert_eq!(body, "false");
    assert!(text(&headers, "set-cookie").unwrap().contains("Max-Age=0"));
}

#[tokio::test]
async fn a_visitor_logs_in_under_another_token() {
    let app = app(SessionLayer::new(sessions().await));
    let mut browser = Browser::new(&app);
    browser.ask("POST", "/visit").await;
    let planted = browser.cookie.clone();
    assert_eq!(browser.ask("GET", "/me").await.0, StatusCode::UNAUTHORIZED);
    browser.ask("POST", "/login").await;
    assert_ne!(browser.cookie, planted);
    assert_eq!(browser.ask("GET", "/me").await.2, "user-1 cart 0");
    let mut other = Browser::new(&app);
    other.cookie = planted;
    assert_eq!(other.ask("GET", "/me").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_another_site_s_page_asks_comes_to_no_handler() {
    let sessions = sessions().await;
    let app = app(SessionLayer::new(sessions.clone()).trust("https://login.example.org"));
    let mut browser = Browser::new(&app);
    browser.ask("POST", "/login").await;
    for foreign in [
        vec![
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example.com"),
        ],
        vec![("origin", "https://evil.example.com")],
        vec![("sec-fetch-site", "same-site")],
    ] {
        browser.fields = foreign;
        for path in ["/me", "/logout", "/login"] {
            let (status, headers, body) = browser.ask("POST", path).await;
            assert_eq!(status, StatusCode::FORBIDDEN);
            assert!(body.contains("another site") && text(&headers, "set-cookie").is_none());
        }
        // To look is no change.
        assert_eq!(browser.ask("GET", "/me").await.2, "user-1 Alice 0");
    }
    browser.fields = vec![
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://login.example.org"),
    ];
    assert_eq!(browser.ask("POST", "/me").await.0, StatusCode::OK);
    assert_eq!(sessions.list("user-1").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_bearer_has_no_cookie_and_needs_no_origin() {
    let sessions = sessions().await;
    let made = sessions.create_on("user-2", profile("Bob"), Device::unknown());
    let made = made.await.unwrap();
    let layer = SessionLayer::new(sessions.clone());
    let mut client = Browser::new(&app(layer.clone()));
    let authorization: &'static str = format!("bearer {}", made.token().as_str()).leak();
    client.fields = vec![
        ("authorization", authorization),
        ("origin", "https://evil.example.com"),
    ];
    assert_eq!(client.ask("POST", "/me").await.0, StatusCode::OK);
    assert_eq!(client.ask("GET", "/me").await.2, "user-2 Bob 1");
    let (_, headers, token) = client.ask("POST", "/rotate").await;
    assert_eq!(text(&headers, "set-cookie"), None);
    assert_eq!(text(&headers, "cache-control"), Some("no-store"));
    assert!(sessions.load(&token).await.unwrap().is_some());
    let (_, headers, body) = client.ask("POST", "/logout").await;
    assert_eq!((&*body, text(&headers, "set-cookie")), ("true", None));
    assert_eq!(text(&headers, "clear-site-data"), None);
    let made = sessions.create("user-2", profile("Bob")).await.unwrap();
    let mut held = sessions.load(made.token()).await.unwrap().unwrap();
    held.update(|data| data.visits += 1).await.unwrap().unwrap();
    let authorization: &'static str = format!("Bearer {}", made.token().as_str()).leak();
    client.fields = vec![("authorization", authorization)];
    // It comes before a cookie, and is not taken where it is not wanted.
    let mut both = Browser::new(&app(layer.clone()));
    both.ask("POST", "/login").await;
    both.fields = client.fields.clone();
    assert_eq!(both.ask("GET", "/me").await.2, "user-2 Bob 1");
    both.app = app(layer.bearers(false));
    assert_eq!(both.ask("GET", "/me").await.2, "user-1 Alice 0");
}

#[tokio::test]
async fn the_cookie_is_as_it_was_configured() {
    let sessions = sessions().await;
    let layer = SessionLayer::new(sessions.clone())
        .name("s id;")
        .same_site(SameSite::Strict);
    let mut browser = Browser::new(&app(layer.clone().persistent()));
    let (_, headers, _) = browser.ask("POST", "/login").await;
    let set = text(&headers, "set-cookie").unwrap();
    assert!(set.starts_with("__Host-sid=v1."), "{set}");
    assert!(
        set.contains("SameSite=Strict") && set.contains("Max-Age=86399"),
        "{set}"
    );
    let mut plain = Browser::new(&app(layer.without_tls()));
    let (_, headers, _) = plain.ask("POST", "/login").await;
    let set = text(&headers, "set-cookie").unwrap();
    assert!(
        set.starts_with("sid=v1.") && !set.contains("Secure"),
        "{set}"
    );
    assert_eq!(plain.ask("GET", "/me").await.0, StatusCode::OK);
}

#[tokio::test]
async fn nothing_is_asked_until_somebody_wants_it_and_no_response_is_replaced() {
    let server = Server::start();
    let sessions = patient(&on(&server).await).build().unwrap();
    let app = app(SessionLayer::new(sessions));
    let mut browser = Browser::new(&app);
    browser.ask("POST", "/login").await;
    let calls = || {
        let stats = server.info("commandstats");
        stats
            .get("cmdstat_evalsha")
            .map(|stat| stat.split(',').next().unwrap().to_owned())
    };
    let before = calls();
    assert_eq!(browser.ask("GET", "/").await.2, "nobody asks");
    assert_eq!(calls(), before);
    let cookie = browser.cookie.clone();
    // The handler failed, and what it did to the session is told all the same.
    let (status, _, body) = browser.ask("POST", "/fails").await;
    assert_eq!(
        (status, &*body),
        (StatusCode::INTERNAL_SERVER_ERROR, "its own words")
    );
    assert_ne!(browser.cookie, cookie);
    assert_eq!(browser.ask("GET", "/me").await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_a_503_and_takes_nobody_s_cookie() {
    let server = Server::start();
    let ns = on(&server).await;
    let build = |on_outage| {
        let sessions = patient(&ns).deadline(SECOND).on_outage(on_outage);
        let sessions: Sessions<Profile> = sessions.build().unwrap();
        app(SessionLayer::new(sessions))
    };
    let (strict, lax) = (build(OnOutage::Error), build(OnOutage::Anonymous));
    let mut browser = Browser::new(&strict);
    browser.ask("POST", "/login").await;
    server.pause();
    let (status, headers, _) = browser.ask("GET", "/me").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        (text(&headers, "retry-after"), text(&headers, "set-cookie")),
        (Some("1"), None)
    );
    let (_, headers, body) = browser.ask("POST", "/logout").await;
    assert_eq!((&*body, text(&headers, "set-cookie")), ("unknown", None));
    // What a handler gives back as it is tells nobody where Redis is.
    let (status, headers, body) = browser.ask("POST", "/quit").await;
    assert_eq!((status, &*body), (StatusCode::SERVICE_UNAVAILABLE, ""));
    assert_eq!(text(&headers, "set-cookie"), None);
    browser.app = lax;
    let (status, headers, _) = browser.ask("GET", "/me").await;
    assert_eq!(
        (status, text(&headers, "set-cookie")),
        (StatusCode::UNAUTHORIZED, None)
    );
    server.resume();
    crate::until("it is there again", async || {
        browser.ask("GET", "/me").await.0 == StatusCode::OK
    })
    .await;
}

#[tokio::test]
async fn a_route_without_the_layer_says_so() {
    let handler = |State(()): State<()>, _: Here| async {};
    let app = Router::new().route("/", get(handler)).with_state(());
    let (status, ..) = Browser::new(&app).ask("GET", "/").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
}
