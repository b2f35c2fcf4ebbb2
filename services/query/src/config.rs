//! What Query is told at its start.

/// Settings of the query service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Bytes of visitor bitmaps that are kept in memory, all sites together. 0 keeps none.
    pub bitmap_cache_bytes: u64,
    /// Streams of watched reports at once; one more is refused.
    pub watch_streams: usize,
}

impl Default for Config {
    /// 256 MiB: two thousand bitmaps of a million visitors each, which take an eighth of a megabyte at most. 10,000 streams.
    fn default() -> Config {
        Config { bitmap_cache_bytes: 256 << 20, watch_streams: 10_000 }
    }
}
