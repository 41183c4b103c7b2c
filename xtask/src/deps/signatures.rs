//! Which foreign types the public signatures name, read from the built documentation.
//!
//! In its HTML each type of a signature is a link whose title is the type's true path (`struct tokio::time::Interval`),
//! however the source spells it, imports it or renames it; no scan of the source could do that. rustdoc links a type of
//! another crate only where that crate's documentation is, or seems to be: a folder of its name suffices. So this builds
//! the documentation into a folder of its own, in which each dependency has an empty folder.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    Result,
    cargo::{Package, Workspace, cargo},
    deps::verdict,
    files, process,
};

/// What a public signature may name, besides our own crates.
const ALLOWED: &[&str] = &[
    "alloc",
    "bytes",
    "core",
    "futures_core",
    "http",
    "proc_macro",
    "serde",
    // Where serde's traits live since 1.0.220; `serde` re-exports them.
    "serde_core",
    "std",
    "tower_layer",
    "tower_service",
    // In features called `axum` and `tower-sessions`; `law.rs` sees to that.
    "axum_core",
    "tower_sessions_core",
    // As a part of keys, in features called `uuid`.
    "uuid",
];

/// Crates that no service depends on may name what they like.
const FREE: &[&str] = &["russet-cli", "russet-testkit"];

/// Builds the documentation and fails if a public signature names a foreign type that it may not.
pub(crate) fn run(workspace: &Workspace) -> Result {
    let target = workspace.target.join("signatures");
    let doc = target.join("doc");
    if doc.exists() {
        fs::remove_dir_all(&doc)?;
    }
    for name in dependencies()? {
        fs::create_dir_all(doc.join(name))?;
    }
    process::run(
        cargo()
            .args([
                "doc",
                "--quiet",
                "--no-deps",
                "--workspace",
                "--all-features",
            ])
            // What was compiled for other commands is used again, only the pages go elsewhere.
            .env("CARGO_BUILD_BUILD_DIR", &workspace.target)
            .env("CARGO_TARGET_DIR", &target),
    )?;
    let packages = workspace
        .packages
        .iter()
        .filter(|package| is_judged(package));
    let mut violations = Vec::new();
    for package in packages {
        violations.extend(judge(package, &doc)?);
    }
    if violations.is_empty() {
        println!("no public signature names a foreign type that it may not");
    }
    verdict("signatures", &violations)
}

