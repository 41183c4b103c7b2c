//! The law of arrows: which crate may depend on which.

mod law;
pub(crate) mod signatures;

use std::{collections::BTreeSet, process::Command};

use crate::{
    Result,
    cargo::{Kind, Package, Workspace, cargo},
    files::{self, TextFile},
    process,
};

/// Prints who names whom, and fails if an arrow breaks the law.
pub(crate) fn run(workspace: &Workspace) -> Result {
    println!("{:<20} {:<40} may name", "crate", "names");
    for package in &workspace.packages {
        let names: Vec<_> = arrows(package).map(short).collect();
        let may: Vec<_> = law::allowed(package).into_iter().map(short).collect();
        println!("{:<20} {:<40} {}", package.name, list(&names), list(&may));
    }
    let tree = tree()?;
    println!(
        "xtask's own tree: {} crates, at most {XTASK_CRATES}",
        tree.len()
    );
    verdict("deps", &violations(workspace, &tree)?)
}

/// Says each violation, and fails if there is one.
pub(crate) fn verdict(check: &str, violations: &[String]) -> Result {
    for violation in violations {
        eprintln!("{violation}");
    }
    match violations.len() {
        0 => Ok(()),
        1 => Err(format!("{check}: one violation, see above").into()),
        n => Err(format!("{check}: {n} violations, see above").into()),
    }
}

fn violations(workspace: &Workspace, tree: &BTreeSet<String>) -> Result<Vec<String>> {
    let driver = files::read(&workspace.root.join("crates/core/src"), &["rs"])?;
    let mut violations = law::violations(&workspace.packages);
    violations.extend(fred_outside_the_driver(&driver));
    violations.extend(too_heavy(tree));
    Ok(violations)
}

/// Inside core, only the driver knows fred.
fn fred_outside_the_driver(core: &[TextFile]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in core.iter().filter(|file| !file.path.starts_with("driver")) {
        for (number, line) in file.text.lines().enumerate() {
            let code = line.trim_start();
            let names_it = line.contains("fred::") || code.contains("use fred");
            if names_it && !code.starts_with("//") {
                violations.push(format!(
                    "crates/core/src/{}:{}: names fred; only crates/core/src/driver/ does",
                    file.name(),
                    number + 1
                ));
            }
        }
    }
    violations
}

/// The crates that are compiled for xtask.
fn tree() -> Result<BTreeSet<String>> {
    let mut command: Command = cargo();
    command.args(["tree", "--package", "xtask", "--edges", "normal"]);
    let said = process::read(command.args(["--prefix", "none", "--format", "{p}"]))?;
    let names = said
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    Ok(names.map(str::to_owned).collect())
}

fn too_heavy(tree: &BTreeSet<String>) -> Vec<String> {
    let mut violations = Vec::new();
    if tree.contains("tokio") {
        violations.push("xtask → tokio: xtask holds no async runtime; `cargo tree -p xtask -e normal -i tokio` says why it is there".to_owned());
    }
    if tree.len() > XTASK_CRATES {
        violations.push(format!(
            "xtask: {} crates in `cargo tree -p xtask -e normal`, more than {XTASK_CRATES}",
            tree.len()
        ));
    }
    violations
}

/// The members that a package names in its product; what its tests use is its own affair.
fn arrows(package: &Package) -> impl Iterator<Item = &str> {
    let local = package
        .dependencies
        .iter()
        .filter(|d| d.is_local && d.kind != Kind::Dev);
    local.map(|dependency| dependency.name.as_str())
}

fn short(name: &str) -> &str {
    name.strip_prefix("russet-").unwrap_or(name)
}

fn list(names: &[&str]) -> String {
    if names.is_empty() {
        "-".to_owned()
    } else {
        names.join(" ")
    }
}

const XTASK_CRATES: usize = 25;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{fred_outside_the_driver, too_heavy, tree, violations};
    use crate::{cargo::Workspace, files::TextFile};

    #[test]
    fn this_workspace_obeys() {
        let workspace = Workspace::load().unwrap();
        let violations = violations(&workspace, &tree().unwrap()).unwrap();
        assert!(violations.is_empty(), "{violations:#?}");
    }

    #[test]
    fn fred_is_named_in_the_driver_alone() {
        let file = |path: &str, text: &str| TextFile {
            path: path.into(),
            text: text.to_owned(),
        };
        let files = [
            file("driver/client.rs", "use fred::prelude::Client;"),
            file(
                "lane/mod.rs",
                "// fred::Client is not named here\nlet x = fred::f();\n",
            ),
            file("redis.rs", "use fred as f;"),
        ];
        assert_eq!(
            fred_outside_the_driver(&files),
            [
                "crates/core/src/lane/mod.rs:2: names fred; only crates/core/src/driver/ does",
                "crates/core/src/redis.rs:1: names fred; only crates/core/src/driver/ does",
            ]
        );
    }

    #[test]
    fn xtask_stays_light() {
        let light: BTreeSet<String> = ["clap".to_owned()].into();
        assert!(too_heavy(&light).is_empty());
        let heavy: BTreeSet<String> = (0..25)
            .map(|n| n.to_string())
            .chain(["tokio".to_owned()])
            .collect();
        let violations = too_heavy(&heavy);
        assert!(violations[0].starts_with("xtask → tokio"), "{violations:?}");
        assert!(violations[1].contains("26 crates"), "{violations:?}");
    }
}
