//! Sites, keys, salts and refused events: small tables, written by the writer between two commits.

use super::DuckStore;
use super::append;
use super::cells::{Wide, uuid_text};
use super::failure::engine;
use super::worker::transaction;
use super::zone;
use crate::registry::{origins, origins_text};
use crate::{Error, REJECTED_KEPT, Registry, RejectedQuery, RejectedRow};
use async_trait::async_trait;
use duckdb::{Connection, Row, params};
use pistats_core::directory::{Key, KeyHash, Site};
use pistats_core::{Day, DaySalt, Directory, Micros, Reason, Scope, SiteId, Zone};
use std::collections::BTreeMap;

#[async_trait]
impl Registry for DuckStore {
    async fn directory(&self) -> Result<Directory, Error> {
        self.writer.run(|conn| Ok(Directory::new(sites(conn)?, keys(conn)?))).await
    }

    async fn agree(&self, name: &str, value: &str) -> Result<String, Error> {
        let (name, value) = (name.to_owned(), value.to_owned());
        let agree = move |conn: &Connection| {
            run(conn, "INSERT INTO fact VALUES ($1, $2) ON CONFLICT DO NOTHING", params![name, value])?;
            let stored = all(conn, "SELECT value FROM fact WHERE name = $1", params![name], |row| get(row, 0))?;
            stored.into_iter().next().ok_or_else(|| Error::Engine("a fact was not kept".to_owned()))
        };
        self.writer.run(agree).await
    }

    async fn share_salts(&self, offered: &[DaySalt], now: Micros) -> Result<Vec<DaySalt>, Error> {
        let offered = offered.to_vec();
        let share = move |conn: &Connection| {
            transaction(conn, |conn| {
                run(conn, "DELETE FROM day_salt WHERE until_us <= $1", params![now.0])?;
                for salt in offered.iter().filter(|salt| salt.until > now) {
                    let row = params![salt.zone, salt.day.0, salt.until.0, salt.secret.as_slice()];
                    run(conn, "INSERT INTO day_salt VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", row)?;
                }
                all(conn, "SELECT zone, day, until_us, secret FROM day_salt ORDER BY zone, day", params![], |row| {
                    let (day, until) = (Day(get(row, 1)?), Micros(get(row, 2)?));
                    Ok(DaySalt { zone: get(row, 0)?, day, until, secret: blob(row, 3)? })
                })
            })
        };
        self.writer.run(share).await
    }

    async fn put_site(&self, site: &Site) -> Result<(), Error> {
        let site = site.clone();
        self.writer.run(move |conn| transaction(conn, |conn| replace_site(conn, &site))).await
    }

    async fn change_zone(&self, site: &Site) -> Result<(), Error> {
        let (site, rewriting, unfit) = (site.clone(), self.rewriting.clone(), self.unfit.clone());
        let change = move |conn: &Connection| {
            let _only = rewriting.lock();
            zone::change(conn, &site)?;
            // Other days, other rows.
            unfit.lock().retain(|(of_site, _)| i64::from(*of_site) != i64::from(site.id.0));
            Ok(())
        };
        self.writer.run(change).await
    }

    async fn put_key(&self, key: &Key) -> Result<(), Error> {
        let key = key.clone();
        let put = move |conn: &Connection| {
            transaction(conn, |conn| {
                run(conn, "DELETE FROM api_key WHERE id = $1", params![key.id])?;
                let (hash, site) = (key.hash.0.as_slice(), key.site.map(|site| site.0));
                let row = params![key.id, hash, key.scope.name(), site, key.name, key.created.0, key.revoked];
                run(conn, "INSERT INTO api_key VALUES ($1, $2, $3, $4, $5, $6, $7)", row)
            })
        };
        self.writer.run(put).await
    }

    async fn rejected(&self, query: RejectedQuery) -> Result<Vec<RejectedRow>, Error> {
        self.writer.run(move |conn| rejected(conn, &query)).await
    }

