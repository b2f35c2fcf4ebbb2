//! The lookups of folding: on the caller's thread, with a connection taken from a small stock.
//!
//! Few keys are bound one by one; many go through the appender into a temporary table and are joined, which is the
//! fastest way in that the crate offers (a list cannot be bound).
//!
//! Statements are prepared anew each time: a kept plan of a GROUP BY was made for the values that the table held then, and fails
//! ("Perfect hash aggregate … exceeded") once there are others.

use super::append::{self, narrow};
use super::cells::Wide;
use super::failure::engine;
use super::worker::transaction;
use crate::{Error, Found, HistoryEvent, KnownVisitor, Lookup, SessionsOf, VisitorHistory, WriterSequence};
use crossbeam_channel::{Receiver, Sender, bounded};
use duckdb::{Connection, Row, Statement, params};
use pistats_core::ids::PARTITIONS;
use pistats_core::{EventId, Micros, PartitionId, Session, SiteId, VisitorKey, VisitorNo};
use std::collections::HashMap;
use std::sync::Arc;

pub(super) struct Lookups {
    give_back: Sender<Connection>,
    stock: Receiver<Connection>,
}

/// The temporary tables of a lookup connection.
const ASKED: &str = "CREATE TEMP TABLE asked_key (key UUID NOT NULL);
                     CREATE TEMP TABLE asked_visitor (site BIGINT NOT NULL, visitor BIGINT NOT NULL, since BIGINT NOT NULL)";

impl Lookups {
    pub(super) fn new(count: usize, connect: impl Fn() -> Result<Connection, Error>) -> Result<Lookups, Error> {
        let (give_back, stock) = bounded(count);
        for _ in 0..count {
            let conn = connect()?;
            conn.execute_batch(ASKED).map_err(engine)?;
            give_back.send(conn).map_err(|_| Error::Closed)?;
        }
        Ok(Lookups { give_back, stock })
    }

    /// Runs a lookup in one transaction.
    fn with<T>(&self, body: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let conn = self.stock.recv().map_err(|_| Error::Closed)?;
        let result = transaction(&conn, body);
        self.give_back.send(conn).map_err(|_| Error::Closed)?;
        result
    }
}

impl Lookup for Lookups {
    fn ids(&self, site: SiteId, from_ms: u64, to_ms: u64) -> Result<Vec<EventId>, Error> {
        // The first 48 bits of an id are its milliseconds; the engine keeps minima and maxima of each row group.
        let bound = |ms: u64| Wide(u128::from(ms.min((1 << 48) - 1)) << 80);
        self.with(|conn| {
            let mut statement = conn
                .prepare("SELECT id FROM event WHERE site = $1 AND id >= CAST($2 AS UUID) AND id < CAST($3 AS UUID)")
                .map_err(engine)?;
            collect(&mut statement, params![site.0, bound(from_ms), bound(to_ms)], |row| id(row, 0))
        })
    }

