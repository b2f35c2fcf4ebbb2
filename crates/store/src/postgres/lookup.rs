//! The lookups of folding: asked from the fold's threads, answered on the store's own.
//!
//! Keys go over as arrays: one statement a lookup, however many are asked.

use super::PgStore;
use super::copy::narrow;
use super::failure::engine;
use super::variant::Variant;
use crate::{Error, Found, HistoryEvent, KnownVisitor, Lookup, SessionsOf, VisitorHistory, WriterSequence};
use pistats_core::ids::PARTITIONS;
use pistats_core::{EventId, Micros, PartitionId, Session, SiteId, VisitorKey, VisitorNo};
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use std::collections::HashMap;
use std::sync::Arc;

impl Lookup for PgStore {
    fn ids(&self, site: SiteId, from_ms: u64, to_ms: u64) -> Result<Vec<EventId>, Error> {
        // The first 48 bits of an id are its milliseconds.
        let bound = |ms: u64| Uuid::from_u128(u128::from(ms.min((1 << 48) - 1)) << 80);
        let (site, from, to) = (sites(site)?, bound(from_ms), bound(to_ms));
        let select = self.pools.variant.ids();
        self.wait(move |conn| {
            Box::pin(async move {
                let ids: Vec<Uuid> =
                    sqlx::query_scalar(select).bind(site).bind(from).bind(to).fetch_all(conn).await.map_err(engine)?;
                Ok(ids.into_iter().map(|id| EventId(id.into_bytes())).collect())
            })
        })
    }

