//! What a package needs, out of what `apt-cache depends --recurse` prints.

use std::collections::{BTreeMap, BTreeSet};

/// The packages to download for `package`: itself and what it needs, stopping at what is installed. Empty when
/// `relations` do not know it.
///
/// Of alternatives, an installed one will do, else the first is taken. Names of things that no package is (`<awk>`) are
/// left out: what provides them is either installed or not needed to run a server.
pub(super) fn of(package: &str, relations: &str, installed: &BTreeSet<String>) -> Vec<String> {
    let needs = parse(relations);
    let mut closure: Vec<String> = Vec::new();
    let mut ahead = vec![package];
    while let Some(name) = ahead.pop() {
        let Some(groups) = needs.get(name) else {
            continue;
        };
        if closure.iter().any(|known| known == name) {
            continue;
        }
        closure.push(name.to_owned());
        let missing = groups
            .iter()
            .filter(|group| !group.iter().any(|name| installed.contains(*name)));
        ahead.extend(missing.filter_map(|group| group.first()));
    }
    closure
}

/// Per package, the groups of alternatives of which it needs one each.
fn parse(relations: &str) -> BTreeMap<&str, Vec<Vec<&str>>> {
    let mut needs: BTreeMap<&str, Vec<Vec<&str>>> = BTreeMap::new();
    let mut package = "";
    // `|Depends` says that the next line is an alternative to this one.
    let mut in_group = false;
    for line in relations.lines() {
        let relation = line.trim_start();
        if relation.len() == line.len() {
            package = line;
            needs.entry(package).or_default();
            continue;
        }
        let or = relation.starts_with('|');
        let Some((kind, name)) = relation.trim_start_matches('|').split_once(": ") else {
            // Deeper in: who provides the name above, which may be one that no package has.
            if let Some(group) = needs.entry(package).or_default().last_mut() {
                group.push(relation);
            }
            continue;
        };
        if !matches!(kind, "Depends" | "PreDepends") {
            continue;
        }
        let groups = needs.entry(package).or_default();
        if !in_group {
            groups.push(Vec::new());
        }
        if let Some(group) = groups.last_mut()
            && !name.starts_with('<')
        {
            group.push(name);
        }
        in_group = or;
    }
    needs
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::of;

    const RELATIONS: &str = "\
redis-server
 |Depends: lsb-base
  Depends: sysvinit-utils
  Depends: redis-tools
redis-tools
  Depends: libc6
  Depends: libjemalloc2
  Depends: <awk>
    gawk
    mawk
libc6
  Depends: libgcc-s1
libjemalloc2
  Depends: libc6
lsb-base
sysvinit-utils
gawk
mawk
libgcc-s1
";

    fn closure(installed: &[&str]) -> Vec<String> {
        let installed: BTreeSet<String> = installed.iter().map(|&name| name.to_owned()).collect();
        let mut closure = of("redis-server", RELATIONS, &installed);
        closure.sort_unstable();
        closure
    }

    #[test]
    fn what_is_installed_is_not_downloaded_nor_what_only_that_needs() {
        assert_eq!(
            closure(&["libc6", "sysvinit-utils", "mawk"]),
            ["libjemalloc2", "redis-server", "redis-tools"]
        );
    }

    #[test]
    fn of_alternatives_the_first_is_taken() {
        assert_eq!(
            closure(&[]),
            [
                "gawk",
                "libc6",
                "libgcc-s1",
                "libjemalloc2",
                "lsb-base",
                "redis-server",
                "redis-tools"
            ]
        );
    }

    #[test]
    fn an_unknown_package_has_no_closure() {
        assert!(of("valkey-server", RELATIONS, &BTreeSet::new()).is_empty());
        assert!(of("redis-server", "", &BTreeSet::new()).is_empty());
    }
}
