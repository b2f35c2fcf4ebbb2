//! `ingest://` keeps the promises of a log that is read: the contract suite through a server's own log, and over connections
//! that break.

#![allow(clippy::unwrap_used, reason = "tests")]

mod breaks;
mod server;

use async_trait::async_trait;
use pistats::ingest_log::IngestLog;
use pistats_core::{Offset, PartitionId};
use pistats_eventlog::contract::Subject;
use pistats_eventlog::{
    Append, Bounds, Config, Error, EventLog, FileLog, MemoryLog, Position, Records, contract_tests,
};
use server::Server;
use std::sync::Arc;

/// What an Ingest appends to its own log is read through the client.
struct Split {
    own: Arc<dyn EventLog>,
    client: IngestLog,
}

#[async_trait]
impl EventLog for Split {
    async fn append(&self, records: Vec<Append>) -> Result<Vec<Offset>, Error> {
        self.own.append(records).await
    }

    async fn read(&self, partition: PartitionId, from: Position) -> Result<Records, Error> {
        self.client.read(partition, from).await
    }

    async fn bounds(&self, partition: PartitionId) -> Result<Bounds, Error> {
        self.client.bounds(partition).await
    }

    async fn trim(&self, partition: PartitionId, below: Offset) -> Result<(), Error> {
        self.client.trim(partition, below).await
    }
}

async fn split(own: Arc<dyn EventLog>, keep: impl Send + 'static) -> Subject {
    let server = Server::start(own.clone()).await;
    let client = server.log();
    Subject { log: Arc::new(Split { own, client }), keep: Box::new((server, keep)) }
}

contract_tests!(ingest_of_memory, split(Arc::new(MemoryLog::default()), ()));

contract_tests!(ingest_of_tiny_segments, async {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        segment_bytes: 10 * 4096,
        group_bytes: 9 * 4096 - 48,
        queue_bytes: 1 << 20,
        retain_bytes: 0,
        ..Config::default()
    };
    let own = tokio::task::block_in_place(|| FileLog::open(dir.path(), config)).unwrap();
    split(Arc::new(own), dir).await
});
