#![doc = include_str!("docs/readme.md")]

mod attempt;
mod builder;
mod claim;
mod clock;
mod elector;
mod error;
mod fence;
mod guard;
mod hold;
mod holder;
mod inspect;
mod keeper;
mod keys;
mod lock;
mod locks;
mod multi;
mod once;
mod owner;
mod release;
mod rw;
mod semaphore;
#[cfg(test)]
mod tests;
mod wake;
mod wire;

pub use builder::{Builder, Order};
pub use elector::{Campaign, Elector, Event};
pub use error::LockError;
pub use fence::Fence;
pub use guard::{Guard, Release};
pub use hold::Watch;
pub use holder::{LostReason, State};
pub use inspect::{Held, Inspection};
pub use keys::{CONCERN, KEYS};
pub use lock::{Cx, Lock};
pub use locks::Locks;
pub use multi::{Guards, Multi};
pub use once::OncePer;
pub use russet_core::{
    Ack, BuildError, BuildErrorKind, Error, ErrorKind, Finding, KeyPart, Namespace, Probe, Redis,
};
pub use rw::RwLock;
pub use semaphore::Semaphore;
