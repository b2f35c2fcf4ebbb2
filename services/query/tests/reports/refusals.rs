//! What is refused: which status, and which field is named.

use crate::ask::{days, filter, times};
use crate::sample;
use crate::warehouse::{WRITE_KEY, asked, at, with_key};
use pistats_proto::query::v1::query_service_server::QueryService;
use pistats_proto::query::v1::{
    BreakdownRequest, Condition, Dimension, ExportRequest, Filter, Interval, Operator, Range, RetentionRequest,
    TrafficRequest,
};
use pistats_query::Query;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

pub(crate) fn fields(refused: Status) -> Vec<String> {
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    let details = refused.get_details_bad_request().unwrap();
    assert!(details.field_violations.iter().all(|violation| !violation.description.is_empty()));
    let fields: Vec<String> = details.field_violations.into_iter().map(|violation| violation.field).collect();
    assert!(fields.iter().all(|field| refused.message().contains(field.as_str())), "the message names them too");
    fields
}

/// Asks all three reports and wants the same refusal of each.
async fn refused(service: &Query, range: Option<Range>, filters: Vec<Filter>, bots: i32, expected: &[&str]) {
    let traffic = TrafficRequest { range: range.clone(), filters: filters.clone(), bots, ..Default::default() };
    let dimension = Dimension::Page.into();
    let breakdown =
        BreakdownRequest { range: range.clone(), filters: filters.clone(), bots, dimension, ..Default::default() };
    let export = ExportRequest { range, filters, bots, limit: 0 };
    assert_eq!(fields(service.traffic(asked(1, traffic)).await.unwrap_err()), expected);
    assert_eq!(fields(service.breakdown(asked(1, breakdown)).await.unwrap_err()), expected);
    assert_eq!(fields(service.export(asked(1, export)).await.err().unwrap()), expected);
}

#[tokio::test]
async fn every_report_names_what_is_wrong_with_range_filters_and_bots() {
    let service = sample::warehouse().await.service();
    let day = || days("2024-05-13", "2024-05-13");
    let sound = || filter(Dimension::Os, Operator::Is, &["Linux"]);
    refused(&service, None, vec![], 0, &["range"]).await;
    refused(&service, Some(Range { range: None }), vec![], 0, &["range"]).await;
    refused(&service, days("2024-13-01", "today"), vec![], 0, &["range.days.first", "range.days.last"]).await;
    refused(&service, days("2024-05-14", "2024-05-13"), vec![], 0, &["range.days.last"]).await;
    let now = at("2024-05-13T00:00:00Z");
    refused(&service, times(now, now), vec![], 0, &["range.times.to_us"]).await;
    refused(&service, times(now.plus(-i64::MAX), now), vec![], 0, &["range.times.from_us"]).await;
    refused(&service, day(), vec![], 4, &["bots"]).await;
    refused(&service, day(), vec![sound(); 51], 0, &["filters"]).await;
    refused(&service, day(), vec![sound(), filter(Dimension::Os, Operator::Is, &[])], 0, &["filters[1].values"]).await;
    let unknown = Filter { operator: 6, ..sound() };
    refused(&service, day(), vec![unknown], 0, &["filters[0].operator"]).await;
    let unnamed = filter(Dimension::Property, Operator::Is, &["red"]);
    let nothing = filter(Dimension::Unspecified, Operator::Is, &["red"]);
    refused(&service, day(), vec![unnamed, nothing], 0, &["filters[0].property", "filters[1].dimension"]).await;
}