/// The names of all crates that are not members.
fn dependencies() -> Result<Vec<String>> {
    let json = process::read(cargo().args(["metadata", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&json)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let foreign = packages.filter(|package| !package["source"].is_null());
    let targets = foreign.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let names = targets.filter_map(|target| target["name"].as_str());
    Ok(names.map(|name| name.replace('-', "_")).collect())
}

fn is_judged(package: &Package) -> bool {
    package.dir.starts_with("crates") && package.has_lib && !FREE.contains(&package.name.as_str())
}

fn judge(package: &Package, doc: &Path) -> Result<Vec<String>> {
    let folder: PathBuf = doc.join(package.name.replace('-', "_"));
    let mut violations = Vec::new();
    for page in files::read(&folder, &["html"])? {
        for path in foreign(&page.text) {
            violations.push(format!(
                "{}: `{path}` stands in a public signature, see {} in {}",
                package.name,
                page.name(),
                folder.display()
            ));
        }
    }
    Ok(violations)
}

/// The foreign types that a page's signatures name and may not.
fn foreign(page: &str) -> BTreeSet<String> {
    // What follows comes from other crates' blanket implementations.
    let ours = [
        "id=\"synthetic-implementations\"",
        "id=\"blanket-implementations\"",
    ]
    .iter()
    .filter_map(|mark| page.find(mark))
    .min()
    .map_or(page, |end| &page[..end]);
    // A re-exported item has its page here, but its source elsewhere. Where it comes from is what counts then: the rest
    // of the page is another crate's.
    if let Some(origin) = origin(ours)
        && !is_ours(origin)
    {
        let path = format!("{origin} (re-exported)");
        return if is_allowed(origin) {
            BTreeSet::new()
        } else {
            [path].into()
        };
    }
    SIGNATURES
        .iter()
        .flat_map(|(open, close)| between(ours, open, close))
        .flat_map(|signature| between(signature, "title=\"", "\""))
        .filter_map(|title| title.split_once(' '))
        .filter(|(kind, _)| KINDS.contains(kind))
        .map(|(_, path)| path)
        .filter(|path| !is_ours(path) && !is_allowed(path))
        .map(str::to_owned)
        .collect()
}

/// Where rustdoc writes signatures: items; methods and implementations; re-exports that have no page.
const SIGNATURES: &[(&str, &str)] = &[
    ("<pre class=\"rust item-decl\">", "</pre>"),
    ("<h3 class=\"code-header\">", "</h3>"),
    ("<h4 class=\"code-header\">", "</h4>"),
    ("<code>pub use ", "</code>"),
];

const KINDS: &[&str] = &[
    "enum", "fn", "macro", "mod", "struct", "trait", "type", "union",
];

/// The crate that an item's source is in.
fn origin(page: &str) -> Option<&str> {
    let (_, heading) = page.split_once("<div class=\"main-heading\">")?;
    let source = between(heading, "<a class=\"src\" href=\"", "\"").next()?;
    let (_, path) = source.split_once("src/")?;
    path.split('/').next()
}

fn is_ours(path: &str) -> bool {
    krate(path).starts_with("russet")
}

fn is_allowed(path: &str) -> bool {
    ALLOWED.contains(&krate(path))
}

fn krate(path: &str) -> &str {
    path.split("::").next().unwrap_or_default()
}

/// Every stretch of text between `open` and the next `close`.
fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    let stretches = text.split(open).skip(1);
    stretches.map(move |rest| rest.split_once(close).map_or(rest, |(inside, _)| inside))
}

#[cfg(test)]
mod tests {
    use super::foreign;

    fn page(source: &str, body: &str) -> String {
        format!(
            "<div class=\"main-heading\"><div><a>x</a></div><h1>Struct</h1><span><a class=\"src\" href=\"../src/{source}/lib.rs.html#1\">\
             Source</a> </span></div>{body}"
        )
    }

    fn foreign_in(source: &str, body: &str) -> Vec<String> {
        foreign(&page(source, body)).into_iter().collect()
    }

    const TOKIO: &str =
        "<a class=\"struct\" href=\"../tokio\" title=\"struct tokio::time::Interval\">Interval</a>";

    #[test]
    fn a_foreign_type_is_seen_in_every_kind_of_signature() {
        for body in [
            format!("<pre class=\"rust item-decl\"><code>pub fn f(_: {TOKIO})</code></pre>"),
            format!("<h4 class=\"code-header\">pub fn f(_: {TOKIO})</h4>"),
            format!("<h3 class=\"code-header\">impl From&lt;{TOKIO}&gt; for X</h3>"),
        ] {
            assert_eq!(foreign_in("russet_core", &body), ["tokio::time::Interval"]);
        }
        let re_export =
            "<code>pub use <a class=\"mod\" href=\"../fred\" title=\"mod fred\">fred</a>;</code>";
        assert_eq!(foreign_in("russet_core", re_export), ["fred"]);
    }

    #[test]
    fn allowed_types_prose_and_blanket_implementations_are_not() {
        let body = format!(
            "<h4 class=\"code-header\">fn f(_: <a title=\"struct core::time::Duration\">D</a>, <a title=\"struct \
             russet_core::Key\">K</a>)</h4><div class=\"docblock\">unlike {TOKIO}</div>\
             <h2 id=\"blanket-implementations\"></h2><h3 class=\"code-header\">impl&lt;T&gt; {TOKIO} for T</h3>"
        );
        assert!(foreign_in("russet_core", &body).is_empty());
    }

    #[test]
    fn a_re_exported_type_is_judged_by_its_crate() {
        let body = format!("<h3 class=\"code-header\">impl From&lt;{TOKIO}&gt; for Bytes</h3>");
        assert!(foreign_in("bytes", &body).is_empty());
        assert_eq!(foreign_in("url", &body), ["url (re-exported)"]);
    }
}
