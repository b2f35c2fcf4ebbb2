//! The contract suite on a cluster that runs already.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pistats_eventlog::contract::Subject;
use pistats_eventlog::contract_tests;
use pistats_eventlog::fluvio::{Config, FluvioLog, delete_topic};

use crate::require;

/// The cluster that the environment names.
fn address() -> Option<String> {
    let address = std::env::var("PISTATS_TEST_FLUVIO").ok();
    require::found("fluvio", || address.is_some(), "PISTATS_TEST_FLUVIO names no cluster (HOST:PORT)");
    address
}

/// A name that no other run uses.
fn fresh_topic() -> String {
    static CASES: AtomicU32 = AtomicU32::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let case = CASES.fetch_add(1, Ordering::Relaxed);
    format!("contract-{}-{}-{case}", since.as_millis(), std::process::id())
}

/// Deletes the topic of a case when it is over.
struct Topic {
    address: String,
    name: String,
}

impl Drop for Topic {
    fn drop(&mut self) {
        let (address, name) = (self.address.clone(), self.name.clone());
        let deleting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.map(|runtime| runtime.block_on(delete_topic(&address, &name)))
        });
        let deleted = deleting.join();
        if !std::thread::panicking() {
            deleted.unwrap().unwrap().unwrap();
        }
    }
}

async fn subject() -> Option<Subject> {
    let address = address()?;
    let name = fresh_topic();
    let config = Config { topic: name.clone(), address: address.clone(), ..Config::default() };
    let log = FluvioLog::open(config).await.unwrap();
    Some(Subject { log: Arc::new(log), keep: Box::new(Topic { address, name }) })
}

contract_tests!(fluvio, subject());
