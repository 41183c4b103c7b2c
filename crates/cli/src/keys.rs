//! `russet keys`: what follows from a catalogue.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use russet_core::Redis;
use russet_keyspace::{Acl, Catalogue, KeySpec, Prefix};

use crate::Error;

/// What the crates of Russet write.
const OWN: &[&[KeySpec]] = &[
    russet_core::KEYS,
    russet_cache::KEYS,
    russet_ratelimit::KEYS,
    russet_locks::KEYS,
    russet_session::KEYS,
];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The catalogue of a service, as `Catalogue::to_json` wrote it; without one: what the crates of Russet themselves write
    #[arg(long, value_name = "FILE", global = true)]
    catalogue: Option<PathBuf>,
    /// What the keys of the crates begin with, as `prod:shop`; without one it stays in braces
    #[arg(
        long,
        value_name = "NAMES",
        global = true,
        conflicts_with = "catalogue"
    )]
    prefix: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Every pattern as a Markdown table
    Docs,
    /// The patterns whose keys have no TTL, on purpose
    Persistent,
    /// Which pattern a key is of, and what stands in it
    Find {
        /// The raw key
        key: String,
    },
    /// Access rules, as an ACL file
    Acl {
        #[command(flatten)]
        users: Users,
        /// As `ACL SETUSER` commands instead
        #[arg(long)]
        commands: bool,
    },
    /// Whether a server takes the access rules as they are meant, by `ACL DRYRUN`; changes nothing there
    Check {
        #[command(flatten)]
        users: Users,
        /// The server
        #[arg(long, value_name = "URL", default_value = "redis://localhost:6379")]
        url: String,
        /// Every check, not only those that do not hold
        #[arg(long)]
        all: bool,
    },
}

#[derive(clap::Args)]
struct Users {
    /// One user for several concerns, as `cache_user=cache,session`; may be given several times
    #[arg(long = "user", value_name = "NAME=CONCERN,…")]
    users: Vec<String>,
    /// A variable that holds a user's password, as `cache_user=CACHE_PASSWORD`; may be given several times
    #[arg(long = "password-from", value_name = "NAME=VARIABLE")]
    passwords: Vec<String>,
    /// Grant what a client of a cluster asks its nodes
    #[arg(long)]
    cluster: bool,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode, Error> {
        let catalogue = self.catalogue()?;
        let mut code = ExitCode::SUCCESS;
        let text = match self.command {
            Command::Docs => catalogue.markdown(),
            Command::Persistent => {
                let lines = catalogue
                    .persistent()
                    .map(|described| format!("{}  {}\n", described.pattern, described.meaning));
                lines.collect()
            }
            Command::Find { key } => found(&catalogue, &key)?,
            Command::Acl { users, commands } => {
                let acl = users.acl(&catalogue)?;
                for overlap in acl.overlaps() {
                    eprintln!("note: {overlap}");
                }
                if commands {
                    let users = acl.users().iter();
                    let lines = users.map(|user| {
                        format!("ACL SETUSER {} {}\n", user.name, user.rules().join(" "))
                    });
                    lines.collect()
                } else {
                    acl.to_string()
                }
            }
            Command::Check { users, url, all } => {
                let checks = check(&users.acl(&catalogue)?, &catalogue, &url)?;
                if !checks.hold() {
                    code = ExitCode::FAILURE;
                }
                let lines = checks.all().iter().filter(|check| all && check.holds());
                let mut text: String = lines.map(|check| format!("{check}\n")).collect();
                text.push_str(&checks.to_string());
                text
            }
        };
        // A pipe that is closed early, as by `head`, is no fault.
        let _ = std::io::stdout().write_all(text.as_bytes());
        Ok(code)
    }

    fn catalogue(&self) -> Result<Catalogue, Error> {
        if let Some(path) = &self.catalogue {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            return Ok(Catalogue::from_json(&text)?);
        }
        let mut catalogue = Catalogue::new();
        for &specs in OWN {
            catalogue = match &self.prefix {
                Some(prefix) => catalogue.with(&Prefix::literal(prefix)?, specs)?,
                None => catalogue.with_kinds(specs)?,
            };
        }
        Ok(catalogue)
    }
}

fn found(catalogue: &Catalogue, key: &str) -> Result<String, Error> {
    let found = catalogue
        .find(key.as_bytes())
        .ok_or_else(|| format!("{key:?} is of no pattern; `russet keys docs` lists them"))?;
    let described = found.described();
    let mut text = format!(
        "pattern  {}\ntype     {}\nTTL      {}\nconcern  {}\nowner    {}\nholds    {}\n",
        described.pattern,
        described.kind.name(),
        described.ttl,
        described.concern,
        described.owner,
        described.meaning,
    );
    for segment in described.segments() {
        if let Some(value) = found.value(segment.text) {
            text.push_str(&format!("{:<8} {value}\n", segment.text));
        }
    }
    Ok(text)
}

impl Users {
    fn acl(&self, catalogue: &Catalogue) -> Result<Acl, Error> {
        let mut acl = catalogue.acl();
        for user in &self.users {
            let (name, concerns) = pair(user)?;
            acl = acl.user(name, concerns.split(','));
        }
        for password in &self.passwords {
            let (name, variable) = pair(password)?;
            let password = std::env::var(variable)
                .map_err(|_| format!("the variable {variable} is not set to {name}'s password"))?;
            acl = acl.password(name, &password);
        }
        if self.cluster {
            acl = acl.cluster();
        }
        Ok(acl.build()?)
    }
}

fn pair(text: &str) -> Result<(&str, &str), Error> {
    let split = text.split_once('=');
    split.ok_or_else(|| format!("{text:?} has no `=`; write name=value").into())
}

fn check(acl: &Acl, catalogue: &Catalogue, url: &str) -> Result<russet_keyspace::Checks, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let redis = Redis::connect(url).await?;
        let checks = acl.check(catalogue, &redis).await?;
        redis
            .shutdown_within(std::time::Duration::from_secs(1))
            .await;
        Ok(checks)
    })
}

#[cfg(test)]
mod tests {
    use super::OWN;

    /// Access rules, walks and purges depend on it.
    #[test]
    fn every_key_of_ours_begins_with_the_prefix_and_says_what_it_is() {
        for spec in OWN.iter().copied().flatten() {
            assert!(spec.stem.starts_with("{prefix}:"), "{spec:?}");
            assert!(
                !spec.owner.is_empty() && !spec.meaning.is_empty(),
                "{spec:?}"
            );
        }
    }
}
