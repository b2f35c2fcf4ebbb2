//! The suites that ship with the traits, and the fault tests beside them, through cargo: on the cluster and the server that run here.
//!
//! The fault tests of the log start clusters of their own, with the same program.

use super::Case;
use crate::mesh::Mesh;
use crate::mesh::fluvio::PROGRAM;
use std::process::{Command, Stdio};

/// What cargo is told to run of the whole workspace (so that it compiles with the features that `make test` has), and what is tried.
const SUITES: [(&[&str], &str); 5] = [
    (&["--test", "fluvio"], "EventLog on Fluvio: contract and faults"),
    (&["--lib", "fluvio::"], "EventLog on Fluvio: copies that come late, and the guards"),
    (&["--test", "timescale"], "Store on TimescaleDB: contract"),
    (&["--test", "postgres"], "Store on plain PostgreSQL: contract (a private server)"),
    (&["--test", "reports_on_postgres"], "Reports on TimescaleDB, and how many raw rows their plans read"),
];

pub(super) async fn run(mesh: &mut Mesh) -> Case {
    let (address, url) = (mesh.fluvio()?.address(), mesh.postgres.administration());
    let program = std::env::var_os(PROGRAM).unwrap_or_default();
    let mut lines = Vec::new();
    for (test, what) in SUITES {
        let (address, url, program) = (address.clone(), url.clone(), program.clone());
        let run = move || {
            let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo.args(["test", "--release", "--workspace", "--no-fail-fast"]).args(test);
            cargo.env("PISTATS_TEST_FLUVIO", address).env("PISTATS_TEST_TIMESCALE", url).env(PROGRAM, program);
            cargo.env("PISTATS_TEST_REQUIRE", "fluvio,timescale,postgres");
            cargo.stdin(Stdio::null()).output()
        };
        let done = tokio::task::spawn_blocking(run).await.map_err(|error| error.to_string())?;
        let done = done.map_err(|error| format!("{what}: cargo: {error}"))?;
        let said = String::from_utf8_lossy(&done.stdout);
        if !done.status.success() {
            // Names alone: what cargo says besides holds paths of the machine, and the result is committed.
            let failed: Vec<&str> = said.lines().filter(|line| line.ends_with("... FAILED")).collect();
            return Err(format!("{what}: {} {}", done.status, failed.join(", ")));
        }
        // Crates that have no such test say so, too.
        let ran = |line: &&str| line.starts_with("test result:") && !line.contains(" 0 passed; 0 failed");
        let results: Vec<&str> = said.lines().filter(ran).collect();
        if results.is_empty() {
            return Err(format!("{what}: no result"));
        }
        lines.push(format!("{what}: {}", results.join(" / ")));
    }
    Ok(lines)
}
