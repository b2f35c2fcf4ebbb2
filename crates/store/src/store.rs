//! The warehouse's promises.

use crate::{
    Answer, Commit, Error, Found, KnownVisitor, LogMinute, SessionsOf, Snapshot, Statement, VisitorHistory,
    WriterSequence,
};
use async_trait::async_trait;
use pistats_core::{EventId, Generation, Micros, Offset, PartitionId, SiteId, VisitorKey, VisitorNo};

/// Where folding goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub partition: PartitionId,
    /// The first offset that is not committed.
    pub next: Offset,
    /// One past the highest offset that was ever committed, also where its rows are gone: above `next` only after
    /// somebody set the checkpoint back.
    pub high_water: Offset,
    pub generation: Generation,
}

/// Whose SQL the statements of reads are written in, where engines differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Engine {
    #[default]
    DuckDb,
    Postgres,
    /// PostgreSQL whose calm days are columns: few rows are not found by an index there.
    Timescale,
}

/// How much a refresh takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// (site, hour) ranges of rollups at most.
    pub hours: usize,
    /// (site, day) sheets at most, newest days first. They are only begun when no more hours were dirty than `hours`.
    pub days: usize,
    /// A day waits as long as its newest mark is of a later commit than this: it has not calmed down. The caller has the
    /// clock and knows how far commits had come some time ago ([`Refreshed::commits`]).
    pub calm_to: u64,
}

impl Refresh {
    /// Everything that is dirty, calm or not.
    pub const EVERYTHING: Refresh = Refresh { hours: usize::MAX, days: usize::MAX, calm_to: u64::MAX };

    /// At most so many hours, and no days.
    pub fn hours(most: usize) -> Refresh {
        Refresh { hours: most, days: 0, calm_to: 0 }
    }
}

/// What a refresh did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// (site, hour) ranges brought up to date.
    pub hours: u64,
    /// Ranges that are still dirty.
    pub hours_left: u64,
    /// (site, day) sheets built.
    pub days: u64,
    /// Days that are still dirty, but for those that can never be built (a visitor number of more than 32 bits).
    pub days_left: u64,
    /// The number of the newest commit that the refresh has seen.
    pub commits: u64,
}

/// Rows, progress and reads.
///
/// ```text
///   offsets of a partition   0 ─────────────┬─────────────▶
///                              committed    checkpoint (the next commit MUST start here)
/// ```
///
/// Implementations MUST promise:
/// - **S-1** A commit takes effect whole or not at all, and is durable when `commit` returns.
/// - **S-2** A commit whose progress does not start at the stored checkpoints changes nothing and is `Error::OutOfStep`.
/// - **S-3** All that is read of one `snapshot` is of one state, and `as_of` is of that state; `read` is one snapshot.
/// - **S-4** Lookups see every commit that returned before they were called.
/// - **S-5** A commit marks the (site, hour) ranges it touched as dirty in its own transaction; rollups outside of dirty
///   ranges equal the raw rows.
/// - **S-6** After a crash the store opens with every commit that returned, and none in part.
/// - **S-7** A commit marks the (site, local day) pairs of its events, its session versions and its visitor versions as dirty
///   in its own transaction; the sheet of a day without a mark equals the raw rows, and without a sheet there are none.
/// - **S-8** A commit whose [`Fence`](crate::Fence) names a lease epoch or a generation that is no longer the stored one changes
///   nothing and is `Error::Fenced` or `Error::OtherGeneration`, also where it is out of step. No such change slips in between
///   the comparison and the commit.
/// - **S-9** A commit's minutes take effect with its progress or not at all. A [`Rewind`](crate::Rewind) puts checkpoint and high
///   water of its partition to `to` and forgets the minutes from there on; where it does not start at the stored checkpoint the
///   commit changes nothing and is `Error::OutOfStep`. No row goes: what is folded again is told by its ids. Of a partition, what
///   was folded before a rewind is stored with a smaller `log_offset` than what comes after it, and below `next_offset`.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// How statements for [`Store::read`] are to be written.
    fn engine(&self) -> Engine {
        Engine::default()
    }

    /// The checkpoints of all partitions.
    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Error>;

    /// The newest minutes of a partition up to one, newest first, at most so many.
    async fn minutes(&self, partition: PartitionId, up_to: i64, most: usize) -> Result<Vec<LogMinute>, Error>;

    /// Stores a commit. Durable on return (S-1); refused out of step (S-2), and from a stale owner (S-8).
    ///
    /// A warehouse that several processes share also refuses a commit with an id that another one stored first, as a whole
    /// (`Error::Duplicate`): folded again from the stored checkpoints, with new lookups, the event is a duplicate.
    async fn commit(&self, commit: Commit) -> Result<(), Error>;

    /// A snapshot to read from (S-3).
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, Error>;

    /// Answers statements in one snapshot. Dropping the future interrupts the engine.
    async fn read(&self, statements: Vec<Statement>) -> Result<Answer, Error> {
        let mut snapshot = self.snapshot().await?;
        let results = snapshot.read(statements).await?;
        Ok(Answer { as_of: snapshot.as_of().clone(), results })
    }

    /// Brings rollups of dirty hours up to date, then sheets of dirty days, and clears their marks unless something newer
    /// touched them.
    async fn refresh(&self, work: Refresh) -> Result<Refreshed, Error>;

    /// The lookups of folding (S-4).
    fn lookup(&self) -> &dyn Lookup;
}

/// What folding asks, batched. Blocking: called from the fold's own threads, never from async ones.
pub trait Lookup: Send + Sync {
    /// All ids of a site's events that were made in these milliseconds (by the id's own time), `from..to`.
    fn ids(&self, site: SiteId, from_ms: u64, to_ms: u64) -> Result<Vec<EventId>, Error>;

    /// The visitors among these keys that are known.
    fn visitors(&self, site: SiteId, partition: PartitionId, keys: &[VisitorKey]) -> Result<Vec<KnownVisitor>, Error>;

    /// The ordinal that the next new visitor of the site gets in the partition.
    ///
    /// Above that of every visitor row and every event: a number whose visitor row was lost is not given away.
    fn next_ordinal(&self, site: SiteId, partition: PartitionId) -> Result<u64, Error>;

    /// Living sessions of many visitors, in no order.
    fn sessions(&self, asked: &[SessionsOf]) -> Result<Vec<Found>, Error>;

    /// The writers whose records are folded in a partition, and how far, in no order.
    fn sequences(&self, partition: PartitionId) -> Result<Vec<WriterSequence>, Error>;

    /// Everything about these visitors, from their events: for repair. In the order asked.
    fn histories(&self, site: SiteId, visitors: &[VisitorNo]) -> Result<Vec<VisitorHistory>, Error>;

    /// The stored visitors of these event ids, where such events exist: for repair of lost visitor rows.
    fn visitors_of_events(&self, site: SiteId, ids: &[EventId]) -> Result<Vec<(EventId, VisitorNo)>, Error>;
}

/// The minute of an instant, as a log's records are noted by: since 1970.
pub fn minute_of(at: Micros) -> i64 {
    at.0.div_euclid(60 * Micros::SECOND)
}

/// The hour of an instant, as rollups and their marks count hours: since 1970, UTC.
pub fn hour_of(at: Micros) -> i64 {
    at.0.div_euclid(Micros::HOUR)
}
