//! Every operator, over dimensions of one value and of several: which of five events pass.

use crate::ask::{breakdown, days, filter, paths, rows};
use crate::warehouse::{Warehouse, view};
use pistats_core::Zone;
use pistats_proto::query::v1::{BreakdownRequest, Dimension, Filter, Operator};
use pistats_testkit::OracleEvent;

/// The events `/1` to `/5`.
async fn warehouse() -> Warehouse {
    let described = [
        ("Home", &["news"][..], Some("pro")),
        ("100%_off", &["news", "sports"], Some("")),
        ("", &[], None),
        ("home", &["news/local"], None),
        ("100 off", &["sports", "sports"], Some("Pro")),
    ];
    let event = |(index, (title, topics, plan)): (usize, (&str, &[&str], Option<&str>))| OracleEvent {
        title: title.to_owned(),
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        properties: plan.map(|plan| ("a.b".to_owned(), plan.to_owned())).into_iter().collect(),
        ..view(index as u128 + 1, "ada", &format!("2024-05-13T10:00:0{index}Z"), &format!("/{}", index + 1))
    };
    let mut warehouse = Warehouse::new(&[(1, &Zone::utc())]);
    let events: Vec<OracleEvent> = described.into_iter().enumerate().map(event).collect();
    warehouse.commit(1, &events).await;
    warehouse
}

async fn check(dimension: Dimension, property: &str, cases: &[(Operator, &[&str], &str)]) {
    let warehouse = warehouse().await;
    for (operator, values, expected) in cases {
        let filter = Filter { property: property.to_owned(), ..filter(dimension, *operator, values) };
        let found = paths(&warehouse, days("2024-05-13", "2024-05-13"), vec![filter]).await;
        assert_eq!(found, *expected, "{dimension:?} {operator:?} {values:?}");
    }
}

#[tokio::test]
async fn every_operator_compares_one_value_bytewise() {
    let cases: &[(Operator, &[&str], &str)] = &[
        (Operator::Is, &["Home"], "1"),
        (Operator::Unspecified, &["Home"], "1"),
        (Operator::Is, &["Home", "", "nothing"], "1 3"),
        (Operator::IsNot, &["Home"], "2 3 4 5"),
        (Operator::IsNot, &["Home", ""], "2 4 5"),
        (Operator::Contains, &["om"], "1 4"),
        (Operator::Contains, &["%"], "2"),
        (Operator::Contains, &["_"], "2"),
        (Operator::Contains, &[" ", "H"], "1 5"),
        (Operator::Contains, &[""], "1 2 3 4 5"),
        (Operator::DoesNotContain, &["0"], "1 3 4"),
        (Operator::DoesNotContain, &["0", "me"], "3"),
        (Operator::DoesNotContain, &[""], ""),
        (Operator::StartsWith, &["100"], "2 5"),
        (Operator::StartsWith, &["h", "H"], "1 4"),
        (Operator::StartsWith, &["%"], ""),
        (Operator::StartsWith, &[""], "1 2 3 4 5"),
    ];
    check(Dimension::Title, "", cases).await;
}

#[tokio::test]
async fn an_event_with_several_topics_passes_by_one_of_them_and_is_refused_by_any() {
    let cases: &[(Operator, &[&str], &str)] = &[
        (Operator::Is, &["news"], "1 2"),
        (Operator::Is, &[""], "3"),
        (Operator::Is, &["sports", "news/local"], "2 4 5"),
        (Operator::IsNot, &["news"], "3 4 5"),
        (Operator::IsNot, &[""], "1 2 4 5"),
        (Operator::Contains, &["new"], "1 2 4"),
        (Operator::Contains, &["local", "spor"], "2 4 5"),
        (Operator::Contains, &[""], "1 2 3 4 5"),
        (Operator::DoesNotContain, &["news"], "3 5"),
        (Operator::StartsWith, &["sp"], "2 5"),
        (Operator::StartsWith, &["ews"], ""),
        (Operator::StartsWith, &[""], "1 2 3 4 5"),
    ];
    check(Dimension::Topic, "", cases).await;
}

#[tokio::test]
async fn an_absent_property_is_the_empty_text() {
    let cases: &[(Operator, &[&str], &str)] = &[
        (Operator::Is, &["pro"], "1"),
        (Operator::Is, &[""], "2 3 4"),
        (Operator::IsNot, &["pro"], "2 3 4 5"),
        (Operator::Contains, &["ro"], "1 5"),
        (Operator::DoesNotContain, &["ro"], "2 3 4"),
        (Operator::StartsWith, &["P"], "5"),
    ];
    check(Dimension::Property, "a.b", cases).await;
    check(Dimension::Property, "a", &[(Operator::Is, &[""], "1 2 3 4 5"), (Operator::Is, &["pro"], "")]).await;
}

#[tokio::test]
async fn several_filters_must_all_pass() {
    let warehouse = warehouse().await;
    let range = days("2024-05-13", "2024-05-13");
    let topic = filter(Dimension::Topic, Operator::Is, &["news", "sports"]);
    let title = filter(Dimension::Title, Operator::StartsWith, &["100"]);
    let other = filter(Dimension::Topic, Operator::IsNot, &["news"]);
    assert_eq!(paths(&warehouse, range.clone(), vec![topic.clone(), title.clone()]).await, "2 5");
    assert_eq!(paths(&warehouse, range, vec![topic, title, other]).await, "5");
}

#[tokio::test]
async fn an_event_counts_once_for_each_of_its_topics() {
    let request = BreakdownRequest {
        range: days("2024-05-13", "2024-05-13"),
        dimension: Dimension::Topic.into(),
        ..BreakdownRequest::default()
    };
    let found = rows(breakdown(&warehouse().await, request).await);
    let events: Vec<(&str, u64)> = found.iter().map(|(value, numbers)| (value.as_str(), numbers.events)).collect();
    assert_eq!(events, [("", 1), ("news", 2), ("news/local", 1), ("sports", 2)]);
    // All of it is one visitor's one session.
    assert!(found.iter().all(|(_, numbers)| (numbers.visitors, numbers.sessions) == (1, 1)));
}
