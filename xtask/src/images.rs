//! The server images, pulled or made.
//!
//! Where no registry answers, an image is made from Debian's own packages and tagged like the official one, so that
//! nothing else differs from a machine that can pull.

use std::{
    env, fs,
    io::Read,
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use russet_testkit::docker;

use crate::{Result, process};

/// Provides the images with these tags, or all that the project names.
pub(crate) fn run(tags: &[String]) -> Result {
    let recipes: Vec<&Recipe> = if tags.is_empty() {
        RECIPES.iter().collect()
    } else {
        tags.iter().map(|tag| recipe(tag)).collect::<Result<_>>()?
    };
    if !docker::answers() {
        return Err(
            "no Docker engine answers, so there is no place for an image; start Docker".into(),
        );
    }
    let mut registry_answers = true;
    for recipe in recipes {
        let tag = recipe.tag;
        if is_here(tag) {
            println!("{tag}: is here");
            continue;
        }
        // One that did not answer for the first image will not for the next: ask once.
        if registry_answers {
            match pull(tag) {
                Ok(()) => {
                    println!("{tag}: pulled");
                    continue;
                }
                Err(error) => println!("{tag}: cannot be pulled ({error})"),
            }
            registry_answers = false;
        }
        make(recipe)?;
    }
    Ok(())
}

/// Sees to it that an image is here, without making one.
pub(crate) fn ensure(tag: &str) -> Result {
    if is_here(tag) {
        return Ok(());
    }
    pull(tag).map_err(|error| {
        format!("{tag} is not here and cannot be pulled ({error}); `cargo xtask images` makes it")
            .into()
    })
}

fn is_here(tag: &str) -> bool {
    process::succeeds(Command::new("docker").args(["image", "inspect", tag]))
}

/// Pulls an image. A registry that has said nothing after [`SILENCE`] is not there; one that answers has its time.
fn pull(tag: &str) -> Result {
    let mut pulling = Command::new("docker")
        .args(["pull", tag])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (answered, answer) = mpsc::channel();
    let stdout = pulling.stdout.take();
    let reader = thread::spawn(move || {
        let mut stdout = stdout?;
        // Its first words come when the registry has answered; its end comes also when the pull has failed.
        let _ = stdout.read(&mut [0; 1]);
        let _ = answered.send(());
        std::io::copy(&mut stdout, &mut std::io::sink()).ok()
    });
    let limit = match answer.recv_timeout(SILENCE) {
        Ok(()) => PULL,
        Err(_) => Duration::ZERO,
    };
    let status = process::wait_within(&mut pulling, limit)?;
    let _ = reader.join();
    let mut said = String::new();
    if let Some(stderr) = pulling.stderr.as_mut() {
        stderr.read_to_string(&mut said)?;
    }
    match status {
        Some(status) if status.success() => Ok(()),
        Some(_) => Err(process::tail(&said).into()),
        None if limit.is_zero() => Err("no registry answers".into()),
        None => Err(format!("not done after {} minutes", PULL.as_secs() / 60).into()),
    }
}

/// What an image is made of.
struct Recipe {
    tag: &'static str,
    suite: &'static str,
    packages: &'static str,
    server: &'static str,
}

const RECIPES: &[Recipe] = &[
    Recipe {
        tag: "redis:7.0",
        suite: "bookworm",
        packages: "redis-server,redis-tools",
        server: "redis-server",
    },
    Recipe {
        tag: "redis:8.0",
        suite: "trixie",
        packages: "redis-server,redis-tools",
        server: "redis-server",
    },
    Recipe {
        tag: "valkey/valkey:8.1",
        suite: "trixie",
        packages: "valkey-server,valkey-tools",
        server: "valkey-server",
    },
];

fn recipe(tag: &str) -> Result<&'static Recipe> {
    RECIPES
        .iter()
        .find(|recipe| recipe.tag == tag)
        .ok_or_else(|| {
            let tags: Vec<_> = RECIPES.iter().map(|recipe| recipe.tag).collect();
            format!(
                "no image is called `{tag}` here; there are: {}",
                tags.join(", ")
            )
            .into()
        })
}

