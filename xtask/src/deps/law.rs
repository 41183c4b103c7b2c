//! The law as data, and its violations as a pure function of the manifests.

use crate::cargo::{Dependency, Kind, Package};

/// A row of the law: this crate may name those members in its product.
struct Arrows {
    from: &'static [&'static str],
    to: &'static [&'static [&'static str]],
    /// The law in words, for whoever breaks it.
    why: &'static str,
}

const LAW: &[Arrows] = &[
    Arrows {
        from: GROUND,
        to: &[],
        why: "codec and core stand on nothing of ours, nor on each other",
    },
    Arrows {
        from: &["russet-macros", "russet-testkit"],
        to: &[],
        why: "macros and testkit depend on no other crate here",
    },
    Arrows {
        from: &["russet-cache"],
        to: &[GROUND, &["russet-macros"]],
        why: CONCERN_WHY,
    },
    Arrows {
        from: CONCERNS,
        to: &[GROUND],
        why: CONCERN_WHY,
    },
    Arrows {
        from: &["russet-cli"],
        to: &[GROUND, CONCERNS, &["russet-testkit"]],
        why: TOP_WHY,
    },
    Arrows {
        from: &["russet", "russet-console"],
        to: &[GROUND, CONCERNS],
        why: TOP_WHY,
    },
    Arrows {
        from: &["xtask"],
        to: &[&["russet-testkit"]],
        why: "xtask is compiled before anything else; it runs the other crates, it does not use them",
    },
];

const GROUND: &[&str] = &["russet-codec", "russet-core"];

const CONCERNS: &[&str] = &[
    "russet-cache",
    "russet-collections",
    "russet-health",
    "russet-keyspace",
    "russet-locks",
    "russet-pubsub",
    "russet-queue",
    "russet-ratelimit",
    "russet-session",
    "russet-streams",
    "russet-usage",
];

/// Crates that just some may name, in any kind of dependency, and why.
const GUARDED: &[(&str, &[&str], &str)] = &[(
    "fred",
    &["russet-core"],
    "only core names fred, so that another client can replace it in one folder",
)];

const CONCERN_WHY: &str = "a concern crate depends on codec and core, never on another concern crate; what three of them need moves to core";
const TOP_WHY: &str =
    "the crates on top depend on the concern crates and what is below, not on each other";

/// The members that a package may name. Examples and benches are leaves: nothing names them, and they name anything.
pub(super) fn allowed(package: &Package) -> Vec<&'static str> {
    row(package).map_or_else(Vec::new, |row| row.to.concat())
}

/// Every arrow that breaks the law, by name.
pub(super) fn violations(packages: &[Package]) -> Vec<String> {
    let mut violations = Vec::new();
    for package in packages {
        for dependency in &package.dependencies {
            if let Err(why) = judge(package, dependency) {
                violations.push(format!("{} → {}: {why}", package.name, dependency.name));
            }
        }
        if !is_leaf(package) && row(package).is_none() {
            violations.push(format!(
                "{}: the law does not know this crate; add it to xtask/src/deps/law.rs",
                package.name
            ));
        }
    }
    violations
}

fn judge(package: &Package, dependency: &Dependency) -> Result<(), &'static str> {
    let name = dependency.name.as_str();
    if let Some((_, who, why)) = GUARDED.iter().find(|(guarded, ..)| *guarded == name)
        && !who.contains(&package.name.as_str())
    {
        return Err(why);
    }
    // These are the frameworks that a public signature may name, and only where their feature is asked for.
    if matches!(name, "axum-core" | "tower-sessions-core")
        && dependency.kind == Kind::Normal
        && !dependency.optional
        && !is_leaf(package)
    {
        return Err(
            "axum-core and tower-sessions-core are optional dependencies, of features called `axum` and `tower-sessions`",
        );
    }
    if !dependency.is_local {
        return Ok(());
    }
    if dependency.kind == Kind::Dev {
        // A version would ask for a published crate before this one can be published: a circle, unless the product
        // names that crate too.
        let is_in_product = |d: &Dependency| d.kind != Kind::Dev && d.name == name;
        if dependency.version == "*" || package.dependencies.iter().any(is_in_product) {
            return Ok(());
        }
        return Err("a dev-dependency on a member carries no version: give it by `path` alone");
    }
    match row(package) {
        Some(row) if !row.to.iter().any(|names| names.contains(&name)) => Err(row.why),
        _ => Ok(()),
    }
}

