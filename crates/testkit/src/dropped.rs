//! Futures that are dropped before they are done.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

/// Polls a future, so many times more whenever it is woken, and drops it; says whether it was done by then.
pub async fn dropped_after(mut polls: usize, future: impl Future<Output = ()>) -> bool {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending if polls == 0 => Poll::Ready(false),
        Poll::Pending => {
            polls -= 1;
            Poll::Pending
        }
    })
    .await
}
