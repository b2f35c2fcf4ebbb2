//! S-7: the sheet of a day without a mark equals the raw rows, for every dimension, with and without bots.

use super::history::{History, local_day};
use super::sample::{self, SITE, START, ask, number};
use crate::{Cell, Commit, Error, EventColumns, EventRow, Refresh, SheetDimension, Sign, Statement, Store};
use pistats_core::{Micros, PartitionId, VisitorNo};
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, BTreeSet};

const COLUMNS: [&str; 7] = ["country", "device", "browser", "os", "channel", "name", "host || path"];

/// Visitors by (site, day, dimension, value, bot).
type People = BTreeMap<(i64, i64, i64, String, bool), BTreeSet<i64>>;

fn visitors_raw() -> Statement {
    let mut parts = vec![
        "SELECT DISTINCT site, day, 0, '', bot, visitor FROM event".to_owned(),
        "SELECT site, first_day, 1, '', false, visitor FROM visitor \
         GROUP BY site, first_day, visitor HAVING sum(sign) > 0"
            .to_owned(),
    ];
    for (dimension, column) in SheetDimension::OF_EVENTS.into_iter().zip(COLUMNS) {
        parts.push(format!("SELECT DISTINCT site, day, {}, {column}, bot, visitor FROM event", dimension.number()));
    }
    Statement::new(parts.join(" UNION ALL "), vec![])
}

/// Straight from the definition of the kinds.
fn breakdown_raw(dimension: SheetDimension, column: &str) -> Statement {
    let sql = format!(
        "WITH living AS (SELECT row_number() OVER () AS no, * FROM (\
           SELECT site, visitor, day, first_us, last_us, events, page_views FROM session \
           GROUP BY site, visitor, day, first_us, last_us, events, page_views HAVING sum(sign) > 0) AS s), \
         held AS (SELECT t.no, {column} AS value, bool_or(e.bot) AS bots, bool_or(NOT e.bot) AS others \
           FROM event e JOIN living t ON t.site = e.site AND t.visitor = e.visitor AND e.time_us BETWEEN t.first_us AND t.last_us \
           GROUP BY t.no, {column}), \
         visits AS (SELECT t.site, t.day, h.value, CASE WHEN NOT bots THEN 0 WHEN NOT others THEN 1 ELSE 2 END AS kind, \
             count(*) AS sessions, count(*) FILTER (WHERE t.events = 1) AS bounces, sum(last_us - first_us) AS session_us, \
             sum(t.page_views) AS session_page_views FROM held h JOIN living t ON t.no = h.no GROUP BY 1, 2, 3, 4), \
         hits AS (SELECT site, day, {column} AS value, CASE WHEN bot THEN 1 ELSE 0 END AS kind, count(*) AS events, \
             count(*) FILTER (WHERE name = 'page_view') AS page_views, count(e.value) AS value_count, \
             coalesce(sum(e.value), 0) AS value_sum, min(e.value) AS value_min, max(e.value) AS value_max, \
             count(DISTINCT visitor) AS visitors FROM event e GROUP BY site, day, {column}, bot) \
         SELECT site, day, {}, value, kind, coalesce(events, 0), coalesce(page_views, 0), coalesce(value_count, 0), \
           coalesce(value_sum, 0), value_min, value_max, coalesce(visitors, 0), coalesce(sessions, 0), coalesce(bounces, 0), \
           coalesce(session_us, 0), coalesce(session_page_views, 0) \
         FROM hits FULL JOIN visits USING (site, day, value, kind) ORDER BY site, day, value, kind",
        dimension.number()
    );
    Statement::new(sql, vec![])
}

