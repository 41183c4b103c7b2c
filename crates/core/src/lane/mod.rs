//! Lanes: supervised connections, one for each way of using a server.

mod backoff;
mod blocking;
mod command;
mod handle;
mod heartbeat;
mod lanes;
mod node;
mod nodes;
mod routed;
mod supervisor;
mod vitals;

pub(crate) use backoff::Backoff;
pub use blocking::Blocking;
pub(crate) use command::CommandLane;
pub use handle::Lane;
pub(crate) use heartbeat::Heartbeat;
pub(crate) use lanes::Lanes;
pub(crate) use nodes::Members;
