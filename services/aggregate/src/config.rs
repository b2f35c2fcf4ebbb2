//! What can be set, with the reason for each default.

use serde::{Deserialize, Serialize};

/// Settings of the aggregator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// When idle, a commit starts this long after the first uncommitted event, milliseconds.
    pub commit_idle_ms: u64,
    /// Under load a commit waits for more, but never longer than this, milliseconds.
    pub commit_max_ms: u64,
    /// Events a commit; a record of the log is never split, so one record may exceed it.
    pub commit_max_events: usize,
    /// Bytes of log payload a commit.
    pub commit_max_bytes: usize,
    /// Bytes of records that wait for a partition's worker.
    pub inbox_bytes: usize,
    /// Events that a worker prepares with one round of look-ups.
    pub batch_events: usize,
    /// Event ids held in memory; about 22 bytes each.
    pub held_ids: usize,
    /// Visitors held in memory, over all partitions; about 400 bytes each.
    pub held_visitors: usize,
    /// How often the log is told what it may forget, milliseconds; 0 = never.
    pub trim_every_ms: u64,
    /// How often rollups are brought up to date, milliseconds; 0 = never.
    pub refresh_every_ms: u64,
    /// Dirty hours that one refresh takes on.
    pub refresh_hours: usize,
    /// Dirty days whose sheets one refresh builds.
    pub refresh_days: usize,
    /// A day's sheet is built when no commit has touched the day for this long, milliseconds.
    pub calm_ms: u64,
    /// How long a lease of a partition lasts that is not extended, milliseconds: no other process takes over sooner.
    pub lease_ms: u64,
    /// How often leases are extended, and others looked at, milliseconds.
    pub heartbeat_ms: u64,
    /// Longest pause between two attempts after a failure, milliseconds.
    pub retry_max_ms: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            commit_idle_ms: 50,
            commit_max_ms: 1_000,
            // Rows a second of the warehouse's appender flatten out here; more only costs memory.
            commit_max_events: 250_000,
            commit_max_bytes: 128 << 20,
            inbox_bytes: 8 << 20,
            batch_events: 8_192,
            held_ids: 8_000_000,
            held_visitors: 400_000,
            trim_every_ms: 10_000,
            refresh_every_ms: 1_000,
            refresh_hours: 256,
            // A day of 100,000 events takes a few tenths of a second, and rollups wait meanwhile.
            refresh_days: 4,
            calm_ms: 3_000,
            lease_ms: pistats_store::LEASE_TTL.as_millis() as u64,
            heartbeat_ms: pistats_store::HEARTBEAT.as_millis() as u64,
            retry_max_ms: 10_000,
        }
    }
}
