//! Planners: a question and a tenant become statements, and the statements' rows an answer. Pure: no I/O, no clock.
//!
//! All statements of a plan are to be read in one snapshot; a comparison is part of the same plan.

mod breakdown;
pub(crate) mod candidates;
mod event;
mod export;
mod funnel;
mod journey;
mod retention;
mod traffic;

pub use breakdown::{BreakdownPlan, BreakdownRow, BreakdownRows, breakdown};
pub use event::read as read_event;
pub use export::{After, ExportPage, export};
pub use funnel::{FunnelPlan, Unanswered, funnel};
pub use journey::{JourneyPlan, journey};
pub use retention::{RetentionPlan, retention};
pub use traffic::{Series, TrafficAnswer, TrafficPlan, traffic};

pub use crate::answer::Malformed;
use crate::segments::Plans;
use crate::sql::{Dialect, Sql, dialect_of};
use pistats_core::directory::Site;
use pistats_core::segment::SegmentId;
use pistats_core::{SiteId, Zone};
use pistats_store::Engine;
use std::sync::Arc;

/// Whose rows a plan may read, and the clock on their wall. Made of a site of the directory, which came from a key.
#[derive(Clone, Debug)]
pub struct Tenant {
    site: SiteId,
    zone: Zone,
    dialect: &'static dyn Dialect,
    /// Those that the question names.
    segments: Arc<Plans>,
}

impl Tenant {
    /// The tenant of a site, whose rows lie in a warehouse of this engine.
    pub fn of(site: &Site, engine: Engine) -> Tenant {
        Tenant { site: site.id, zone: site.zone.clone(), dialect: dialect_of(engine), segments: Arc::default() }
    }

    /// The same, for a question whose filters name these segments, planned for the moment of asking.
    pub fn with_segments(&self, segments: Plans) -> Tenant {
        Tenant { segments: Arc::new(segments), ..self.clone() }
    }

    /// Whether a filter may name a segment.
    pub(crate) fn knows(&self, id: SegmentId) -> bool {
        self.segments.contains_key(&id)
    }

    /// A statement about this tenant, under construction.
    pub(crate) fn sql(&self) -> Sql<'_> {
        Sql::new(self.site, self.dialect).with_segments(&self.segments)
    }

    /// The site itself.
    pub fn site(&self) -> SiteId {
        self.site
    }

    /// The time zone of the site's days.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }
}
