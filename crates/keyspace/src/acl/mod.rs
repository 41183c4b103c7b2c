//! Access rules: who may send which command with which key.

mod builder;
mod check;
mod glob;
mod sample;
mod user;

pub use builder::{Acl, AclBuilder, Overlap};
pub use check::{Check, Checks};
pub use user::User;
