//! `test` and `proof`: the tests on a real server, each in a process of its own.
//!
//! A process of its own, so that a test that hangs can be killed and named, one that aborts takes no other with it, and
//! one that cannot run here can say so and end.

mod build;
mod doc;
mod report;
mod runner;

use std::{path::PathBuf, process::ExitCode, thread, time::Duration};

use russet_testkit::docker;

use crate::{
    Result,
    cargo::{Package, Workspace},
    compose::variable,
    find::{self, Found, Way},
    test::{report::Report, runner::Runner},
};

/// Which tests run, and where.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this crate, as `core` or `russet-core`; may be given several times
    #[arg(short, long = "package", value_name = "CRATE")]
    packages: Vec<String>,
    /// Where the server comes from
    #[arg(long, value_enum, default_value_t)]
    server: Way,
    /// Only tests whose name contains this; documentation examples have no name and are left out
    filter: Option<String>,
}

pub(crate) struct Options {
    packages: Vec<String>,
    server: Way,
    filter: Option<String>,
    /// Full size, optimised.
    is_proof: bool,
    /// The access rules that the tests are under.
    rights: Option<Rights>,
}

/// Access rules, and who the tests are.
pub(crate) struct Rights {
    pub(crate) file: PathBuf,
    /// `name:password`.
    pub(crate) user: String,
}

impl From<Args> for Options {
    fn from(args: Args) -> Options {
        Options {
            packages: args.packages,
            server: args.server,
            filter: args.filter,
            is_proof: false,
            rights: None,
        }
    }
}

impl Options {
    pub(crate) fn proof(package: Option<String>, server: Way) -> Options {
        Options {
            packages: package.into_iter().collect(),
            server,
            filter: None,
            is_proof: true,
            rights: None,
        }
    }

    /// A crate's tests as a user of its own.
    pub(crate) fn under(package: &str, rights: Rights) -> Options {
        Options {
            packages: vec![package.to_owned()],
            server: Way::default(),
            filter: None,
            is_proof: false,
            rights: Some(rights),
        }
    }
}

/// What both cargo's builds and the tests themselves need to know.
struct Plan<'a> {
    found: Found,
    packages: Vec<&'a Package>,
    /// Whether those are all of them.
    is_whole: bool,
    with_containers: bool,
    is_proof: bool,
    rights: Option<&'a Rights>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let packages = options.packages.iter().map(|name| workspace.package(name));
    let mut packages = packages.collect::<Result<Vec<_>>>()?;
    let is_whole = packages.is_empty();
    if is_whole {
        packages = workspace.packages.iter().collect();
    }
    let found = find::find(workspace, options.server)?;
    let plan = Plan {
        with_containers: own_servers_are_containers(&found),
        found,
        packages,
        is_whole,
        is_proof: options.is_proof,
        rights: options.rights.as_ref(),
    };
    let binaries = build::test_binaries(&plan)?;
    let runner = Runner {
        threads: thread::available_parallelism().map_or(4, |cores| 2 * cores.get()),
        limit: Duration::from_secs(if plan.is_proof { 300 } else { 120 }),
        outputs: workspace.target.join("xtask-outputs"),
        environment: &|command| plan.environment(command),
    };
    let tests = runner.list(&binaries, options.filter.as_deref())?;
    let mut report = Report::default();
    runner.run(&tests, |test, outcome| report.add(test, outcome))?;
    if options.filter.is_none() {
        report.add_doc_tests(doc::run(&plan)?);
    }
    if report.is_empty() {
        return Err(match &options.filter {
            Some(filter) => format!("no test has `{filter}` in its name").into(),
            None => "no tests here".into(),
        });
    }
    report.print();
    Ok(if report.has_passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Tests that need a server of their own prefer a local binary, then a container. Containers cost a build with many
/// more dependencies, so it is done only where it is needed.
fn own_servers_are_containers(found: &Found) -> bool {
    let wanted = variable("RUSSET_TEST_IMAGE").is_some() || !found.has_binary();
    wanted && docker::answers()
}

impl Plan<'_> {
    /// What `cargo test` is told in each of its uses.
    fn selection(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if self.is_whole {
            arguments.push("--workspace".to_owned());
        } else {
            for package in &self.packages {
                arguments.extend(["--package".to_owned(), package.name.clone()]);
            }
        }
        if self.is_proof {
            arguments.push("--release".to_owned());
        }
        let features = self.features();
        if !features.is_empty() {
            arguments.extend(["--features".to_owned(), features.join(",")]);
        }
        arguments
    }

    /// Every feature of the chosen crates, so that what is behind one is tested; but containers only where they serve.
    fn features(&self) -> Vec<String> {
        let mut features: Vec<String> = self
            .packages
            .iter()
            .flat_map(|package| {
                package
                    .features
                    .iter()
                    .map(move |feature| (package, feature))
            })
            .filter(|(_, feature)| *feature != "containers")
            .map(|(package, feature)| format!("{}/{feature}", package.name))
            .collect();
        // Cargo refuses a feature that none of the chosen crates can have.
        if self.with_containers && self.packages.iter().any(|package| has_testkit(package)) {
            features.push("russet-testkit/containers".to_owned());
        }
        features
    }

    fn environment(&self, command: &mut std::process::Command) {
        self.found.export(command);
        if self.is_proof {
            command.env("RUSSET_PROOF", "1");
        }
        if let Some(rights) = self.rights {
            command
                .env("RUSSET_TEST_ACL", &rights.file)
                .env("RUSSET_TEST_USER", &rights.user);
        }
    }
}

fn has_testkit(package: &Package) -> bool {
    let is_testkit = |name: &str| name == "russet-testkit";
    is_testkit(&package.name) || package.dependencies.iter().any(|d| is_testkit(&d.name))
}
