//! Sheets of dirty days (see `crate::sheet`): read a day's rows, build, replace what stood, clear the marks it saw.
//!
//! Each day is one transaction on a snapshot of its own, beside commits, which only append. A mark that a commit sets
//! meanwhile is not in the snapshot: it stays, the day stays dirty, and readers go on reading it raw.

use super::failure::engine;
use super::rows::{self, OfDay};
use crate::Error;
use crate::sheet::{Builder, EventOfDay, SessionOfDay, Sheet, SheetDimension, VisitorTooLarge};
use futures::TryStreamExt;
use parking_lot::Mutex;
use sqlx::postgres::PgRow;
use sqlx::{Connection, PgConnection, Row};
use std::collections::HashSet;

/// Marks above this many are thinned to one a day: a busy day gets twenty a second.
const MOST_MARKS: i64 = 4_096;

/// The (site, day) pairs whose visitors do not fit bitmaps. Numbers never shrink: such a day is read raw for good.
pub(super) type Unfit = Mutex<HashSet<(i32, i32)>>;

const THIN: &str = "DELETE FROM sheet_dirty d \
    USING (SELECT site, day, max(commit_no) AS newest FROM sheet_dirty GROUP BY site, day) AS m \
    WHERE d.site = m.site AND d.day = m.day AND d.commit_no < m.newest";
/// Dirty days, newest first, with their newest marks.
const CHOOSE: &str = "SELECT site, day, max(commit_no) FROM sheet_dirty GROUP BY site, day ORDER BY day DESC, site";
/// The living sessions that start on the day.
const SESSIONS: &str = "SELECT visitor, first_us, last_us, events, page_views FROM session WHERE site = $1 AND day = $2 \
    AND first_us BETWEEN $3 AND $4 GROUP BY visitor, first_us, last_us, events, page_views HAVING sum(sign) > 0";
/// Whose first event ever lies on the day.
const FIRST_SEEN: &str = "SELECT visitor FROM visitor WHERE site = $1 AND first_day = $2 \
    GROUP BY visitor, first_us, first_day HAVING sum(sign) > 0";
/// The day's events, with the dimensions in the order of [`SheetDimension::OF_EVENTS`].
const EVENTS: &str = "SELECT visitor, time_us, bot, value, country, device, browser, os, channel, name, host || path \
    FROM event WHERE site = $1 AND day = $2 AND time_us BETWEEN $3 AND $4";
/// When the first event of another day comes while the day's sessions go on.
const ELSEWHERE_FROM: &str =
    "SELECT min(time_us) FROM event WHERE site = $1 AND day <> $2 AND time_us BETWEEN $3 AND $4";
/// The events of other days, of the visitors whose sessions reach there.
const ELSEWHERE: &str = "SELECT visitor, time_us, bot, value, country, device, browser, os, channel, name, host || path \
    FROM event WHERE site = $1 AND day <> $2 AND time_us BETWEEN $3 AND $4 \
    AND visitor IN (SELECT unnest($5))";

