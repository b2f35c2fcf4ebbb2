//! Questions of the domain as messages, and answers back: the test's own way, apart from the service's conversions.

use pistats_core::Micros;
use pistats_core::report::{
    Bots, Breakdown, Dimension, Filter, Funnel, Metric, Metrics, Operator, Period, Retention, RetentionMode, Selection,
    Traffic, WeekStart,
};
use pistats_core::time::{Interval, Range};
use pistats_proto::ingest::v1::Event;
use pistats_proto::query::v1;
use pistats_testkit::histories::Sent;

/// An event as a client sends it.
pub(crate) fn message(sent: &Sent) -> Event {
    Event {
        id: sent.id.0.to_vec().into(),
        time_us: Some(sent.time.0),
        visitor_id: sent.visitor_id.clone(),
        user_id: sent.user_id.clone(),
        name: sent.name.clone(),
        url: sent.url.clone(),
        referrer: sent.referrer.clone(),
        title: sent.title.clone(),
        topics: sent.topics.clone(),
        language: sent.language.clone(),
        time_zone: sent.time_zone.clone(),
        screen_width: sent.screen_width,
        screen_height: sent.screen_height,
        user_agent: sent.user_agent.clone(),
        country: sent.country.clone(),
        value_micros: sent.value,
        properties: sent.properties.iter().cloned().collect(),
        ..Default::default()
    }
}

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

pub(crate) fn retention(question: &Retention) -> v1::RetentionRequest {
    let Selection { range, filters, bots } = &question.selection;
    let (period, week_start) = match question.period {
        Period::Day => (Interval::Day, v1::WeekStart::Unspecified),
        Period::Week(WeekStart::Monday) => (Interval::Week, v1::WeekStart::Monday),
        Period::Week(WeekStart::Sunday) => (Interval::Week, v1::WeekStart::Sunday),
        Period::Month => (Interval::Month, v1::WeekStart::Unspecified),
    };
    v1::RetentionRequest {
        range: Some(range_of(*range)),
        interval: interval(Some(period)).into(),
        week_start: week_start.into(),
        mode: match question.mode {
            RetentionMode::FirstTime => v1::RetentionMode::FirstTime,
            RetentionMode::Recurring => v1::RetentionMode::Recurring,
        }
        .into(),
        start_event: Some(condition(&question.start)).filter(|start| !start.filters.is_empty()),
        return_event: Some(condition(&question.returning)).filter(|back| !back.filters.is_empty()),
        filters: filters.iter().map(filter).collect(),
        bots: bots_of(*bots).into(),
        cells: question.cells.unwrap_or(0),
    }
}

pub(crate) fn funnel(question: &Funnel) -> v1::FunnelRequest {
    let Selection { range, filters, bots } = &question.selection;
    v1::FunnelRequest {
        range: Some(range_of(*range)),
        steps: question.steps.iter().map(|step| condition(step)).collect(),
        filters: filters.iter().map(filter).collect(),
        bots: bots_of(*bots).into(),
        limit_us: question.limit_us.unwrap_or(0),
        order: if question.strict { v1::FunnelOrder::Strict } else { v1::FunnelOrder::Loose }.into(),
        reentry: question.reentry,
        interval: interval(question.interval).into(),
    }
}

pub(crate) fn journey(visitor_id: &str, sessions: u32, before: Option<Micros>) -> v1::JourneyRequest {
    v1::JourneyRequest {
        who: Some(v1::journey_request::Who::VisitorId(visitor_id.to_owned())),
        sessions,
        before_us: before.map_or(0, |before| before.0),
    }
}

fn condition(filters: &[Filter]) -> v1::Condition {
    v1::Condition { filters: filters.iter().map(filter).collect() }
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
        Dimension::Segment => v1::Dimension::Segment,
        Dimension::Property(key) => return (v1::Dimension::Property, key.clone()),
    };
    (number, String::new())
}
