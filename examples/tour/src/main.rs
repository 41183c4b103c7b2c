//! A walk through Russet as a user would take it, on a real server.
//!
//! Prints what it does and what it saw; exits with 1 if anything was not as promised.
#![allow(clippy::print_stdout, reason = "printing is what a tour does")]

mod chapters;
mod guide;

use std::process::ExitCode;

use guide::{Guide, Outcome};

#[tokio::main]
async fn main() -> ExitCode {
    let mut guide = Guide::new();
    if let Err(error) = walk(&mut guide).await {
        guide.broken(&*error);
    }
    guide.end()
}

async fn walk(guide: &mut Guide) -> Outcome {
    let shared = russet_testkit::Shared::get();
    let redis = chapters::connect::walk(guide, shared.url()).await?;
    let product = shared.namespace();
    let ns = redis.namespace(&product)?.env("tour");
    chapters::values::walk(guide, &ns).await?;
    chapters::herd::walk(guide, &ns).await?;
    chapters::expiry::walk(guide, &ns).await?;
    chapters::freshness::walk(guide, &ns, shared.url(), &product).await?;
    chapters::source::walk(guide, &ns).await?;
    chapters::outage::walk(guide).await?;
    chapters::limits::walk(guide, &ns, shared.url(), &product).await?;
    chapters::locks::walk(guide, &ns, shared.url(), &product).await?;
    chapters::sessions::walk(guide, &ns, shared.url(), &product).await?;
    chapters::keyspace::walk(guide, &ns).await?;
    chapters::keys::walk(guide, &ns, &shared).await
}
