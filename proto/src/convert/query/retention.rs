//! `RetentionRequest` as a question.

use super::MOST_CELLS;
use super::request::{condition, selection, unknown};
use crate::convert::{Invalid, Violations};
use crate::query::v1;
use pistats_core::report::{Period, Retention, RetentionMode, WeekStart, WholePeriod};
use pistats_core::time::Range;

/// Reads a request for retention: its range is of days, and its cells are at most [`MOST_CELLS`].
pub fn retention(request: &v1::RetentionRequest) -> Result<Retention, Invalid> {
    let mut wrong = Violations::default();
    let selection = selection(&mut wrong, request.range.as_ref(), &request.filters, request.bots);
    let week_start = week_start(&mut wrong, request.week_start);
    let period = period(&mut wrong, request.interval, week_start.unwrap_or_default());
    let mode = mode(&mut wrong, request.mode);
    let start = condition(&mut wrong, "start_event.", request.start_event.as_ref());
    let returning = condition(&mut wrong, "return_event.", request.return_event.as_ref());
    let cells = (request.cells != 0).then_some(request.cells);
    let fits = match (selection.as_ref().map(|selection| selection.range), period) {
        (Some(range), Some(period)) => fits(&mut wrong, range, period, cells),
        _ => None,
    };
    let question = (|| {
        fits?;
        let (selection, period, mode, start, returning) = (selection?, period?, mode?, start?, returning?);
        Some(Retention { selection, period, mode, start, returning, cells })
    })();
    wrong.unless_any(question)
}

/// Whether the range is of days and the cells are not too many.
fn fits(wrong: &mut Violations, range: Range, period: Period, cells: Option<u32>) -> Option<()> {
    let Range::Days { first, last } = range else {
        return wrong.add("range.times", "retention counts whole days: give range.days");
    };
    let touched: Option<Vec<WholePeriod>> = period.touching(first, last, MOST_CELLS);
    let cohorts = touched.map_or(usize::MAX, |periods| periods.len());
    let triangle = cohorts.saturating_add(1).saturating_mul(cohorts) / 2;
    if cohorts > MOST_CELLS || (cells.is_none() && triangle > MOST_CELLS) {
        let why = format!("more than {MOST_CELLS} cells; ask for longer periods, a shorter range or fewer cells");
        return wrong.add("interval", why);
    }
    let asked = cells.map_or(0, |cells| cohorts.saturating_mul(cells as usize));
    if asked > MOST_CELLS {
        return wrong.add("cells", format!("{cohorts} cohorts would have {asked} cells, at most {MOST_CELLS} in all"));
    }
    Some(())
}

fn period(wrong: &mut Violations, number: i32, week_start: WeekStart) -> Option<Period> {
    Some(match v1::Interval::try_from(number) {
        Ok(v1::Interval::Unspecified | v1::Interval::Day) => Period::Day,
        Ok(v1::Interval::Week) => Period::Week(week_start),
        Ok(v1::Interval::Month) => Period::Month,
        Ok(v1::Interval::Minute | v1::Interval::Hour) => {
            return wrong.add("interval", "retention counts by day, week or month");
        }
        Err(_) => return wrong.add("interval", unknown(number)),
    })
}

fn week_start(wrong: &mut Violations, number: i32) -> Option<WeekStart> {
    match v1::WeekStart::try_from(number) {
        Ok(v1::WeekStart::Unspecified | v1::WeekStart::Monday) => Some(WeekStart::Monday),
        Ok(v1::WeekStart::Sunday) => Some(WeekStart::Sunday),
        Err(_) => wrong.add("week_start", unknown(number)),
    }
}

