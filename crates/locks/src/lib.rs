#![doc = include_str!("docs/readme.md")]

mod builder;
mod clock;
mod error;
mod fence;
mod guard;
mod hold;
mod holder;
mod inspect;
mod keeper;
mod keys;
mod locks;
#[cfg(test)]
mod model;
mod mutex;
mod owner;
mod release;
mod wake;
mod wire;

pub use builder::{Builder, Order};
pub use error::LockError;
pub use fence::Fence;
pub use guard::{Guard, Release};
pub use hold::Watch;
pub use holder::{LostReason, State};
pub use inspect::{Held, Inspection};
pub use keys::{CONCERN, KEYS};
pub use locks::Locks;
pub use mutex::{Cx, Mutex};
pub use russet_core::{BuildError, Error, ErrorKind, KeyPart, Namespace, Redis};
