//! The contract suite on a cluster that runs already.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pistats_eventlog::contract::Subject;
use pistats_eventlog::contract_tests;
use pistats_eventlog::fluvio::{Config, FluvioLog};

use crate::require;

/// The cluster that the environment names.
fn address() -> Option<String> {
    let address = std::env::var("PISTATS_TEST_FLUVIO").ok();
    require::found("fluvio", || address.is_some(), "PISTATS_TEST_FLUVIO names no cluster (HOST:PORT)");
    address
}

/// A name that no other run uses. Topics stay: after a delete the controller leaves the next creation unanswered.
fn fresh_topic() -> String {
    static CASES: AtomicU32 = AtomicU32::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let case = CASES.fetch_add(1, Ordering::Relaxed);
    format!("contract-{}-{}-{case}", since.as_millis(), std::process::id())
}

async fn subject() -> Option<Subject> {
    let config = Config { topic: fresh_topic(), address: address()?, ..Config::default() };
    let log = FluvioLog::open(config).await.unwrap();
    Some(Subject { log: Arc::new(log), keep: Box::new(()) })
}

contract_tests!(fluvio, subject());
