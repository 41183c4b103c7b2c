//! The text files of a folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::Result;

/// A text file, its path relative to the folder that was asked for.
pub(crate) struct TextFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl TextFile {
    pub(crate) fn extension(&self) -> &str {
        let extension = self
            .path
            .extension()
            .and_then(|extension| extension.to_str());
        extension.unwrap_or_default()
    }

    /// The path with `/`, as patterns and messages have it.
    pub(crate) fn name(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}

/// Reads every file under `folder` whose extension is one of `extensions`, in the order of their paths. Build output
/// and hidden folders are left out.
pub(crate) fn read(folder: &Path, extensions: &[&str]) -> Result<Vec<TextFile>> {
    let mut files = Vec::new();
    collect(folder, Path::new(""), extensions, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn collect(root: &Path, below: &Path, extensions: &[&str], files: &mut Vec<TextFile>) -> Result {
    let folder = root.join(below);
    let entries =
        fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = below.join(entry.file_name());
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // What a link points at is either read anyway or not ours.
        let kind = entry.file_type()?;
        if kind.is_dir() && !name.starts_with('.') && name != "target" {
            collect(root, &path, extensions, files)?;
        } else if kind.is_file() && extensions.iter().any(|e| name.ends_with(&format!(".{e}"))) {
            let text = fs::read_to_string(root.join(&path))
                .map_err(|error| format!("{}: {error}", path.display()))?;
            files.push(TextFile { path, text });
        }
    }
    Ok(())
}
