//! Which crate may depend on which, checked against what cargo says.
//!
//! ```text
//!   core ◀── proto ◀── rpc          services ──▶ core, proto, rpc and the traits they need; never one another
//!   core ◀── eventlog               pistats  ──▶ everything: the only place that names backends and roles
//!   core ◀── store, push            loadtest ──▶ proto, core: a black box
//!   telemetry ◀── rpc, services     testkit  ──▶ a dev-dependency, nothing more
//! ```
//!
//! A new edge is added to `ALLOWED` on purpose, with a reason in the review; a new crate has no edges until it is
//! listed. Why the arrows run this way: ARCHITECTURE.md and docs/adr/0001-house.md.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::tree;

const PREFIX: &str = "pistats";

/// The edges that may exist in what ships: crate → what it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("telemetry", &[]),
    ("proto", &["core"]),
    ("rpc", &["core", "proto", "telemetry"]),
    ("eventlog", &["core"]),
    ("store", &["core"]),
    ("push", &["core"]),
    ("ingest", &["core", "proto", "rpc", "telemetry", "eventlog"]),
    ("aggregate", &["core", "proto", "rpc", "telemetry", "eventlog", "store"]),
    ("query", &["core", "proto", "rpc", "store"]),
    ("admin", &["core", "proto", "rpc", "store"]),
    ("segment", &["core", "proto", "push", "rpc", "store"]),
    (
        "pistats",
        &[
            "core",
            "proto",
            "rpc",
            "telemetry",
            "eventlog",
            "store",
            "ingest",
            "aggregate",
            "query",
            "admin",
            "push",
            "segment",
        ],
    ),
    ("loadtest", &["core", "proto"]),
    ("testkit", &["core", "proto", "rpc", "eventlog", "store"]),
];

/// Crates that tests alone may use besides a crate's own edges: the testkit and the embedded backends.
const IN_TESTS: &[&str] = &["testkit", "core", "proto", "rpc", "eventlog", "store"];

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    from: String,
    to: String,
    only_in_tests: bool,
}

#[test]
fn crates_depend_only_along_the_arrows() {
    let edges = edges_of_the_workspace();
    assert!(edges.len() > 20, "cargo metadata showed only {edges:?}");
    assert_eq!(faults(&edges), Vec::<String>::new());
}

#[test]
fn every_crate_of_the_workspace_is_listed_and_every_listed_crate_exists() {
    let listed: BTreeSet<String> = ALLOWED.iter().map(|(name, _)| (*name).to_owned()).collect();
    let found: BTreeSet<String> = packages().iter().map(|package| short(&package["name"])).collect();
    assert_eq!(found, listed);
}

#[test]
fn an_edge_against_the_arrows_is_reported() {
    for (from, to) in [
        ("core", "proto"),
        ("proto", "rpc"),
        ("eventlog", "store"),
        ("store", "eventlog"),
        ("ingest", "store"),
        ("query", "eventlog"),
        ("query", "aggregate"),
        ("admin", "ingest"),
        ("segment", "query"),
        ("telemetry", "core"),
        ("loadtest", "store"),
        ("ingest", "pistats"),
        ("somebody_new", "core"),
    ] {
        assert_eq!(faults(&[edge(from, to, false)]).len(), 1, "{from} → {to} went unnoticed");
    }
}

#[test]
fn the_testkit_is_reported_in_what_ships_and_allowed_in_tests() {
    assert_eq!(faults(&[edge("pistats", "testkit", false)]).len(), 1);
    assert_eq!(faults(&[edge("pistats", "testkit", true)]).len(), 0);
}

#[test]
fn a_service_is_reported_even_when_only_the_tests_of_another_use_it() {
    assert_eq!(faults(&[edge("query", "ingest", true)]).len(), 1);
    assert_eq!(faults(&[edge("query", "eventlog", true)]).len(), 0);
}

#[test]
fn only_pistats_names_backends() {
    // The traits are the services' whole view of log and warehouse; a backend is named where URLs are read. What SQL
    // cannot say in one dialect sits in one file.
    const EXCEPT: &str = "services/query/src/sql/dialect.rs";
    const BACKENDS: &[&str] = &["duckdb", "file://", "memory://", "ingest://", "fluvio", "postgres", "timescale"];
    let mut seen = 0;
    for name in ["ingest", "aggregate", "query", "admin", "segment"] {
        for file in tree::files(&format!("services/{name}/src")) {
            seen += 1;
            // Unit tests say which engine they are about, in a file of their own as in the one they test.
            let is_test = file.path.ends_with("/tests.rs") || file.path.contains("/tests/");
            if file.path == EXCEPT || is_test {
                continue;
            }
            for (number, line) in file.text.split("#[cfg(test)]").next().unwrap_or_default().lines().enumerate() {
                let comment = line.trim_start().starts_with("//");
                let code = if comment { String::new() } else { line.to_lowercase() };
                let named = BACKENDS.iter().find(|backend| code.contains(*backend));
                assert_eq!(named, None, "{}:{}: a service names a backend: {line}", file.path, number + 1);
            }
        }
    }
    assert!(seen >= 4, "only {seen} files were read");
}

/// Every edge that the arrows do not allow, as a sentence.
fn faults(edges: &[Edge]) -> Vec<String> {
    let allowed = |edge: &Edge| {
        let own = ALLOWED.iter().find(|(name, _)| *name == edge.from).is_some_and(|(_, to)| to.contains(&&*edge.to));
        let known = ALLOWED.iter().any(|(name, _)| *name == edge.from);
        own || (edge.only_in_tests && known && IN_TESTS.contains(&&*edge.to))
    };
    edges
        .iter()
        .filter(|edge| !allowed(edge))
        .map(|Edge { from, to, only_in_tests }| {
            let place = if *only_in_tests { "in its tests" } else { "in what ships" };
            format!("{from} must not depend on {to} {place}")
        })
        .collect()
}

fn edge(from: &str, to: &str, only_in_tests: bool) -> Edge {
    Edge { from: from.to_owned(), to: to.to_owned(), only_in_tests }
}

fn edges_of_the_workspace() -> Vec<Edge> {
    let mut edges = BTreeSet::new();
    for package in packages() {
        for dependency in package["dependencies"].as_array().expect("cargo lists dependencies") {
            if dependency["path"].is_string() {
                let only_in_tests = dependency["kind"] == "dev";
                edges.insert(edge(&short(&package["name"]), &short(&dependency["name"]), only_in_tests));
            }
        }
    }
    edges.into_iter().collect()
}

fn packages() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--manifest-path"])
        .arg(tree::root().join("Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    metadata["packages"].as_array().expect("cargo lists packages").clone()
}

/// `pistats-core` → `core`; the binary's own crate stays `pistats`.
fn short(name: &Value) -> String {
    let name = name.as_str().expect("a package has a name");
    name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('-')).unwrap_or(name).to_owned()
}
