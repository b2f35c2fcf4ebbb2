//! Rows for the cases: plain, deterministic, with every kind of column filled.

use crate::{
    Answer, Cell, Commit, Error, EventColumns, EventRow, Progress, SessionVersion, Sign, Statement, Store,
    VisitorVersion,
};
use pistats_core::{Day, EventId, Micros, Offset, PartitionId, Session, SiteId, VisitorKey, VisitorNo};
use std::sync::Arc;

pub const SITE: SiteId = SiteId(7);
/// 2023-11-14T22:00:00Z.
pub const START: Micros = Micros(1_699_999_200_000_000);

/// A plain page view; cases change what they care about.
pub fn event(visitor: VisitorNo, time: Micros, number: u128) -> EventRow<'static> {
    EventRow {
        site: SITE,
        visitor,
        id: id(time, number),
        time,
        day: day(time),
        partition: visitor.partition(),
        offset: Offset(0),
        received: time.plus(5),
        client_time: None,
        name: "page_view",
        url: "https://example.com/a?b=1",
        host: "example.com",
        path: "/a",
        referrer: "https://search.example/",
        source: "search.example",
        channel: "search",
        utm_source: "",
        utm_medium: "",
        utm_campaign: "",
        utm_term: "",
        utm_content: "",
        title: "A",
        country: "DE",
        language: "de",
        device: "desktop",
        screen: "1920x1080",
        browser: "Firefox",
        os: "Linux",
        user_id: "",
        bot: false,
        value: None,
        topics: &[],
        properties: &[],
    }
}

pub fn id(time: Micros, number: u128) -> EventId {
    EventId::from_parts((time.0 / 1_000) as u64, number)
}

/// The day in UTC.
pub fn day(time: Micros) -> Day {
    Day(time.0.div_euclid(Micros::DAY) as i32)
}

pub fn session(visitor: VisitorNo, first: Micros, last: Micros, events: u64, sign: Sign) -> SessionVersion {
    SessionVersion {
        site: SITE,
        visitor,
        day: day(first),
        session: Session {
            first: (first, id(first, 1)),
            last: (last, id(last, 2)),
            entry_page: Arc::from("example.com/a"),
            exit_page: Arc::from("example.com/z"),
            events,
            page_views: events,
            bot_events: 0,
        },
        sign,
    }
}

pub fn visitor(visitor: VisitorNo, first_seen: Micros, sign: Sign) -> VisitorVersion {
    VisitorVersion { site: SITE, visitor, key: key(visitor), first_seen, first_day: day(first_seen), sign }
}

/// Keys whose highest bit is set for every other visitor: signed comparisons would tear their order.
pub fn key(visitor: VisitorNo) -> VisitorKey {
    VisitorKey(u128::from(visitor.0).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

/// The records `from..to` of a partition: `events` page views of as many visitors, a second apart, each a session.
pub fn commit(partition: PartitionId, from: u64, to: u64, events: u64) -> Commit {
    let mut commit =
        Commit { progress: vec![Progress { partition, from: Offset(from), to: Offset(to) }], ..Commit::default() };
    let mut columns = EventColumns::default();
    for number in 0..events {
        let no = VisitorNo::new(partition, from * 1_000 + number);
        let time = START.plus(number as i64 * Micros::SECOND);
        let offset = Offset(to.saturating_sub(1));
        columns.push(&EventRow { offset, ..event(no, time, u128::from(no.0)) });
        commit.sessions.push(session(no, time, time, 1, Sign::Add));
        commit.visitors.push(visitor(no, time, Sign::Add));
    }
    commit.events = columns;
    commit
}

/// Reads one statement.
pub async fn ask(store: &impl Store, sql: &str, values: Vec<Cell>) -> Result<Vec<Vec<Cell>>, Error> {
    let answer = store.read(vec![Statement::new(sql, values)]).await?;
    Ok(answer.results.into_iter().next().unwrap_or_default().rows)
}

/// One number.
pub async fn number(store: &impl Store, sql: &str) -> Result<i64, Error> {
    Ok(ask(store, sql, vec![]).await?.first().and_then(|row| row.first()).map_or(0, Cell::int))
}

/// All that a commit can change, in one snapshot.
pub async fn everything(store: &impl Store) -> Result<Answer, Error> {
    let all = [
        "SELECT * FROM event ORDER BY site, id",
        "SELECT * FROM session ORDER BY site, visitor, first_us, last_us, sign",
        "SELECT * FROM visitor ORDER BY site, visitor, sign",
        "SELECT * FROM rollup_dirty ORDER BY site, hour, commit_no",
        "SELECT * FROM rejected_count ORDER BY site, reason",
        "SELECT commits FROM generation",
    ];
    store.read(all.map(|sql| Statement::new(sql, vec![])).to_vec()).await
}
