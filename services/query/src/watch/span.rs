//! The local days that a report depends on: a commit that touched none of them cannot have changed it. Pure.
//!
//! A notice names the days of events, of sessions (where they start) and of visitors (where they were first seen), before
//! and after. So a session that is prolonged past the end of a range is told by its start, and a visitor who turns out to
//! have come earlier by the day on which it was new.
//!
//! Wider than it seems necessary is right, narrower never is: a report that is evaluated in vain costs a read, one that is
//! not evaluated is wrong.

use super::question::Question;
use pistats_core::report::{Dimension, Filter, Retention, RetentionMode, Selection};
use pistats_core::time::Range;
use pistats_core::{Changes, Day, SiteId, Zone};

const EARLIEST: Day = Day(i32::MIN);
const LATEST: Day = Day(i32::MAX);

/// Stretches of local days, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span(Vec<(Day, Day)>);

impl Span {
    /// What a question depends on.
    pub(super) fn of(question: &Question, zone: &Zone) -> Span {
        let everything = || Span(vec![(EARLIEST, LATEST)]);
        match question {
            // The clock and every fold move it, under filters too.
            Question::Realtime(..) => Span(Vec::new()),
            Question::Traffic(asked, _) if reach_everywhere(&asked.selection.filters) => everything(),
            Question::Breakdown(asked, _)
                if asked.dimension.is_of_session() || reach_everywhere(&asked.selection.filters) =>
            {
                everything()
            }
            Question::Traffic(asked, compare) => ranges(&asked.selection, *compare, zone),
            Question::Breakdown(asked, compare) => ranges(&asked.selection, *compare, zone),
            Question::Retention(asked) if reach_everywhere(&asked.selection.filters) => everything(),
            Question::Retention(asked) => retention(asked, zone),
            Question::Funnel(asked) if reach_everywhere(&asked.selection.filters) => everything(),
            Question::Funnel(asked) => {
                let (first, last) = days(asked.selection.range, zone);
                let last = match asked.limit_us {
                    _ if asked.steps.len() == 1 => last,
                    Some(limit) => zone.day_of(asked.selection.range.hull(zone).1.plus(limit)).max(last),
                    None => LATEST,
                };
                Span(vec![wider((first, last))])
            }
        }
    }

    /// Whether a commit may have changed the report.
    pub(super) fn is_touched(&self, changes: &Changes, site: SiteId) -> bool {
        self.0.iter().any(|(first, last)| changes.touch(site, *first, *last))
    }

