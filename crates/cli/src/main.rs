//! The command `russet`: what an operator asks of a system that runs Russet.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is what a command does"
)]

mod keys;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Whatever went wrong, in a sentence that tells what to do about it.
type Error = Box<dyn std::error::Error + Send + Sync>;

/// What an operator asks of a system that runs Russet
#[derive(Parser)]
#[command(name = "russet", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Keys: documents, access rules, and which pattern a key is of
    Keys(keys::Args),
}

fn main() -> ExitCode {
    let Command::Keys(keys) = Cli::parse().command;
    match keys.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
