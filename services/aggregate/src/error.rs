//! Why folding stops for a while, or cannot start.

/// What can go wrong while folding. Every one of them ends in a new start from the stored checkpoints.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] pistats_store::Error),
    #[error("reading the log: {0}")]
    Log(#[from] pistats_eventlog::Error),
    /// It holds other records than were folded, or fewer: another log, or one that lost its end.
    #[error("the log went back: partition {}: {reason}; folding goes on at offset {}", .partition.0, .to.0)]
    WentBack { partition: pistats_core::PartitionId, reason: String, to: pistats_core::Offset },
    #[error("{0} ended unexpectedly")]
    Panicked(&'static str),
    #[error("a thread could not be started: {0}")]
    Thread(String),
    /// Another process folds on.
    #[error("the lease of a partition was lost")]
    Lost,
    /// It is not this process that folds it.
    #[error("partition {} is not folded here", .0.0)]
    NotHere(pistats_core::PartitionId),
    #[error("the aggregator is stopped")]
    Stopped,
}

impl Error {
    /// Whether it is part of sharing partitions and changing zones: nothing is wrong.
    pub(crate) fn is_expected(&self) -> bool {
        use pistats_store::Error::{Fenced, OtherGeneration};
        matches!(self, Error::Lost | Error::Store(Fenced { .. } | OtherGeneration { .. }))
    }
}
