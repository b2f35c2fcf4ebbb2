//! Segments end to end: kept, counted, listed, watched while events arrive, and as a filter of every report.

use crate::harness::{Instance, Site};
use pistats::client::channel;
use pistats_core::{Day, EventId, Micros};
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_proto::admin::v1::{CreateKeyRequest, ListSitesRequest, Scope};
use pistats_proto::ingest::v1::Event;
use pistats_proto::query::v1::{self as query, Dimension, Metric};
use pistats_proto::segment::v1::segment_service_client::SegmentServiceClient;
use pistats_proto::segment::v1::*;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tonic::Code;

type Segments = SegmentServiceClient<pistats::client::Authorized>;

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

/// An event of a visitor, so many days ago.
fn event(visitor: &str, name: &str, days_ago: i64) -> Event {
    let time = now() - days_ago * Micros::DAY - 10 * Micros::MINUTE;
    Event { visitor_id: visitor.into(), name: name.into(), url: "/a".into(), time_us: Some(time), ..Default::default() }
}

/// Visitors who bought in the last three days.
fn buyers(last_days: u32) -> Node {
    let condition = Condition {
        dimension: Dimension::EventName.into(),
        operator: Operator::Is.into(),
        values: vec!["purchase".into()],
        ..Condition::default()
    };
    let did = Did { conditions: vec![condition], last_days, ..Did::default() };
    Node { node: Some(node::Node::Did(did)) }
}

/// A client with a manage key of a site.
async fn manager(instance: &Instance, site: &Site, name: &str) -> Segments {
    let mut admin = AdminServiceClient::new(instance.instance_channel());
    let sites = admin.list_sites(ListSitesRequest {}).await.unwrap().into_inner().sites;
    let site_id = sites.iter().find(|known| known.name == name).unwrap().id;
    let wish = CreateKeyRequest { site_id, scope: Scope::Manage.into(), name: "m".into() };
    let secret = admin.create_key(wish).await.unwrap().into_inner().key.unwrap().secret;
    instance.heard().await;
    SegmentServiceClient::new(channel(&site.server, &secret).unwrap())
}

/// All local days that may matter.
fn range() -> Option<query::Range> {
    let today = Day((now() / Micros::DAY) as i32);
    let days = query::DayRange { first: today.plus(-30).to_string(), last: today.plus(1).to_string() };
    Some(query::Range { range: Some(query::range::Range::Days(days)) })
}

