//! What can go wrong. Every error answers: what happened, what helps, and may I retry.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use pistats_core::{Offset, PartitionId};

/// An error of the log. Cloneable, because one failed group answers many appends.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No room: the bound of the log or the disk itself is reached. Nothing of the request was kept.
    #[error(
        "the log is full ({used_bytes} bytes used of at most {bound_bytes}; {free_bytes} free on its disk): \
         let the consumers catch up, raise the bound or free disk space"
    )]
    Full { used_bytes: u64, bound_bytes: u64, free_bytes: u64 },

    /// A write or sync failed, so durability cannot be promised any more: the log takes nothing until opened again.
    #[error("the log has stopped, because its disk failed ({reason}): check the disk, then restart")]
    Failed { reason: String },

    /// A durable record is damaged. `position` is a byte of the segment file.
    #[error("segment {segment} is damaged at byte {position}: {reason}")]
    Corrupt { segment: u32, position: u64, reason: String },

    /// The position lies below what is kept.
    #[error("offset {} is no longer kept, the first one is {}", asked.0, first.0)]
    Trimmed { asked: Offset, first: Offset },

    /// The position lies past the end.
    #[error("offset {} lies past the end, the next one is {}", asked.0, next.0)]
    BeyondEnd { asked: Offset, next: Offset },

    /// The request is larger than one commit group; nothing of it was kept.
    #[error("a request of {bytes} bytes is larger than the log's bound of {bound}: send fewer records at once")]
    TooLarge { bytes: u64, bound: u64 },

    /// A log that is reached over the network did not answer, or not in time: nobody knows what became of an append.
    #[error("the log at {address} does not answer ({reason}): it is tried again; check that its servers run")]
    Unreachable { address: String, reason: String },

    /// This end of the log only reads.
    #[error("{log} is only read from here: its own collector appends to it")]
    ReadOnly { log: String },

    #[error("there is no partition {}", .0.0)]
    NoSuchPartition(PartitionId),

    /// The log was closed; open it again.
    #[error("the log is closed")]
    Closed,

    /// Another process has the log open.
    #[error("another process has the log in {} open", dir.display())]
    Locked { dir: PathBuf },

    /// A setting makes no sense.
    #[error("log setting {field}: {reason}")]
    Config { field: &'static str, reason: String },

    /// The log holds fewer or other records than it did: its server lost what it had acknowledged (a power cut, a
    /// restored older copy), and offsets may have been given away twice.
    #[error(
        "partition {} of the log went back: {reason}. Restore the log's data, or set the checkpoint of this partition \
         back to a record that is still the same (0 is always right): what is stored stays, what is missing is filled in",
        partition.0
    )]
    WentBack { partition: PartitionId, reason: String },

    /// Records that are there cannot be read, twice in a row at the same place. They are never skipped.
    #[error("partition {} of the log cannot be read at offset {}: {reason}", partition.0, offset.0)]
    Unreadable { partition: PartitionId, offset: Offset, reason: String },

    /// The servers run, but no longer know the topic or some of its partitions.
    #[error(
        "the log's server lost its metadata: {reason}. Stop it, restore its metadata directory from a backup (an emptied \
         file there hides all objects of its kind) and start it again; the records themselves are untouched"
    )]
    MetadataLost { reason: String },

    #[error("{doing}: {source}")]
    Io { doing: String, source: Arc<io::Error> },
}

impl Error {
    pub(crate) fn io(doing: impl Into<String>, source: io::Error) -> Error {
        Error::Io { doing: doing.into(), source: Arc::new(source) }
    }

    /// May the same call succeed later, on the same handle, without a person doing something about the caller?
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Full { .. } => true,
            // Reading may fail for a moment (a network disk, say); writing never ends up here, it ends as `Failed`.
            Error::Io { .. } | Error::Unreachable { .. } | Error::MetadataLost { .. } => true,
            Error::WentBack { .. }
            | Error::Unreadable { .. }
            | Error::Failed { .. }
            | Error::Corrupt { .. }
            | Error::Trimmed { .. }
            | Error::BeyondEnd { .. }
            | Error::TooLarge { .. }
            | Error::ReadOnly { .. }
            | Error::NoSuchPartition(_)
            | Error::Closed
            | Error::Locked { .. }
            | Error::Config { .. } => false,
        }
    }
}
