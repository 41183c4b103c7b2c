//! The server's binary on this machine.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// A server's binary and what it needs to run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Binary {
    /// The executable file.
    pub path: PathBuf,
    /// The value of `LD_LIBRARY_PATH` that it runs with, for a binary unpacked outside the system's folders.
    pub libraries: Option<OsString>,
}

/// Finds a server's binary: the one that `RUSSET_REDIS_SERVER` names (with `RUSSET_REDIS_LIBRARIES` as its library
/// path), else `redis-server`, else `valkey-server` on `PATH`.
///
/// A file that `RUSSET_REDIS_SERVER` names is taken as it is: if it cannot run, starting a server says so.
#[must_use]
pub fn find() -> Option<Binary> {
    if let Some(path) = given("RUSSET_REDIS_SERVER") {
        return Some(Binary {
            path: path.into(),
            libraries: given("RUSSET_REDIS_LIBRARIES"),
        });
    }
    let path = env::var_os("PATH")?;
    ["redis-server", "valkey-server"]
        .iter()
        .flat_map(|name| env::split_paths(&path).map(move |folder| folder.join(name)))
        .find(|file| is_executable(file))
        .map(|path| Binary {
            path,
            libraries: None,
        })
}

fn given(variable: &str) -> Option<OsString> {
    env::var_os(variable).filter(|value| !value.is_empty())
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