/// In one snapshot: what stands on days without a mark equals what their raw rows say. Returns how many such days have a
/// sheet. For tests: panics where it differs.
pub async fn assert_sheets_equal_raw(store: &impl Store) -> Result<usize, Error> {
    let plain = |sql: &str| Statement::new(sql, vec![]);
    let mut statements = vec![
        plain("SELECT DISTINCT site, day FROM sheet_dirty"),
        plain("SELECT site, day, version, bitmaps, bitmap_bytes FROM sheet ORDER BY site, day"),
        plain(
            "SELECT site, day, max(version), count(*), sum(octet_length(bitmap)), min(version) FROM visitor_bitmap \
             GROUP BY site, day ORDER BY site, day",
        ),
        plain("SELECT site, day, dimension, value, bot, visitors, bitmap FROM visitor_bitmap"),
        visitors_raw(),
    ];
    for (dimension, column) in SheetDimension::OF_EVENTS.into_iter().zip(COLUMNS) {
        let sql = "SELECT site, day, dimension, value, kind, events, page_views, value_count, value_sum, value_min, \
                   value_max, visitors, sessions, bounces, session_us, session_page_views FROM breakdown_1d \
                   WHERE dimension = $1 ORDER BY site, day, value, kind";
        statements.push(Statement::new(sql, vec![Cell::Int(dimension.number().into())]));
        statements.push(breakdown_raw(dimension, column));
    }
    let mut results = store.read(statements).await?.results.into_iter().map(|rows| rows.rows);
    let mut next = || results.next().unwrap_or_default();

    let dirty: BTreeSet<(i64, i64)> = next().iter().map(|row| (row[0].int(), row[1].int())).collect();
    let is_clean = |row: &Vec<Cell>| !dirty.contains(&(row[0].int(), row[1].int()));
    let (sheets, told) = (next(), next());
    let bitmaps_of = |row: &Vec<Cell>| [0, 1, 2, 3, 4].map(|at| row[at].int());
    let with_bitmaps: Vec<_> = sheets.iter().filter(|row| row[3].int() > 0).map(bitmaps_of).collect();
    assert_eq!(with_bitmaps, told.iter().map(bitmaps_of).collect::<Vec<_>>(), "S-7: sheets and their bitmaps");
    assert!(told.iter().all(|row| row[2] == row[5]), "S-7: bitmaps of two versions stand side by side");

    let mut kept = People::new();
    for row in next().iter().filter(|row| is_clean(row)) {
        let Cell::Bytes(bytes) = &row[6] else { panic!("a bitmap is {:?}", row[6]) };
        let set = RoaringBitmap::deserialize_from(&bytes[..]).expect("S-7: portable Roaring");
        assert_eq!(set.len() as i64, row[5].int(), "S-7: visitors of a bitmap");
        let before = kept.insert(key(row), set.into_iter().map(i64::from).collect());
        assert_eq!(before, None, "S-7: a bitmap stands twice");
    }
    let mut raw = People::new();
    for row in next().iter().filter(|row| is_clean(row)) {
        raw.entry(key(row)).or_default().insert(row[5].int());
    }
    assert_eq!(kept, raw, "S-7: bitmaps");
    for dimension in SheetDimension::OF_EVENTS {
        let clean = |rows: Vec<Vec<Cell>>| rows.into_iter().filter(|row| is_clean(row)).collect::<Vec<_>>();
        let (kept, raw) = (clean(next()), clean(next()));
        assert_eq!(kept, raw, "S-7: breakdown by {dimension:?}");
    }
    Ok(sheets.iter().filter(|row| is_clean(row)).count())
}

fn key(row: &[Cell]) -> (i64, i64, i64, String, bool) {
    (row[0].int(), row[1].int(), row[2].int(), row[3].text().to_owned(), row[4].int() != 0)
}

pub(super) async fn clean_sheets_equal_the_raw_rows_after_any_commit_and_refresh(
    store: &impl Store,
) -> Result<(), Error> {
    let mut clean = 0;
    let mut history = History::new(20_260_701);
    for _ in 0..25 {
        let events = 1 + history.dice.below(60);
        store.commit(history.commit(events)).await?;
        for _ in 0..history.dice.below(3) {
            let days = history.dice.below(5) as usize;
            store.refresh(Refresh { days, ..Refresh::EVERYTHING }).await?;
            clean += assert_sheets_equal_raw(store).await?;
        }
    }
    assert!(clean > 20, "{clean} clean days were compared");
    let all = store.refresh(Refresh::EVERYTHING).await?;
    assert_eq!((all.hours_left, all.days_left), (0, 0));
    let days = number(store, "SELECT count(*) FROM (SELECT DISTINCT site, day FROM event) AS d").await? as usize;
    assert!(assert_sheets_equal_raw(store).await? >= days);
    assert_eq!(number(store, "SELECT count(*) FROM sheet_dirty").await?, 0);
    Ok(())
}

/// Commits and refreshes race; in every snapshot clean days equal their raw rows.
pub(super) async fn a_day_that_is_touched_while_it_is_built_stays_dirty(store: &impl Store) -> Result<(), Error> {
    let done = std::sync::atomic::AtomicBool::new(false);
    let commits = async {
        let mut history = History::new(4_711);
        for _ in 0..30 {
            store.commit(history.commit(8)).await?;
        }
        done.store(true, std::sync::atomic::Ordering::Release);
        Ok::<(), Error>(())
    };
    let refreshes = async {
        while !done.load(std::sync::atomic::Ordering::Acquire) {
            store.refresh(Refresh { days: 2, ..Refresh::EVERYTHING }).await?;
            assert_sheets_equal_raw(store).await?;
        }
        Ok::<(), Error>(())
    };
    let (committed, refreshed) = tokio::join!(commits, refreshes);
    committed?;
    refreshed?;
    store.refresh(Refresh::EVERYTHING).await?;
    assert!(assert_sheets_equal_raw(store).await? > 0);
    Ok(())
}