fn row(package: &Package) -> Option<&'static Arrows> {
    LAW.iter()
        .find(|row| row.from.contains(&package.name.as_str()))
}

fn is_leaf(package: &Package) -> bool {
    package.dir.starts_with("examples") || package.dir.starts_with("benches")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::violations;
    use crate::cargo::Workspace;

    fn dependency(name: &str, kind: Option<&str>) -> Value {
        let path = name.starts_with("russet").then_some("/w/x");
        json!({ "name": name, "kind": kind, "req": "*", "optional": false, "path": path })
    }

    fn judged(package: &str, folder: &str, dependencies: &[Value]) -> Vec<String> {
        let metadata = json!({
            "workspace_root": "/w",
            "target_directory": "/w/target",
            "packages": [{
                "name": package,
                "manifest_path": format!("/w/{folder}/Cargo.toml"),
                "targets": [],
                "dependencies": dependencies,
            }],
        });
        violations(&Workspace::parse(&metadata).unwrap().packages)
    }

    #[test]
    fn a_forbidden_edge_is_named() {
        for (from, to) in [
            ("russet-codec", "russet-core"),
            ("russet-core", "russet-codec"),
            ("russet-cache", "russet-queue"),
            ("russet-session", "russet-cache"),
            ("russet-cache", "russet"),
            ("russet-queue", "russet-macros"),
            ("russet-cache", "russet-testkit"),
            ("russet-testkit", "russet-core"),
            ("russet-macros", "russet-codec"),
            ("russet", "russet-console"),
            ("xtask", "russet-core"),
        ] {
            for kind in [None, Some("build")] {
                let violations = judged(from, "crates/x", &[dependency(to, kind)]);
                assert_eq!(violations.len(), 1, "{from} → {to}: {violations:?}");
                assert!(
                    violations[0].starts_with(&format!("{from} → {to}: ")),
                    "{violations:?}"
                );
            }
        }
    }

    #[test]
    fn an_allowed_edge_is_not() {
        for (from, to) in [
            ("russet-cache", "russet-macros"),
            ("russet-queue", "russet-core"),
            ("russet", "russet-queue"),
            ("russet-cli", "russet-testkit"),
            ("xtask", "russet-testkit"),
        ] {
            let violations = judged(from, "crates/x", &[dependency(to, None)]);
            assert!(violations.is_empty(), "{violations:?}");
        }
        let leaf = judged(
            "russet-tour",
            "examples/tour",
            &[dependency("russet-testkit", None)],
        );
        assert!(leaf.is_empty(), "{leaf:?}");
    }

    #[test]
    fn tests_may_use_any_member_but_not_by_version() {
        let mut cache = dependency("russet-cache", Some("dev"));
        assert!(judged("russet-queue", "crates/queue", &[cache.clone()]).is_empty());
        cache["req"] = "^0.1.0".into();
        let violations = judged("russet-queue", "crates/queue", &[cache]);
        assert!(
            violations[0].contains("carries no version"),
            "{violations:?}"
        );

        let mut core = dependency("russet-core", Some("dev"));
        core["req"] = "^0.1.0".into();
        let both = [dependency("russet-core", None), core];
        assert!(judged("russet-queue", "crates/queue", &both).is_empty());
    }

    #[test]
    fn fred_is_for_core_alone_even_in_tests() {
        assert!(judged("russet-core", "crates/core", &[dependency("fred", None)]).is_empty());
        for kind in [None, Some("dev")] {
            let violations = judged("russet-tour", "examples/tour", &[dependency("fred", kind)]);
            assert!(
                violations[0].starts_with("russet-tour → fred: only core"),
                "{violations:?}"
            );
        }
    }

    #[test]
    fn axum_is_never_forced_on_a_user() {
        let mut axum = dependency("axum-core", None);
        let violations = judged("russet-health", "crates/health", &[axum.clone()]);
        assert!(violations[0].contains("optional"), "{violations:?}");
        axum["optional"] = true.into();
        assert!(judged("russet-health", "crates/health", &[axum]).is_empty());
    }

    #[test]
    fn an_unknown_crate_must_be_added_to_the_law() {
        let violations = judged("russet-new", "crates/new", &[]);
        assert!(
            violations[0].starts_with("russet-new: the law does not know"),
            "{violations:?}"
        );
    }
}
