//! The DuckDB backend keeps the store's promises, in memory and in a file.

use pistats_store::contract;
use pistats_store::{DuckConfig, DuckStore};

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_in_memory_keeps_the_promises() {
    let empty = async || DuckStore::open(DuckConfig::memory()).expect("an empty warehouse");
    contract::suite(empty).await.expect("no error of the engine");
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_in_a_file_keeps_the_promises() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = std::sync::atomic::AtomicU32::new(0);
    let empty = async || {
        let number = made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        DuckStore::open(DuckConfig::file(dir.path().join(format!("{number}.duckdb")))).expect("an empty warehouse")
    };
    contract::suite(empty).await.expect("no error of the engine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_file_opens_with_everything_in_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let open = async || DuckStore::open(DuckConfig::file(dir.path().join("w.duckdb"))).expect("the warehouse");
    contract::reopening(open).await.expect("no error of the engine");
}
