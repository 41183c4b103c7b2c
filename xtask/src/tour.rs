//! `tour`: the walk through Russet, on a server that is found or started.

use std::process::ExitCode;

use russet_testkit::docker;

use crate::{
    Result,
    cargo::{Workspace, cargo},
    find::{self, Way},
    process,
};

pub(crate) fn run(workspace: &Workspace, way: Way, args: &[String]) -> Result<ExitCode> {
    let found = find::find(workspace, way)?;
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "russet-tour"]);
    // It kills and restarts a server of its own; where no binary is, that one is a container.
    if !found.has_binary() && docker::answers() {
        command.args(["--features", "containers"]);
    }
    command.arg("--").args(args).current_dir(&workspace.root);
    found.export(&mut command);
    let status = process::status(&mut command)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
