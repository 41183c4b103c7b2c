//! The server that somebody gave us.

use crate::{
    compose::variable,
    find::{Found, Miss, answering, place},
};

pub(super) fn find() -> Result<Found, Miss> {
    let Some(url) = variable(VARIABLE) else {
        return Err(Miss::Absent(format!("{VARIABLE} is not set")));
    };
    let place = place(&url);
    // Our small client speaks no TLS; the tests' own does.
    let version = if url.starts_with("rediss://") {
        "over TLS".to_owned()
    } else {
        answering(&url).map_err(|error| {
            Miss::Broken(format!(
                "{VARIABLE} names {place}, which gives no answer: {error}; start it, or unset the variable"
            ))
        })?
    };
    Ok(Found {
        line: format!("url ({version} on {place}, which {VARIABLE} names)"),
        url,
        binary: None,
        _watch: None,
    })
}

const VARIABLE: &str = "RUSSET_TEST_REDIS_URL";
