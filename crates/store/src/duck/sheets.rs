//! Sheets of dirty days (see `crate::sheet`): read a day's rows, build, replace what stood, clear the marks it saw.
//!
//! Each day is one transaction on a snapshot of its own, beside the writer, which only appends. A mark that a commit sets
//! meanwhile is not in the snapshot: it stays, the day stays dirty, and readers go on reading it raw.
//! Statements that group are prepared each time, as in refresh.rs.

use super::failure::engine;
use super::worker::transaction;
use super::{append, writer};
use crate::Error;
use crate::sheet::{Builder, EventOfDay, SessionOfDay, Sheet, SheetDimension, VisitorTooLarge};
use duckdb::arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray, StructArray};
use duckdb::arrow::datatypes::{Int8Type, Int64Type};
use duckdb::{Connection, Params, params};
use parking_lot::Mutex;
use std::collections::HashSet;

const CHOOSE: &str = include_str!("sql/choose_days.sql");
const THIN: &str = include_str!("sql/thin_day_marks.sql");
const SESSIONS: &str = include_str!("sql/sheet_sessions.sql");
const FIRST_SEEN: &str = include_str!("sql/sheet_first_seen.sql");
const EVENTS: &str = include_str!("sql/sheet_events.sql");
const ELSEWHERE: &str = include_str!("sql/sheet_events_elsewhere.sql");

/// Marks above this many are thinned to one a day: a busy day gets twenty a second.
const MOST_MARKS: i64 = 4_096;

/// The (site, day) pairs whose visitors do not fit bitmaps. Numbers never shrink: such a day is read raw for good.
pub(super) type Unfit = Mutex<HashSet<(i32, i32)>>;

/// Builds the sheets of at most `most` calm days. Returns how many it built, and how many are still to be built.
pub(super) fn refresh(conn: &Connection, most: usize, calm_to: u64, unfit: &Unfit) -> Result<(u64, u64), Error> {
    let marks = number(conn, "SELECT count(*) FROM sheet_dirty")?;
    if marks > MOST_MARKS {
        conn.execute(THIN, params![]).map_err(engine)?;
    }
    let (mut built, mut left) = (0, 0);
    for (site, day, newest) in dirty(conn)? {
        if unfit.lock().contains(&(site, day)) {
            continue;
        }
        if built as usize >= most || newest.unsigned_abs() > calm_to {
            left += 1;
            continue;
        }
        match transaction(conn, |conn| replace(conn, site, day)) {
            Ok(()) => built += 1,
            Err(Failure::TooLarge(error)) => {
                unfit.lock().insert((site, day));
                tracing::warn!(site, day, %error, "no bitmaps can be kept of a day; it is read from its events");
            }
            Err(Failure::Engine(error)) => return Err(error),
        }
    }
    Ok((built, left))
}

enum Failure {
    TooLarge(VisitorTooLarge),
    Engine(Error),
}

impl From<VisitorTooLarge> for Failure {
    fn from(error: VisitorTooLarge) -> Failure {
        Failure::TooLarge(error)
    }
}

impl From<duckdb::Error> for Failure {
    fn from(error: duckdb::Error) -> Failure {
        Failure::Engine(engine(error))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Engine(error)
    }
}

fn dirty(conn: &Connection) -> Result<Vec<(i32, i32, i64)>, Error> {
    let mut days = Vec::new();
    let mut statement = conn.prepare(CHOOSE).map_err(engine)?;
    let mut rows = statement.query([]).map_err(engine)?;
    while let Some(row) = rows.next().map_err(engine)? {
        let get = |at| row.get(at).map_err(engine);
        days.push((get(0)?, get(1)?, row.get(2).map_err(engine)?));
    }
    Ok(days)
}

/// Reads, builds and replaces one day, in the running transaction.
fn replace(conn: &Connection, site: i32, day: i32) -> Result<(), Failure> {
    let version = writer::last_commit(conn)?;
    let sheet = build(conn, site, day)?;
    for table in ["sheet", "visitor_bitmap", "breakdown_1d", "sheet_dirty"] {
        run(conn, &format!("DELETE FROM {table} WHERE site = $1 AND day = $2"), params![site, day])?;
    }
    let bytes: usize = sheet.bitmaps.iter().map(|line| line.bitmap.len()).sum();
    let values = params![site, day, version, sheet.bitmaps.len(), bytes];
    run(conn, "INSERT INTO sheet VALUES ($1, $2, $3, $4, $5)", values)?;
    let Sheet { bitmaps, breakdown } = sheet;
    append::bitmaps(site, day, version, &bitmaps)?.append_to(conn, None, "visitor_bitmap", bitmaps.len())?;
    append::breakdown(site, day, &breakdown)?.append_to(conn, None, "breakdown_1d", breakdown.len())?;
    Ok(())
}

