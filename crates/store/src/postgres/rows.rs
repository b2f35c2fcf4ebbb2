//! The rows of a commit, field by field, in the order of the tables' columns.

use super::copy::{Row, copy, narrow};
use super::lives;
use crate::sheet::{BitmapLine, BreakdownLine};
use crate::{Error, EventColumns, RejectedRow, SessionVersion, VisitorVersion};
use sqlx::PgConnection;

/// Columns of `event` before its texts.
const BEFORE_TEXTS: i16 = 14;

/// `like`: of a partition, a stored offset of the life that the events are of.
pub(super) async fn events(
    conn: &mut PgConnection,
    events: &EventColumns,
    like: impl Fn(u16) -> i64,
) -> Result<(), Error> {
    let texts = events.texts();
    let fields = BEFORE_TEXTS + texts.len() as i16;
    copy(conn, "event", fields, events.len(), |at, row| {
        row.integer(narrow(events.site[at], "site")?);
        row.bigint(narrow(events.visitor[at], "visitor")?);
        row.uuid(events.id[at]);
        row.bigint(events.time[at]);
        row.integer(events.day[at]);
        row.smallint(narrow(events.partition[at], "partition")?);
        row.bigint(lives::stored(like(events.partition[at]), events.offset[at])?);
        row.bigint(events.received[at]);
        row.maybe_bigint(events.client_time[at]);
        row.bool(events.bot[at]);
        row.maybe_bigint(events.value[at]);
        row.texts(events.topics.get(at));
        row.texts(events.property_keys.get(at));
        row.texts(events.property_values.get(at));
        for (_, column) in &texts {
            row.text(column.get(at));
        }
        Ok(())
    })
    .await
}

/// The same events' ids, where `event` itself cannot keep them unique.
pub(super) async fn event_ids(conn: &mut PgConnection, events: &EventColumns) -> Result<(), Error> {
    copy(conn, "event_id", 2, events.len(), |at, row| {
        row.integer(narrow(events.site[at], "site")?);
        row.uuid(events.id[at]);
        Ok(())
    })
    .await
}

pub(super) async fn sessions(conn: &mut PgConnection, versions: &[SessionVersion]) -> Result<(), Error> {
    copy(conn, "session", 13, versions.len(), |at, row| {
        let SessionVersion { site, visitor, day, session, sign } = &versions[at];
        row.integer(narrow(site.0, "site")?);
        row.bigint(narrow(visitor.0, "visitor")?);
        row.integer(day.0);
        row.bigint(session.first.0.0);
        row.uuid(session.first.1.as_u128());
        row.bigint(session.last.0.0);
        row.uuid(session.last.1.as_u128());
        row.bigint(narrow(session.events, "events")?);
        row.bigint(narrow(session.page_views, "page_views")?);
        row.bigint(narrow(session.bot_events, "bot_events")?);
        row.text(&session.entry_page);
        row.text(&session.exit_page);
        row.smallint(sign.number().into());
        Ok(())
    })
    .await
}

pub(super) async fn visitors(conn: &mut PgConnection, versions: &[VisitorVersion]) -> Result<(), Error> {
    copy(conn, "visitor", 6, versions.len(), |at, row| {
        let VisitorVersion { site, visitor, key, first_seen, first_day, sign } = &versions[at];
        row.integer(narrow(site.0, "site")?);
        row.bigint(narrow(visitor.0, "visitor")?);
        row.uuid(key.0);
        row.bigint(first_seen.0);
        row.integer(first_day.0);
        row.smallint(sign.number().into());
        Ok(())
    })
    .await
}

pub(super) async fn rejected(conn: &mut PgConnection, rows: &[RejectedRow]) -> Result<(), Error> {
    copy(conn, "rejected_event", 9, rows.len(), |at, row| {
        let rejected = &rows[at];
        row.bytes(&rejected.id);
        row.integer(narrow(rejected.site.0, "site")?);
        row.bigint(rejected.received.0);
        row.smallint(rejected.reason as i16);
        row.text(&rejected.field);
        row.text(&rejected.message);
        row.bytes(&rejected.payload);
        row.bigint(rejected.payload_bytes.into());
        row.text(&rejected.user_agent);
        Ok(())
    })
    .await
}

/// Where a sheet's rows belong.
#[derive(Clone, Copy)]
pub(super) struct OfDay {
    pub(super) site: i32,
    pub(super) day: i32,
    pub(super) version: i64,
}

pub(super) async fn bitmaps(conn: &mut PgConnection, of: OfDay, lines: &[BitmapLine]) -> Result<(), Error> {
    copy(conn, "visitor_bitmap", 8, lines.len(), |at, row| {
        let line = &lines[at];
        day_row(row, of);
        row.smallint(line.dimension.number());
        row.text(&line.value);
        row.bool(line.bot);
        row.bigint(of.version);
        row.bigint(narrow(line.visitors, "visitors")?);
        row.bytes(&line.bitmap);
        Ok(())
    })
    .await
}

pub(super) async fn breakdown(conn: &mut PgConnection, of: OfDay, lines: &[BreakdownLine]) -> Result<(), Error> {
    copy(conn, "breakdown_1d", 16, lines.len(), |at, row| {
        let line = &lines[at];
        day_row(row, of);
        row.smallint(line.dimension.number());
        row.text(&line.value);
        row.smallint(line.kind.into());
        row.bigint(narrow(line.counts.events, "events")?);
        row.bigint(narrow(line.counts.page_views, "page_views")?);
        row.bigint(narrow(line.counts.value_count, "value_count")?);
        row.numeric(line.counts.value_sum);
        row.maybe_bigint(line.counts.value_min);
        row.maybe_bigint(line.counts.value_max);
        row.bigint(narrow(line.visitors, "visitors")?);
        row.bigint(narrow(line.sessions, "sessions")?);
        row.bigint(narrow(line.bounces, "bounces")?);
        row.numeric(line.session_us);
        row.bigint(narrow(line.session_page_views, "session_page_views")?);
        Ok(())
    })
    .await
}

fn day_row(row: &mut Row<'_>, of: OfDay) {
    row.integer(of.site);
    row.integer(of.day);
}