    fn visitors(&self, site: SiteId, partition: PartitionId, keys: &[VisitorKey]) -> Result<Vec<KnownVisitor>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.with(|conn| {
            ask_keys(conn, &keys.iter().map(|key| key.0).collect::<Vec<_>>())?;
            let mut statement = conn
                .prepare(
                    "SELECT visitor, key, first_us FROM visitor \
                     WHERE site = $1 AND visitor % $2 = $3 AND key IN (SELECT key FROM temp.asked_key) \
                     GROUP BY visitor, key, first_us HAVING sum(sign) > 0",
                )
                .map_err(engine)?;
            collect(&mut statement, params![site.0, PARTITIONS, partition.0], |row| known(row, 0))
        })
    }

    fn sequences(&self, partition: PartitionId) -> Result<Vec<WriterSequence>, Error> {
        self.with(|conn| {
            let mut statement = conn
                .prepare("SELECT writer, sequence FROM writer_sequence WHERE log_partition = $1")
                .map_err(engine)?;
            collect(&mut statement, params![partition.0], |row| {
                let writer: i64 = row.get(0).map_err(engine)?;
                let sequence = row.get(1).map_err(engine)?;
                Ok(WriterSequence { partition, writer: writer.cast_unsigned(), sequence })
            })
        })
    }

    fn next_ordinal(&self, site: SiteId, partition: PartitionId) -> Result<u64, Error> {
        self.with(|conn| {
            let highest: Option<u64> = conn
                .prepare(
                    "SELECT max(visitor) FROM (SELECT site, visitor FROM visitor UNION ALL SELECT site, visitor FROM event) \
                     WHERE site = $1 AND visitor % $2 = $3",
                )
                .and_then(|mut s| s.query_row(params![site.0, PARTITIONS, partition.0], |row| row.get(0)))
                .map_err(engine)?;
            Ok(highest.map_or(0, |visitor| VisitorNo(visitor).ordinal() + 1))
        })
    }

    fn sessions(&self, asked: &[SessionsOf]) -> Result<Vec<Found>, Error> {
        let Some(earliest) = asked.iter().map(|ask| ask.since.0).min() else { return Ok(Vec::new()) };
        self.with(|conn| {
            ask_visitors(conn, asked.iter().map(|ask| (ask.site, ask.visitor, ask.since)))?;
            let mut statement = conn
                .prepare(
                    "SELECT s.site, s.visitor, first_us, first_id, last_us, last_id, entry_page, exit_page, \
                            events, page_views, bot_events \
                     FROM session s JOIN temp.asked_visitor a \
                       ON s.site = a.site AND s.visitor = a.visitor AND s.last_us >= a.since \
                     WHERE s.last_us >= $1 \
                     GROUP BY ALL HAVING sum(sign) > 0",
                )
                .map_err(engine)?;
            collect(&mut statement, params![earliest], |row| {
                Ok(Found { site: SiteId(get(row, 0)?), visitor: VisitorNo(get(row, 1)?), session: session(row, 2)? })
            })
        })
    }

    fn histories(&self, site: SiteId, visitors: &[VisitorNo]) -> Result<Vec<VisitorHistory>, Error> {
        let empty = |visitor: &VisitorNo| VisitorHistory {
            visitor: *visitor,
            events: Vec::new(),
            sessions: Vec::new(),
            known: None,
        };
        let mut histories: Vec<VisitorHistory> = visitors.iter().map(empty).collect();
        if histories.is_empty() {
            return Ok(histories);
        }
        let place: HashMap<u64, usize> = visitors.iter().enumerate().map(|(at, visitor)| (visitor.0, at)).collect();
        self.with(|conn| {
            ask_visitors(conn, visitors.iter().map(|visitor| (site, *visitor, Micros(i64::MIN))))?;
            let each = |sql: &str, fill: &mut dyn FnMut(&Row<'_>, usize) -> Result<(), Error>| {
                let mut statement = conn.prepare(sql).map_err(engine)?;
                let mut rows = statement.query(params![site.0]).map_err(engine)?;
                while let Some(row) = rows.next().map_err(engine)? {
                    if let Some(at) = place.get(&get(row, 0)?) {
                        fill(row, *at)?;
                    }
                }
                Ok::<(), Error>(())
            };
            each(
                "SELECT visitor, time_us, id, host || path, name = 'page_view', bot FROM event \
                 WHERE site = $1 AND visitor IN (SELECT visitor FROM temp.asked_visitor) ORDER BY visitor, time_us, id",
                &mut |row, at| {
                    histories[at].events.push(HistoryEvent {
                        time: Micros(get(row, 1)?),
                        id: id(row, 2)?,
                        page: text(row, 3)?,
                        page_view: get(row, 4)?,
                        bot: get(row, 5)?,
                    });
                    Ok(())
                },
            )?;
            each(
                "SELECT visitor, first_us, first_id, last_us, last_id, entry_page, exit_page, events, page_views, bot_events \
                 FROM session WHERE site = $1 AND visitor IN (SELECT visitor FROM temp.asked_visitor) \
                 GROUP BY ALL HAVING sum(sign) > 0 ORDER BY visitor, first_us, first_id",
                &mut |row, at| {
                    histories[at].sessions.push(session(row, 1)?);
                    Ok(())
                },
            )?;
            each(
                "SELECT visitor, key, first_us FROM visitor \
                 WHERE site = $1 AND visitor IN (SELECT visitor FROM temp.asked_visitor) \
                 GROUP BY ALL HAVING sum(sign) > 0",
                &mut |row, at| {
                    histories[at].known = Some(known(row, 0)?);
                    Ok(())
                },
            )
        })?;
        Ok(histories)
    }

    fn visitors_of_events(&self, site: SiteId, ids: &[EventId]) -> Result<Vec<(EventId, VisitorNo)>, Error> {
        let (Some(least), Some(greatest)) = (ids.iter().min(), ids.iter().max()) else { return Ok(Vec::new()) };
        self.with(|conn| {
            ask_keys(conn, &ids.iter().map(|id| id.as_u128()).collect::<Vec<_>>())?;
            let mut statement = conn
                .prepare(
                    "SELECT id, visitor FROM event \
                     WHERE site = $1 AND id BETWEEN CAST($2 AS UUID) AND CAST($3 AS UUID) \
                       AND id IN (SELECT key FROM temp.asked_key)",
                )
                .map_err(engine)?;
            let bounds = params![site.0, Wide(least.as_u128()), Wide(greatest.as_u128())];
            collect(&mut statement, bounds, |row| Ok((id(row, 0)?, VisitorNo(get(row, 1)?))))
        })
    }
}

