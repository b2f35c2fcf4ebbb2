//! Keys and subscriptions of push in PostgreSQL.

use super::PgStore;
use super::copy::narrow;
use super::failure::engine;
use crate::{Error, SubscriptionRow, Subscriptions};
use async_trait::async_trait;
use pistats_core::{Micros, SiteId, VisitorKey};
use sqlx::types::Uuid;
use sqlx::{Connection, PgConnection};

/// endpoint, p256dh, auth, visitor, time zone, created, updated.
pub(super) type Row = (String, Vec<u8>, Vec<u8>, Uuid, String, i64, i64);

/// What a [`Row`] is of.
pub(super) const COLUMNS: &str = "endpoint, p256dh, auth, visitor, time_zone, created_us, updated_us";

#[async_trait]
impl Subscriptions for PgStore {
    async fn push_key(&self, site: SiteId, offered: &[u8; 32], now: Micros) -> Result<[u8; 32], Error> {
        let (site, offered): (i32, _) = (narrow(site.0, "site")?, *offered);
        self.run(move |conn| {
            Box::pin(async move {
                sqlx::query("INSERT INTO push_key VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
                    .bind(site)
                    .bind(offered.as_slice())
                    .bind(now.0)
                    .execute(&mut *conn)
                    .await
                    .map_err(engine)?;
                let stored = sqlx::query_scalar("SELECT private FROM push_key WHERE site = $1").bind(site);
                let stored: Vec<u8> = stored.fetch_one(conn).await.map_err(engine)?;
                stored.try_into().map_err(|_| Error::Engine("a key has another length".to_owned()))
            })
        })
        .await
    }

    async fn put_subscription(&self, row: &SubscriptionRow, most: u32) -> Result<bool, Error> {
        let (site, row): (i32, _) = (narrow(row.site.0, "site")?, row.clone());
        self.run(move |conn| {
            Box::pin(async move {
                // Of two at once both may pass: the bound is against a flood, not a promise.
                let put = "INSERT INTO push_subscription SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE $9 > \
                           (SELECT count(*) FROM push_subscription WHERE site = $1 AND visitor = $5 AND endpoint <> $2) \
                           ON CONFLICT (site, endpoint) DO UPDATE SET p256dh = excluded.p256dh, auth = excluded.auth, \
                           visitor = excluded.visitor, time_zone = excluded.time_zone, updated_us = excluded.updated_us";
                let put = sqlx::query(put)
                    .bind(site)
                    .bind(&row.endpoint)
                    .bind(&row.p256dh)
                    .bind(&row.auth)
                    .bind(Uuid::from_u128(row.visitor.0))
                    .bind(&row.time_zone)
                    .bind(row.created.0)
                    .bind(row.updated.0)
                    .bind(i64::from(most));
                Ok(put.execute(conn).await.map_err(engine)?.rows_affected() > 0)
            })
        })
        .await
    }

    async fn unsubscribe(&self, site: SiteId, endpoint: &str, now: Micros) -> Result<bool, Error> {
        let (site, endpoint): (i32, _) = (narrow(site.0, "site")?, endpoint.to_owned());
        self.run(move |conn| {
            Box::pin(async move {
                let mut tx = conn.begin().await.map_err(engine)?;
                let take = "DELETE FROM push_subscription WHERE site = $1 AND endpoint = $2 RETURNING visitor";
                let take = sqlx::query_scalar(take).bind(site).bind(endpoint);
                let visitor: Option<Uuid> = take.fetch_optional(&mut *tx).await.map_err(engine)?;
                let Some(visitor) = visitor else { return Ok(false) };
                let note = "UPDATE push_message SET unsubscribed_us = coalesce(unsubscribed_us, $3) \
                            WHERE site = $1 AND visitor = $2 AND campaign = (SELECT campaign FROM push_message \
                            WHERE site = $1 AND visitor = $2 AND state = 2 ORDER BY sent_us DESC, campaign LIMIT 1)";
                let note = sqlx::query(note).bind(site).bind(visitor).bind(now.0);
                note.execute(&mut *tx).await.map_err(engine)?;
                tx.commit().await.map_err(engine)?;
                Ok(true)
            })
        })
        .await
    }

    async fn subscriptions_of(&self, site: SiteId, visitor: VisitorKey) -> Result<Vec<SubscriptionRow>, Error> {
        let number: i32 = narrow(site.0, "site")?;
        let rows: Vec<Row> = self
            .run(move |conn| {
                Box::pin(async move {
                    let list = format!(
                        "SELECT {COLUMNS} FROM push_subscription WHERE site = $1 AND visitor = $2 \
                         ORDER BY updated_us DESC, endpoint"
                    );
                    let list = sqlx::query_as(sqlx::AssertSqlSafe(list)).bind(number).bind(Uuid::from_u128(visitor.0));
                    list.fetch_all(conn).await.map_err(engine)
                })
            })
            .await?;
        Ok(rows.into_iter().map(|row| read(site, row)).collect())
    }
}

/// Takes subscriptions away, in the running transaction.
pub(super) async fn remove(conn: &mut PgConnection, site: i32, endpoints: Vec<String>) -> Result<(), Error> {
    let remove = sqlx::query("DELETE FROM push_subscription WHERE site = $1 AND endpoint = ANY($2)");
    remove.bind(site).bind(endpoints).execute(conn).await.map_err(engine).map(drop)
}

pub(super) fn read(site: SiteId, row: Row) -> SubscriptionRow {
    let (endpoint, p256dh, auth, visitor, time_zone, created, updated) = row;
    SubscriptionRow {
        site,
        endpoint,
        p256dh,
        auth,
        visitor: VisitorKey(visitor.as_u128()),
        time_zone,
        created: Micros(created),
        updated: Micros(updated),
    }
}
