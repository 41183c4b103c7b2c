//! Why a value was refused, without the value.

use std::fmt;

/// What a format said of bytes that it could not read, less what it quoted of them: values are not for logs.
#[derive(Debug)]
pub(crate) struct Refusal {
    said: String,
    /// Line and column, where the format has them.
    at: Option<(usize, usize)>,
}

impl Refusal {
    pub(crate) fn json(error: &serde_json::Error) -> Self {
        Refusal {
            said: without_quotes(&error.to_string()),
            at: Some((error.line(), error.column())),
        }
    }

    pub(crate) fn message_pack(error: &rmp_serde::decode::Error) -> Self {
        use rmp_serde::decode::Error;
        let said = match error {
            Error::Syntax(said) | Error::Uncategorized(said) => without_quotes(said),
            // These name markers, lengths and I/O errors.
            error => error.to_string(),
        };
        Refusal { said, at: None }
    }
}

/// The part of serde's message that the type says, and not the value.
fn without_quotes(said: &str) -> String {
    const NAMES_FIELDS: [&str; 3] = ["missing field `", "duplicate field `", "invalid length "];
    const QUOTES: [&str; 4] = [
        "invalid type: ",
        "invalid value: ",
        "unknown variant `",
        "unknown field `",
    ];
    // JSON appends its place, which is kept apart.
    let said = said.rsplit_once(" at line ").map_or(said, |(said, _)| said);
    if NAMES_FIELDS.iter().any(|start| said.starts_with(start)) {
        return said.to_owned();
    }
    let quoted = QUOTES.iter().find(|start| said.starts_with(**start));
    match (quoted, said.rsplit_once(", expected ")) {
        (Some(start), Some((_, expected))) => {
            format!(
                "{}, expected {expected}",
                start.trim_end_matches([' ', '`', ':'])
            )
        }
        _ => "the bytes are not what the type expects".to_owned(),
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)?;
        match self.at {
            Some((line, column)) => write!(f, " at line {line} column {column}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}
