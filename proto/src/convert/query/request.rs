//! Requests as questions of the domain, or what is wrong with them.

use super::{DEFAULT_ROWS, MOST_FILTERS, MOST_PROPERTY_BYTES, MOST_ROWS, MOST_VALUE_BYTES, MOST_VALUES};
use crate::convert::{Invalid, Violations};
use crate::query::v1;
use pistats_core::report::{Bots, Breakdown, Compare, Dimension, Filter, Metric, Operator, Selection, Traffic};
use pistats_core::segment::SegmentId;
use pistats_core::time::{Interval, Range};
use pistats_core::{Day, Micros};

/// The first and the last day that a range may name: the accepted event times lie well between them.
const FIRST_DAY: &str = "1970-01-01";
const LAST_DAY: &str = "2200-12-31";

pub(in crate::convert) const NO_SEGMENT_ID: &str = "a segment's id has 32 hexadecimal digits";

/// Which events to export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportQuestion {
    pub selection: Selection,
    /// `None`: all of them.
    pub limit: Option<u64>,
}

/// Reads a request for traffic.
pub fn traffic(request: &v1::TrafficRequest) -> Result<(Traffic, Option<Compare>), Invalid> {
    let mut wrong = Violations::default();
    let selection = selection(&mut wrong, request.range.as_ref(), &request.filters, request.bots);
    let interval = interval(&mut wrong, request.interval);
    let compare = compare(&mut wrong, request.compare);
    let question = selection.zip(interval).map(|(selection, interval)| Traffic { selection, interval });
    wrong.unless_any(question.zip(compare))
}

/// Reads a request for a breakdown.
pub fn breakdown(request: &v1::BreakdownRequest) -> Result<(Breakdown, Option<Compare>), Invalid> {
    let mut wrong = Violations::default();
    let selection = selection(&mut wrong, request.range.as_ref(), &request.filters, request.bots);
    let dimension = dimension(&mut wrong, "", request.dimension, &request.property);
    let order_by = metric(&mut wrong, request.order_by);
    let compare = compare(&mut wrong, request.compare);
    let limit = match request.limit {
        0 => Some(DEFAULT_ROWS),
        limit if limit <= MOST_ROWS => Some(limit),
        limit => wrong.add("limit", format!("{limit} rows are too many, ask for at most {MOST_ROWS}")),
    };
    let question = (|| {
        let (selection, dimension, order_by, limit) = (selection?, dimension?, order_by?, limit?);
        Some((Breakdown { selection, dimension, order_by, limit, offset: request.offset }, compare?))
    })();
    wrong.unless_any(question)
}

/// Reads a request for an export.
pub fn export(request: &v1::ExportRequest) -> Result<ExportQuestion, Invalid> {
    let mut wrong = Violations::default();
    let selection = selection(&mut wrong, request.range.as_ref(), &request.filters, request.bots);
    let limit = (request.limit != 0).then_some(request.limit);
    wrong.unless_any(selection.map(|selection| ExportQuestion { selection, limit }))
}

pub(super) fn selection(
    wrong: &mut Violations,
    range: Option<&v1::Range>,
    filters: &[v1::Filter],
    bots: i32,
) -> Option<Selection> {
    let range = self::range(wrong, range);
    let filters = self::filters(wrong, "", filters);
    let bots = self::bots(wrong, bots);
    Some(Selection { range: range?, filters: filters?, bots: bots? })
}

pub(in crate::convert) fn bots(wrong: &mut Violations, number: i32) -> Option<Bots> {
    Some(match v1::Bots::try_from(number) {
        Ok(v1::Bots::Unspecified | v1::Bots::Exclude) => Bots::Exclude,
        Ok(v1::Bots::Include) => Bots::Include,
        Ok(v1::Bots::Only) => Bots::Only,
        Err(_) => return wrong.add("bots", unknown(number)),
    })
}

fn range(wrong: &mut Violations, range: Option<&v1::Range>) -> Option<Range> {
    match range.and_then(|range| range.range.as_ref()) {
        Some(v1::range::Range::Days(days)) => {
            let first = day(wrong, "range.days.first", &days.first);
            let last = day(wrong, "range.days.last", &days.last);
            let (first, last) = (first?, last?);
            if first > last {
                return wrong.add("range.days.last", format!("{last} lies before the first day, {first}"));
            }
            Some(Range::Days { first, last })
        }
        Some(v1::range::Range::Times(times)) => times_range(wrong, times),
        None => wrong.add("range", "name the days or the times to look at"),
    }
}

