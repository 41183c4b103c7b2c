//! What is known by now, and who waits for it.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use crate::error::{Error, ErrorKind};

/// What was asked for: still being asked, known, or why it is not.
#[derive(Debug)]
pub(super) enum Known<T> {
    Asking,
    Is(Arc<T>),
    Unknown(Error),
}

impl<T> Clone for Known<T> {
    fn clone(&self) -> Self {
        match self {
            Known::Asking => Known::Asking,
            Known::Is(what) => Known::Is(what.clone()),
            Known::Unknown(error) => Known::Unknown(error.clone()),
        }
    }
}

impl<T> Known<T> {
    fn answer(&self) -> Option<Result<Arc<T>, Error>> {
        match self {
            Known::Asking => None,
            Known::Is(what) => Some(Ok(what.clone())),
            Known::Unknown(error) => Some(Err(error.clone())),
        }
    }
}

/// What is known: at once, or as soon as the first answer is there.
pub(super) async fn known<T>(
    state: &watch::Sender<Known<T>>,
    deadline: Instant,
) -> Result<Arc<T>, Error> {
    if let Some(answer) = state.borrow().answer() {
        return answer;
    }
    let mut state = state.subscribe();
    let decided = state.wait_for(|state| !matches!(state, Known::Asking));
    match tokio::time::timeout_at(deadline.into(), decided).await {
        Ok(Ok(state)) => state.answer().unwrap_or_else(|| Err(late())),
        _ => Err(late()),
    }
}

fn late() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "still asking where the servers are when the deadline passed",
    )
}
