#![doc = include_str!("docs/readme.md")]

mod analytics;
mod builder;
mod concurrency;
mod deciding;
mod decision;
mod escalation;
mod fetching;
#[cfg(feature = "tower")]
pub mod http;
mod joint;
mod keys;
mod limiter;
mod limits;
mod outage;
mod peek;
mod permit;
mod plan;
mod policy;
mod recorded;
mod reservation;
mod rules;
mod sample;
mod speed;
mod stats;
mod striped;
mod subject;
mod turns;
mod wire;

pub use analytics::{Minute, Report};
pub use builder::Builder;
pub use concurrency::{Concurrency, ConcurrencyBuilder};
pub use decision::{Decision, Source, Verdict};
pub use escalation::Escalation;
pub use joint::{Joined, Joint};
pub use keys::{CONCERN, KEYS};
pub use limiter::Limiter;
pub use limits::Limits;
pub use outage::OnOutage;
pub use peek::{Peek, Quota};
pub use permit::Permit;
pub use policy::{Period, Policy};
pub use recorded::Recorded;
pub use reservation::{Reservation, Reserved};
pub use russet_core::{BuildError, Error, ErrorKind, KeyPart, Namespace, Redis};
pub use stats::Stats;
