//! What no compiler checks.
//!
//! Each check is a function from files to complaints, so that the tests can show it bad files; one test runs them all
//! over this workspace, so that a plain `cargo test` catches what `cargo xtask tidy` would.

use crate::{
    Result,
    cargo::Workspace,
    deps::verdict,
    files::{self, TextFile},
    readme,
};

/// Runs every check, and prints core's size.
pub(crate) fn run(workspace: &Workspace) -> Result {
    let files = read(workspace)?;
    let lines = core_lines(&files);
    println!("crates/core: {lines} lines of code, meant to stay within {CORE_LINES}");
    if lines > CORE_LINES {
        println!("warning: core is not thin any more; move policy up into the concern crates");
    }
    verdict("tidy", &complaints(workspace, &files)?)
}

fn read(workspace: &Workspace) -> Result<Vec<TextFile>> {
    let extensions = &["rs", "md", "lua", "toml", "yml"];
    files::read(&workspace.root, extensions)
}

fn complaints(workspace: &Workspace, files: &[TextFile]) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for file in files {
        complaints.extend(white_space(file));
        complaints.extend(foreign_machine(file));
        match file.extension() {
            "rs" => {
                complaints.extend(module_docs(file));
                complaints.extend(left_undone(file));
            }
            "md" => complaints.extend(left_undone(file)),
            "lua" => complaints.extend(script_header(file)),
            _ => {}
        }
    }
    for readme in readme::all(workspace)? {
        if !readme.is_current(&workspace.root) {
            let path = readme.path.display();
            complaints.push(format!(
                "{path}: is not what its source makes; run `cargo xtask readme`"
            ));
        }
    }
    Ok(complaints)
}

fn white_space(file: &TextFile) -> Vec<String> {
    let lines = (1..).zip(file.text.lines());
    let mut complaints: Vec<_> = lines
        .filter(|(_, line)| line.ends_with([' ', '\t']))
        .map(|(number, _)| format!("{}:{number}: trailing white space", file.name()))
        .collect();
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        complaints.push(format!("{}: no line end at the end", file.name()));
    }
    complaints
}

/// A path that exists on one machine only: somebody's home or a build's folder.
fn foreign_machine(file: &TextFile) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        for folder in ["home", "root", "Users", "work"] {
            let path = format!("/{folder}/");
            let is_path = |at: usize| {
                let before = line[..at].chars().next_back();
                let after = line[at + path.len()..].chars().next();
                !before.is_some_and(|c| c.is_alphanumeric() || "._-*})".contains(c))
                    && after.is_some_and(char::is_alphanumeric)
            };
            if line.match_indices(&path).any(|(at, _)| is_path(at)) {
                complaints.push(format!(
                    "{}:{number}: `{path}…` is a path of somebody's machine",
                    file.name()
                ));
            }
        }
    }
    complaints
}

fn module_docs(file: &TextFile) -> Option<String> {
    let name = file.name();
    let is_ours = ["crates/", "examples/", "xtask/", "benches/"]
        .iter()
        .any(|folder| name.starts_with(folder));
    let is_test = name.contains("/tests/") || name.ends_with("/tests.rs");
    let head = file.text.trim_start();
    let is_documented = head.starts_with("//!") || head.starts_with("#![doc");
    (is_ours && !is_test && !is_documented)
        .then(|| format!("{name}: begin with `//!` and what this module is for"))
}

fn left_undone(file: &TextFile) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let code = line.trim_start();
        let fence = code.trim_start_matches(['/', '!', ' ']);
        let is_rust = file.extension() == "rs";
        let is_comment = code.starts_with("//");
        let says =
            if is_rust && !is_comment && (line.contains(TODO) || line.contains(UNIMPLEMENTED)) {
                "is unfinished code"
            } else if is_rust && code.starts_with(IGNORE) {
                "is a test that never runs; make it run, or remove it"
            } else if fence.starts_with("```") && fence.contains("ignore") {
                "is an example that nobody compiles"
            } else {
                continue;
            };
        complaints.push(format!("{}:{number}: `{code}` {says}", file.name()));
    }
    complaints
}

/// A script states, in its first comment, what it takes, gives and costs.
fn script_header(file: &TextFile) -> Option<String> {
    // Before it there may be the flags that the server reads.
    let lines = file.text.lines().skip_while(|line| line.starts_with("#!"));
    let comments = lines.map_while(|line| line.strip_prefix("--"));
    let comments: Vec<String> = comments.map(|line| line.trim().to_uppercase()).collect();
    let states = |words: &[&str]| {
        let begins = |line: &String| words.iter().any(|word| line.starts_with(word));
        comments.iter().any(begins)
    };
    let missing: Vec<&str> = [
        &["KEYS"][..],
        &["ARGV"],
        &["REPLY", "RETURNS"],
        &["COST"],
        &["COMMANDS"],
    ]
    .into_iter()
    .filter(|words| !states(words))
    .map(|words| words[0])
    .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "{}: the comment at the head has no line for {}",
            file.name(),
            missing.join(", ")
        )
    })
}

