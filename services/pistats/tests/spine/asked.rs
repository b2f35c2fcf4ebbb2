//! Questions of the domain as messages, and answers back: the test's own way, apart from the service's conversions.

use pistats_core::report::{Bots, Breakdown, Dimension, Filter, Metric, Metrics, Operator, Selection, Traffic};
use pistats_core::time::{Interval, Range};
use pistats_proto::query::v1;

pub(crate) fn traffic(question: &Traffic) -> v1::TrafficRequest {
    let Selection { range, filters, bots } = &question.selection;
    v1::TrafficRequest {
        range: Some(range_of(*range)),
        interval: interval(question.interval).into(),
        filters: filters.iter().map(filter).collect(),
        bots: bots_of(*bots).into(),
        compare: 0,
    }
}

pub(crate) fn breakdown(question: &Breakdown) -> v1::BreakdownRequest {
    let Selection { range, filters, bots } = &question.selection;
    let (dimension, property) = dimension(&question.dimension);
    v1::BreakdownRequest {
        range: Some(range_of(*range)),
        dimension: dimension.into(),
        property,
        filters: filters.iter().map(filter).collect(),
        bots: bots_of(*bots).into(),
        order_by: match question.order_by {
            Metric::Visitors => v1::Metric::Visitors,
            Metric::Sessions => v1::Metric::Sessions,
            Metric::PageViews => v1::Metric::PageViews,
            Metric::Events => v1::Metric::Events,
            Metric::ValueSum => v1::Metric::ValueSum,
        }
        .into(),
        limit: question.limit,
        offset: question.offset,
        compare: 0,
    }
}

pub(crate) fn export(selection: &Selection) -> v1::ExportRequest {
    v1::ExportRequest {
        range: Some(range_of(selection.range)),
        filters: selection.filters.iter().map(filter).collect(),
        bots: bots_of(selection.bots).into(),
        limit: 0,
    }
}

pub(crate) fn metrics(m: &v1::Metrics) -> Metrics {
    Metrics {
        visitors: m.visitors,
        new_visitors: m.new_visitors,
        sessions: m.sessions,
        page_views: m.page_views,
        events: m.events,
        bounces: m.bounces,
        session_us: m.session_us,
        session_page_views: m.session_page_views,
        value_count: m.value_count,
        value_sum: m.value_sum_micros,
        value_min: m.value_min_micros,
        value_max: m.value_max_micros,
    }
}

fn range_of(range: Range) -> v1::Range {
    let range = match range {
        Range::Days { first, last } => {
            v1::range::Range::Days(v1::DayRange { first: first.to_string(), last: last.to_string() })
        }
        Range::Times { from, to } => v1::range::Range::Times(v1::TimeRange { from_us: from.0, to_us: to.0 }),
    };
    v1::Range { range: Some(range) }
}

fn interval(interval: Option<Interval>) -> v1::Interval {
    match interval {
        None => v1::Interval::Unspecified,
        Some(Interval::Minute) => v1::Interval::Minute,
        Some(Interval::Hour) => v1::Interval::Hour,
        Some(Interval::Day) => v1::Interval::Day,
        Some(Interval::Week) => v1::Interval::Week,
        Some(Interval::Month) => v1::Interval::Month,
    }
}

fn bots_of(bots: Bots) -> v1::Bots {
    match bots {
        Bots::Exclude => v1::Bots::Exclude,
        Bots::Include => v1::Bots::Include,
        Bots::Only => v1::Bots::Only,
    }
}

fn filter(filter: &Filter) -> v1::Filter {
    let (dimension, property) = dimension(&filter.dimension);
    let operator = match filter.operator {
        Operator::Is => v1::Operator::Is,
        Operator::IsNot => v1::Operator::IsNot,
        Operator::Contains => v1::Operator::Contains,
        Operator::DoesNotContain => v1::Operator::DoesNotContain,
        Operator::StartsWith => v1::Operator::StartsWith,
    };
    v1::Filter { dimension: dimension.into(), property, operator: operator.into(), values: filter.values.clone() }
}

pub(crate) fn dimension(dimension: &Dimension) -> (v1::Dimension, String) {
    let number = match dimension {
        Dimension::Url => v1::Dimension::Url,
        Dimension::Page => v1::Dimension::Page,
        Dimension::Path => v1::Dimension::Path,
        Dimension::Host => v1::Dimension::Host,
        Dimension::Title => v1::Dimension::Title,
        Dimension::EntryPage => v1::Dimension::EntryPage,
        Dimension::ExitPage => v1::Dimension::ExitPage,
        Dimension::Referrer => v1::Dimension::Referrer,
        Dimension::Source => v1::Dimension::Source,
        Dimension::Channel => v1::Dimension::Channel,
        Dimension::UtmSource => v1::Dimension::UtmSource,
        Dimension::UtmMedium => v1::Dimension::UtmMedium,
        Dimension::UtmCampaign => v1::Dimension::UtmCampaign,
        Dimension::UtmTerm => v1::Dimension::UtmTerm,
        Dimension::UtmContent => v1::Dimension::UtmContent,
        Dimension::Country => v1::Dimension::Country,
        Dimension::Language => v1::Dimension::Language,
        Dimension::Device => v1::Dimension::Device,
        Dimension::Screen => v1::Dimension::Screen,
        Dimension::Browser => v1::Dimension::Browser,
        Dimension::Os => v1::Dimension::Os,
        Dimension::EventName => v1::Dimension::EventName,
        Dimension::Topic => v1::Dimension::Topic,
        Dimension::UserId => v1::Dimension::UserId,
        Dimension::Property(key) => return (v1::Dimension::Property, key.clone()),
    };
    (number, String::new())
}
