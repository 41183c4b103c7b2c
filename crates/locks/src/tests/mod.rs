//! Locks as they are meant: what scripts do, checked against Redis, and what follows for holders, checked in every order of events.
#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says what it has seen"
)]

/// What was told is what was meant, after so many of these steps.
macro_rules! same {
    ($told:expr, $meant:expr, $at:expr, $steps:expr) => {
        proptest::prop_assert_eq!($told, $meant, "step {} of {:?}", $at, $steps)
    };
}

mod scripts;
mod server;
mod shares;
mod world;

/// So many cases of a property.
fn cases(full: u64, reduced: u64) -> proptest::prelude::ProptestConfig {
    let count = u32::try_from(russet_testkit::size(full, reduced)).unwrap();
    proptest::prelude::ProptestConfig {
        max_shrink_iters: 400,
        failure_persistence: None,
        ..proptest::prelude::ProptestConfig::with_cases(count)
    }
}
