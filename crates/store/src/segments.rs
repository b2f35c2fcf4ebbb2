//! Kept segments: small rows that people change, with every version of their trees.

use crate::Error;
use async_trait::async_trait;
use pistats_core::segment::SegmentId;
use pistats_core::{Micros, SiteId};

/// A segment in one of its versions.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentRow {
    pub site: SiteId,
    pub id: SegmentId,
    pub name: String,
    pub description: String,
    /// 1, and one more with each new tree.
    pub version: u32,
    /// The encoded tree (segment.v1 `Node`): what it says is not the store's business.
    pub tree: Vec<u8>,
    pub created: Micros,
    /// When this version was made.
    pub updated: Micros,
}

/// The segments of all sites.
///
/// Implementations MUST promise: a change takes effect whole or not at all, and is durable on return; of two changes on the
/// same version one takes effect.
#[async_trait]
pub trait Segments: Send + Sync + 'static {
    /// The newest versions of a site's segments, by name, then id.
    async fn segments(&self, site: SiteId) -> Result<Vec<SegmentRow>, Error>;

    /// One version of a segment, with the name and description that it has now.
    async fn segment_version(&self, site: SiteId, id: SegmentId, version: u32) -> Result<Option<SegmentRow>, Error>;

    /// Adds a segment (`before`: 0) or replaces the one whose newest version is `before`; older versions stay readable. False:
    /// another version is there, and nothing was changed.
    async fn put_segment(&self, row: &SegmentRow, before: u32) -> Result<bool, Error>;

    /// Takes a segment away, with all its versions. False: there was none.
    async fn delete_segment(&self, site: SiteId, id: SegmentId) -> Result<bool, Error>;
}
