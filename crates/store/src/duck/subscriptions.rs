//! Keys and subscriptions of push in DuckDB: written by the writer between two commits.

use super::DuckStore;
use super::cells::Wide;
use super::fresh::{all, run};
use super::registry::{blob, get};
use super::worker::transaction;
use crate::{Error, SubscriptionRow, Subscriptions};
use async_trait::async_trait;
use duckdb::{Connection, Row, params};
use pistats_core::{Micros, SiteId, VisitorKey};

/// What [`read`] reads.
pub(super) const COLUMNS: &str = "endpoint, p256dh, auth, visitor, time_zone, created_us, updated_us";

#[async_trait]
impl Subscriptions for DuckStore {
    async fn push_key(&self, site: SiteId, offered: &[u8; 32], now: Micros) -> Result<[u8; 32], Error> {
        let offered = *offered;
        let keep = move |conn: &Connection| {
            let row = params![site.0, offered.as_slice(), now.0];
            run(conn, "INSERT INTO push_key VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", row)?;
            let stored =
                all(conn, "SELECT private FROM push_key WHERE site = $1", params![site.0], |row| blob(row, 0))?;
            stored.into_iter().next().ok_or_else(|| Error::Engine("a key was not kept".to_owned()))
        };
        self.writer.run(keep).await
    }

    async fn put_subscription(&self, row: &SubscriptionRow, most: u32) -> Result<bool, Error> {
        let row = row.clone();
        let put = move |conn: &Connection| {
            transaction(conn, |conn| {
                let (site, visitor) = (row.site.0, Wide(row.visitor.0));
                let count = "SELECT count(*) FROM push_subscription \
                             WHERE site = $1 AND visitor = CAST($2 AS UUID) AND endpoint <> $3";
                let others = all(conn, count, params![site, visitor, row.endpoint], |row| get::<u32>(row, 0))?;
                if others.first().is_some_and(|others| *others >= most) {
                    return Ok(false);
                }
                let put = "INSERT INTO push_subscription VALUES ($1, $2, $3, $4, CAST($5 AS UUID), $6, $7, $8) \
                           ON CONFLICT (site, endpoint) DO UPDATE SET p256dh = excluded.p256dh, auth = excluded.auth, \
                           visitor = excluded.visitor, time_zone = excluded.time_zone, updated_us = excluded.updated_us";
                let (created, updated) = (row.created.0, row.updated.0);
                let values =
                    params![site, row.endpoint, row.p256dh, row.auth, visitor, row.time_zone, created, updated];
                run(conn, put, values).map(|()| true)
            })
        };
        self.writer.run(put).await
    }

    async fn unsubscribe(&self, site: SiteId, endpoint: &str, now: Micros) -> Result<bool, Error> {
        let endpoint = endpoint.to_owned();
        let take = move |conn: &Connection| {
            transaction(conn, |conn| {
                let find = format!("SELECT {COLUMNS} FROM push_subscription WHERE site = $1 AND endpoint = $2");
                let found = all(conn, &find, params![site.0, endpoint], |row| read(site, row, 0))?;
                let Some(row) = found.into_iter().next() else { return Ok(false) };
                remove(conn, site, &endpoint)?;
                let visitor = Wide(row.visitor.0);
                let last = "SELECT campaign FROM push_message WHERE site = $1 AND visitor = CAST($2 AS UUID) AND state = 2 \
                            ORDER BY sent_us DESC, campaign LIMIT 1";
                let last = all(conn, last, params![site.0, visitor], |row| blob(row, 0).map(u128::from_be_bytes))?;
                if let Some(campaign) = last.into_iter().next() {
                    let note = "UPDATE push_message SET unsubscribed_us = coalesce(unsubscribed_us, $4) \
                                WHERE site = $1 AND campaign = CAST($2 AS UUID) AND visitor = CAST($3 AS UUID)";
                    run(conn, note, params![site.0, Wide(campaign), visitor, now.0])?;
                }
                Ok(true)
            })
        };
        self.writer.run(take).await
    }

    async fn subscriptions_of(&self, site: SiteId, visitor: VisitorKey) -> Result<Vec<SubscriptionRow>, Error> {
        let list = move |conn: &Connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM push_subscription WHERE site = $1 AND visitor = CAST($2 AS UUID) \
                 ORDER BY updated_us DESC, endpoint"
            );
            all(conn, &sql, params![site.0, Wide(visitor.0)], |row| read(site, row, 0))
        };
        self.writer.run(list).await
    }
}

/// Takes a subscription away, in the running transaction.
pub(super) fn remove(conn: &Connection, site: SiteId, endpoint: &str) -> Result<(), Error> {
    run(conn, "DELETE FROM push_subscription WHERE site = $1 AND endpoint = $2", params![site.0, endpoint])
}

/// The columns of [`COLUMNS`], from `at` on.
pub(super) fn read(site: SiteId, row: &Row<'_>, at: usize) -> Result<SubscriptionRow, Error> {
    Ok(SubscriptionRow {
        site,
        endpoint: get(row, at)?,
        p256dh: get(row, at + 1)?,
        auth: get(row, at + 2)?,
        visitor: VisitorKey(u128::from_be_bytes(blob(row, at + 3)?)),
        time_zone: get(row, at + 4)?,
        created: Micros(get(row, at + 5)?),
        updated: Micros(get(row, at + 6)?),
    })
}
