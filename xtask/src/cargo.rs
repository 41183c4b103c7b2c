//! Cargo: its commands, and the workspace as it describes it.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{Result, process};

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// What `cargo metadata` says of this workspace.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// A member of the workspace.
#[derive(Clone)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Where its manifest is, relative to the root: `crates/core`.
    pub(crate) dir: PathBuf,
    pub(crate) has_lib: bool,
    pub(crate) features: Vec<String>,
    pub(crate) dependencies: Vec<Dependency>,
}

/// What a manifest says of one dependency.
#[derive(Clone)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The version requirement; `*` where the manifest has none.
    pub(crate) version: String,
    pub(crate) optional: bool,
    /// Whether it is given by a path, and so is a member.
    pub(crate) is_local: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

impl Workspace {
    pub(crate) fn load() -> Result<Workspace> {
        let json = process::read(cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
        Workspace::parse(&serde_json::from_str(&json)?).ok_or_else(|| {
            "`cargo metadata` says something new; xtask/src/cargo.rs reads it".into()
        })
    }

    pub(crate) fn parse(metadata: &Value) -> Option<Workspace> {
        let root = PathBuf::from(metadata["workspace_root"].as_str()?);
        let packages = metadata["packages"].as_array()?.iter();
        let packages = packages.map(|package| Package::parse(package, &root));
        Some(Workspace {
            target: metadata["target_directory"].as_str()?.into(),
            packages: packages.collect::<Option<_>>()?,
            root,
        })
    }

    /// The member that a user means by `core` or `russet-core`.
    pub(crate) fn package(&self, name: &str) -> Result<&Package> {
        let full = format!("russet-{name}");
        let named = |wanted: &str| self.packages.iter().find(|package| package.name == wanted);
        named(name).or_else(|| named(&full)).ok_or_else(|| {
            let names: Vec<_> = self.packages.iter().map(|p| p.name.as_str()).collect();
            format!(
                "no crate is called `{name}`; there are: {}",
                names.join(", ")
            )
            .into()
        })
    }
}

impl Package {
    fn parse(package: &Value, root: &Path) -> Option<Package> {
        let manifest = Path::new(package["manifest_path"].as_str()?);
        let has_lib = package["targets"].as_array()?.iter().any(|target| {
            let kinds = target["kind"].as_array();
            kinds.is_some_and(|kinds| kinds.iter().any(|k| k == "lib" || k == "proc-macro"))
        });
        let dependencies = package["dependencies"].as_array()?.iter();
        Some(Package {
            name: package["name"].as_str()?.to_owned(),
            dir: manifest.parent()?.strip_prefix(root).ok()?.to_owned(),
            has_lib,
            features: package["features"]
                .as_object()
                .map(|features| features.keys().cloned().collect())
                .unwrap_or_default(),
            dependencies: dependencies.map(Dependency::parse).collect::<Option<_>>()?,
        })
    }
}

impl Dependency {
    fn parse(dependency: &Value) -> Option<Dependency> {
        Some(Dependency {
            name: dependency["name"].as_str()?.to_owned(),
            kind: match dependency["kind"].as_str() {
                Some("dev") => Kind::Dev,
                Some("build") => Kind::Build,
                _ => Kind::Normal,
            },
            version: dependency["req"].as_str()?.to_owned(),
            optional: dependency["optional"].as_bool()?,
            is_local: dependency["path"].is_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Workspace};

    #[test]
    fn this_workspace_is_read() {
        let workspace = Workspace::load().unwrap();
        let xtask = workspace.package("xtask").unwrap();
        assert!(!xtask.has_lib);
        assert!(workspace.root.join(&xtask.dir).join("src/main.rs").exists());
        let testkit = xtask.dependencies.iter().find(|d| d.is_local).unwrap();
        assert_eq!(
            (&*testkit.name, testkit.kind),
            ("russet-testkit", Kind::Normal)
        );

        assert_eq!(workspace.package("core").unwrap().name, "russet-core");
        let error = workspace.package("nonsense").err().unwrap().to_string();
        assert!(error.contains("russet-core"), "{error}");
    }
}
