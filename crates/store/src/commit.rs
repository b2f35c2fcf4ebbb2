//! What Aggregate commits in one transaction: rows, signed rows, refusals, and how far the log was folded.

use crate::{EventColumns, Fence, LogMinute, RejectedRow, Rewind};
use pistats_core::{Day, Micros, Offset, PartitionId, Session, SiteId, VisitorKey, VisitorNo};
use std::sync::Arc;

/// One transaction. Everything of it takes effect, or nothing.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// The stretch of the log that these rows come from, by partition; empty for a repair, which moves no checkpoint.
    pub progress: Vec<Progress>,
    /// Under what the rows were folded: a commit of a stale owner changes nothing.
    pub fence: Fence,
    pub events: EventColumns,
    pub sessions: Vec<SessionVersion>,
    pub visitors: Vec<VisitorVersion>,
    pub rejected: Vec<RejectedRow>,
    /// The last record of each writer that is folded now; others keep theirs.
    pub sequences: Vec<WriterSequence>,
    /// The records of this progress by the minute the log took them. Of a minute that is stored, the first record stays.
    pub minutes: Vec<LogMinute>,
    /// Checkpoints that go back (S-9); a commit that has one has no progress in that partition.
    pub rewinds: Vec<Rewind>,
}

/// How far the records of a writer are folded, in one partition: what tells a resend from a record. Only where collectors
/// forward to a stream they share; a writer is the spool of one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterSequence {
    pub partition: PartitionId,
    pub writer: u64,
    /// Of its last record.
    pub sequence: u64,
}

/// The records `from..to` of a partition are folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub partition: PartitionId,
    /// Must equal the stored checkpoint: the same commit applied twice is `Error::OutOfStep` and changes nothing.
    pub from: Offset,
    pub to: Offset,
}

/// Whether a row adds a truth or takes one back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sign {
    Add,
    Retract,
}

impl Sign {
    pub fn number(self) -> i8 {
        match self {
            Sign::Add => 1,
            Sign::Retract => -1,
        }
    }
}

/// A session as it stands now, or one that stood before: every session number is a sum over signs.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionVersion {
    pub site: SiteId,
    pub visitor: VisitorNo,
    /// Local day of the session's start.
    pub day: Day,
    pub session: Session<Arc<str>>,
    pub sign: Sign,
}

/// A visitor and the first event ever seen of it; an older event takes the row back and adds another.
#[derive(Clone, Debug, PartialEq)]
pub struct VisitorVersion {
    pub site: SiteId,
    pub visitor: VisitorNo,
    pub key: VisitorKey,
    pub first_seen: Micros,
    /// Local day of `first_seen`.
    pub first_day: Day,
    pub sign: Sign,
}
