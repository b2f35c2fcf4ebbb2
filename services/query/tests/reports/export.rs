//! The export: order, pages, limit, nothing read ahead, one `as_of` for all of it.

use crate::ask::{days, export, filter};
use crate::sample;
use crate::warehouse::{Warehouse, asked, at, view};
use async_trait::async_trait;
use futures::StreamExt;
use pistats_core::{EventId, Zone};
use pistats_proto::query::v1::query_service_server::QueryService;
use pistats_proto::query::v1::{Dimension, ExportRequest, ExportResponse, ExportedEvent, Operator};
use pistats_store::{
    Answer, Checkpoint, Commit, Engine, Error, Lookup, Refresh, Refreshed, Snapshot, Statement, Store,
};
use pistats_testkit::OracleEvent;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rows of the first page and of a message.
const PAGE: usize = 1_000;

fn all() -> ExportRequest {
    ExportRequest { range: days("2024-05-13", "2024-05-13"), ..ExportRequest::default() }
}

fn ids(messages: &[ExportResponse]) -> Vec<Vec<u8>> {
    messages.iter().flat_map(|message| &message.events).map(|event| event.id.to_vec()).collect()
}

/// `count` events, three to a second, handed in backwards.
async fn many(count: usize) -> (Warehouse, Vec<Vec<u8>>) {
    let mut warehouse = Warehouse::new(&[(1, &Zone::utc()), (2, &Zone::utc())]);
    let event = |n: usize| {
        let mut event = view(0, &format!("visitor {}", n % 50), "2024-05-13T00:00:00Z", "/");
        event.time = event.time.plus((n / 3) as i64 * sample::SECOND);
        // Within a second the ids run against the order of arrival.
        event.id = EventId::from_parts(event.time.0 as u64 / 1_000, n as u128);
        event
    };
    let mut events: Vec<OracleEvent> = (0..count).map(event).collect();
    let ordered = events.iter().map(|event| event.id.0.to_vec()).collect();
    events.reverse();
    warehouse.commit(1, &events).await;
    warehouse.commit(2, &events).await;
    (warehouse, ordered)
}

#[tokio::test]
async fn events_come_in_order_a_thousand_a_message() {
    let (warehouse, ordered) = many(2 * PAGE + 500).await;
    let messages = export(&warehouse, all()).await;
    assert_eq!(messages.iter().map(|message| message.events.len()).collect::<Vec<_>>(), [PAGE, PAGE, 500]);
    assert_eq!(ids(&messages), ordered);
    let with_as_of: Vec<bool> = messages.iter().map(|message| message.as_of.is_some()).collect();
    assert_eq!(with_as_of, [true, false, false]);
}

#[tokio::test]
async fn the_limit_holds_on_both_sides_of_a_page() {
    let (warehouse, ordered) = many(2 * PAGE).await;
    for limit in [1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE - 1, 2 * PAGE, 2 * PAGE + 1] {
        let messages = export(&warehouse, ExportRequest { limit: limit as u64, ..all() }).await;
        assert_eq!(ids(&messages), ordered[..limit.min(2 * PAGE)], "limit {limit}");
        assert!(messages[1..].iter().all(|message| !message.events.is_empty()), "limit {limit}");
    }
}

#[tokio::test]
async fn an_export_of_nothing_still_says_as_of_when() {
    let warehouse = sample::warehouse().await;
    let messages = export(&warehouse, ExportRequest { range: days("2024-05-20", "2024-05-20"), ..all() }).await;
    assert_eq!(messages.len(), 1);
    assert_eq!((messages[0].events.len(), messages[0].as_of.as_ref().unwrap().next_offsets.len()), (0, 8));
}

/// Counts reads of events.
struct Counted {
    store: Arc<dyn Store>,
    reads: AtomicUsize,
}

#[async_trait]
impl Store for Counted {
    fn engine(&self) -> Engine {
        self.store.engine()
    }

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Error> {
        self.store.checkpoints().await
    }

