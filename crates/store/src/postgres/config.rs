//! What the backend is told at opening.

use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub struct PgConfig {
    /// `postgres://user@host:port/database`. The server must be reached directly: a pooler that hands a session out by
    /// transactions breaks the lock that migrations take.
    pub url: String,
    /// Reads that run at the same time; more wait.
    pub readers: u32,
    /// Commits, lookups, refreshes and changes of the registry that run at the same time; more wait.
    pub writers: u32,
    /// A statement of a read ends after this.
    pub statement_timeout: Duration,
    /// How long a call waits for a connection.
    pub connect_timeout: Duration,
}

impl PgConfig {
    /// The defaults, for this server.
    pub fn new(url: impl Into<String>) -> PgConfig {
        PgConfig {
            url: url.into(),
            readers: 8,
            writers: 6,
            statement_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(5),
        }
    }
}
