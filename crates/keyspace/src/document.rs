//! The table of keys that people read.

use std::fmt::Write as _;

use crate::described::{Described, Ttl};

/// One row for each pattern, in the order of the patterns' text.
pub(crate) fn table(all: &[Described]) -> String {
    let mut rows: Vec<&Described> = all.iter().collect();
    rows.sort_by(|a, b| a.pattern.cmp(&b.pattern));
    let mut text =
        "| pattern | type | value | TTL | concern | owner | holds |\n|---|---|---|---|---|---|---|\n"
            .to_owned();
    for row in rows {
        let value = match row.value.as_str() {
            "" => String::new(),
            value => format!("`{}`", cell(value)),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {value} | {} | {} | {} | {} |",
            row.pattern,
            row.kind.name(),
            row.ttl,
            cell(&row.concern),
            cell(&row.owner),
            cell(&meaning(row)),
        );
    }
    text
}

fn meaning(row: &Described) -> String {
    let mut meaning = row.meaning.trim_end_matches('.').to_owned();
    let typed = row.parts.iter();
    let typed: Vec<String> = typed
        .map(|part| format!("`{}`: `{}`", part.name, part.type_name))
        .collect();
    if !typed.is_empty() {
        let _ = write!(meaning, " ({})", typed.join(", "));
    }
    if let Some(version) = row.version() {
        let _ = write!(meaning, "; version {version}");
    }
    if let Some((since, instead)) = &row.deprecated {
        let _ = write!(meaning, "; **deprecated** since {since}: use `{instead}`");
    }
    meaning
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

impl std::fmt::Display for Ttl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ttl::Configured => f.write_str("as configured, always set"),
            Ttl::Tier {
                name,
                shortest,
                default,
                longest,
            } => {
                let [shortest, default, longest] =
                    [shortest, default, longest].map(|&ttl| humantime::format_duration(ttl));
                write!(f, "{name}: {default} ({shortest} to {longest})")
            }
            Ttl::Exactly(ttl) => write!(f, "{}", humantime::format_duration(*ttl)),
            Ttl::Persistent => f.write_str("none, on purpose"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::time::Duration;

    use russet_core::{Deprecated, KeySpec, KeyTtl, KeyType, PartShape, PartSpec, Prefix, Tier};

    use crate::Catalogue;

    #[test]
    fn a_table_says_all() {
        const WARM: Tier = Tier::new(
            "warm",
            Duration::from_secs(60),
            Duration::from_secs(90),
            Duration::from_secs(300),
        );
        const PARTS: &[PartSpec] = &[PartSpec::new("week", "u32", PartShape::Integer)];
        let spec = KeySpec::new(
            "app",
            "{prefix}",
            "board:v2:{week}",
            KeyType::SortedSet,
            KeyTtl::Tier(WARM),
            "Who is ahead.",
        )
        .value("Option<u64> | None")
        .owner("games")
        .parts(PARTS)
        .deprecated(Deprecated::new("2026-11", "board:v3:{week}"));
        let table = Catalogue::new()
            .with(&Prefix::new("shop").unwrap(), &[spec])
            .unwrap()
            .markdown();
        let row = "| `shop:board:v2:{week}` | zset | `Option<u64> \\| None` | warm: 1m 30s (1m to 5m) | app | games | Who is \
                   ahead (`week`: `u32`); version v2; **deprecated** since 2026-11: use `board:v3:{week}` |";
        assert_eq!(table.lines().nth(2), Some(row));
    }
}
