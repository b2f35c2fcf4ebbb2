//! What DuckDB is told at opening. The defaults are those of the documented configuration; docs/adr/0004 has the figures.

use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq)]
pub struct DuckConfig {
    /// The database file; `None` keeps everything in memory.
    pub path: Option<PathBuf>,
    /// DuckDB's own bound for its buffers. The process takes more: the log's, the fold's and the allocator's.
    pub memory_limit_mb: u64,
    /// Threads that one statement may use; 0 is half of the machine's, at least one. A caller spins while the engine's own
    /// threads work for it: on two busy cores a second thread costs an import half as much CPU again (docs/adr/0004).
    pub threads: usize,
    /// Reads that run at the same time; more wait.
    pub readers: usize,
    /// Lookups that run at the same time: one a fold thread is enough.
    pub lookups: usize,
    /// The write-ahead log goes into the file when it has grown by this. DuckDB's own 16 MB make an import checkpoint all
    /// the time (measured: 340k rows a second instead of 446k).
    pub checkpoint_threshold_mb: u64,
}

impl Default for DuckConfig {
    fn default() -> DuckConfig {
        DuckConfig {
            path: None,
            memory_limit_mb: 512,
            threads: 0,
            readers: 4,
            lookups: 2,
            checkpoint_threshold_mb: 256,
        }
    }
}

impl DuckConfig {
    pub(super) fn threads(&self) -> usize {
        match self.threads {
            0 => (std::thread::available_parallelism().map_or(1, usize::from) / 2).max(1),
            threads => threads,
        }
    }

    /// The defaults, in memory: for tests.
    pub fn memory() -> DuckConfig {
        DuckConfig::default()
    }

    /// The defaults, in a file.
    pub fn file(path: impl Into<PathBuf>) -> DuckConfig {
        DuckConfig { path: Some(path.into()), ..DuckConfig::default() }
    }
}
