//! Names that a programmer writes: checked once, when a handle is built.

use crate::error::{BuildError, BuildErrorKind};

/// The longest name, in bytes.
pub const MAX_NAME_LEN: usize = 256;

/// Whether a key part may not hold this character: it would end the part, open a hash tag or a glob.
pub(crate) fn is_reserved(c: char) -> bool {
    matches!(c, ':' | '{' | '}' | '*' | '?' | '[' | ']' | '\\')
        || c.is_whitespace()
        || c.is_control()
}

/// Checks a name; `what` says in the error which one it was.
pub(crate) fn check(what: &str, name: &str) -> Result<(), BuildError> {
    let wrong = |message: String| Err(BuildError::new(BuildErrorKind::Name, message));
    if name.is_empty() {
        return wrong(format!("the {what} is empty; give it at least one letter"));
    }
    if name.len() > MAX_NAME_LEN {
        let len = name.len();
        return wrong(format!(
            "the {what} has {len} bytes; a name has at most {MAX_NAME_LEN}"
        ));
    }
    if let Some(c) = name.chars().find(|&c| is_reserved(c)) {
        let instead: String = name
            .chars()
            .map(|c| if is_reserved(c) { '-' } else { c })
            .collect();
        return wrong(format!(
            "the {what} {name:?} holds {c:?}, which separates or selects keys; write {instead:?} instead \
             (a value that comes at run time goes in as a key part, which escapes it)"
        ));
    }
    Ok(())
}

/// Checks names with `:` between them.
pub(crate) fn check_all(what: &str, names: &str) -> Result<(), BuildError> {
    let part = format!("{what} {names:?}: its part");
    names.split(':').try_for_each(|name| check(&part, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["shop", "api-v2", "naïve", "a%b", &"x".repeat(MAX_NAME_LEN)] {
            assert!(check("product", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a:b",
            "a*",
            "{a}",
            "a b",
            "a\tb",
            "a\0",
            "a?",
            "[a",
            "a\\",
            &"x".repeat(257),
        ] {
            let error = check("product", bad).unwrap_err();
            assert_eq!(error.kind(), BuildErrorKind::Name);
            assert!(error.to_string().contains("product"), "{error}");
        }
    }

    #[test]
    fn the_error_says_what_to_write() {
        let error = check("cache name", "users:*").unwrap_err().to_string();
        assert!(error.contains(r#"write "users--" instead"#), "{error}");
    }
}
