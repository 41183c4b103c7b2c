//! Lanes: supervised connections, one for each way of using a server.

mod backoff;
mod command;
mod supervisor;
mod vitals;

pub(crate) use backoff::Backoff;
pub(crate) use command::CommandLane;