fn build(conn: &Connection, site: i32, day: i32) -> Result<Sheet, Failure> {
    let sessions = sessions(conn, site, day)?;
    let hull = (sessions.iter().map(|s| s.first_us).min()).zip(sessions.iter().map(|s| s.last_us).max());
    let reaching = match hull {
        Some((first, last)) => reaching(conn, site, day, &sessions, first, last)?,
        None => None,
    };
    let mut builder = Builder::new(sessions);
    each(conn, FIRST_SEEN, params![site, day], &mut |chunk| {
        longs(chunk, 0)?.values().iter().try_for_each(|visitor| Ok(builder.first_seen(visitor.unsigned_abs())?))
    })?;
    each(conn, EVENTS, params![site, day], &mut |chunk| {
        events(chunk, &mut |event| Ok::<(), Failure>(builder.event(event)?))
    })?;
    if let (Some(from), Some((_, to))) = (reaching, hull) {
        each(conn, ELSEWHERE, params![site, day, from, to], &mut |chunk| {
            events(chunk, &mut |event| {
                builder.event_elsewhere(event);
                Ok(())
            })
        })?;
    }
    Ok(builder.finish())
}

fn sessions(conn: &Connection, site: i32, day: i32) -> Result<Vec<SessionOfDay>, Failure> {
    let mut sessions = Vec::new();
    each(conn, SESSIONS, params![site, day], &mut |chunk| {
        let columns: Vec<&Int64Array> = (0..5).map(|at| longs(chunk, at)).collect::<Result<_, _>>()?;
        for row in 0..chunk.len() {
            sessions.push(SessionOfDay {
                visitor: columns[0].value(row).unsigned_abs(),
                first_us: columns[1].value(row),
                last_us: columns[2].value(row),
                events: columns[3].value(row).unsigned_abs(),
                page_views: columns[4].value(row).unsigned_abs(),
            });
        }
        Ok(())
    })?;
    Ok(sessions)
}

/// The first instant of another day's event while the day's sessions go on, if there is one, and in `temp.reaching` the
/// visitors whose sessions reach there: few, so that few events of other days are read.
fn reaching(
    conn: &Connection,
    site: i32,
    day: i32,
    sessions: &[SessionOfDay],
    first: i64,
    last: i64,
) -> Result<Option<i64>, Error> {
    let sql = "SELECT min(time_us) FROM event WHERE site = $1 AND day <> $2 AND time_us BETWEEN $3 AND $4";
    let from: Option<i64> = conn
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row(params![site, day, first, last], |row| row.get(0)))
        .map_err(engine)?;
    let Some(from) = from else { return Ok(None) };
    let reach = sessions.iter().filter(|session| session.last_us >= from);
    let visitors: HashSet<u64> = reach.map(|session| session.visitor).collect();
    let visitors: Vec<i64> = append::narrow(&visitors.into_iter().collect::<Vec<_>>(), "visitor")?;
    run(conn, "CREATE TEMP TABLE IF NOT EXISTS reaching (visitor BIGINT NOT NULL)", params![])?;
    run(conn, "DELETE FROM temp.reaching", params![])?;
    let rows = visitors.len();
    append::longs(vec![visitors]).append_to(conn, Some("temp"), "reaching", rows)?;
    Ok(Some(from))
}

/// Runs a statement and hands on its rows, some thousands at a time.
fn each(
    conn: &Connection,
    sql: &str,
    values: impl Params,
    take: &mut dyn FnMut(&StructArray) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut statement = conn.prepare(sql)?;
    statement.execute(values)?;
    while let Some(chunk) = statement.step()? {
        take(&chunk)?;
    }
    Ok(())
}

/// The rows of `sheet_events.sql`.
fn events(chunk: &StructArray, take: &mut dyn FnMut(&EventOfDay<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
    const WIDTH: usize = SheetDimension::OF_EVENTS.len();
    let (visitors, times, values) = (longs(chunk, 0)?, longs(chunk, 1)?, longs(chunk, 3)?);
    let bots = column(chunk, 2)?.as_primitive_opt::<Int8Type>().ok_or_else(|| unexpected(2))?;
    let texts: Vec<&StringArray> = (4..4 + WIDTH)
        .map(|at| column(chunk, at)?.as_string_opt::<i32>().ok_or_else(|| unexpected(at)))
        .collect::<Result<_, _>>()?;
    for row in 0..chunk.len() {
        take(&EventOfDay {
            visitor: visitors.value(row).unsigned_abs(),
            time_us: times.value(row),
            bot: bots.value(row) != 0,
            value: (!values.is_null(row)).then(|| values.value(row)),
            values: std::array::from_fn(|at| texts[at].value(row)),
        })?;
    }
    Ok(())
}

fn longs(chunk: &StructArray, at: usize) -> Result<&Int64Array, Error> {
    column(chunk, at)?.as_primitive_opt::<Int64Type>().ok_or_else(|| unexpected(at))
}

fn column(chunk: &StructArray, at: usize) -> Result<&ArrayRef, Error> {
    chunk.columns().get(at).ok_or_else(|| unexpected(at))
}

fn unexpected(at: usize) -> Error {
    Error::Engine(format!("column {at} of a day's rows is of another type than it was stored with"))
}

fn run(conn: &Connection, sql: &str, values: impl Params) -> Result<(), Error> {
    conn.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map_err(engine)?;
    Ok(())
}

fn number(conn: &Connection, sql: &str) -> Result<i64, Error> {
    conn.prepare_cached(sql).and_then(|mut statement| statement.query_row([], |row| row.get(0))).map_err(engine)
}
