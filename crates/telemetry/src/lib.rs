//! Logs and counters of the process.
