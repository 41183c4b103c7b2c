//! The binary that a server is started from.

use std::{env, fs, os::unix::fs::PermissionsExt};

use russet_testkit::{binary, unique_name};

use crate::helper;

#[test]
fn a_named_binary_runs_with_its_libraries() {
    if !helper::local() {
        return;
    }
    let folder = env::temp_dir().join(unique_name("binary"));
    fs::create_dir(&folder).unwrap();
    let (script, proof) = (folder.join("server"), folder.join("proof"));
    let real = binary::find().unwrap();
    // If it has some, it cannot run without them.
    let libraries = real.libraries.unwrap_or_else(|| "/some/where:/else".into());
    let text = format!(
        "#!/bin/sh\nprintf %s \"$LD_LIBRARY_PATH\" >'{}'\nexec '{}' \"$@\"\n",
        proof.display(),
        real.path.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();

    let output = helper::command("version")
        .env("RUSSET_REDIS_SERVER", &script)
        .env("RUSSET_REDIS_LIBRARIES", &libraries)
        .output()
        .unwrap();
    let proof = fs::read_to_string(proof);
    fs::remove_dir_all(&folder).unwrap();
    assert!(output.status.success());
    assert_eq!(proof.unwrap(), libraries.to_str().unwrap());
}
