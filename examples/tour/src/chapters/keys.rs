//! The keys that the tour has written.

use russet::Namespace;
use russet_testkit::Shared;
use russet_testkit::resp::Value;

use crate::guide::{Guide, Outcome};

pub(crate) async fn walk(guide: &mut Guide, ns: &Namespace, shared: &Shared) -> Outcome {
    guide.chapter("What is in Redis now");
    let (stem, shared) = (ns.stem("cache", "users")?, shared.clone());
    let mut without_ttl = 0;
    let mut shown = 0;
    for id in [7, 8] {
        let key = String::from_utf8_lossy(stem.key(&id).as_bytes()).into_owned();
        let (shared, name) = (shared.clone(), key.clone());
        let ttl = tokio::task::spawn_blocking(move || shared.command(&["TTL", &name])).await?;
        match ttl {
            Value::Int(seconds @ 0..) => {
                shown += 1;
                guide.say(format!("{key:<62}{seconds:>8} s"));
            }
            Value::Int(-1) => without_ttl += 1,
            _ => {}
        }
    }
    guide.promise(
        shown == 2 && without_ttl == 0,
        "every key is readable, in its namespace, and has a TTL",
    );
    let names: Vec<_> = [7, 8]
        .map(|id| String::from_utf8_lossy(stem.key(&id).as_bytes()).into_owned())
        .into();
    tokio::task::spawn_blocking(move || shared.command(&["DEL", &names[0], &names[1]])).await?;
    guide.say("(removed again)");
    Ok(())
}
