//! A server that is held until the input ends.

use std::{
    env,
    ffi::OsString,
    io::{self, BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Command, Stdio},
};

use russet_testkit::Server;

use crate::{
    Result,
    cargo::Workspace,
    find::{self, Way},
    watch::Watch,
};

/// A server's executable file, with the `LD_LIBRARY_PATH` that it needs if it lies outside the system's folders.
pub(crate) struct Binary {
    pub(crate) path: PathBuf,
    pub(crate) libraries: Option<OsString>,
}

/// `serve`: what `find` gives, for a person or a script.
pub(crate) fn serve(workspace: &Workspace, way: Way) -> Result {
    let found = find::find(workspace, way)?;
    println!("{}", found.url);
    until_input_ends()
}

/// `hold`: the child's side of [`start`].
pub(crate) fn run() -> Result {
    let server = Server::builder().try_start()?;
    println!("{}", server.url());
    until_input_ends()
}

/// Starts a server from `binary` in a child of ours, and gives its URL.
///
/// A child, because testkit reads which binary to start from the environment, and a process must not change its own.
pub(crate) fn start(binary: &Binary) -> Result<(String, Watch)> {
    let mut command = Command::new(env::current_exe()?);
    command
        .arg("hold")
        .env_remove("RUSSET_TEST_IMAGE")
        .env_remove("RUSSET_REDIS_LIBRARIES")
        .env("RUSSET_REDIS_SERVER", &binary.path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(libraries) = &binary.libraries {
        command.env("RUSSET_REDIS_LIBRARIES", libraries);
    }
    let mut watch = Watch::hold(&mut command)?;
    let mut url = String::new();
    if let Some(stdout) = watch.child().stdout.as_mut() {
        BufReader::new(stdout).read_line(&mut url)?;
    }
    if url.is_empty() {
        let mut said = String::new();
        if let Some(stderr) = watch.child().stderr.as_mut() {
            stderr.read_to_string(&mut said)?;
        }
        let said = said.trim().trim_start_matches("error: ");
        return Err(format!("{} did not start: {said}", binary.path.display()).into());
    }
    Ok((url.trim().to_owned(), watch))
}

fn until_input_ends() -> Result {
    io::stdout().flush()?;
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    Ok(())
}
