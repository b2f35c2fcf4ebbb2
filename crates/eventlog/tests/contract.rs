//! Every backend passes the contract suite.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use pistats_eventlog::contract::Subject;
use pistats_eventlog::{Config, FileLog, MemoryLog, contract_tests};

contract_tests!(memory, async { Subject { log: Arc::new(MemoryLog::default()), keep: Box::new(()) } });

contract_tests!(file, async {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { segment_bytes: 1 << 20, group_bytes: 1 << 18, queue_bytes: 1 << 20, ..Config::default() };
    let log = tokio::task::block_in_place(|| FileLog::open(dir.path(), config)).unwrap();
    Subject { log: Arc::new(log), keep: Box::new(dir) }
});

// Many segments, small batches: every case crosses the limits of both.
contract_tests!(file_of_tiny_segments, async {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        segment_bytes: 10 * 4096,
        group_bytes: 9 * 4096 - 48,
        queue_bytes: 1 << 20,
        index_bytes: 1,
        read_ahead_bytes: 4096,
        ..Config::default()
    };
    let log = tokio::task::block_in_place(|| FileLog::open(dir.path(), config)).unwrap();
    Subject { log: Arc::new(log), keep: Box::new(dir) }
});
