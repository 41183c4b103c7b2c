//! Lanes: supervised connections, one for each way of using a server.

mod command;
mod supervisor;
mod vitals;

pub(crate) use command::CommandLane;
