//! `keys`: what follows from the crates' descriptions of their keys, by the command `russet keys`.

use std::{fs, process::ExitCode};

use crate::{
    Result,
    cargo::{Workspace, cargo},
    test::{self, Options, Rights},
};

/// The document, and where in it the table stands.
const DOCUMENT: &str = "docs/keys.md";
const BEGIN: &str = "<!-- keys: `cargo xtask keys` writes what follows -->\n";
const END: &str = "<!-- keys: end -->\n";

/// The crates whose tests run under the rules of their own user.
const PROVEN: &[&str] = &["cache", "locks", "ratelimit", "session"];
/// Of a user that lives as long as a test.
const PASSWORD: &str = "of-this-run";

/// Writes the table of keys anew; or only says whether it is current.
pub(crate) fn document(workspace: &Workspace, is_check: bool) -> Result {
    let path = workspace.root.join(DOCUMENT);
    let text = fs::read_to_string(&path)?;
    let table = russet(workspace, &["keys", "docs"])?;
    let without_ttl = russet(workspace, &["keys", "persistent"])?;
    let without_ttl: String = without_ttl
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(pattern, meaning)| format!("- `{pattern}`: {meaning}\n"))
        .collect();
    let current = placed(
        &text,
        &format!("\n{table}\nWithout a TTL, on purpose:\n\n{without_ttl}\n"),
    )
    .ok_or_else(|| format!("{DOCUMENT} has no place for the table: write {BEGIN}{END}"))?;
    if current == text {
        return Ok(());
    }
    if is_check {
        return Err(
            format!("{DOCUMENT} is not what the crates say; run `cargo xtask keys`").into(),
        );
    }
    fs::write(path, current)?;
    println!("wrote {DOCUMENT}");
    Ok(())
}

/// Runs each crate's tests as the user whom the generated rules describe.
pub(crate) fn prove(workspace: &Workspace) -> Result<ExitCode> {
    let file = workspace.target.join("russet-users.acl");
    let mut arguments = vec!["keys".to_owned(), "acl".to_owned()];
    for name in PROVEN {
        // Whoever uses shards records their number, which is core's key.
        arguments.extend([
            "--user".to_owned(),
            format!("{name}_user={name},namespace"),
            "--password-from".to_owned(),
            format!("{name}_user=RUSSET_TEST_PASSWORD"),
        ]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let rules = russet(workspace, &arguments)?;
    fs::write(&file, &rules)?;
    print!("{rules}");
    for name in PROVEN {
        println!("\nthe tests of {name} as {name}_user:");
        let rights = Rights {
            file: file.clone(),
            user: format!("{name}_user:{PASSWORD}"),
        };
        let code = test::run(workspace, &Options::under(name, rights))?;
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the command says.
fn russet(workspace: &Workspace, arguments: &[&str]) -> Result<String> {
    let mut command = cargo();
    command
        .args(["run", "--locked", "--quiet", "--package=russet-cli", "--"])
        .args(arguments)
        .env("RUSSET_TEST_PASSWORD", PASSWORD)
        .current_dir(&workspace.root);
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("russet {}: failed", arguments.join(" ")).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The text with the table in its place.
fn placed(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, behind) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{table}{END}{behind}"))
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, placed};

    #[test]
    fn the_table_goes_where_it_belongs() {
        let text = format!("# Keys\n{BEGIN}old\n{END}more\n");
        let expected = format!("# Keys\n{BEGIN}new\n{END}more\n");
        assert_eq!(placed(&text, "new\n"), Some(expected));
        assert_eq!(placed("# Keys\n", "new\n"), None);
    }
}
