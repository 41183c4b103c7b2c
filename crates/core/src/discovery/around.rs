//! Asking several servers for one answer.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use crate::error::{Error, ErrorKind};
use crate::topology::Node;

/// How long one server is waited for before the next is asked as well.
const HEDGE: Duration = Duration::from_millis(100);

/// The first answer that is one. One server that hangs costs a tenth of a second, one that refuses nothing.
///
/// # Errors
/// Where nobody has an answer: what says most of why.
pub(super) async fn ask_around<T, A>(nodes: Vec<Node>, ask: impl Fn(Node) -> A) -> Result<T, Error>
where
    A: Future<Output = Result<T, Error>>,
{
    let mut left = nodes.into_iter();
    let mut asked = FuturesUnordered::new();
    asked.extend(left.next().map(&ask));
    let mut why: Option<Error> = None;
    loop {
        tokio::select! {
            biased;
            answer = asked.next() => match answer {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(error)) => {
                    if why.as_ref().is_none_or(|why| weight(&error) > weight(why)) {
                        why = Some(error);
                    }
                    asked.extend(left.next().map(&ask));
                }
                None => return Err(why.unwrap_or_else(nobody)),
            },
            () = tokio::time::sleep(HEDGE), if left.len() > 0 => asked.extend(left.next().map(&ask)),
        }
    }
}

/// What a person must change says more than what may heal.
fn weight(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::Config | ErrorKind::Auth | ErrorKind::Permission => 2,
        ErrorKind::Unavailable | ErrorKind::Deadline => 0,
        _ => 1,
    }
}

fn nobody() -> Error {
    Error::new(ErrorKind::Unavailable, "there is no server to ask")
}
