//! Settings of the embedded log and their limits.

use std::time::Duration;

use super::frame;
use super::segment::DATA_START;
use crate::Error;

/// Settings of the embedded log. The defaults suit one machine with a few GiB to spare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Size of a segment file. At least room for one largest group, at most 2 GiB (positions are 32 bits).
    pub segment_bytes: u64,
    /// Largest commit group, and so the largest request, frames included. 8 MiB take a few ms to sync.
    pub group_bytes: u64,
    /// Bytes of requests that may wait for the committer; `append` waits for a place beyond it.
    pub queue_bytes: u64,
    /// Bound of the log on disk, spare segments included: when every segment is still needed (not trimmed) and the
    /// next one would pass it, appends are refused with `Full`. At least two segments.
    pub max_bytes: u64,
    /// Trimmed segments are kept for replays while the log's segments take at most this.
    pub retain_bytes: u64,
    /// Trimmed segments are kept for replays at most this long after their last record.
    pub retain_for: Duration,
    /// Written files that are kept ready for reuse. Zero is allowed: then each new segment waits for its zeros.
    pub spare_segments: usize,
    /// With nothing to write for this long, the end is marked (see the module's header).
    pub mark_after: Duration,
    /// Memory for the positions of sealed segments (8 bytes a record); the least recently read go first.
    pub index_bytes: u64,
    /// How much a reader fetches at once.
    pub read_ahead_bytes: u64,
}

const MIB: u64 = 1 << 20;

impl Default for Config {
    fn default() -> Self {
        Config {
            segment_bytes: 64 * MIB,
            group_bytes: 8 * MIB,
            queue_bytes: 64 * MIB,
            max_bytes: 16 * 1024 * MIB,
            retain_bytes: 4 * 1024 * MIB,
            retain_for: Duration::from_secs(7 * 24 * 3600),
            spare_segments: 2,
            mark_after: Duration::from_millis(250),
            index_bytes: 64 * MIB,
            read_ahead_bytes: MIB / 2,
        }
    }
}

impl Config {
    /// Checks the settings as a whole.
    pub fn validate(&self) -> Result<(), Error> {
        let refuse = |field, reason: String| Err(Error::Config { field, reason });
        let mark = frame::HEADER_BYTES as u64;
        if self.segment_bytes > 2048 * MIB || !self.segment_bytes.is_multiple_of(DATA_START) {
            return refuse("segment_bytes", "must be a multiple of 4096 and at most 2 GiB".to_owned());
        }
        if self.group_bytes < 4096 {
            return refuse("group_bytes", "must be at least 4096".to_owned());
        }
        if self.segment_bytes < DATA_START + self.group_bytes + mark {
            let least = (DATA_START + self.group_bytes + mark).next_multiple_of(DATA_START);
            return refuse("segment_bytes", format!("must hold one group of group_bytes: at least {least}"));
        }
        if self.queue_bytes < self.group_bytes || self.queue_bytes > 4096 * MIB {
            return refuse("queue_bytes", "must be at least group_bytes and at most 4 GiB".to_owned());
        }
        if self.max_bytes < 2 * self.segment_bytes {
            return refuse("max_bytes", format!("must be at least two segments: {}", 2 * self.segment_bytes));
        }
        if self.read_ahead_bytes < 4096 || self.read_ahead_bytes > 64 * MIB {
            return refuse("read_ahead_bytes", "must be between 4 KiB and 64 MiB".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert!(Config::default().validate().is_ok());
    }

    #[test]
    fn a_segment_holds_exactly_one_largest_group_or_is_refused() {
        let fits = Config { segment_bytes: 3 * 4096, group_bytes: 2 * 4096 - 48, ..Config::default() };
        assert!(fits.validate().is_ok());
        let refused = Config { group_bytes: 2 * 4096 - 47, ..fits };
        assert!(matches!(refused.validate(), Err(Error::Config { field: "segment_bytes", .. })));
    }

    #[test]
    fn the_bound_is_two_segments_at_least() {
        let two = Config { max_bytes: 128 * MIB, ..Config::default() };
        assert!(two.validate().is_ok());
        let fewer = Config { max_bytes: 128 * MIB - 1, ..two };
        assert!(matches!(fewer.validate(), Err(Error::Config { field: "max_bytes", .. })));
    }
}
