//! A server from a binary on this machine.

use russet_testkit::binary;

use crate::{
    find::{Found, Miss, answering, place},
    hold::{self, Binary},
};

pub(super) fn find() -> Result<Found, Miss> {
    let Some(binary) = binary::find() else {
        return Err(Miss::Absent(
            "neither redis-server nor valkey-server is on PATH, and RUSSET_REDIS_SERVER names none"
                .to_owned(),
        ));
    };
    let binary = Binary {
        path: binary.path,
        libraries: binary.libraries,
    };
    start("local", &binary)
}

/// Starts a server from `binary`, found by the way called `way`.
pub(super) fn start(way: &str, binary: &Binary) -> Result<Found, Miss> {
    let (url, watch) = hold::start(binary)?;
    let version = answering(&url)?;
    Ok(Found {
        line: format!(
            "{way} ({version} from {} on {})",
            binary.path.display(),
            place(&url)
        ),
        url,
        binary: None,
        _watch: Some(watch),
    })
}