/// Builds the sheets of at most `most` calm days. Returns how many it built, and how many are still to be built.
pub(super) async fn refresh(
    conn: &mut PgConnection,
    most: usize,
    calm_to: u64,
    unfit: &Unfit,
) -> Result<(u64, u64), Error> {
    let marks: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sheet_dirty").fetch_one(&mut *conn).await.map_err(engine)?;
    if marks > MOST_MARKS {
        sqlx::query(THIN).execute(&mut *conn).await.map_err(engine)?;
    }
    let (mut built, mut left) = (0, 0);
    let dirty: Vec<(i32, i32, i64)> = sqlx::query_as(CHOOSE).fetch_all(&mut *conn).await.map_err(engine)?;
    for (site, day, newest) in dirty {
        if unfit.lock().contains(&(site, day)) {
            continue;
        }
        if built as usize >= most || newest.unsigned_abs() > calm_to {
            left += 1;
            continue;
        }
        match replace(conn, site, day).await {
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

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Failure {
        Failure::Engine(engine(error))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Engine(error)
    }
}

/// Reads, builds and replaces one day, in one transaction. Where it fails, the transaction is rolled back.
async fn replace(conn: &mut PgConnection, site: i32, day: i32) -> Result<(), Failure> {
    let mut tx = conn.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    let version: i64 = sqlx::query_scalar("SELECT commits FROM generation").fetch_one(&mut *tx).await?;
    let Sheet { bitmaps, breakdown } = build(&mut tx, site, day).await?;
    for statement in [
        "DELETE FROM sheet WHERE site = $1 AND day = $2",
        "DELETE FROM visitor_bitmap WHERE site = $1 AND day = $2",
        "DELETE FROM breakdown_1d WHERE site = $1 AND day = $2",
        "DELETE FROM sheet_dirty WHERE site = $1 AND day = $2",
    ] {
        sqlx::query(statement).bind(site).bind(day).execute(&mut *tx).await?;
    }
    let bytes: usize = bitmaps.iter().map(|line| line.bitmap.len()).sum();
    sqlx::query("INSERT INTO sheet VALUES ($1, $2, $3, $4, $5)")
        .bind(site)
        .bind(day)
        .bind(version)
        .bind(bitmaps.len() as i64)
        .bind(bytes as i64)
        .execute(&mut *tx)
        .await?;
    let of = OfDay { site, day, version };
    rows::bitmaps(&mut tx, of, &bitmaps).await?;
    rows::breakdown(&mut tx, of, &breakdown).await?;
    tx.commit().await?;
    Ok(())
}

/// Instants around a local day, whatever the zone: no zone is a day away from UTC. What engines find rows by.
fn around(day: i32) -> (i64, i64) {
    const DAY: i64 = pistats_core::Micros::DAY;
    ((i64::from(day) - 1) * DAY, (i64::from(day) + 2) * DAY)
}

async fn build(conn: &mut PgConnection, site: i32, day: i32) -> Result<Sheet, Failure> {
    let (from, to) = around(day);
    let sessions = sessions(conn, site, day).await?;
    let hull = (sessions.iter().map(|s| s.first_us).min()).zip(sessions.iter().map(|s| s.last_us).max());
    let reaching = match hull {
        Some((first, last)) => reaching(conn, site, day, &sessions, first, last).await?,
        None => None,
    };
    let mut builder = Builder::new(sessions);
    let mut rows = sqlx::query_scalar::<_, i64>(FIRST_SEEN).bind(site).bind(day).fetch(&mut *conn);
    while let Some(visitor) = rows.try_next().await? {
        builder.first_seen(visitor.unsigned_abs())?;
    }
    drop(rows);
    let mut rows = sqlx::query(EVENTS).bind(site).bind(day).bind(from).bind(to).fetch(&mut *conn);
    while let Some(row) = rows.try_next().await? {
        builder.event(&event(&row)?)?;
    }
    drop(rows);
    if let (Some((from, visitors)), Some((_, to))) = (reaching, hull) {
        let elsewhere = sqlx::query(ELSEWHERE).bind(site).bind(day).bind(from).bind(to).bind(visitors);
        let mut rows = elsewhere.fetch(&mut *conn);
        while let Some(row) = rows.try_next().await? {
            builder.event_elsewhere(&event(&row)?);
        }
    }
    Ok(builder.finish())
}

async fn sessions(conn: &mut PgConnection, site: i32, day: i32) -> Result<Vec<SessionOfDay>, Failure> {
    let (from, to) = around(day);
    let rows: Vec<(i64, i64, i64, i64, i64)> =
        sqlx::query_as(SESSIONS).bind(site).bind(day).bind(from).bind(to).fetch_all(conn).await?;
    let session = |(visitor, first_us, last_us, events, page_views): (i64, i64, i64, i64, i64)| SessionOfDay {
        visitor: visitor.unsigned_abs(),
        first_us,
        last_us,
        events: events.unsigned_abs(),
        page_views: page_views.unsigned_abs(),
    };
    Ok(rows.into_iter().map(session).collect())
}

/// The first instant of another day's event while the day's sessions go on, if there is one, and the visitors whose sessions
/// reach there: few, so that few events of other days are read.
async fn reaching(
    conn: &mut PgConnection,
    site: i32,
    day: i32,
    sessions: &[SessionOfDay],
    first: i64,
    last: i64,
) -> Result<Option<(i64, Vec<i64>)>, Failure> {
    let from: Option<i64> =
        sqlx::query_scalar(ELSEWHERE_FROM).bind(site).bind(day).bind(first).bind(last).fetch_one(conn).await?;
    let Some(from) = from else { return Ok(None) };
    let visitors: HashSet<i64> = sessions
        .iter()
        .filter(|session| session.last_us >= from)
        .filter_map(|session| i64::try_from(session.visitor).ok())
        .collect();
    Ok(Some((from, visitors.into_iter().collect())))
}

/// A row of [`EVENTS`].
fn event(row: &PgRow) -> Result<EventOfDay<'_>, sqlx::Error> {
    const WIDTH: usize = SheetDimension::OF_EVENTS.len();
    let mut values = [""; WIDTH];
    for (at, value) in values.iter_mut().enumerate() {
        *value = row.try_get(4 + at)?;
    }
    Ok(EventOfDay {
        visitor: row.try_get::<i64, _>(0)?.unsigned_abs(),
        time_us: row.try_get(1)?,
        bot: row.try_get(2)?,
        value: row.try_get(3)?,
        values,
    })
}