fn times_range(wrong: &mut Violations, times: &v1::TimeRange) -> Option<Range> {
    let end = Day::parse(LAST_DAY)?.plus(1).0;
    let latest = i64::from(end) * Micros::DAY;
    let (from, to) = (times.from_us, times.to_us);
    let sane = |at: i64| (0..=latest).contains(&at);
    for (field, at) in [("range.times.from_us", from), ("range.times.to_us", to)] {
        if !sane(at) {
            wrong.add::<()>(field, format!("{at} lies outside of {FIRST_DAY} to {LAST_DAY}; give unix microseconds"));
        }
    }
    if !sane(from) || !sane(to) {
        return None;
    }
    if from >= to {
        return wrong.add("range.times.to_us", format!("{to} must lie after from_us, {from}"));
    }
    Some(Range::Times { from: Micros(from), to: Micros(to) })
}

pub(in crate::convert) fn day(wrong: &mut Violations, field: &str, text: &str) -> Option<Day> {
    // Day::parse knows more spellings; one is enough on the wire.
    let Some(day) = Day::parse(text).filter(|day| day.to_string() == text) else {
        return wrong.add(field, format!("{text:?} is no ISO 8601 date such as 2013-05-17"));
    };
    if day < Day::parse(FIRST_DAY)? || day > Day::parse(LAST_DAY)? {
        return wrong.add(field, format!("{text} lies outside of {FIRST_DAY} to {LAST_DAY}"));
    }
    Some(day)
}

/// Reads filters; `path` leads to the message that holds them: `steps[1].`.
pub(super) fn filters(wrong: &mut Violations, path: &str, filters: &[v1::Filter]) -> Option<Vec<Filter>> {
    let field = format!("{path}filters");
    if filters.len() > MOST_FILTERS {
        return wrong.add(field, format!("{} filters are too many, at most {MOST_FILTERS}", filters.len()));
    }
    // Every filter is read, so that every wrong one is named.
    let read: Vec<Option<Filter>> =
        filters.iter().enumerate().map(|(index, f)| filter(wrong, &format!("{field}[{index}]."), f)).collect();
    read.into_iter().collect()
}

/// Reads a condition: filters by dimensions of events. An absent one has no filters.
pub(super) fn condition(wrong: &mut Violations, path: &str, condition: Option<&v1::Condition>) -> Option<Vec<Filter>> {
    let read = filters(wrong, path, condition.map_or(&[], |condition| &condition.filters))?;
    let mut is_right = true;
    for (index, filter) in read.iter().enumerate() {
        let why = match filter.dimension {
            Dimension::EntryPage | Dimension::ExitPage => {
                "entry and exit pages are of whole sessions; use DIMENSION_PAGE, or filter the whole report by them"
            }
            Dimension::Segment => "segments are of whole visitors; filter the whole report by them",
            _ => continue,
        };
        wrong.add::<()>(format!("{path}filters[{index}].dimension"), why);
        is_right = false;
    }
    is_right.then_some(read)
}

fn filter(wrong: &mut Violations, path: &str, filter: &v1::Filter) -> Option<Filter> {
    let dimension = dimension(wrong, path, filter.dimension, &filter.property);
    let operator = match v1::Operator::try_from(filter.operator) {
        Ok(v1::Operator::Unspecified | v1::Operator::Is) => Some(Operator::Is),
        Ok(v1::Operator::IsNot) => Some(Operator::IsNot),
        Ok(v1::Operator::Contains) => Some(Operator::Contains),
        Ok(v1::Operator::DoesNotContain) => Some(Operator::DoesNotContain),
        Ok(v1::Operator::StartsWith) => Some(Operator::StartsWith),
        Err(_) => wrong.add(format!("{path}operator"), unknown(filter.operator)),
    };
    let values = values(wrong, path, &filter.values);
    if dimension == Some(Dimension::Segment) {
        segments(wrong, path, operator, values.as_deref().unwrap_or_default())?;
    }
    Some(Filter { dimension: dimension?, operator: operator?, values: values? })
}

/// A filter by segments names them, and asks whether a visitor is in one of them or in none.
fn segments(wrong: &mut Violations, path: &str, operator: Option<Operator>, ids: &[String]) -> Option<()> {
    if !matches!(operator, None | Some(Operator::Is | Operator::IsNot)) {
        return wrong.add(format!("{path}operator"), "segments are filtered by with OPERATOR_IS and OPERATOR_IS_NOT");
    }
    let unreadable = ids.iter().position(|id| SegmentId::parse(id).is_none());
    match unreadable {
        Some(index) => wrong.add(format!("{path}values[{index}]"), NO_SEGMENT_ID),
        None => Some(()),
    }
}

pub(in crate::convert) fn values(wrong: &mut Violations, path: &str, values: &[String]) -> Option<Vec<String>> {
    let field = format!("{path}values");
    if values.is_empty() {
        return wrong.add(field, "name at least one value; the empty text stands for an absent one");
    }
    if values.len() > MOST_VALUES {
        return wrong.add(field, format!("{} values are too many, at most {MOST_VALUES}", values.len()));
    }
    if let Some((index, value)) = values.iter().enumerate().find(|(_, value)| value.len() > MOST_VALUE_BYTES) {
        let length = value.len();
        return wrong
            .add(format!("{field}[{index}]"), format!("{length} bytes are too long, at most {MOST_VALUE_BYTES}"));
    }
    Some(values.to_vec())
}