fn ask_keys(conn: &Connection, keys: &[u128]) -> Result<(), Error> {
    conn.prepare_cached("DELETE FROM temp.asked_key").and_then(|mut s| s.execute([])).map_err(engine)?;
    append::wides(keys)?.append_to(conn, Some("temp"), "asked_key", keys.len())
}

fn ask_visitors(
    conn: &Connection,
    asked: impl ExactSizeIterator<Item = (SiteId, VisitorNo, Micros)>,
) -> Result<(), Error> {
    conn.prepare_cached("DELETE FROM temp.asked_visitor").and_then(|mut s| s.execute([])).map_err(engine)?;
    let rows = asked.len();
    let (mut sites, mut visitors, mut since) = (Vec::new(), Vec::new(), Vec::new());
    for (site, visitor, from) in asked {
        sites.push(i64::from(site.0));
        visitors.push(visitor.0);
        since.push(from.0);
    }
    let visitors = narrow(&visitors, "visitor")?;
    append::longs(vec![sites, visitors, since]).append_to(conn, Some("temp"), "asked_visitor", rows)
}

fn collect<T>(
    statement: &mut Statement<'_>,
    values: impl duckdb::Params,
    read: impl Fn(&Row<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut rows = statement.query(values).map_err(engine)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn get<T: duckdb::types::FromSql>(row: &Row<'_>, at: usize) -> Result<T, Error> {
    row.get(at).map_err(engine)
}

fn text(row: &Row<'_>, at: usize) -> Result<Arc<str>, Error> {
    get::<String>(row, at).map(Arc::from)
}

/// 16 bytes as they stand, big-endian.
fn bytes(row: &Row<'_>, at: usize) -> Result<[u8; 16], Error> {
    let value = row.get_ref(at).map_err(engine)?;
    value
        .as_blob()
        .ok()
        .and_then(|blob| blob.try_into().ok())
        .ok_or_else(|| Error::Engine("an id is not 16 bytes".to_owned()))
}

fn id(row: &Row<'_>, at: usize) -> Result<EventId, Error> {
    bytes(row, at).map(EventId)
}

/// visitor, key, first_us.
fn known(row: &Row<'_>, at: usize) -> Result<KnownVisitor, Error> {
    Ok(KnownVisitor {
        visitor: VisitorNo(get(row, at)?),
        key: VisitorKey(u128::from_be_bytes(bytes(row, at + 1)?)),
        first_seen: Micros(get(row, at + 2)?),
    })
}

/// first_us, first_id, last_us, last_id, entry_page, exit_page, events, page_views, bot_events.
fn session(row: &Row<'_>, at: usize) -> Result<Session<Arc<str>>, Error> {
    Ok(Session {
        first: (Micros(get(row, at)?), id(row, at + 1)?),
        last: (Micros(get(row, at + 2)?), id(row, at + 3)?),
        entry_page: text(row, at + 4)?,
        exit_page: text(row, at + 5)?,
        events: get(row, at + 6)?,
        page_views: get(row, at + 7)?,
        bot_events: get(row, at + 8)?,
    })
}
