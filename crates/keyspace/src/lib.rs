#![doc = include_str!("docs/readme.md")]

mod acl;
mod catalogue;
mod declare;
mod described;
mod document;
mod grammar;
mod pattern;
mod tree;
mod verdict;

pub use acl::{Acl, AclBuilder, Check, Checks, Overlap, User};
pub use catalogue::{Catalogue, Found};
pub use described::{Described, Part, Place, Segment, Ttl};
pub use pattern::Pattern;
pub use russet_core::{
    BuildError, Command, Concern, Deprecated, Error, Key, KeyPart, KeySpec, KeyTtl, KeyType,
    Namespace, PartShape, PartSpec, Policy, Prefix, Profile, Redis, Tier,
};
pub use verdict::{Complaint, Seen};

/// What `keyspace!` calls; no part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::grammar::check;
    pub use crate::pattern::{Patterns, Writing};

    /// A doc comment's text without the blank before it.
    pub const fn trimmed(text: &'static str) -> &'static str {
        text.trim_ascii()
    }
}
