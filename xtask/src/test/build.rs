//! Building the test binaries.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{Result, cargo::cargo, test::Plan};

/// A binary that holds tests.
pub(super) struct Binary {
    pub(super) path: PathBuf,
    /// As a report names it: `russet-core` for the tests inside the crate, `russet-core::it` for those beside it.
    pub(super) name: String,
    pub(super) package: String,
    /// The package's folder, where cargo would run it.
    pub(super) folder: PathBuf,
}

/// Builds the tests, with cargo's messages for the user to watch.
pub(super) fn test_binaries(plan: &Plan<'_>) -> Result<Vec<Binary>> {
    let mut command: Command = cargo();
    command
        .args([
            "test",
            "--no-run",
            "--message-format=json-render-diagnostics",
        ])
        .args(plan.selection())
        .stderr(Stdio::inherit());
    let output = command.output()?;
    if !output.status.success() {
        return Err("the tests do not compile, see above".into());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut binaries: Vec<Binary> = messages.lines().filter_map(binary).collect();
    binaries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(binaries)
}

/// Reads one of cargo's messages; most are about something else.
fn binary(message: &str) -> Option<Binary> {
    let message: Value = serde_json::from_str(message).ok()?;
    if message["profile"]["test"] != true {
        return None;
    }
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
    let package = package_name(message["package_id"].as_str()?).to_owned();
    let target = message["target"]["name"].as_str()?;
    let is_beside = message["target"]["kind"][0] == "test";
    Some(Binary {
        path: message["executable"].as_str()?.into(),
        name: if is_beside {
            format!("{package}::{target}")
        } else {
            package.clone()
        },
        package,
        folder: folder.to_owned(),
    })
}

/// The name in `path+file:///x/core#russet-core@0.1.0`, or in `path+file:///x/xtask#0.1.0`, where the folder has it.
fn package_name(id: &str) -> &str {
    let (url, fragment) = id.rsplit_once('#').unwrap_or((id, id));
    match fragment.split_once('@') {
        Some((name, _)) => name,
        None => url.rsplit('/').next().unwrap_or(url),
    }
}

#[cfg(test)]
mod tests {
    use super::{binary, package_name};

    #[test]
    fn a_package_is_named_by_its_id() {
        assert_eq!(
            package_name("path+file:///x/crates/core#russet-core@0.1.0"),
            "russet-core"
        );
        assert_eq!(package_name("path+file:///x/xtask#0.1.0"), "xtask");
    }

    #[test]
    fn only_test_binaries_are_taken() {
        let message = |test: bool, kind: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"path+file:///x/core#russet-core@0.1.0",
                "manifest_path":"/x/core/Cargo.toml","target":{{"kind":["{kind}"],"name":"it"}},
                "profile":{{"test":{test}}},"executable":"/x/target/it-1"}}"#
            )
        };
        assert!(binary(&message(false, "test")).is_none());
        assert_eq!(
            binary(&message(true, "test")).unwrap().name,
            "russet-core::it"
        );
        assert_eq!(binary(&message(true, "lib")).unwrap().name, "russet-core");
        assert!(binary("{\"reason\":\"build-finished\"}").is_none());
    }
}