#[tokio::test]
async fn each_reports_own_fields_are_named() {
    let service = sample::warehouse().await.service();
    let traffic = |range, interval, compare| TrafficRequest { range, interval, compare, ..Default::default() };
    let day = || days("2024-05-13", "2024-05-13");
    let minute = Interval::Minute.into();
    // 10,000 steps are answered, one more is too many.
    let minutes = |count: i64| times(at("2024-05-13T00:00:00Z"), at("2024-05-13T00:00:00Z").plus(count * 60_000_000));
    let most = service.traffic(asked(1, traffic(minutes(10_000), minute, 0))).await.unwrap();
    assert_eq!(most.into_inner().steps.len(), 10_000);
    let more = service.traffic(asked(1, traffic(minutes(10_001), minute, 0))).await;
    assert_eq!(fields(more.unwrap_err()), ["interval"]);
    let unknown = service.traffic(asked(1, traffic(day(), 6, 4))).await;
    assert_eq!(fields(unknown.unwrap_err()), ["interval", "compare"]);

    let wrong = BreakdownRequest { range: day(), limit: 10_001, order_by: 6, compare: 9, ..Default::default() };
    let wrong = service.breakdown(asked(1, wrong)).await;
    assert_eq!(fields(wrong.unwrap_err()), ["dimension", "order_by", "compare", "limit"]);
}

#[tokio::test]
async fn retention_names_what_is_wrong_with_it() {
    let service = sample::warehouse().await.service();
    let refusal = async |request| fields(service.retention(asked(1, request)).await.unwrap_err());
    let day = || RetentionRequest { range: days("2024-05-13", "2024-05-13"), ..Default::default() };
    assert_eq!(refusal(RetentionRequest { range: None, ..day() }).await, ["range"]);
    let now = at("2024-05-13T00:00:00Z");
    assert_eq!(refusal(RetentionRequest { range: times(now, now.plus(1)), ..day() }).await, ["range.times"]);
    let hours = RetentionRequest { interval: Interval::Hour.into(), mode: 9, ..day() };
    assert_eq!(refusal(hours).await, ["interval", "mode"]);
    let exits = Condition { filters: vec![filter(Dimension::ExitPage, Operator::Is, &["/"])] };
    let start = RetentionRequest { start_event: Some(exits), ..day() };
    assert_eq!(refusal(start).await, ["start_event.filters[0].dimension"]);
    // 10,000 cells are answered, one more is too many.
    let most = service.retention(asked(1, RetentionRequest { cells: 10_000, ..day() })).await.unwrap();
    assert_eq!(most.into_inner().cohorts[0].cells.len(), 10_000);
    assert_eq!(refusal(RetentionRequest { cells: 10_001, ..day() }).await, ["cells"]);
}

#[tokio::test]
async fn a_sum_past_64_bits_is_out_of_range() {
    let mut warehouse = crate::warehouse::Warehouse::new(&[(1, &pistats_core::Zone::utc())]);
    let mut events = sample::events();
    events.iter_mut().for_each(|event| event.value = Some(i64::MAX / 4));
    warehouse.commit(1, &events[..4]).await;
    let request = || TrafficRequest { range: days("2024-05-13", "2024-05-13"), ..Default::default() };
    let fits = warehouse.service().traffic(asked(1, request())).await.unwrap().into_inner();
    assert_eq!(fits.total.unwrap().value_sum_micros, i64::MAX / 4 * 4);
    let mut more = crate::warehouse::view(1_000, "eve", "2024-05-13T12:00:00Z", "/");
    more.value = Some(4);
    warehouse.commit(1, &[more]).await;
    let past = warehouse.service().traffic(asked(1, request())).await.unwrap_err();
    assert_eq!(past.code(), Code::OutOfRange, "{past}");
}

#[tokio::test]
async fn only_a_read_key_is_answered() {
    let service = sample::warehouse().await.service();
    let request = || TrafficRequest { range: days("2024-05-13", "2024-05-13"), ..Default::default() };
    let code = |answer: Result<_, Status>| answer.err().map(|status| status.code());
    assert_eq!(code(service.traffic(asked(1, request())).await), None);
    assert_eq!(code(service.traffic(with_key(WRITE_KEY, request())).await), Some(Code::PermissionDenied));
    assert_eq!(code(service.traffic(with_key("guessed", request())).await), Some(Code::Unauthenticated));
    assert_eq!(code(service.traffic(Request::new(request())).await), Some(Code::Unauthenticated));
}
