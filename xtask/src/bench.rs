//! `bench`: our closed-loop driver, on a server that is found or started.

use std::process::ExitCode;

use crate::{
    Result,
    cargo::{Workspace, cargo},
    find::{self, Way},
    process,
};

pub(crate) fn run(workspace: &Workspace, words: &[String]) -> Result<ExitCode> {
    if !workspace
        .packages
        .iter()
        .any(|package| package.name == DRIVER)
    {
        return Err(
            "no bench exists yet: benches/load, which would hold them, is not there".into(),
        );
    }
    // A local process if there is one: a container's network is not what we measure.
    let found = find::find(workspace, Way::Local).or_else(|_| find::find(workspace, Way::Auto))?;
    // `cargo run` builds the driver alone, and the driver starts the worker beside it.
    process::run(cargo().args(["build", "--release", "--package", DRIVER, "--bins"]))?;
    let mut command = cargo();
    command.args(["run", "--release", "--package", DRIVER, "--"]);
    command.args(words);
    found.export(&mut command);
    let status = process::status(&mut command)?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

const DRIVER: &str = "russet-bench-load";
