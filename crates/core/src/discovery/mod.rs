//! Where servers are, when that changes: a cluster's slot map, the primary that sentinels name.
//!
//! Nothing here sends a caller's command. Lanes ask where a key lives, and tell what went wrong there.

mod around;
mod cluster;
mod finder;
mod known;
mod place;
mod redirect;
mod sentinels;
mod slots;
mod trouble;

pub(crate) use cluster::Cluster;
pub(crate) use finder::Finder;
pub(crate) use place::Place;
pub(crate) use redirect::Redirect;
pub(crate) use sentinels::Sentinels;
pub(crate) use slots::SlotMap;
pub(crate) use trouble::Trouble;
