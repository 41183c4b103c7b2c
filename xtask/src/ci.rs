//! `ci`: everything that must pass before a change lands, the quick checks first.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    Result,
    cargo::{Workspace, cargo},
    deps, keys, process, tidy,
};

type Step<'a> = (&'a str, &'a dyn Fn() -> Result);

pub(crate) fn run(workspace: &Workspace) -> Result {
    let steps: &[Step<'_>] = &[
        ("fmt", &|| {
            cargo_in(workspace, &["fmt", "--all", "--check"], "")
        }),
        ("tidy", &|| tidy::run(workspace)),
        ("deps", &|| deps::run(workspace)),
        ("clippy", &|| cargo_in(workspace, CLIPPY, "")),
        // What a feature hides must compile without it too.
        ("no features", &|| cargo_in(workspace, NO_FEATURES, "")),
        // Denied warnings: above all, links that lead nowhere.
        ("doc", &|| cargo_in(workspace, DOC, "-D warnings")),
        ("keys", &|| keys::document(workspace, true)),
        ("signatures", &|| deps::signatures::run(workspace)),
        // The README's two commands, word for word.
        ("test", &|| cargo_in(workspace, &["xtask", "test"], "")),
        ("access", &|| {
            cargo_in(workspace, &["xtask", "keys", "--prove"], "")
        }),
        ("tour", &|| cargo_in(workspace, &["xtask", "tour"], "")),
    ];
    let mut table = Vec::new();
    for (name, step) in steps {
        println!("\n==> {name}");
        let start = Instant::now();
        let result = step();
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        println!("==> {name}: {verdict} after {}", seconds(start.elapsed()));
        table.push(format!(
            "{name:<12} {verdict:<8} {:>8}",
            seconds(start.elapsed())
        ));
        if result.is_err() {
            println!("\n{}", table.join("\n"));
            return result.map_err(|error| format!("{name}: {error}").into());
        }
    }
    println!("\n{}", table.join("\n"));
    Ok(())
}

fn cargo_in(workspace: &Workspace, arguments: &[&str], rustdoc_flags: &str) -> Result {
    let mut command: Command = cargo();
    command.args(arguments).current_dir(&workspace.root);
    if !rustdoc_flags.is_empty() {
        command.env("RUSTDOCFLAGS", rustdoc_flags);
    }
    process::run(&mut command)
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

// `--locked`: a lock file that was not committed with its manifest is found here and not by the next one to build.
const CLIPPY: &[&str] = &[
    "clippy",
    "--locked",
    "--workspace",
    "--all-targets",
    "--all-features",
    "--",
    "-D",
    "warnings",
];
const NO_FEATURES: &[&str] = &[
    "clippy",
    "--locked",
    "--package=russet-codec",
    "--package=russet-core",
    "--package=russet-cache",
    "--package=russet-keyspace",
    "--package=russet-locks",
    "--package=russet-ratelimit",
    "--package=russet-session",
    "--no-default-features",
    "--",
    "-D",
    "warnings",
];
const DOC: &[&str] = &[
    "doc",
    "--locked",
    "--no-deps",
    "--workspace",
    "--all-features",
];