/// Hours before days; newest days first; days that have not calmed down wait.
pub(super) async fn days_are_built_newest_first_and_when_they_are_calm(store: &impl Store) -> Result<(), Error> {
    let mut history = History::new(5);
    for day in [0, 1, 2] {
        let mut commit = Commit::default();
        history.add(&mut commit, SITE, VisitorNo(day as u64), START.plus(day * Micros::DAY));
        store.commit(commit).await?;
    }
    let day = |n: i64| i64::from(local_day(START.plus(n * Micros::DAY)).0);
    let built = async || -> Result<Vec<i64>, Error> {
        Ok(ask(store, "SELECT day FROM sheet ORDER BY day", vec![]).await?.iter().map(|row| row[0].int()).collect())
    };
    let refreshed = store.refresh(Refresh { hours: 2, ..Refresh::EVERYTHING }).await?;
    assert_eq!((refreshed.hours_left, refreshed.days, refreshed.days_left), (1, 0, 3), "hours come first");
    let refreshed = store.refresh(Refresh { calm_to: 0, ..Refresh::EVERYTHING }).await?;
    assert_eq!((refreshed.hours_left, refreshed.days, refreshed.days_left), (0, 0, 3), "no day is calm");
    assert_eq!(refreshed.commits, 3);
    let refreshed = store.refresh(Refresh { calm_to: 2, days: 1, ..Refresh::EVERYTHING }).await?;
    assert_eq!((refreshed.days, refreshed.days_left), (1, 2));
    assert_eq!(built().await?, [day(1)]);
    // A new mark on the oldest day: it waits, the newest is built.
    let mut commit = Commit::default();
    history.add(&mut commit, SITE, VisitorNo(0), START.plus(1));
    store.commit(commit).await?;
    let refreshed = store.refresh(Refresh { calm_to: 3, ..Refresh::EVERYTHING }).await?;
    assert_eq!((refreshed.days, refreshed.days_left), (1, 1));
    assert_eq!(built().await?, [day(1), day(2)]);
    let refreshed = store.refresh(Refresh { calm_to: 4, ..Refresh::EVERYTHING }).await?;
    assert_eq!((refreshed.days, refreshed.days_left), (1, 0));
    assert_eq!(assert_sheets_equal_raw(store).await?, 3);
    let versions = ask(store, "SELECT version FROM sheet ORDER BY day", vec![]).await?;
    assert_eq!(versions, [4, 3, 4].map(|version| vec![Cell::Int(version)]));
    Ok(())
}

pub(super) async fn a_commit_marks_the_local_days_that_it_touches(store: &impl Store) -> Result<(), Error> {
    let on = |day: i64| START.plus(day * Micros::DAY);
    let mut commit = Commit::default();
    let mut events = EventColumns::default();
    events.push(&EventRow { ..sample::event(VisitorNo(0), on(0), 1) });
    commit.events = events;
    commit.sessions.push(sample::session(VisitorNo(0), on(2), on(5), 1, Sign::Retract));
    commit.sessions.push(sample::session(VisitorNo(0), on(4), on(5), 1, Sign::Add));
    commit.visitors.push(sample::visitor(VisitorNo(0), on(8), Sign::Retract));
    commit.visitors.push(sample::visitor(VisitorNo(0), on(6), Sign::Add));
    store.commit(commit).await?;
    let marks = ask(store, "SELECT site, day, commit_no FROM sheet_dirty ORDER BY day", vec![]).await?;
    let mark = |day: i64| vec![Cell::Int(SITE.0.into()), Cell::Int(sample::day(on(day)).0.into()), Cell::Int(1)];
    assert_eq!(marks, [0, 2, 4, 6, 8].map(mark));
    Ok(())
}

/// Numbers of more than 32 bits do not fit bitmaps: the day is read raw for good, the others are not held up.
pub(super) async fn a_day_with_a_visitor_number_past_32_bits_stays_dirty(store: &impl Store) -> Result<(), Error> {
    let largest = VisitorNo(u64::from(u32::MAX));
    let mut events = EventColumns::default();
    events.push(&sample::event(VisitorNo(largest.0 + 1), START.plus(Micros::DAY), 1));
    events.push(&sample::event(largest, START, 2));
    events.push(&sample::event(VisitorNo::new(PartitionId(0), 0), START, 3));
    store.commit(Commit { events, ..Commit::default() }).await?;
    for built in [1, 0] {
        let refreshed = store.refresh(Refresh::EVERYTHING).await?;
        assert_eq!((refreshed.days, refreshed.days_left), (built, 0));
    }
    let dirty = ask(store, "SELECT day FROM sheet_dirty", vec![]).await?;
    assert_eq!(dirty, [[Cell::Int(sample::day(START.plus(Micros::DAY)).0.into())]]);
    assert_eq!(assert_sheets_equal_raw(store).await?, 1);
    Ok(())
}
