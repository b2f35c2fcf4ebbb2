use super::*;

fn days(first: &str, last: &str) -> Option<v1::Range> {
    let days = v1::DayRange { first: first.into(), last: last.into() };
    Some(v1::Range { range: Some(v1::range::Range::Days(days)) })
}

fn times(from_us: i64, to_us: i64) -> Option<v1::Range> {
    Some(v1::Range { range: Some(v1::range::Range::Times(v1::TimeRange { from_us, to_us })) })
}

fn sound() -> v1::BreakdownRequest {
    v1::BreakdownRequest {
        range: days("2024-02-29", "2024-03-01"),
        dimension: v1::Dimension::Page.into(),
        filters: vec![filter_of(v1::Dimension::Country, &["DE", ""])],
        ..Default::default()
    }
}

fn filter_of(dimension: v1::Dimension, values: &[&str]) -> v1::Filter {
    let values = values.iter().map(|value| value.to_string()).collect();
    v1::Filter { dimension: dimension.into(), values, ..Default::default() }
}

/// The fields that are named when the sound request is changed.
fn named(change: impl FnOnce(&mut v1::BreakdownRequest)) -> Vec<String> {
    let mut request = sound();
    change(&mut request);
    match breakdown(&request) {
        Ok(_) => Vec::new(),
        Err(Invalid(violations)) => violations.into_iter().map(|violation| violation.field).collect(),
    }
}

#[test]
fn a_sound_request_is_read_with_its_defaults() {
    let (question, compare) = breakdown(&sound()).expect("sound");
    let day = |text| Day::parse(text).expect("a day");
    assert_eq!(question.selection.range, Range::Days { first: day("2024-02-29"), last: day("2024-03-01") });
    assert_eq!(question.selection.bots, Bots::Exclude);
    assert_eq!(question.selection.filters[0].operator, Operator::Is);
    assert_eq!(question.selection.filters[0].values, ["DE", ""]);
    assert_eq!((question.order_by, question.limit, question.offset), (Metric::Visitors, 100, 0));
    assert_eq!(compare, None);
}

#[test]
fn every_refusal_names_its_field() {
    assert_eq!(named(|r| r.range = None), ["range"]);
    assert_eq!(named(|r| r.range = Some(v1::Range { range: None })), ["range"]);
    assert_eq!(named(|r| r.range = days("2024-02-30", "2024-03-01")), ["range.days.first"]);
    assert_eq!(named(|r| r.range = days("20240229", "later")), ["range.days.first", "range.days.last"]);
    assert_eq!(named(|r| r.range = days("2024-03-02", "2024-03-01")), ["range.days.last"]);
    assert_eq!(named(|r| r.range = days("1969-12-31", "2201-01-01")), ["range.days.first", "range.days.last"]);
    assert_eq!(named(|r| r.range = times(5, 5)), ["range.times.to_us"]);
    assert_eq!(named(|r| r.range = times(-1, i64::MAX)), ["range.times.from_us", "range.times.to_us"]);
    assert_eq!(named(|r| r.dimension = 0), ["dimension"]);
    assert_eq!(named(|r| r.dimension = 99), ["dimension"]);
    assert_eq!(named(|r| r.dimension = v1::Dimension::Property.into()), ["property"]);
    assert_eq!(named(|r| r.property = "colour".into()), ["property"]);
    assert_eq!(named(|r| r.bots = 9), ["bots"]);
    assert_eq!(named(|r| r.order_by = -1), ["order_by"]);
    assert_eq!(named(|r| r.compare = 77), ["compare"]);
    assert_eq!(named(|r| r.limit = 10_001), ["limit"]);
    assert_eq!(named(|r| r.filters[0].operator = 9), ["filters[0].operator"]);
    assert_eq!(named(|r| r.filters[0].dimension = 0), ["filters[0].dimension"]);
    assert_eq!(named(|r| r.filters[0].values.clear()), ["filters[0].values"]);
    assert_eq!(
        named(|r| {
            r.filters.push(filter_of(v1::Dimension::Property, &["red"]));
            r.filters.push(filter_of(v1::Dimension::Topic, &[]));
            r.limit = 99_999;
        }),
        ["filters[1].property", "filters[2].values", "limit"]
    );
}

#[test]
fn an_unknown_interval_names_its_field() {
    let request = v1::TrafficRequest { range: days("2024-01-01", "2024-01-01"), interval: 6, ..Default::default() };
    let Err(Invalid(violations)) = traffic(&request) else { panic!("accepted an interval that is none") };
    assert_eq!(violations[0].field, "interval");
}

#[test]
fn limits_hold_on_both_sides() {
    let long = "x".repeat(MOST_VALUE_BYTES);
    assert_eq!(named(|r| r.limit = 10_000), [""; 0]);
    assert_eq!(named(|r| r.range = days("1970-01-01", "2200-12-31")), [""; 0]);
    assert_eq!(named(|r| r.range = times(0, 7_289_654_400_000_000)), [""; 0]);
    assert_eq!(named(|r| r.range = times(0, 7_289_654_400_000_001)), ["range.times.to_us"]);
    assert_eq!(named(|r| r.filters[0].values = vec!["x".into(); 100]), [""; 0]);
    assert_eq!(named(|r| r.filters[0].values = vec!["x".into(); 101]), ["filters[0].values"]);
    assert_eq!(named(|r| r.filters[0].values = vec!["".into(), long.clone()]), [""; 0]);
    assert_eq!(named(|r| r.filters[0].values = vec!["".into(), long + "x"]), ["filters[0].values[1]"]);
    let many = |count| vec![filter_of(v1::Dimension::Os, &["Linux"]); count];
    assert_eq!(named(|r| r.filters = many(50)), [""; 0]);
    assert_eq!(named(|r| r.filters = many(51)), ["filters"]);
}

#[test]
fn an_export_without_a_limit_means_all() {
    let request = |limit| v1::ExportRequest { range: times(0, 1), limit, ..Default::default() };
    assert_eq!(export(&request(0)).expect("sound").limit, None);
    assert_eq!(export(&request(7)).expect("sound").limit, Some(7));
}
