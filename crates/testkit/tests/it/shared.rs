//! The shared server.

use std::time::Duration;

use russet_testkit::{Shared, resp::Connection};

#[test]
fn it_is_one_server_and_its_namespaces_are_many() {
    let (a, b) = (Shared::get(), Shared::get());
    assert_eq!(a.url(), b.url());
    assert_eq!(russet_testkit::url(), a.url());

    let (left, right) = (a.namespace(), b.namespace());
    assert_ne!(left, right);
    assert!(left.starts_with("it_is_one_server_and_its"), "{left}");

    let key = format!("{left}:key");
    assert_eq!(
        a.command(&["SET", &key, "1", "EX", "60"]).as_str(),
        Some("OK")
    );
    let mut connection = Connection::open(b.url(), Duration::from_secs(1)).unwrap();
    assert_eq!(
        connection.command(&["GET", &key]).unwrap().as_int(),
        Some(1)
    );
    assert_eq!(a.command(&["DEL", &key]).as_int(), Some(1));
}