    async fn minutes(
        &self,
        partition: pistats_core::PartitionId,
        up_to: i64,
        most: usize,
    ) -> Result<Vec<pistats_store::LogMinute>, Error> {
        self.store.minutes(partition, up_to, most).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), Error> {
        self.store.commit(commit).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, Error> {
        self.store.snapshot().await
    }

    async fn read(&self, statements: Vec<Statement>) -> Result<Answer, Error> {
        // Once a generation the site's zone is read, too.
        let is_of_events = statements.iter().any(|statement| statement.sql.contains("FROM event"));
        self.reads.fetch_add(usize::from(is_of_events), Ordering::SeqCst);
        self.store.read(statements).await
    }

    async fn refresh(&self, work: Refresh) -> Result<Refreshed, Error> {
        self.store.refresh(work).await
    }

    fn lookup(&self) -> &dyn Lookup {
        self.store.lookup()
    }
}

#[tokio::test]
async fn nothing_is_read_ahead_of_the_reader() {
    let (warehouse, ordered) = many(3 * PAGE).await;
    let counted = Arc::new(Counted { store: warehouse.store.clone(), reads: AtomicUsize::new(0) });
    let service = warehouse.service_over(counted.clone());
    let mut stream = service.export(asked(1, all())).await.unwrap().into_inner();
    let reads = || counted.reads.load(Ordering::SeqCst);
    assert_eq!(reads(), 0, "nothing before the first message is asked for");
    let mut seen = Vec::new();
    for read in [1, 2, 2] {
        seen.push(stream.next().await.unwrap().unwrap());
        tokio::task::yield_now().await;
        assert_eq!(reads(), read);
    }
    assert_eq!(ids(&seen), ordered);
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn what_is_committed_during_an_export_is_not_in_it() {
    let (mut warehouse, ordered) = many(2 * PAGE).await;
    let service = warehouse.service();
    let mut stream = service.export(asked(1, all())).await.unwrap().into_inner();
    let first = stream.next().await.unwrap().unwrap();
    // Before, in the middle of and after what is left to read; known visitors and a new one.
    let late = [
        view(1, "visitor 1", "2024-05-13T00:00:00.5Z", "/late"),
        view(2, "visitor 2", "2024-05-13T00:10:00.5Z", "/late"),
        view(3, "somebody", "2024-05-13T23:00:00Z", "/late"),
    ];
    warehouse.commit(1, &late).await;
    let second = stream.next().await.unwrap().unwrap();
    assert!(stream.next().await.is_none());
    assert_eq!(ids(&[first, second]), ordered);
    assert_eq!(ids(&export(&warehouse, all()).await).len(), ordered.len() + late.len());
}

#[tokio::test]
async fn a_filtered_export_goes_on_after_its_first_page() {
    let (warehouse, ordered) = many(3 * PAGE).await;
    // All events of all sessions: a filter by entry page joins sessions on every page.
    let filters = vec![filter(Dimension::EntryPage, Operator::Is, &["shop.example/"])];
    let messages = export(&warehouse, ExportRequest { filters, ..all() }).await;
    assert_eq!(ids(&messages), ordered);
}

#[tokio::test]
async fn an_event_is_exported_with_all_it_carries() {
    let text = String::from;
    let event = OracleEvent {
        user_id: text("account-1"),
        name: text("signup"),
        title: text("Prices"),
        referrer: text("https://news.example/"),
        source: text("news.example"),
        channel: text("referral"),
        utm_source: text("us"),
        utm_medium: text("um"),
        utm_campaign: text("uc"),
        utm_term: text("ut"),
        utm_content: text("un"),
        country: text("DE"),
        language: text("de"),
        device: text("desktop"),
        screen: text("1920x1080"),
        browser: text("Firefox"),
        os: text("Linux"),
        topics: vec![text("b"), text("a"), text("b")],
        properties: vec![(text("plan"), text("free")), (text("k\"ey"), text("it's")), (text("plan"), text("pro"))],
        value: Some(-5),
        bot: false,
        ..view(7, "ada", "2024-05-13T10:00:00.000001Z", "/a?b=c")
    };
    let mut warehouse = Warehouse::new(&[(1, &Zone::utc())]);
    warehouse.commit(1, std::slice::from_ref(&event)).await;
    let found = export(&warehouse, all()).await.remove(0).events.remove(0);
    assert_eq!(found.visitor.len(), 32);
    assert!(found.visitor.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let time = at("2024-05-13T10:00:00.000001Z").0;
    let expected = ExportedEvent {
        id: event.id.0.to_vec().into(),
        time_us: time,
        received_us: time + 1,
        visitor: found.visitor.clone(),
        user_id: event.user_id,
        name: event.name,
        url: event.url,
        page: event.page,
        referrer: event.referrer,
        source: event.source,
        channel: event.channel,
        title: event.title,
        topics: event.topics,
        language: event.language,
        country: event.country,
        screen: event.screen,
        device: event.device,
        browser: event.browser,
        os: event.os,
        utm_source: event.utm_source,
        utm_medium: event.utm_medium,
        utm_campaign: event.utm_campaign,
        utm_term: event.utm_term,
        utm_content: event.utm_content,
        bot: false,
        value_micros: Some(-5),
        properties: HashMap::from([(text("k\"ey"), text("it's")), (text("plan"), text("pro"))]),
        partition: found.partition,
        offset: 0,
    };
    assert_eq!(found, expected);
    assert_eq!(found.partition, u32::from(pistats_core::PartitionId::of(pistats_core::SiteId(1), b"ada").0));
}
