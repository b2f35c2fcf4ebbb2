//! Why folding stops for a while, or cannot start.

/// What can go wrong while folding. Every one of them ends in a new start from the stored checkpoints.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] pistats_store::Error),
    #[error("reading the log: {0}")]
    Log(#[from] pistats_eventlog::Error),
    #[error("{0} ended unexpectedly")]
    Panicked(&'static str),
    #[error("a thread could not be started: {0}")]
    Thread(String),
    #[error("the aggregator is stopped")]
    Stopped,
}
