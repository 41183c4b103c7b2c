//! The way of a command from its caller to the driver and back.

pub(crate) mod classify;