    async fn rejected_counts(&self, site: SiteId) -> Result<Vec<(Reason, u64)>, Error> {
        let count = move |conn: &Connection| {
            all(
                conn,
                "SELECT reason, count FROM rejected_count WHERE site = $1 ORDER BY reason",
                params![site.0],
                |row| Ok((reason(get(row, 0)?)?, get(row, 1)?)),
            )
        };
        self.writer.run(count).await
    }

    async fn forget_rejected(&self, site: SiteId, ids: &[[u8; 16]]) -> Result<(), Error> {
        let ids = ids.to_vec();
        let forget = move |conn: &Connection| {
            transaction(conn, |conn| {
                for id in &ids {
                    let row = params![site.0, Wide(u128::from_be_bytes(*id))];
                    run(conn, "DELETE FROM rejected_event WHERE site = $1 AND id = CAST($2 AS UUID)", row)?;
                }
                Ok(())
            })
        };
        self.writer.run(forget).await
    }
}

/// Adds or replaces a site by its id, in the running transaction.
pub(super) fn replace_site(conn: &Connection, site: &Site) -> Result<(), Error> {
    run(conn, "DELETE FROM site WHERE id = $1", params![site.id.0])?;
    let row = params![site.id.0, site.name, site.zone.name(), site.created.0];
    run(conn, "INSERT INTO site VALUES ($1, $2, $3, $4)", row)?;
    // One row a site, and no two commits at once: an update, for a key that is deleted cannot come back in one transaction.
    let row = params![site.id.0, origins_text(site), site.cookieless, site.cookieless_until.map(|until| until.0)];
    let put = "INSERT INTO site_collecting VALUES ($1, $2, $3, $4) ON CONFLICT (site) DO UPDATE SET \
               origins = excluded.origins, cookieless = excluded.cookieless, cookieless_until_us = excluded.cookieless_until_us";
    run(conn, put, row)
}

/// Keeps refusals in the running transaction: counts for ever, rows the newest [`REJECTED_KEPT`] of a site.
pub(super) fn keep_rejected(conn: &Connection, rejected: &[RejectedRow]) -> Result<(), Error> {
    let mut counts: BTreeMap<(SiteId, Reason), u64> = BTreeMap::new();
    if rejected.is_empty() {
        return Ok(());
    }
    append::rejected(rejected)?.append_to(conn, None, "rejected_event", rejected.len())?;
    for row in rejected {
        *counts.entry((row.site, row.reason)).or_default() += 1;
    }
    let mut site_before = None;
    for ((site, reason), count) in counts {
        let row = params![site.0, reason as u8, count];
        let add = "UPDATE rejected_count SET count = count + $3 WHERE site = $1 AND reason = $2";
        if conn.prepare_cached(add).and_then(|mut statement| statement.execute(row)).map_err(engine)? == 0 {
            run(conn, "INSERT INTO rejected_count VALUES ($1, $2, $3)", row)?;
        }
        if site_before.replace(site) != Some(site) {
            trim_rejected(conn, site)?;
        }
    }
    Ok(())
}

fn trim_rejected(conn: &Connection, site: SiteId) -> Result<(), Error> {
    let rows: usize = conn
        .prepare_cached("SELECT count(*) FROM rejected_event WHERE site = $1")
        .and_then(|mut statement| statement.query_row(params![site.0], |row| row.get(0)))
        .map_err(engine)?;
    if rows <= REJECTED_KEPT {
        return Ok(());
    }
    let trim = "DELETE FROM rejected_event WHERE site = $1 AND rowid IN \
                (SELECT rowid FROM rejected_event WHERE site = $1 ORDER BY received_us DESC, id DESC OFFSET $2)";
    run(conn, trim, params![site.0, REJECTED_KEPT])
}