fn mode(wrong: &mut Violations, number: i32) -> Option<RetentionMode> {
    match v1::RetentionMode::try_from(number) {
        Ok(v1::RetentionMode::Unspecified | v1::RetentionMode::FirstTime) => Some(RetentionMode::FirstTime),
        Ok(v1::RetentionMode::Recurring) => Some(RetentionMode::Recurring),
        Err(_) => wrong.add("mode", unknown(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::query::MOST_FILTERS;

    fn days(first: &str, last: &str) -> Option<v1::Range> {
        let days = v1::DayRange { first: first.into(), last: last.into() };
        Some(v1::Range { range: Some(v1::range::Range::Days(days)) })
    }

    fn filter(dimension: v1::Dimension) -> v1::Filter {
        v1::Filter { dimension: dimension.into(), values: vec!["x".into()], ..Default::default() }
    }

    fn condition_of(filters: Vec<v1::Filter>) -> Option<v1::Condition> {
        Some(v1::Condition { filters })
    }

    /// The fields that are named when a sound request is changed.
    fn named(change: impl FnOnce(&mut v1::RetentionRequest)) -> Vec<String> {
        let mut request = v1::RetentionRequest { range: days("2024-01-01", "2024-01-31"), ..Default::default() };
        change(&mut request);
        match retention(&request) {
            Ok(_) => Vec::new(),
            Err(Invalid(violations)) => violations.into_iter().map(|violation| violation.field).collect(),
        }
    }

    #[test]
    fn a_request_is_read_with_its_defaults() {
        let request = v1::RetentionRequest { range: days("2024-01-01", "2024-01-31"), ..Default::default() };
        let read = retention(&request).expect("sound");
        assert_eq!((read.period, read.mode, read.cells), (Period::Day, RetentionMode::FirstTime, None));
        assert!(read.start.is_empty() && read.returning.is_empty());
        let weeks = v1::RetentionRequest {
            interval: v1::Interval::Week.into(),
            week_start: v1::WeekStart::Sunday.into(),
            mode: v1::RetentionMode::Recurring.into(),
            start_event: condition_of(vec![filter(v1::Dimension::Os)]),
            cells: 4,
            ..request
        };
        let read = retention(&weeks).expect("sound");
        assert_eq!(read.period, Period::Week(WeekStart::Sunday));
        assert_eq!((read.mode, read.cells, read.start.len()), (RetentionMode::Recurring, Some(4), 1));
    }

    #[test]
    fn every_refusal_names_its_field() {
        assert_eq!(named(|r| r.range = None), ["range"]);
        let times = v1::range::Range::Times(v1::TimeRange { from_us: 0, to_us: 1 });
        assert_eq!(named(|r| r.range = Some(v1::Range { range: Some(times) })), ["range.times"]);
        assert_eq!(named(|r| r.interval = v1::Interval::Minute.into()), ["interval"]);
        assert_eq!(named(|r| r.interval = v1::Interval::Hour.into()), ["interval"]);
        assert_eq!(named(|r| r.interval = 99), ["interval"]);
        assert_eq!(named(|r| (r.week_start, r.mode) = (3, 3)), ["week_start", "mode"]);
        let of_session = || vec![filter(v1::Dimension::Os), filter(v1::Dimension::EntryPage)];
        assert_eq!(named(|r| r.start_event = condition_of(of_session())), ["start_event.filters[1].dimension"]);
        assert_eq!(named(|r| r.return_event = condition_of(of_session())), ["return_event.filters[1].dimension"]);
        // As a filter of the selection a session's page is fine: it selects the events of these sessions.
        assert_eq!(named(|r| r.filters = of_session()), [""; 0]);
        let unnamed = vec![filter(v1::Dimension::Unspecified)];
        assert_eq!(named(|r| r.start_event = condition_of(unnamed)), ["start_event.filters[0].dimension"]);
        let many = |count| condition_of(vec![filter(v1::Dimension::Os); count]);
        assert_eq!(named(|r| r.return_event = many(MOST_FILTERS)), [""; 0]);
        assert_eq!(named(|r| r.return_event = many(MOST_FILTERS + 1)), ["return_event.filters"]);
    }

    #[test]
    fn ten_thousand_cells_are_answered_and_one_more_is_refused() {
        // 140 days make a triangle of 9,870 cells, 141 one of 10,011.
        assert_eq!(named(|r| r.range = days("2024-01-01", "2024-05-19")), [""; 0]);
        assert_eq!(named(|r| r.range = days("2024-01-01", "2024-05-20")), ["interval"]);
        let rows = |last: &'static str, cells| {
            named(move |r| {
                r.range = days("2024-01-01", last);
                r.cells = cells;
            })
        };
        assert_eq!(rows("2024-04-09", 100), [""; 0]);
        assert_eq!(rows("2024-04-09", 101), ["cells"]);
        assert_eq!(rows("2024-01-01", 10_000), [""; 0]);
        assert_eq!(rows("2024-01-01", u32::MAX), ["cells"]);
        // 2000-01-01 and 9,999 days after it.
        let wide = |last: &'static str| {
            named(move |r| {
                r.range = days("2000-01-01", last);
                r.cells = 1;
            })
        };
        assert_eq!(wide("2027-05-18"), [""; 0]);
        assert_eq!(wide("2027-05-19"), ["interval"]);
    }
}
