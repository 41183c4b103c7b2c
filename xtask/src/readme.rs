//! The READMEs, which are the crates' documentation without the lines that rustdoc hides.
//!
//! The source is `src/docs/readme.md` of each crate, which rustdoc compiles and runs; a forge would show its hidden lines.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{Result, cargo::Workspace};

/// Writes each README anew.
pub(crate) fn run(workspace: &Workspace) -> Result {
    for readme in all(workspace)? {
        if !readme.is_current(&workspace.root) {
            fs::write(workspace.root.join(&readme.path), &readme.text)?;
            println!("wrote {}", readme.path.display());
        }
    }
    Ok(())
}

/// A README as it should be.
pub(crate) struct Readme {
    /// Relative to the root.
    pub(crate) path: PathBuf,
    text: String,
}

impl Readme {
    pub(crate) fn is_current(&self, root: &Path) -> bool {
        fs::read_to_string(root.join(&self.path)).is_ok_and(|text| text == self.text)
    }
}

/// Every README that is made from a crate's documentation. The facade's is the one at the root.
pub(crate) fn all(workspace: &Workspace) -> Result<Vec<Readme>> {
    let mut readmes = Vec::new();
    for package in &workspace.packages {
        let source = workspace.root.join(&package.dir).join("src/docs/readme.md");
        if !source.exists() {
            continue;
        }
        let folder = if package.name == "russet" {
            Path::new("")
        } else {
            &package.dir
        };
        readmes.push(Readme {
            path: folder.join("README.md"),
            text: visible(&fs::read_to_string(source)?),
        });
    }
    Ok(readmes)
}

/// The text without what rustdoc hides, and with plain fences.
fn visible(text: &str) -> String {
    let mut shown: Vec<&str> = Vec::new();
    let mut fence = Fence::None;
    for line in text.lines() {
        match (fence, line.strip_prefix("```")) {
            (Fence::None, Some(info)) if info.is_empty() || info.starts_with("rust") => {
                fence = Fence::Rust;
                shown.push("```rust");
            }
            (Fence::None, Some(_)) => {
                fence = Fence::Other;
                shown.push(line);
            }
            (Fence::None | Fence::Other, None) => shown.push(line),
            (Fence::Rust | Fence::Other, Some(_)) => {
                // No empty line before the end, where the last shown one was followed by hidden ones.
                if shown.last() == Some(&"") {
                    shown.pop();
                }
                fence = Fence::None;
                shown.push(line);
            }
            (Fence::Rust, None) => {
                let code = line.trim_start();
                let is_hidden = code == "#" || code.starts_with("# ");
                // Hidden lines leave gaps behind: of several empty lines in a row one stays, at the head none.
                let is_gap = line.is_empty() && matches!(shown.last(), Some(&("" | "```rust")));
                if !is_hidden && !is_gap {
                    // `##` is how rustdoc spells a line that begins with `#`.
                    shown.push(if code.starts_with("##") {
                        &code[1..]
                    } else {
                        line
                    });
                }
            }
        }
    }
    shown.join("\n") + "\n"
}

#[derive(Clone, Copy)]
enum Fence {
    None,
    Rust,
    Other,
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn hidden_lines_go_and_nothing_else() {
        let source = "# Title\n\n```rust,no_run\n# async fn main() {\n\nuse a;\n\n# hidden\n#\n\n#[test]\n## shown\n\n# }\n```\n\n\
                      ```sh\n# a comment\nls\n```\n";
        let readme =
            "# Title\n\n```rust\nuse a;\n\n#[test]\n# shown\n```\n\n```sh\n# a comment\nls\n```\n";
        assert_eq!(visible(source), readme);
    }
}
