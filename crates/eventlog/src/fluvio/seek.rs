//! Positions by time: Fluvio has no index of times, so the record is found by halving.
//!
//! About twelve looks for 200,000 records, 3 ms each. Append times rise along a partition but for the copies of resends and,
//! with several writers, the difference of their clocks; so the place found is only near, and the reader starts a few
//! records before it and passes over what is too early.

use std::sync::Arc;

use pistats_core::{Micros, PartitionId};

use super::config::Config;
use super::fetch::{self, Trouble};
use super::link::Client;

/// The first offset of `first .. end` whose record was appended at `time` or later, as halving finds it.
pub(super) async fn offset_of(
    client: &Arc<Client>,
    config: &Config,
    partition: PartitionId,
    (first, end): (u64, u64),
    time: Micros,
) -> Result<u64, Trouble> {
    let (mut low, mut high) = (first, end);
    while low < high {
        let middle = low + (high - low) / 2;
        match fetch::scan(client, config, partition, middle, middle + 1).await {
            Ok(found) if found.first().is_some_and(|(_, record)| record.appended_at < time) => low = middle + 1,
            Ok(_) => high = middle,
            // Forgotten meanwhile: what is kept begins further on.
            Err(Trouble::Evicted { first }) if first > middle => low = first.min(high),
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(low)
}
