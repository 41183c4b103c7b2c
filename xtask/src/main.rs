//! The only automation of this workspace: `cargo xtask <command>`.
//!
//! Plain functions over other programs. It is what a newcomer compiles first, so it has few dependencies and no async
//! runtime; `cargo xtask deps` holds it to that.

mod bench;
mod cargo;
mod ci;
mod compose;
mod deps;
mod files;
mod find;
mod hold;
mod images;
mod keys;
mod process;
mod readme;
mod test;
mod tidy;
mod tour;
mod up;
mod watch;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{cargo::Workspace, find::Way};

/// Whatever went wrong, in a sentence that tells what to do about it.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T = (), E = Error> = std::result::Result<T, E>;

fn main() -> ExitCode {
    match Cli::parse().command.run() {
        Ok(code) => code,
        Err(error) => {
            let _ = io::stdout().flush();
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The automation of this workspace.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Walk through Russet on a real server, which is found or started
    Tour {
        /// Where the server comes from
        #[arg(long, value_enum, default_value_t)]
        server: Way,
        /// Arguments of the tour itself
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Run the tests on a real server, which is found or started
    Test(test::Args),
    /// Run the tests at full size, optimised: the proof that an issue asks for
    Proof {
        /// Only this crate, as `core` or `russet-core`
        #[arg(value_name = "CRATE")]
        package: Option<String>,
        /// Where the server comes from
        #[arg(long, value_enum, default_value_t)]
        server: Way,
    },
    /// Everything that must pass before a change lands; stops at the first step that does not
    Ci,
    /// Start the development server of docker-compose.yml and keep it running
    Up,
    /// Stop the development server; its data stays
    Down {
        /// Remove its data too
        #[arg(long)]
        volumes: bool,
    },
    /// Find or start a server as the tests do, print its URL and keep it until the input ends (Ctrl-D)
    Serve {
        /// Where the server comes from
        #[arg(long, value_enum, default_value_t)]
        server: Way,
    },
    /// Provide the server images that docker-compose.yml and the tests name: pulled, else made from Debian's packages
    Images {
        /// Only these; default: all of redis:7.0, redis:8.0 and valkey/valkey:8.1
        #[arg(value_name = "TAG")]
        tags: Vec<String>,
    },
    /// Measure a concern against its rivals and the physical limit
    Bench {
        /// What to measure: `core`, `cache` or `ratelimit`
        concern: Option<String>,
        /// Only the scenarios whose id holds this, such as `get_256`
        only: Option<String>,
        /// Measure nothing: render COMPARE.md from what the last runs wrote
        #[arg(long)]
        report: bool,
        /// A short run that shows whether it works, not how fast it is
        #[arg(long)]
        quick: bool,
    },
    /// Check which crate may depend on which, and print it as a table
    Deps {
        /// Check instead which foreign types the public signatures name (builds the documentation)
        #[arg(long)]
        signatures: bool,
    },
    /// Check what no compiler checks: module docs, script headers, READMEs, white space
    Tidy,
    /// Write the table of keys in docs/keys.md anew, from what the crates say of their keys
    Keys {
        /// Only say whether it is current
        #[arg(long)]
        check: bool,
        /// Run each crate's tests as the user whom the generated access rules describe instead
        #[arg(long)]
        prove: bool,
    },
    /// Write each README.md anew from its crate's src/docs/readme.md
    Readme,
    /// A server from the local binary, held until the input ends: `find` runs this as a child of its own
    #[command(hide = true)]
    Hold,
}

impl Command {
    fn run(self) -> Result<ExitCode> {
        // Before anything else: `hold` needs no workspace, and must be quick.
        if matches!(self, Command::Hold) {
            return done(hold::run());
        }
        let workspace = Workspace::load()?;
        match self {
            Command::Tour { server, args } => tour::run(&workspace, server, &args),
            Command::Test(args) => test::run(&workspace, &args.into()),
            Command::Proof { package, server } => {
                test::run(&workspace, &test::Options::proof(package, server))
            }
            Command::Ci => done(ci::run(&workspace)),
            Command::Up => done(up::up(&workspace)),
            Command::Down { volumes } => done(up::down(&workspace, volumes)),
            Command::Serve { server } => done(hold::serve(&workspace, server)),
            Command::Images { tags } => done(images::run(&tags)),
            Command::Bench {
                concern,
                only,
                report,
                quick,
            } => {
                let mut words: Vec<String> = concern.into_iter().chain(only).collect();
                words.extend(report.then(|| "--report".to_owned()));
                words.extend(quick.then(|| "--quick".to_owned()));
                bench::run(&workspace, &words)
            }
            Command::Deps { signatures: true } => done(deps::signatures::run(&workspace)),
            Command::Deps { signatures: false } => done(deps::run(&workspace)),
            Command::Tidy => done(tidy::run(&workspace)),
            Command::Keys { prove: true, .. } => keys::prove(&workspace),
            Command::Keys { check, .. } => done(keys::document(&workspace, check)),
            Command::Readme => done(readme::run(&workspace)),
            Command::Hold => done(Ok(())),
        }
    }
}

fn done(result: Result) -> Result<ExitCode> {
    result.map(|()| ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_well_formed_and_every_command_is_documented() {
        let cli = Cli::command();
        cli.clone().debug_assert();
        for command in cli.get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
        }
    }
}
