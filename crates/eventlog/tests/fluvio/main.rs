//! The log on real Fluvio servers.
//!
//! `PISTATS_TEST_FLUVIO=HOST:PORT` names a running cluster (its controller's public port): the contract suite runs there,
//! on a fresh topic a case. `PISTATS_TEST_FLUVIO_RUN=PROGRAM` names a `fluvio-run`: the fault tests start clusters of their
//! own with it, one at a time, and kill, damage and restore them. Without them a test prints that it is skipped; where
//! `PISTATS_TEST_REQUIRE` lists `fluvio` it fails.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code, reason = "tests")]

mod cluster;
mod contract;
mod damage;
mod faults;
// The testkit's own file: depending on the testkit here would link the warehouse into the tests of the log.
#[path = "../../../testkit/src/require.rs"]
mod require;
