//! The distribution's own package, downloaded with what it needs and unpacked under `target/`.
//!
//! The system is not touched: nothing is installed, no root is needed, no service starts. What the system has installed
//! already (the C library above all) is taken from there, because a C library and a loader of two versions do not mix.
//! The result is kept for the next run.

use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{self, Command},
};

use crate::{
    Result,
    cargo::Workspace,
    find::{Found, Miss, closure, local},
    hold::Binary,
    process::{read, succeeds},
};

pub(super) fn find(workspace: &Workspace) -> Result<Found, Miss> {
    let home = workspace.target.join("russet-redis");
    let binary = match unpacked(&home) {
        Some(binary) => binary,
        None => unpack_into(&home)?,
    };
    let mut found = local::start("package", &binary)?;
    found.binary = Some(binary);
    Ok(found)
}

fn unpack_into(home: &Path) -> Result<Binary, Miss> {
    for program in ["apt-get", "apt-cache", "dpkg-deb"] {
        if !succeeds(Command::new(program).arg("--version")) {
            return Err(Miss::Absent(format!(
                "there is no `{program}`: only Debian and its children have packages that can be unpacked"
            )));
        }
    }
    let packages = packages()?;
    // Made aside and moved into place whole: a run that is interrupted, or a second one at the same time, does no harm.
    let aside = home.with_extension(process::id().to_string());
    let made = unpack(&packages, &aside).and_then(|()| {
        if fs::rename(&aside, home).is_err() {
            fs::remove_dir_all(home)?;
            fs::rename(&aside, home)?;
        }
        Ok(())
    });
    if made.is_err() {
        let _ = fs::remove_dir_all(&aside);
    }
    made?;
    let binary = unpacked(home);
    Ok(binary.ok_or_else(|| format!("what {} holds does not run here", home.display()))?)
}

/// What must be downloaded, the server's package first.
fn packages() -> Result<Vec<String>, Miss> {
    let installed = installed();
    for server in ["redis-server", "valkey-server"] {
        let relations = read(Command::new("apt-cache").args([
            "depends",
            "--recurse",
            "--no-recommends",
            "--no-suggests",
            "--no-conflicts",
            "--no-breaks",
            "--no-replaces",
            "--no-enhances",
            server,
        ]));
        let closure = closure::of(server, &relations.unwrap_or_default(), &installed);
        if !closure.is_empty() {
            return Ok(closure);
        }
    }
    Err(Miss::Broken(
        "the package lists know neither redis-server nor valkey-server; `sudo apt-get update` fills them".to_owned(),
    ))
}

/// The packages that the system has, and whose libraries every program finds by itself. The server's own are not taken
/// from there: half of it may be installed, and its files refer to each other by place.
fn installed() -> BTreeSet<String> {
    let format = "${db:Status-Status} ${Package}\\n";
    let list = read(Command::new("dpkg-query").args(["--show", "--showformat", format]));
    let list = list.unwrap_or_default();
    let packages = list
        .lines()
        .filter_map(|line| line.strip_prefix("installed "));
    let is_servers = |name: &str| name.starts_with("redis") || name.starts_with("valkey");
    packages
        .filter(|name| !is_servers(name))
        .map(str::to_owned)
        .collect()
}

fn unpack(packages: &[String], folder: &Path) -> Result {
    let archives = folder.join("archives");
    fs::create_dir_all(&archives)?;
    println!(
        "downloading {} packages for `{}`",
        packages.len(),
        packages[0]
    );
    read(
        Command::new("apt-get")
            .args(["--quiet", "download"])
            .args(packages)
            .current_dir(&archives),
    )
    .map_err(|error| {
        format!("{error}; if the package lists are old, `sudo apt-get update` renews them")
    })?;
    let root = folder.join("root");
    for archive in fs::read_dir(&archives)? {
        read(
            Command::new("dpkg-deb")
                .arg("--extract")
                .arg(archive?.path())
                .arg(&root),
        )?;
    }
    fs::remove_dir_all(archives)?;
    Ok(())
}

/// The binary that was unpacked earlier, if it runs.
fn unpacked(home: &Path) -> Option<Binary> {
    let root = home.join("root");
    let mut folders = BTreeSet::new();
    library_folders(&root, &mut folders).ok()?;
    let libraries =
        Some(env::join_paths(folders).ok()?).filter(|paths: &OsString| !paths.is_empty());
    let binaries = ["redis-server", "valkey-server"].map(|name| root.join("usr/bin").join(name));
    binaries.into_iter().find_map(|path| {
        let mut command = Command::new(&path);
        command.arg("--version");
        if let Some(libraries) = &libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        let libraries = libraries.clone();
        succeeds(&mut command).then_some(Binary { path, libraries })
    })
}

/// The folders that hold shared libraries.
fn library_folders(folder: &Path, folders: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            library_folders(&entry.path(), folders)?;
        } else if entry.file_name().to_string_lossy().contains(".so") {
            folders.insert(folder.to_owned());
        }
    }
    Ok(())
}
