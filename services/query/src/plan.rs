//! Planners: a question and a tenant become statements, and the statements' rows an answer. Pure: no I/O, no clock.
//!
//! All statements of a plan are to be read in one snapshot; a comparison is part of the same plan.

mod breakdown;
pub(crate) mod candidates;
mod event;
mod export;
mod funnel;
mod journey;
mod realtime;
mod retention;
mod traffic;
mod visitors;

pub use breakdown::{BreakdownPlan, BreakdownRow, BreakdownRows, breakdown};
pub use event::read as read_event;
pub use export::{After, ExportPage, Folded, export};
pub use funnel::{FunnelPlan, Unanswered, funnel};
pub use journey::{JourneyPlan, journey};
pub use realtime::{RealtimePlan, realtime};
pub use retention::{RetentionPlan, retention};
pub use traffic::{Series, TrafficAnswer, TrafficPlan, traffic};
pub use visitors::{VisitorsPlan, visitors};

pub use crate::answer::Malformed;
use crate::segments::Plans;
use crate::sql::{Dialect, Sql, dialect_of};
use pistats_core::directory::Site;
use pistats_core::report::Compare;
use pistats_core::segment::SegmentId;
use pistats_core::time::Range;
use pistats_core::{Micros, SiteId, Zone};
use pistats_store::Engine;
use std::sync::Arc;

/// Whose rows a plan may read, and the clock on their wall. Made of a site of the directory, which came from a key.
#[derive(Clone, Debug)]
pub struct Tenant {
    site: SiteId,
    zone: Zone,
    visitor_days_before: Option<Micros>,
    dialect: &'static dyn Dialect,
    /// Those that the question names.
    segments: Arc<Plans>,
}

impl Tenant {
    /// The tenant of a site, whose rows lie in a warehouse of this engine.
    pub fn of(site: &Site, engine: Engine) -> Tenant {
        let (id, zone, visitor_days_before) = (site.id, site.zone.clone(), site.visitor_days_before());
        Tenant { site: id, zone, visitor_days_before, dialect: dialect_of(engine), segments: Arc::default() }
    }

    /// Whether the other one would be answered alike.
    pub(crate) fn is_like(&self, other: &Tenant) -> bool {
        let days_of = |tenant: &Tenant| (tenant.site, tenant.zone.name().to_owned(), tenant.visitor_days_before);
        days_of(self) == days_of(other)
    }

    /// Before this instant a visitor may be one of a day only ([`pistats_core::cookieless`]); none: nowhere.
    pub(crate) fn visitor_days_before(&self) -> Option<Micros> {
        self.visitor_days_before
    }

    /// Whether visitors of some day of a range may be known on that day only.
    pub(crate) fn knows_by_day(&self, range: &Range) -> bool {
        self.visitor_days_before.is_some_and(|before| range.hull(&self.zone).0 < before)
    }

    /// Whether uniques of a range may count somebody on each of several days.
    pub(crate) fn counts_visitor_days(&self, range: &Range) -> bool {
        let days = match *range {
            Range::Days { first, last } => (first, last),
            Range::Times { from, to } => (self.zone.day_of(from), self.zone.day_of(to.plus(-1))),
        };
        days.0 != days.1 && self.knows_by_day(range)
    }

    /// The same of a range and the one that it is compared with.
    pub(crate) fn compares_visitor_days(&self, range: &Range, compare: Option<Compare>) -> bool {
        let compared = compare.map(|compare| compare.range(*range, &self.zone));
        self.counts_visitor_days(range) || compared.is_some_and(|range| self.counts_visitor_days(&range))
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

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_core::Day;

    fn tenant(change: impl FnOnce(&mut Site)) -> Tenant {
        let mut site = Site::new(SiteId(1), "a", Zone::named("Europe/Berlin").unwrap(), Micros(0));
        change(&mut site);
        Tenant::of(&site, Engine::DuckDb)
    }

    #[test]
    fn visitor_days_are_those_of_more_than_one_local_day_while_a_site_was_cookieless() {
        let (on, never) = (tenant(|site| site.cookieless = true), tenant(|_| {}));
        let day = Day::parse("2024-05-10").unwrap();
        let days = |first: i32, last: i32| Range::Days { first: day.plus(first), last: day.plus(last) };
        assert!(!on.counts_visitor_days(&days(0, 0)) && on.counts_visitor_days(&days(0, 1)));
        assert!(!never.counts_visitor_days(&days(0, 30)) && !never.knows_by_day(&days(0, 30)));
        let midnight = on.zone().start_of(day);
        let times = |from: i64, to: i64| Range::Times { from: midnight.plus(from), to: midnight.plus(to) };
        assert!(!on.counts_visitor_days(&times(0, Micros::DAY)), "the end is not in it");
        assert!(on.counts_visitor_days(&times(0, Micros::DAY + 1)) && on.counts_visitor_days(&times(-1, 1)));

        let ended = tenant(|site| site.cookieless_until = Some(midnight));
        assert!(ended.knows_by_day(&days(-1, 5)) && !ended.knows_by_day(&days(0, 5)));
        assert!(
            ended.counts_visitor_days(&times(-1, Micros::HOUR))
                && !ended.counts_visitor_days(&times(0, 2 * Micros::DAY))
        );
    }
}