    /// Whether commits move the report at all.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Entry and exit page of an event's session may change by an event of any other day: a session may last for days. Who is in
/// a segment may change by any event at all.
fn reach_everywhere(filters: &[Filter]) -> bool {
    filters.iter().any(|filter| filter.dimension.is_of_session() || filter.dimension == Dimension::Segment)
}

/// Whether a filter names a segment, who is in which is a matter of the day.
pub(super) fn names_segments(question: &Question) -> bool {
    let filters = match question {
        Question::Traffic(asked, _) => &asked.selection.filters,
        Question::Breakdown(asked, _) => &asked.selection.filters,
        Question::Retention(asked) => &asked.selection.filters,
        Question::Funnel(asked) => &asked.selection.filters,
        // Once a second anyway.
        Question::Realtime(_) => return false,
    };
    filters.iter().any(|filter| filter.dimension == Dimension::Segment)
}

fn ranges(selection: &Selection, compare: Option<pistats_core::report::Compare>, zone: &Zone) -> Span {
    let compared = compare.map(|compare| compare.range(selection.range, zone));
    let all = [Some(selection.range), compared].into_iter().flatten();
    Span(all.map(|range| wider(days(range, zone))).collect())
}

fn retention(asked: &Retention, zone: &Zone) -> Span {
    let (first, last) = days(asked.selection.range, zone);
    let (earliest, mut latest) = (asked.period.of(first), asked.period.of(last));
    for _ in 1..asked.cells.unwrap_or(0) {
        latest = asked.period.after(latest);
    }
    // A first start event may be any that came before.
    let is_open = asked.mode == RetentionMode::FirstTime && !asked.start.is_empty();
    Span(vec![(if is_open { EARLIEST } else { earliest.first }, latest.last)])
}

fn days(range: Range, zone: &Zone) -> (Day, Day) {
    match range {
        Range::Days { first, last } => (first, last),
        Range::Times { from, to } => (zone.day_of(from), zone.day_of(to.plus(-1))),
    }
}

/// A session may reach a day over; where a clock falls back over midnight an instant may lie on the neighbouring day.
fn wider((first, last): (Day, Day)) -> (Day, Day) {
    (first.plus(-1), last.plus(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_core::report::{Bots, Breakdown, Compare, Funnel, Metric, Operator, Period, Traffic};
    use pistats_core::{Micros, SiteChange};
    use pistats_proto::convert::query::RealtimeQuestion;

    fn day(text: &str) -> Day {
        Day::parse(text).expect("a day")
    }

    fn of_range(range: Range) -> Selection {
        Selection { range, filters: Vec::new(), bots: Bots::Exclude }
    }

    fn may() -> Selection {
        of_range(Range::Days { first: day("2024-05-10"), last: day("2024-05-20") })
    }

    fn by_exit_page() -> Selection {
        let filter = Filter { dimension: Dimension::ExitPage, operator: Operator::Is, values: vec!["/".into()] };
        Selection { filters: vec![filter], ..may() }
    }

    fn span(question: Question) -> String {
        let Span(stretches) = Span::of(&question, &Zone::named("Europe/Berlin").expect("a zone"));
        let name = |day: Day| match day {
            EARLIEST | LATEST => "…".to_owned(),
            day => day.to_string(),
        };
        stretches.into_iter().map(|(a, b)| format!("{}/{}", name(a), name(b))).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn traffic_depends_on_its_range_and_the_compared_one() {
        let traffic = |selection, compare| span(Question::Traffic(Traffic { selection, interval: None }, compare));
        assert_eq!(traffic(may(), None), "2024-05-09/2024-05-21");
        let compared = traffic(may(), Some(Compare::PreviousYear));
        assert_eq!(compared, "2024-05-09/2024-05-21 2023-05-09/2023-05-21");
        assert_eq!(traffic(by_exit_page(), None), "…/…");
        // 23:30 and 00:30 in Berlin.
        let around = Range::Times { from: Micros(1_715_376_600_000_000), to: Micros(1_715_380_200_000_000) };
        assert_eq!(traffic(of_range(around), None), "2024-05-09/2024-05-12");
    }

    #[test]
    fn a_list_of_entry_pages_depends_on_sessions_of_any_length() {
        let breakdown = |dimension| {
            let asked = Breakdown { selection: may(), dimension, order_by: Metric::Visitors, limit: 10, offset: 0 };
            span(Question::Breakdown(asked, None))
        };
        assert_eq!(breakdown(Dimension::Page), "2024-05-09/2024-05-21");
        assert_eq!(breakdown(Dimension::EntryPage), "…/…");
    }

    #[test]
    fn retention_depends_on_whole_periods_and_as_far_as_cells_reach() {
        let asked = |mode, start: Vec<Filter>, cells| {
            let period = Period::Month;
            span(Question::Retention(Retention { selection: may(), period, mode, start, returning: vec![], cells }))
        };
        let start =
            || vec![Filter { dimension: Dimension::EventName, operator: Operator::Is, values: vec!["x".into()] }];
        assert_eq!(asked(RetentionMode::FirstTime, vec![], None), "2024-05-01/2024-05-31");
        assert_eq!(asked(RetentionMode::FirstTime, vec![], Some(1)), "2024-05-01/2024-05-31");
        assert_eq!(asked(RetentionMode::Recurring, start(), Some(3)), "2024-05-01/2024-07-31");
        assert_eq!(asked(RetentionMode::FirstTime, start(), Some(2)), "…/2024-06-30");
    }

    #[test]
    fn a_funnel_depends_on_what_may_follow_its_starts() {
        let asked = |steps, limit_us| {
            let steps = vec![Vec::new(); steps];
            let (strict, reentry, interval) = (false, false, None);
            span(Question::Funnel(Funnel { selection: may(), steps, limit_us, strict, reentry, interval }))
        };
        assert_eq!(asked(1, None), "2024-05-09/2024-05-21");
        assert_eq!(asked(2, None), "2024-05-09/…");
        assert_eq!(asked(2, Some(2 * Micros::DAY)), "2024-05-09/2024-05-24");
    }

    #[test]
    fn only_commits_to_site_and_days_touch() {
        let span = Span::of(&Question::Traffic(Traffic { selection: may(), interval: None }, None), &Zone::utc());
        let changes = |site, first, last| Changes {
            number: 1,
            committed: Micros(0),
            is_reset: false,
            sites: vec![SiteChange { site: SiteId(site), first: day(first), last: day(last) }],
        };
        assert!(span.is_touched(&changes(1, "2024-05-20", "2024-06-30"), SiteId(1)));
        assert!(!span.is_touched(&changes(2, "2024-05-20", "2024-06-30"), SiteId(1)));
        assert!(!span.is_touched(&changes(1, "2024-05-22", "2024-06-30"), SiteId(1)));
        let asked = RealtimeQuestion { filters: Vec::new(), bots: Bots::Exclude, limit: 10 };
        let realtime = Span::of(&Question::Realtime(asked), &Zone::utc());
        assert!(realtime.is_empty() && !realtime.is_touched(&changes(1, "2024-05-20", "2024-06-30"), SiteId(1)));
    }
}
