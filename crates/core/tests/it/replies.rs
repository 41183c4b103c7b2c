//! No caller gets another one's reply, whatever is stored.
//!
//! The client library takes an array of three to five elements whose first one reads like a pub/sub message for
//! one: it swallows the reply, and all later ones go to the wrong callers.

use russet_core::{Command, Policy};

use super::shared;

#[tokio::test]
async fn a_stored_value_cannot_shift_the_replies() {
    let (lane, key) = shared().await;
    for word in [
        "message",
        "smessage",
        "pmessage",
        "subscribe",
        "unsubscribe",
        "pubsub",
    ] {
        lane.run::<()>(
            Command::new("SET")
                .key(&key)
                .arg(word)
                .arg("PX")
                .arg(60_000),
            Policy::Idempotent,
        )
        .await
        .unwrap();
        for keys in 1..=7 {
            let mget = (0..keys).fold(Command::new("MGET"), |mget, _| mget.key(&key));
            let many = lane.run::<Vec<String>>(mget, Policy::Idempotent);
            let one = lane.run::<String>(Command::new("ECHO").arg("mine"), Policy::Idempotent);
            let (many, one) = tokio::join!(many, one);
            assert_eq!(many.unwrap(), vec![word; keys], "{word} × {keys}");
            assert_eq!(one.unwrap(), "mine", "{word} × {keys}");
        }
    }
}
