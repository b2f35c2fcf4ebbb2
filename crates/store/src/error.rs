//! What can go wrong in a warehouse, and whether trying again can help.

use crate::LeaseEpoch;
use pistats_core::{Generation, Offset, PartitionId, SiteId};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The commit does not start where the partition's checkpoint stands: it was applied already, or another owner went on.
    #[error("partition {} stands at offset {}, the commit starts at {}", partition.0, stored.0, given.0)]
    OutOfStep { partition: PartitionId, stored: Offset, given: Offset },
    /// Another process owns the partition now (S-8).
    #[error("partition {} is at lease epoch {}, the commit was folded under {}", partition.0, stored.0, given.0)]
    Fenced { partition: PartitionId, stored: LeaseEpoch, given: LeaseEpoch },
    /// A site's time zone changed meanwhile: the commit's local days are of the old one (S-8).
    #[error("the warehouse is at generation {}, the commit was folded in {}", stored.0, given.0)]
    OtherGeneration { stored: Generation, given: Generation },
    /// A statement was refused by the engine; the planner is wrong.
    #[error("the statement was refused: {0}")]
    Statement(String),
    /// A sum exceeds 64 bits.
    #[error("a sum exceeds 64 bits; ask for a shorter range")]
    Overflow,
    /// The statement was interrupted: its caller's deadline passed, or on PostgreSQL the time that statements have.
    #[error("the statement was ended before its answer; ask for less, or on PostgreSQL raise store.statement_seconds")]
    Interrupted,
    /// The files cannot be opened or were made by another version.
    #[error("the warehouse cannot be opened: {0}")]
    Open(String),
    #[error("the warehouse failed: {0}")]
    Engine(String),
    /// The server does not answer, or not now.
    #[error("the warehouse cannot be reached: {0}")]
    Unavailable(String),
    /// An event of the commit is stored already: another owner was first. Folded again it is a duplicate.
    #[error("an event of the commit is stored already: {0}")]
    Duplicate(String),
    /// Another process sends the site's messages now (D-1).
    #[error("another process sends the messages of site {} now", .0.0)]
    NotLeased(SiteId),
    #[error("the warehouse is closed")]
    Closed,
}

impl Error {
    /// Whether the same call may succeed later without a change by the caller.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::Engine(_) | Error::Unavailable(_) | Error::Interrupted)
    }
}