fn make(recipe: &Recipe) -> Result {
    let Recipe {
        tag,
        suite,
        packages,
        server,
    } = recipe;
    let mirror = mirror()?;
    let debootstrap = debootstrap()?;
    println!("{tag}: making it from Debian {suite}");
    let root = Root::new()?;
    let made = process::read(
        as_root(debootstrap)?
            .arg("--variant=minbase")
            .arg(format!("--include={packages}"))
            .arg(suite)
            .arg(&root.0)
            .arg(mirror),
    );
    made.map_err(|error| format!("cannot make {tag}: {error}"))?;

    let mut packing = as_root("tar")?
        .arg("-C")
        .arg(&root.0)
        .args(
            [
                "var/cache",
                "var/lib/apt/lists",
                "usr/share/doc",
                "usr/share/locale",
            ]
            .map(|path| format!("--exclude=./{path}")),
        )
        .args(["-c", "."])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let archive = packing.stdout.take().map_or_else(Stdio::null, Stdio::from);
    let imported = Command::new("docker")
        .args([
            "import",
            "--change",
            "EXPOSE 6379",
            "--change",
            "WORKDIR /data",
            "--change",
        ])
        .arg(format!(
            "CMD [\"{server}\",\"--bind\",\"0.0.0.0\",\"--protected-mode\",\"no\"]"
        ))
        .args(["-", tag])
        .stdin(archive)
        .stdout(Stdio::null())
        .status()?;
    if !packing.wait()?.success() || !imported.success() {
        let _ = process::succeeds(Command::new("docker").args(["image", "rm", tag]));
        return Err(
            format!("cannot pack {tag}: `tar` or `docker import` failed, as said above").into(),
        );
    }
    let version =
        process::read(Command::new("docker").args(["run", "--rm", tag, server, "--version"]))?;
    println!("{tag}: made; {}", version.trim());
    Ok(())
}

/// The package mirror that this machine is set up with.
fn mirror() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !release.lines().any(|line| line == "ID=debian") {
        return Err("images are made from Debian's packages, and only a Debian system knows a mirror of them; \
             pull the images, or load them with `docker load`"
            .into());
    }
    let targets =
        process::read(Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)"]))?;
    let mut mirrors = targets.lines().filter(|uri| !uri.contains("security"));
    let mirror = mirrors
        .next()
        .ok_or("no package mirror is configured; see /etc/apt/sources.list")?;
    Ok(mirror.to_owned())
}

fn debootstrap() -> Result<&'static str> {
    const NAME: &str = "debootstrap";
    if !process::succeeds(Command::new(NAME).arg("--version")) {
        println!("installing {NAME}");
        process::read(as_root("apt-get")?.args(["update", "-qq"]))?;
        process::read(as_root("apt-get")?.args(["install", "-y", "-qq", NAME]))?;
    }
    Ok(NAME)
}

/// A command that runs as root: by itself if we are, else through sudo.
fn as_root(program: &str) -> Result<Command> {
    if process::read(Command::new("id").arg("-u"))?.trim() == "0" {
        return Ok(Command::new(program));
    }
    if !process::succeeds(Command::new("sudo").arg("--version")) {
        return Err(format!(
            "`{program}` needs root and there is no sudo; as root, run `cargo xtask images`"
        )
        .into());
    }
    let mut command = Command::new("sudo");
    command.arg(program);
    Ok(command)
}

/// The folder that debootstrap fills, as root; removed at the end.
struct Root(PathBuf);

impl Root {
    fn new() -> Result<Root> {
        let path = env::temp_dir().join(format!("russet-image-{}", std::process::id()));
        fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Root(path))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let removed = as_root("rm").and_then(|mut rm| process::run(rm.arg("-rf").arg(&self.0)));
        if let Err(error) = removed {
            eprintln!("{error}; remove {} by hand", self.0.display());
        }
    }
}

const SILENCE: Duration = Duration::from_secs(20);
const PULL: Duration = Duration::from_mins(10);

#[cfg(test)]
mod tests {
    use super::{RECIPES, recipe};

    #[test]
    fn an_unknown_image_is_told_with_those_that_there_are() {
        let error = recipe("redis:6").err().unwrap().to_string();
        for known in RECIPES {
            assert!(error.contains(known.tag), "{error}");
            assert_eq!(recipe(known.tag).unwrap().suite, known.suite);
        }
    }
}