fn rejected(conn: &Connection, query: &RejectedQuery) -> Result<Vec<RejectedRow>, Error> {
    let mut sql =
        "SELECT id, received_us, reason, field, message, payload, payload_bytes, user_agent FROM rejected_event \
                   WHERE site = $1 AND ($2 IS NULL OR reason = $2)"
            .to_owned();
    if !query.ids.is_empty() {
        let ids: Vec<String> = (0..query.ids.len()).map(|at| format!("CAST(${} AS UUID)", at + 4)).collect();
        sql += &format!(" AND id IN ({})", ids.join(", "));
    }
    sql += " ORDER BY received_us DESC, id DESC LIMIT $3";
    let mut statement = conn.prepare(&sql).map_err(engine)?;
    let (site, wanted) = (query.site.0, query.reason.map(|reason| reason as u8));
    let mut values: Vec<&dyn duckdb::ToSql> = vec![&site, &wanted, &query.limit];
    let ids: Vec<String> = query.ids.iter().map(|id| uuid_text(u128::from_be_bytes(*id))).collect();
    values.extend(ids.iter().map(|id| id as &dyn duckdb::ToSql));
    let mut rows = statement.query(values.as_slice()).map_err(engine)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        found.push(RejectedRow {
            id: blob(row, 0)?,
            site: query.site,
            received: Micros(get(row, 1)?),
            reason: reason(get(row, 2)?)?,
            field: get(row, 3)?,
            message: get(row, 4)?,
            payload: get(row, 5)?,
            payload_bytes: get(row, 6)?,
            user_agent: get(row, 7)?,
        });
    }
    Ok(found)
}

fn sites(conn: &Connection) -> Result<Vec<Site>, Error> {
    let sql = "SELECT id, name, time_zone, created_us, origins, cookieless, cookieless_until_us \
               FROM site LEFT JOIN site_collecting ON site_collecting.site = site.id";
    all(conn, sql, params![], |row| {
        let zone: String = get(row, 2)?;
        let zone = Zone::named(&zone).map_err(|error| Error::Engine(error.to_string()))?;
        Ok(Site {
            origins: origins(get::<Option<String>>(row, 4)?.as_deref().unwrap_or_default())?,
            cookieless: get::<Option<bool>>(row, 5)?.unwrap_or_default(),
            cookieless_until: get::<Option<i64>>(row, 6)?.map(Micros),
            ..Site::new(SiteId(get(row, 0)?), get::<String>(row, 1)?, zone, Micros(get(row, 3)?))
        })
    })
}

fn keys(conn: &Connection) -> Result<Vec<Key>, Error> {
    all(conn, "SELECT id, hash, scope, site, name, created_us, revoked FROM api_key", params![], |row| {
        let scope: String = get(row, 2)?;
        Ok(Key {
            id: get(row, 0)?,
            hash: KeyHash(blob(row, 1)?),
            scope: Scope::named(&scope).ok_or_else(|| Error::Engine(format!("{scope:?} is no scope of a key")))?,
            site: get::<Option<u32>>(row, 3)?.map(SiteId),
            name: get(row, 4)?,
            created: Micros(get(row, 5)?),
            revoked: get(row, 6)?,
        })
    })
}

fn reason(number: u32) -> Result<Reason, Error> {
    Reason::from_number(number).ok_or_else(|| Error::Engine(format!("{number} is no reason of a refusal")))
}

pub(super) fn run(conn: &Connection, sql: &str, values: impl duckdb::Params) -> Result<(), Error> {
    conn.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map_err(engine)?;
    Ok(())
}

pub(super) fn all<T>(
    conn: &Connection,
    sql: &str,
    values: impl duckdb::Params,
    read: impl Fn(&Row<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut statement = conn.prepare_cached(sql).map_err(engine)?;
    let mut rows = statement.query(values).map_err(engine)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        found.push(read(row)?);
    }
    Ok(found)
}

pub(super) fn get<T: duckdb::types::FromSql>(row: &Row<'_>, at: usize) -> Result<T, Error> {
    row.get(at).map_err(engine)
}

pub(super) fn blob<const N: usize>(row: &Row<'_>, at: usize) -> Result<[u8; N], Error> {
    let value = row.get_ref(at).map_err(engine)?;
    let bytes = value.as_blob().ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| Error::Engine(format!("a column is not {N} bytes")))
}