pub(in crate::convert) fn dimension(
    wrong: &mut Violations,
    path: &str,
    number: i32,
    property: &str,
) -> Option<Dimension> {
    let Ok(dimension) = v1::Dimension::try_from(number) else {
        return wrong.add(format!("{path}dimension"), unknown(number));
    };
    let property_field = format!("{path}property");
    if dimension != v1::Dimension::Property && !property.is_empty() {
        return wrong.add(property_field, "only for DIMENSION_PROPERTY; leave it empty");
    }
    Some(match dimension {
        v1::Dimension::Unspecified => return wrong.add(format!("{path}dimension"), "name a dimension"),
        v1::Dimension::Property if property.is_empty() => return wrong.add(property_field, "name the property"),
        v1::Dimension::Property if property.len() > MOST_PROPERTY_BYTES => {
            return wrong.add(property_field, format!("too long, at most {MOST_PROPERTY_BYTES} bytes"));
        }
        v1::Dimension::Property => Dimension::Property(property.to_owned()),
        v1::Dimension::Url => Dimension::Url,
        v1::Dimension::Page => Dimension::Page,
        v1::Dimension::Path => Dimension::Path,
        v1::Dimension::EntryPage => Dimension::EntryPage,
        v1::Dimension::ExitPage => Dimension::ExitPage,
        v1::Dimension::Referrer => Dimension::Referrer,
        v1::Dimension::Source => Dimension::Source,
        v1::Dimension::Channel => Dimension::Channel,
        v1::Dimension::UtmSource => Dimension::UtmSource,
        v1::Dimension::UtmMedium => Dimension::UtmMedium,
        v1::Dimension::UtmCampaign => Dimension::UtmCampaign,
        v1::Dimension::UtmTerm => Dimension::UtmTerm,
        v1::Dimension::UtmContent => Dimension::UtmContent,
        v1::Dimension::Country => Dimension::Country,
        v1::Dimension::Language => Dimension::Language,
        v1::Dimension::Device => Dimension::Device,
        v1::Dimension::Screen => Dimension::Screen,
        v1::Dimension::Browser => Dimension::Browser,
        v1::Dimension::Os => Dimension::Os,
        v1::Dimension::EventName => Dimension::EventName,
        v1::Dimension::Topic => Dimension::Topic,
        v1::Dimension::Title => Dimension::Title,
        v1::Dimension::Host => Dimension::Host,
        v1::Dimension::UserId => Dimension::UserId,
        v1::Dimension::Segment => Dimension::Segment,
    })
}

pub(super) fn interval(wrong: &mut Violations, number: i32) -> Option<Option<Interval>> {
    Some(match v1::Interval::try_from(number) {
        Ok(v1::Interval::Unspecified) => None,
        Ok(v1::Interval::Minute) => Some(Interval::Minute),
        Ok(v1::Interval::Hour) => Some(Interval::Hour),
        Ok(v1::Interval::Day) => Some(Interval::Day),
        Ok(v1::Interval::Week) => Some(Interval::Week),
        Ok(v1::Interval::Month) => Some(Interval::Month),
        Err(_) => return wrong.add("interval", unknown(number)),
    })
}

fn metric(wrong: &mut Violations, number: i32) -> Option<Metric> {
    match v1::Metric::try_from(number) {
        Ok(v1::Metric::Unspecified | v1::Metric::Visitors) => Some(Metric::Visitors),
        Ok(v1::Metric::Sessions) => Some(Metric::Sessions),
        Ok(v1::Metric::PageViews) => Some(Metric::PageViews),
        Ok(v1::Metric::Events) => Some(Metric::Events),
        Ok(v1::Metric::ValueSum) => Some(Metric::ValueSum),
        Err(_) => wrong.add("order_by", unknown(number)),
    }
}

fn compare(wrong: &mut Violations, number: i32) -> Option<Option<Compare>> {
    Some(match v1::Compare::try_from(number) {
        Ok(v1::Compare::Unspecified) => None,
        Ok(v1::Compare::PreviousPeriod) => Some(Compare::PreviousPeriod),
        Ok(v1::Compare::PreviousYear) => Some(Compare::PreviousYear),
        Ok(v1::Compare::PreviousYearWeekdays) => Some(Compare::PreviousYearWeekdays),
        Err(_) => return wrong.add("compare", unknown(number)),
    })
}

pub(in crate::convert) fn unknown(number: i32) -> String {
    format!("{number} is unknown to this server; use a number of the contract")
}

#[cfg(test)]
mod tests;
