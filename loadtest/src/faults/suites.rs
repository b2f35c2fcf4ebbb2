//! The suites that ship with the traits, and the fault tests beside them, through cargo: on the cluster and the server that run here.
//!
//! The fault tests of the log start clusters of their own, with the same program.

use super::Case;
use crate::mesh::fluvio::PROGRAM;
use crate::mesh::{Mesh, process};
use std::process::Command;

/// Package, test, and what is tried.
const SUITES: [(&str, &[&str], &str); 4] = [
    ("pistats-eventlog", &["--test", "fluvio"], "EventLog on Fluvio: contract and faults"),
    ("pistats-eventlog", &["--lib", "copies"], "EventLog on Fluvio: copies that come late"),
    ("pistats-store", &["--test", "timescale"], "Store on TimescaleDB: contract"),
    ("pistats-store", &["--test", "postgres"], "Store on plain PostgreSQL: contract (a private server)"),
];

pub(super) async fn run(mesh: &Mesh) -> Case {
    let (address, url) = (mesh.fluvio.address(), mesh.postgres.administration());
    let program = std::env::var_os(PROGRAM).unwrap_or_default();
    let mut lines = Vec::new();
    for (package, test, what) in SUITES {
        let (address, url, program) = (address.clone(), url.clone(), program.clone());
        let run = move || {
            let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo.args(["test", "--release", "-p", package]).args(test);
            cargo.env("PISTATS_TEST_FLUVIO", address).env("PISTATS_TEST_TIMESCALE", url).env(PROGRAM, program);
            cargo.env("PISTATS_TEST_REQUIRE", "fluvio,timescale,postgres");
            process::run(cargo)
        };
        let said = tokio::task::spawn_blocking(run).await.map_err(|error| error.to_string())??;
        let results: Vec<&str> = said.lines().filter(|line| line.starts_with("test result:")).collect();
        if results.is_empty() {
            return Err(format!("{what}: no result"));
        }
        lines.push(format!("{what}: {}", results.join(" / ")));
    }
    Ok(lines)
}
