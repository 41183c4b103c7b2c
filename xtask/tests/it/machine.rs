//! A machine with just the programs that a test puts on it.

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    process::Command,
};

/// A folder that is the whole `PATH`. Dropping it removes it.
pub(crate) struct Machine {
    folder: PathBuf,
}

impl Machine {
    /// A machine with a Rust toolchain and a shell.
    pub(crate) fn bare() -> Machine {
        let folder = env::temp_dir().join(russet_testkit::unique_name("xtask"));
        fs::create_dir(&folder).unwrap();
        let machine = Machine { folder };
        machine.take(&["sh", "cat", "mv", "rm", "sleep", "cargo", "rustc", "rustup"]);
        machine
    }

    /// Puts those programs of these names on it that this machine has.
    pub(crate) fn take(&self, names: &[&str]) {
        let path = env::var_os("PATH").unwrap_or_default();
        for name in names {
            let mut places = env::split_paths(&path).map(|folder| folder.join(name));
            if let Some(program) = places.find(|program| program.exists()) {
                symlink(program, self.folder.join(name)).unwrap();
            }
        }
    }

    /// Puts a shell script on it.
    pub(crate) fn script(&self, name: &str, script: &str) {
        let path = self.folder.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What the scripts wrote into the file `log`.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    pub(crate) fn xtask(&self, arguments: &[&str]) -> Command {
        let mut command = xtask(arguments);
        command
            .env("PATH", &self.folder)
            .env("LOG", self.folder.join("log"));
        command
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// `cargo xtask`, without what this test run was told about servers.
pub(crate) fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("RUSSET_TEST_REDIS_URL")
        .env_remove("RUSSET_TEST_IMAGE")
        .env_remove("RUSSET_REDIS_SERVER")
        .env_remove("RUSSET_REDIS_LIBRARIES")
        .env_remove("REDIS_IMAGE");
    command
}

/// Runs a command that must fail, and gives all that it printed.
pub(crate) fn failure(mut command: Command) -> String {
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    printed.into_owned()
}