fn within(id: &str, operator: query::Operator) -> query::Filter {
    query::Filter {
        dimension: Dimension::Segment.into(),
        operator: operator.into(),
        values: vec![id.into()],
        ..query::Filter::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_is_kept_counted_listed_and_cuts_every_report() {
    let instance = Instance::start().await;
    let site = instance.site("shop", "UTC").await;
    let mut client = manager(&instance, &site, "shop").await;
    let events = vec![
        event("ada", "purchase", 1),
        event("ada", "", 1),
        event("bob", "purchase", 9),
        event("cyd", "", 0),
        event("dan", "purchase", 0),
    ];
    let purchases: Vec<i64> =
        events.iter().filter(|event| event.name == "purchase").filter_map(|event| event.time_us).collect();
    site.collect(vec![events], 1).await;
    instance.settle().await;

    let request = CreateSegmentRequest { name: "Buyers".into(), root: Some(buyers(3)), ..Default::default() };
    let made = client.create_segment(request).await.unwrap().into_inner().segment.unwrap();
    let preview = PreviewRequest {
        what: Some(preview_request::What::Id(made.id.clone())),
        sample: 10,
        reader: Reader::Unspecified.into(),
    };
    let quick = client.preview(preview.clone()).await.unwrap().into_inner();
    let by_sql = client.preview(PreviewRequest { reader: Reader::Sql.into(), ..preview }).await.unwrap().into_inner();
    assert_eq!((quick.count, quick.visitors, quick.reader()), (2, 4, Reader::Bitmaps));
    assert_eq!((by_sql.count, by_sql.reader(), &by_sql.sample), (2, Reader::Sql, &quick.sample));
    assert_eq!(quick.sentence, "Visitors who did \"purchase\" at least once in the last 3 days.");
    assert!(quick.sql.contains("event e") && quick.sql_values.contains(&"'purchase'".to_owned()), "{}", quick.sql);

    let list = ListMembersRequest { id: made.id.clone(), limit: 0 };
    let mut pages = client.list_members(list).await.unwrap().into_inner();
    let (mut listed, mut count) = (BTreeSet::new(), 0);
    while let Some(page) = pages.message().await.unwrap() {
        count += page.count;
        listed.extend(page.visitors);
    }
    assert_eq!((count, listed), (2, quick.sample.iter().cloned().collect()));

    // Of each day: who had bought on it or on the two days before.
    let mut sizes = client.list_sizes(ListSizesRequest { id: made.id.clone(), days: 12 }).await.unwrap().into_inner();
    let (mut told, mut expected) = (Vec::new(), Vec::new());
    while let Some(size) = sizes.message().await.unwrap() {
        let day = Day::parse(&size.day).unwrap();
        let bought = |at: &i64| (0..3).contains(&(day.0 - at.div_euclid(Micros::DAY) as i32));
        expected.push((size.day, purchases.iter().filter(|at| bought(at)).count() as u64, size.is_over));
        told.push((expected.last().unwrap().0.clone(), size.size, !told.is_empty()));
    }
    assert_eq!((told.len(), told), (12, expected));

    // ada and dan have three events, bob and cyd two.
    let mut queries = site.queries();
    for (operator, visitors, events) in [(query::Operator::Is, 2, 3), (query::Operator::IsNot, 2, 2)] {
        let filters = vec![within(&made.id, operator)];
        let asked = query::TrafficRequest { range: range(), filters: filters.clone(), ..Default::default() };
        let total = queries.traffic(asked).await.unwrap().into_inner().total.unwrap();
        assert_eq!((total.visitors, total.events), (visitors, events), "{operator:?}");
        let asked = query::BreakdownRequest {
            range: range(),
            filters: filters.clone(),
            dimension: Dimension::EventName.into(),
            order_by: Metric::Events.into(),
            ..Default::default()
        };
        let rows = queries.breakdown(asked).await.unwrap().into_inner().rows;
        assert_eq!(rows.iter().map(|row| row.metrics.as_ref().unwrap().events).sum::<u64>(), events);
        let step = query::Condition { filters: vec![] };
        let asked = query::FunnelRequest {
            range: range(),
            filters: filters.clone(),
            steps: vec![step.clone(), step],
            ..Default::default()
        };
        let funnel = queries.funnel(asked).await.unwrap().into_inner();
        let expected = if operator == query::Operator::Is { [2, 1] } else { [2, 0] };
        assert_eq!(funnel.steps.iter().map(|step| step.visitors).collect::<Vec<_>>(), expected);
        let asked = query::RetentionRequest {
            range: range(),
            filters: filters.clone(),
            interval: query::Interval::Week.into(),
            ..Default::default()
        };
        let cohorts = queries.retention(asked).await.unwrap().into_inner().cohorts;
        assert_eq!(cohorts.iter().map(|cohort| cohort.visitors).sum::<u64>(), visitors);
        let asked = query::ExportRequest { range: range(), filters, ..Default::default() };
        let mut exported = queries.export(asked).await.unwrap().into_inner();
        let mut told = 0;
        while let Some(page) = exported.message().await.unwrap() {
            told += page.events.len() as u64;
        }
        assert_eq!(told, events);
    }
    let unknown = EventId::from_parts(1, 1).as_u128();
    let filters = vec![within(&format!("{unknown:032x}"), query::Operator::Is)];
    let asked = query::TrafficRequest { range: range(), filters, ..Default::default() };
    assert_eq!(queries.traffic(asked).await.unwrap_err().code(), Code::NotFound);
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_who_enters_while_events_arrive() {
    let instance = Instance::start().await;
    let site = instance.site("shop", "UTC").await;
    let mut client = manager(&instance, &site, "shop").await;
    site.collect(vec![vec![event("ada", "purchase", 0), event("bob", "", 0)]], 1).await;
    instance.settle().await;
    let request = CreateSegmentRequest { name: "Buyers".into(), root: Some(buyers(3)), ..Default::default() };
    let made = client.create_segment(request).await.unwrap().into_inner().segment.unwrap();
    let mut stream = client.watch_segment(WatchSegmentRequest { id: made.id.clone() }).await.unwrap().into_inner();
    let next = async |stream: &mut tonic::Streaming<WatchSegmentResponse>| {
        let message = tokio::time::timeout(Duration::from_secs(30), stream.message()).await;
        message.expect("a message within half a minute").unwrap().unwrap()
    };
    let first = next(&mut stream).await;
    assert_eq!((first.sequence, first.size, first.entered), (0, 1, 0));
    // bob buys now; cyd, whom nobody knew, bought two days ago and is told late.
    site.collect(vec![vec![event("bob", "purchase", 0)]], 1).await;
    let second = next(&mut stream).await;
    assert_eq!((second.sequence, second.size, second.entered, second.left), (1, 2, 1, 0));
    assert_eq!((second.entered_visitors.len(), second.cause()), (1, Cause::Events));
    site.collect(vec![vec![event("cyd", "purchase", 2)]], 1).await;
    let third = next(&mut stream).await;
    assert_eq!((third.sequence, third.size, third.entered), (2, 3, 1), "late, and within the window");
    // The window shrinks to today: who bought before leaves.
    let edit = UpdateSegmentRequest { id: made.id, root: Some(buyers(1)), ..Default::default() };
    client.update_segment(edit).await.unwrap();
    let fourth = next(&mut stream).await;
    assert_eq!((fourth.sequence, fourth.version, fourth.cause()), (3, 2, Cause::Edit));
    assert!(fourth.left >= 1 && fourth.size < third.size, "{fourth:?}");
    instance.stop().await;
}
