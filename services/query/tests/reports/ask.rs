//! Requests in few words, and the service's answers to them.

use crate::warehouse::{Warehouse, asked};
use futures::TryStreamExt;
use pistats_core::Micros;
use pistats_proto::query::v1::query_service_server::QueryService;
use pistats_proto::query::v1::{
    Bots, BreakdownRequest, BreakdownResponse, DayRange, Dimension, ExportRequest, ExportResponse, Filter, Metrics,
    Operator, Range, RetentionRequest, RetentionResponse, TimeRange, TrafficRequest, TrafficResponse, range,
};

pub(crate) fn days(first: &str, last: &str) -> Option<Range> {
    let days = DayRange { first: first.into(), last: last.into() };
    Some(Range { range: Some(range::Range::Days(days)) })
}

pub(crate) fn times(from: Micros, to: Micros) -> Option<Range> {
    Some(Range { range: Some(range::Range::Times(TimeRange { from_us: from.0, to_us: to.0 })) })
}

pub(crate) fn filter(dimension: Dimension, operator: Operator, values: &[&str]) -> Filter {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Filter { dimension: dimension.into(), operator: operator.into(), values, ..Filter::default() }
}

pub(crate) async fn traffic(warehouse: &Warehouse, request: TrafficRequest) -> TrafficResponse {
    warehouse.service().traffic(asked(1, request)).await.unwrap().into_inner()
}

pub(crate) async fn breakdown(warehouse: &Warehouse, request: BreakdownRequest) -> BreakdownResponse {
    warehouse.service().breakdown(asked(1, request)).await.unwrap().into_inner()
}

pub(crate) async fn retention(warehouse: &Warehouse, request: RetentionRequest) -> RetentionResponse {
    warehouse.service().retention(asked(1, request)).await.unwrap().into_inner()
}

/// Visitors and cells of each cohort.
pub(crate) fn cohorts(answer: &RetentionResponse) -> Vec<(u64, Vec<u64>)> {
    answer.cohorts.iter().map(|cohort| (cohort.visitors, cohort.cells.clone())).collect()
}

/// All messages of an export.
pub(crate) async fn export(warehouse: &Warehouse, request: ExportRequest) -> Vec<ExportResponse> {
    let stream = warehouse.service().export(asked(1, request)).await.unwrap().into_inner();
    stream.try_collect().await.unwrap()
}

/// The paths of the events that pass a filter, in order, those of bots too.
pub(crate) async fn paths(warehouse: &Warehouse, range: Option<Range>, filters: Vec<Filter>) -> String {
    let request = ExportRequest { range, filters, bots: Bots::Include.into(), limit: 0 };
    let messages = export(warehouse, request).await;
    let pages = messages.iter().flat_map(|message| &message.events);
    pages.map(|event| event.page.trim_start_matches("shop.example/")).collect::<Vec<_>>().join(" ")
}

/// Value and numbers of each row.
pub(crate) fn rows(answer: BreakdownResponse) -> Vec<(String, Metrics)> {
    answer.rows.into_iter().map(|row| (row.value, row.metrics.unwrap())).collect()
}

/// Events and sessions of each step.
pub(crate) fn steps(answer: &TrafficResponse) -> Vec<(u64, u64)> {
    let metrics = answer.steps.iter().map(|step| step.metrics.unwrap());
    metrics.map(|metrics| (metrics.events, metrics.sessions)).collect()
}
