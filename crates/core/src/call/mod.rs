//! The way of a command from its caller to the driver and back.

mod budget;
pub(crate) mod classify;

pub(crate) use budget::Budget;