/// The lines of code in core: not empty, no comment, no test.
fn core_lines(files: &[TextFile]) -> usize {
    let sources = files.iter().filter(|file| {
        file.path.starts_with("crates/core/src")
            && file.extension() == "rs"
            && !file.path.ends_with("tests.rs")
    });
    let lines = sources.flat_map(|file| {
        let product = file.text.split("#[cfg(test)]").next().unwrap_or_default();
        product.lines().map(str::trim)
    });
    lines
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .count()
}

const CORE_LINES: usize = 3_000;
// In two pieces, so that these lines are no findings themselves.
const TODO: &str = concat!("to", "do!");
const UNIMPLEMENTED: &str = concat!("unimpl", "emented!");
const IGNORE: &str = concat!("#[", "ignore");

#[cfg(test)]
mod tests {
    use super::{
        IGNORE, TODO, complaints, core_lines, foreign_machine, left_undone, module_docs, read,
        script_header, white_space,
    };
    use crate::{cargo::Workspace, files::TextFile};

    fn file(path: &str, text: &str) -> TextFile {
        TextFile {
            path: path.into(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn this_workspace_is_tidy() {
        let workspace = Workspace::load().unwrap();
        let files = read(&workspace).unwrap();
        let complaints = complaints(&workspace, &files).unwrap();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }

    #[test]
    fn white_space_at_a_line_end_is_found() {
        assert!(white_space(&file("a.md", "fine\n")).is_empty());
        assert_eq!(
            white_space(&file("a.md", "a\nb \n")),
            ["a.md:2: trailing white space"]
        );
        assert_eq!(
            white_space(&file("a.md", "a")),
            ["a.md: no line end at the end"]
        );
    }

    #[test]
    fn paths_of_a_machine_are_found() {
        let home = ["", "home", "me", "x"].join("/");
        for bad in [format!("see {home}"), format!("\"{home}\"")] {
            assert_eq!(foreign_machine(&file("a.rs", &bad)).len(), 1, "{bad}");
        }
        for fine in ["crates/root/src", "${X}/home/y", "/home/ is where"] {
            assert!(foreign_machine(&file("a.rs", fine)).is_empty(), "{fine}");
        }
    }

    #[test]
    fn a_module_begins_with_its_purpose() {
        for fine in ["//! A thing.\n", "#![doc = include_str!(\"x\")]\n"] {
            assert_eq!(module_docs(&file("crates/x/src/lib.rs", fine)), None);
        }
        assert!(module_docs(&file("crates/x/src/a.rs", "use x;\n")).is_some());
        assert_eq!(
            module_docs(&file("crates/x/tests/it/a.rs", "use x;\n")),
            None
        );
    }

    #[test]
    fn unfinished_code_is_found() {
        for bad in [
            format!("    {TODO}()"),
            format!("{IGNORE}]"),
            "/// ```ignore".to_owned(),
        ] {
            assert_eq!(left_undone(&file("a.rs", &bad)).len(), 1, "{bad}");
        }
        assert_eq!(left_undone(&file("a.md", "```rust,ignore")).len(), 1);
        assert!(left_undone(&file("a.rs", "// nothing to do!\n/// ```text")).is_empty());
    }

    #[test]
    fn a_script_says_what_it_takes_and_costs() {
        let fine = "-- Takes one.\n-- KEYS[1]  the bucket\n-- ARGV[1]  now\n-- Returns 1\n-- Cost: O(1)\n-- Commands: GET\nreturn 1\n";
        assert_eq!(script_header(&file("a.lua", fine)), None);
        let flagged = format!("#!lua flags=no-writes\n{fine}");
        assert_eq!(script_header(&file("a.lua", &flagged)), None);
        let complaint =
            script_header(&file("a.lua", "-- KEYS[1]\n\n-- ARGV, REPLY, COST\n")).unwrap();
        assert!(
            complaint.ends_with("ARGV, REPLY, COST, COMMANDS"),
            "{complaint}"
        );
    }

    #[test]
    fn only_code_counts() {
        let files = [
            file(
                "crates/core/src/a.rs",
                "//! Doc.\n\nuse a;\n// comment\nfn f() {}\n#[cfg(test)]\nmod tests {}\n",
            ),
            file("crates/core/src/key/tests.rs", "fn f() {}\n"),
            file("crates/cache/src/a.rs", "fn f() {}\n"),
        ];
        assert_eq!(core_lines(&files), 2);
    }
}
