//! Lanes: supervised connections, one for each way of using a server.

mod backoff;
mod blocking;
mod command;
mod heartbeat;
mod supervisor;
mod vitals;

pub(crate) use backoff::Backoff;
pub use blocking::Blocking;
pub(crate) use command::CommandLane;
pub(crate) use heartbeat::Heartbeat;
