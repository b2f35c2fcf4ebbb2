//! What the service needs of the sides that read and fold: who is in a tree, and to be told who enters and leaves.
//!
//! Query's readers and Aggregate's followers stand behind it (services never depend on each other: the binary wires them).

use async_trait::async_trait;
use pistats_core::directory::Site;
use pistats_core::report::AsOf;
use pistats_core::segment::follow::Part;
use pistats_core::segment::{Plan, SegmentId};
use pistats_core::{Micros, SiteId};
use roaring::RoaringBitmap;
use tokio::sync::mpsc;
use tonic::Status;

/// What members were read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    Bitmaps,
    Mixed,
    Sql,
}

/// Who is in a segment.
#[derive(Clone, Debug)]
pub struct Members {
    pub as_of: AsOf,
    /// Numbers of visitors, which live inside a generation.
    pub numbers: RoaringBitmap,
    pub reader: Reader,
}

/// A statement as text, with the values that are bound to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub sql: String,
    pub values: Vec<String>,
}

/// The side that reads.
///
/// Implementations MUST promise:
/// - **R-1** The members of a plan are exact, of one snapshot, and the same from every reader.
/// - **R-2** Each part of a followed segment keeps the promises of [`pistats_core::segment::follow`]; of one number is one part.
#[async_trait]
pub trait Reading: Send + Sync + 'static {
    /// The members of a planned tree of a site.
    async fn members(&self, site: &Site, plan: Plan, only_sql: bool) -> Result<Members, Status>;

    /// The plan as one statement.
    fn written(&self, site: &Site, plan: &Plan) -> Written;

    /// Begins to follow a kept segment, in all parts. It ends where nobody folds.
    fn follow(&self, site: SiteId, segment: SegmentId) -> mpsc::Receiver<Part>;

    /// The server's clock.
    fn now(&self) -> Micros;
}