    fn visitors(&self, site: SiteId, partition: PartitionId, keys: &[VisitorKey]) -> Result<Vec<KnownVisitor>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (site, partition) = (sites(site)?, i64::from(partition.0));
        let keys: Vec<Uuid> = keys.iter().map(|key| Uuid::from_u128(key.0)).collect();
        self.wait(move |conn| {
            Box::pin(async move {
                let rows = sqlx::query(
                    "SELECT visitor, key, first_us FROM visitor \
                     WHERE site = $1 AND visitor % $2 = $3 AND key = ANY($4) \
                     GROUP BY visitor, key, first_us HAVING sum(sign) > 0",
                )
                .bind(site)
                .bind(i64::from(PARTITIONS))
                .bind(partition)
                .bind(keys)
                .fetch_all(conn)
                .await
                .map_err(engine)?;
                rows.iter().map(|row| known(row, 0)).collect()
            })
        })
    }

    fn sequences(&self, partition: PartitionId) -> Result<Vec<WriterSequence>, Error> {
        let of: i16 = narrow(partition.0, "partition")?;
        self.wait(move |conn| {
            Box::pin(async move {
                let rows: Vec<(i64, i64)> =
                    sqlx::query_as("SELECT writer, sequence FROM writer_sequence WHERE log_partition = $1")
                        .bind(of)
                        .fetch_all(conn)
                        .await
                        .map_err(engine)?;
                let read = |(writer, sequence): (i64, i64)| WriterSequence {
                    partition,
                    writer: writer.cast_unsigned(),
                    sequence: sequence.unsigned_abs(),
                };
                Ok(rows.into_iter().map(read).collect())
            })
        })
    }

    fn next_ordinal(&self, site: SiteId, partition: PartitionId) -> Result<u64, Error> {
        let (site, partition) = (sites(site)?, i64::from(partition.0));
        self.wait(move |conn| {
            Box::pin(async move {
                // Both walk down an index from the greatest number: one in eight is of the partition.
                let highest: Option<i64> = sqlx::query_scalar(
                    "SELECT greatest((SELECT max(visitor) FROM visitor WHERE site = $1 AND visitor % $2 = $3), \
                                     (SELECT max(visitor) FROM event WHERE site = $1 AND visitor % $2 = $3))",
                )
                .bind(site)
                .bind(i64::from(PARTITIONS))
                .bind(partition)
                .fetch_one(conn)
                .await
                .map_err(engine)?;
                Ok(highest.map_or(0, |visitor| VisitorNo(visitor.unsigned_abs()).ordinal() + 1))
            })
        })
    }

    fn sessions(&self, asked: &[SessionsOf]) -> Result<Vec<Found>, Error> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let of: Vec<i32> = asked.iter().map(|ask| sites(ask.site)).collect::<Result<_, _>>()?;
        let visitors = numbers(asked.iter().map(|ask| ask.visitor))?;
        let since: Vec<i64> = asked.iter().map(|ask| ask.since.0).collect();
        self.wait(move |conn| {
            Box::pin(async move {
                let rows = sqlx::query(
                    "SELECT s.site, s.visitor, s.first_us, s.first_id, s.last_us, s.last_id, s.entry_page, s.exit_page, \
                            s.events, s.page_views, s.bot_events \
                     FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) AS a (site, visitor, since) \
                     JOIN session s ON s.site = a.site AND s.visitor = a.visitor AND s.last_us >= a.since \
                     GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 HAVING sum(s.sign) > 0",
                )
                .bind(of)
                .bind(visitors)
                .bind(since)
                .fetch_all(conn)
                .await
                .map_err(engine)?;
                let found = |row: &PgRow| {
                    Ok(Found {
                        site: SiteId(get::<i32>(row, 0)?.unsigned_abs()),
                        visitor: VisitorNo(unsigned(row, 1)?),
                        session: session(row, 2)?,
                    })
                };
                rows.iter().map(found).collect()
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
        let (site, asked) = (sites(site)?, numbers(visitors.iter().copied())?);
        let variant = self.pools.variant;
        let [events, sessions, known_rows] =
            self.wait(move |conn| Box::pin(async move { read_histories(conn, variant, site, &asked).await }))?;
        let place: HashMap<u64, usize> = visitors.iter().enumerate().map(|(at, visitor)| (visitor.0, at)).collect();
        let of = |row: &PgRow| Ok::<_, Error>(place.get(&unsigned(row, 0)?).copied());
        for row in &events {
            let Some(at) = of(row)? else { continue };
            histories[at].events.push(HistoryEvent {
                time: Micros(get(row, 1)?),
                id: id(row, 2)?,
                page: text(row, 3)?,
                page_view: get(row, 4)?,
                bot: get(row, 5)?,
            });
        }
        for row in &sessions {
            if let Some(at) = of(row)? {
                histories[at].sessions.push(session(row, 1)?);
            }
        }
        for row in &known_rows {
            if let Some(at) = of(row)? {
                histories[at].known = Some(known(row, 0)?);
            }
        }
        Ok(histories)
    }

    fn visitors_of_events(&self, site: SiteId, ids: &[EventId]) -> Result<Vec<(EventId, VisitorNo)>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let site = sites(site)?;
        let ids: Vec<Uuid> = ids.iter().map(|id| Uuid::from_bytes(id.0)).collect();
        let of_list = self.pools.variant.is_one_of("id", "$2");
        self.wait(move |conn| {
            Box::pin(async move {
                let select = format!("SELECT id, visitor FROM event WHERE site = $1 AND {of_list}");
                let rows =
                    sqlx::query(AssertSqlSafe(select)).bind(site).bind(ids).fetch_all(conn).await.map_err(engine)?;
                rows.iter().map(|row| Ok((id(row, 0)?, VisitorNo(unsigned(row, 1)?)))).collect()
            })
        })
    }
}

/// Events, living sessions and known rows of visitors, of one snapshot.
async fn read_histories(
    conn: &mut PgConnection,
    variant: Variant,
    site: i32,
    visitors: &[i64],
) -> Result<[Vec<PgRow>; 3], Error> {
    let mut tx = conn.begin_with(variant.snapshot()).await.map_err(engine)?;
    let mut read = [Vec::new(), Vec::new(), Vec::new()];
    let of_list = variant.is_one_of("visitor", "$2");
    let statements = [
        format!(
            "SELECT visitor, time_us, id, host || path, name = 'page_view', bot FROM event \
             WHERE site = $1 AND {of_list} ORDER BY visitor, time_us, id"
        ),
        format!(
            "SELECT visitor, first_us, first_id, last_us, last_id, entry_page, exit_page, events, page_views, bot_events \
             FROM session WHERE site = $1 AND {of_list} \
             GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 HAVING sum(sign) > 0 ORDER BY visitor, first_us, first_id"
        ),
        "SELECT visitor, key, first_us FROM visitor WHERE site = $1 AND visitor = ANY($2) \
         GROUP BY visitor, key, first_us HAVING sum(sign) > 0"
            .to_owned(),
    ];
    for (rows, statement) in read.iter_mut().zip(statements) {
        *rows = sqlx::query(AssertSqlSafe(statement))
            .bind(site)
            .bind(visitors)
            .fetch_all(&mut *tx)
            .await
            .map_err(engine)?;
    }
    tx.commit().await.map_err(engine)?;
    Ok(read)
}

fn sites(site: SiteId) -> Result<i32, Error> {
    narrow(site.0, "site")
}

fn numbers(visitors: impl Iterator<Item = VisitorNo>) -> Result<Vec<i64>, Error> {
    visitors.map(|visitor| narrow(visitor.0, "visitor")).collect()
}

fn get<'r, T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>>(
    row: &'r PgRow,
    at: usize,
) -> Result<T, Error> {
    row.try_get(at).map_err(engine)
}

/// A number that is never below 0.
fn unsigned(row: &PgRow, at: usize) -> Result<u64, Error> {
    get::<i64>(row, at).map(i64::unsigned_abs)
}

fn text(row: &PgRow, at: usize) -> Result<Arc<str>, Error> {
    get::<&str>(row, at).map(Arc::from)
}

fn id(row: &PgRow, at: usize) -> Result<EventId, Error> {
    get::<Uuid>(row, at).map(|id| EventId(id.into_bytes()))
}

/// visitor, key, first_us.
fn known(row: &PgRow, at: usize) -> Result<KnownVisitor, Error> {
    Ok(KnownVisitor {
        visitor: VisitorNo(unsigned(row, at)?),
        key: VisitorKey(get::<Uuid>(row, at + 1)?.as_u128()),
        first_seen: Micros(get(row, at + 2)?),
    })
}

/// first_us, first_id, last_us, last_id, entry_page, exit_page, events, page_views, bot_events.
fn session(row: &PgRow, at: usize) -> Result<Session<Arc<str>>, Error> {
    Ok(Session {
        first: (Micros(get(row, at)?), id(row, at + 1)?),
        last: (Micros(get(row, at + 2)?), id(row, at + 3)?),
        entry_page: text(row, at + 4)?,
        exit_page: text(row, at + 5)?,
        events: unsigned(row, at + 6)?,
        page_views: unsigned(row, at + 7)?,
        bot_events: unsigned(row, at + 8)?,
    })
}
