//! Messages of campaigns in PostgreSQL, and who sends them.
//!
//! ```text
//!   row                plan, begin, settle    take-over of the lease    pause, cancel
//!   push_lease         share                  update: waits (D-1)       –
//!   campaign           share (begin)          –                         update: waits (D-3)
//! ```
//!
//! Both are locked before anything is looked at, in this order, by everybody.

use super::PgStore;
use super::campaigns;
use super::copy::narrow;
use super::failure::engine;
use super::subscriptions;
use crate::{CampaignRow, Deliveries, Due, Error, Owner, Planned, Settled, SiteLease, Step, SubscriptionRow};
use async_trait::async_trait;
use futures::future::BoxFuture;
use pistats_core::push::{CampaignId, CampaignState, MessageState};
use pistats_core::{Micros, SiteId, VisitorKey};
use sqlx::types::Uuid;
use sqlx::{Connection, PgConnection, Row};
use std::collections::BTreeSet;
use std::time::Duration;

const TAKE: &str = "INSERT INTO push_lease AS l VALUES ($1, 1, $2, $3, clock_timestamp() + $4 * interval '1 microsecond') \
    ON CONFLICT (site) DO UPDATE SET epoch = l.epoch + 1, owner = excluded.owner, owner_name = excluded.owner_name, \
      held_until = excluded.held_until \
    WHERE l.owner IS NULL OR l.owner = $2 OR l.held_until <= clock_timestamp() RETURNING l.epoch";

const DUE: &str = "WITH due AS MATERIALIZED (SELECT visitor, due_us, attempts FROM push_message \
      WHERE site = $1 AND campaign = $2 AND state = 0 AND due_us <= $3 ORDER BY due_us, visitor LIMIT $4) \
    SELECT d.visitor, d.due_us, d.attempts, h.messages, s.endpoint, s.p256dh, s.auth, s.time_zone, s.created_us, s.updated_us \
    FROM due d \
    LEFT JOIN LATERAL (SELECT * FROM push_subscription s WHERE s.site = $1 AND s.visitor = d.visitor \
      ORDER BY s.updated_us DESC, s.endpoint LIMIT 1) s ON true \
    LEFT JOIN LATERAL (SELECT count(*) AS messages FROM push_message m WHERE m.site = $1 AND m.visitor = d.visitor \
      AND m.sent_us >= $5 AND m.state IN (1, 2, 4)) h ON true \
    ORDER BY d.due_us, d.visitor";

const BEGIN: &str = "UPDATE push_message m SET state = n.state, reason = nullif(n.reason, 0), \
      due_us = CASE WHEN n.state = 0 THEN n.due ELSE m.due_us END, \
      attempts = CASE WHEN n.state = 1 THEN m.attempts + 1 ELSE m.attempts END, \
      endpoint = CASE WHEN n.state = 1 THEN n.endpoint ELSE m.endpoint END, \
      sent_us = CASE WHEN n.state = 1 THEN $8 ELSE m.sent_us END, \
      ended_us = CASE WHEN n.state = 5 THEN $8 ELSE m.ended_us END \
    FROM unnest($3::uuid[], $4::smallint[], $5::smallint[], $6::bigint[], $7::text[]) \
      AS n (visitor, state, reason, due, endpoint) \
    WHERE m.site = $1 AND m.campaign = $2 AND m.visitor = n.visitor AND m.state = 0 RETURNING m.visitor";

const SETTLE: &str = "UPDATE push_message m SET state = n.state, reason = nullif(n.reason, 0), \
      due_us = greatest(m.due_us, n.due), removed = m.removed + n.removed, \
      ended_us = CASE WHEN n.state = 0 THEN m.ended_us ELSE $8 END \
    FROM unnest($2::uuid[], $3::uuid[], $4::smallint[], $5::smallint[], $6::bigint[], $7::integer[]) \
      AS n (campaign, visitor, state, reason, due, removed) \
    WHERE m.site = $1 AND m.campaign = n.campaign AND m.visitor = n.visitor AND m.state = 1";

#[async_trait]
impl Deliveries for PgStore {
    async fn sites_to_serve(&self) -> Result<Vec<SiteId>, Error> {
        let sites: Vec<i32> = self
            .run(|conn| {
                Box::pin(async move {
                    let list = "SELECT site FROM campaign WHERE state IN (2, 3) UNION \
                                SELECT site FROM push_message WHERE state = 1 ORDER BY site";
                    sqlx::query_scalar(list).fetch_all(conn).await.map_err(engine)
                })
            })
            .await?;
        Ok(sites.into_iter().map(|site| SiteId(site.unsigned_abs())).collect())
    }

    async fn lease_site(&self, site: SiteId, owner: &Owner, ttl: Duration) -> Result<Option<SiteLease>, Error> {
        let (number, holder): (i32, _) = (narrow(site.0, "site")?, owner.clone());
        let epoch: Option<i64> = self
            .run(move |conn| {
                Box::pin(async move {
                    let mut tx = conn.begin().await.map_err(engine)?;
                    let epoch: Option<i64> = sqlx::query_scalar(TAKE)
                        .bind(number)
                        .bind(Uuid::from_u128(holder.id))
                        .bind(&holder.name)
                        .bind(micros(ttl))
                        .fetch_optional(&mut *tx)
                        .await
                        .map_err(engine)?;
                    if epoch.is_some() {
                        // D-4: nobody will tell what became of these.
                        let doubt =
                            "UPDATE push_message SET state = 4, ended_us = sent_us WHERE site = $1 AND state = 1";
                        sqlx::query(doubt).bind(number).execute(&mut *tx).await.map_err(engine)?;
                    }
                    tx.commit().await.map_err(engine)?;
                    Ok(epoch)
                })
            })
            .await?;
        Ok(epoch.map(|epoch| SiteLease { site, owner: owner.clone(), epoch: epoch.unsigned_abs() }))
    }

    async fn keep_lease(&self, lease: &SiteLease, ttl: Duration) -> Result<bool, Error> {
        let keep = "UPDATE push_lease SET held_until = clock_timestamp() + $4 * interval '1 microsecond' \
                    WHERE site = $1 AND owner = $2 AND epoch = $3";
        self.of_lease(keep, lease, Some(ttl)).await
    }

    async fn free_lease(&self, lease: &SiteLease) -> Result<(), Error> {
        let free = "UPDATE push_lease SET owner = NULL, owner_name = NULL, held_until = NULL \
                    WHERE site = $1 AND owner = $2 AND epoch = $3";
        self.of_lease(free, lease, None).await.map(drop)
    }

    async fn plan(
        &self,
        lease: &SiteLease,
        row: &CampaignRow,
        before: u32,
        messages: &[Planned],
    ) -> Result<Option<u64>, Error> {
        let (site, row, messages): (i32, _, _) = (narrow(lease.site.0, "site")?, row.clone(), messages.to_vec());
        self.leased(lease, move |conn| {
            Box::pin(async move {
                if !campaigns::put(conn, &row, before).await? {
                    return Ok(None);
                }
                let plan = "INSERT INTO push_message SELECT $1, $2, n.visitor, CASE WHEN n.reason = 0 THEN 0 ELSE 5 END, \
                            nullif(n.reason, 0), n.due, 0, '', NULL, CASE WHEN n.reason = 0 THEN NULL ELSE $6 END, 0, NULL \
                            FROM unnest($3::uuid[], $4::bigint[], $5::smallint[]) AS n (visitor, due, reason) \
                            ON CONFLICT DO NOTHING";
                let reason = |planned: &Planned| planned.skip.map_or(0, |reason| reason as i16);
                let plan = sqlx::query(plan)
                    .bind(site)
                    .bind(Uuid::from_u128(row.id.0))
                    .bind(messages.iter().map(|planned| Uuid::from_u128(planned.visitor.0)).collect::<Vec<_>>())
                    .bind(messages.iter().map(|planned| planned.due.0).collect::<Vec<_>>())
                    .bind(messages.iter().map(reason).collect::<Vec<_>>())
                    .bind(row.updated.0);
                Ok(Some(plan.execute(conn).await.map_err(engine)?.rows_affected()))
            })
        })
        .await
    }

    async fn due(
        &self,
        site: SiteId,
        campaign: CampaignId,
        now: Micros,
        most: u32,
        had_since: Micros,
    ) -> Result<Vec<Due>, Error> {
        let number: i32 = narrow(site.0, "site")?;
        self.run(move |conn| {
            Box::pin(async move {
                let due = sqlx::query(DUE)
                    .bind(number)
                    .bind(Uuid::from_u128(campaign.0))
                    .bind(now.0)
                    .bind(i64::from(most))
                    .bind(had_since.0);
                let rows = due.fetch_all(conn).await.map_err(engine)?;
                rows.iter().map(|row| read(site, row).map_err(engine)).collect()
            })
        })
        .await
    }

    async fn begin(
        &self,
        lease: &SiteLease,
        campaign: CampaignId,
        steps: &[(VisitorKey, Step)],
        now: Micros,
    ) -> Result<Vec<bool>, Error> {
        let (site, steps): (i32, _) = (narrow(lease.site.0, "site")?, steps.to_vec());
        self.leased(lease, move |conn| Box::pin(async move { begin(conn, site, campaign, &steps, now).await })).await
    }

    async fn settle(
        &self,
        lease: &SiteLease,
        results: &[(CampaignId, VisitorKey, Settled)],
        now: Micros,
    ) -> Result<(), Error> {
        let (site, results): (i32, _) = (narrow(lease.site.0, "site")?, results.to_vec());
        self.leased(lease, move |conn| Box::pin(async move { settle(conn, site, &results, now).await })).await
    }
}

impl PgStore {
    /// One transaction under a lease (D-1): who takes it over waits for its end.
    async fn leased<T: Send + 'static>(
        &self,
        lease: &SiteLease,
        body: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let lease = lease.clone();
        self.run(move |conn| {
            Box::pin(async move {
                let mut tx = conn.begin().await.map_err(engine)?;
                let (site, epoch): (i32, i64) = (narrow(lease.site.0, "site")?, narrow(lease.epoch, "epoch")?);
                let is_held = "SELECT 1 FROM push_lease WHERE site = $1 AND owner = $2 AND epoch = $3 FOR SHARE";
                let is_held = sqlx::query(is_held).bind(site).bind(Uuid::from_u128(lease.owner.id)).bind(epoch);
                if is_held.fetch_optional(&mut *tx).await.map_err(engine)?.is_none() {
                    return Err(Error::NotLeased(lease.site));
                }
                let done = body(&mut tx).await?;
                tx.commit().await.map_err(engine)?;
                Ok(done)
            })
        })
        .await
    }

    /// Changes a lease, and tells whether it is held.
    async fn of_lease(&self, sql: &'static str, lease: &SiteLease, ttl: Option<Duration>) -> Result<bool, Error> {
        let (site, epoch): (i32, i64) = (narrow(lease.site.0, "site")?, narrow(lease.epoch, "epoch")?);
        let owner = Uuid::from_u128(lease.owner.id);
        self.run(move |conn| {
            Box::pin(async move {
                let change = sqlx::query(sql).bind(site).bind(owner).bind(epoch);
                let change = match ttl {
                    Some(ttl) => change.bind(micros(ttl)),
                    None => change,
                };
                Ok(change.execute(conn).await.map_err(engine)?.rows_affected() > 0)
            })
        })
        .await
    }
}

async fn begin(
    conn: &mut PgConnection,
    site: i32,
    campaign: CampaignId,
    steps: &[(VisitorKey, Step)],
    now: Micros,
) -> Result<Vec<bool>, Error> {
    let id = Uuid::from_u128(campaign.0);
    let state =
        sqlx::query_scalar("SELECT state FROM campaign WHERE site = $1 AND id = $2 FOR SHARE").bind(site).bind(id);
    let state: Option<i16> = state.fetch_optional(&mut *conn).await.map_err(engine)?;
    if steps.is_empty() || state != Some(CampaignState::Running as i16) {
        return Ok(vec![false; steps.len()]);
    }
    let parts = |(_, step): &(VisitorKey, Step)| match step {
        Step::Send { endpoint } => (MessageState::Sending as i16, 0, i64::MIN, endpoint.clone()),
        Step::Wait { until } => (MessageState::Waiting as i16, 0, until.0, String::new()),
        Step::Skip { reason } => (MessageState::NotSent as i16, *reason as i16, i64::MIN, String::new()),
    };
    let begun: Vec<Uuid> = sqlx::query_scalar(BEGIN)
        .bind(site)
        .bind(id)
        .bind(steps.iter().map(|(visitor, _)| Uuid::from_u128(visitor.0)).collect::<Vec<_>>())
        .bind(steps.iter().map(|step| parts(step).0).collect::<Vec<_>>())
        .bind(steps.iter().map(|step| parts(step).1).collect::<Vec<_>>())
        .bind(steps.iter().map(|step| parts(step).2).collect::<Vec<_>>())
        .bind(steps.iter().map(|step| parts(step).3).collect::<Vec<_>>())
        .bind(now.0)
        .fetch_all(conn)
        .await
        .map_err(engine)?;
    let begun: BTreeSet<u128> = begun.into_iter().map(|visitor| visitor.as_u128()).collect();
    Ok(steps.iter().map(|(visitor, _)| begun.contains(&visitor.0)).collect())
}

async fn settle(
    conn: &mut PgConnection,
    site: i32,
    results: &[(CampaignId, VisitorKey, Settled)],
    now: Micros,
) -> Result<(), Error> {
    let parts = |(_, _, settled): &(CampaignId, VisitorKey, Settled)| match settled {
        Settled::Accepted => (MessageState::Accepted as i16, 0, i64::MIN, 0),
        Settled::Failed { reason } => (MessageState::Failed as i16, *reason as i16, i64::MIN, 0),
        Settled::Uncertain => (MessageState::Uncertain as i16, 0, i64::MIN, 0),
        Settled::Again { until } => (MessageState::Waiting as i16, 0, until.0, 0),
        Settled::Gone { .. } => (MessageState::Waiting as i16, 0, i64::MIN, 1),
    };
    let campaigns: Vec<Uuid> = results.iter().map(|(campaign, _, _)| Uuid::from_u128(campaign.0)).collect();
    // A pause waits for this, as for begin.
    let lock = sqlx::query("SELECT 1 FROM campaign WHERE site = $1 AND id = ANY($2) ORDER BY id FOR SHARE");
    lock.bind(site).bind(&campaigns).execute(&mut *conn).await.map_err(engine)?;
    sqlx::query(SETTLE)
        .bind(site)
        .bind(&campaigns)
        .bind(results.iter().map(|(_, visitor, _)| Uuid::from_u128(visitor.0)).collect::<Vec<_>>())
        .bind(results.iter().map(|result| parts(result).0).collect::<Vec<_>>())
        .bind(results.iter().map(|result| parts(result).1).collect::<Vec<_>>())
        .bind(results.iter().map(|result| parts(result).2).collect::<Vec<_>>())
        .bind(results.iter().map(|result| parts(result).3).collect::<Vec<i32>>())
        .bind(now.0)
        .execute(&mut *conn)
        .await
        .map_err(engine)?;
    let gone = |(_, _, settled): &(CampaignId, VisitorKey, Settled)| match settled {
        Settled::Gone { endpoint } => Some(endpoint.clone()),
        _ => None,
    };
    let gone: Vec<String> = results.iter().filter_map(gone).collect();
    if !gone.is_empty() {
        subscriptions::remove(conn, site, gone).await?;
    }
    campaigns::cancel_waiting(conn, site, campaigns, now).await
}

fn read(site: SiteId, row: &sqlx::postgres::PgRow) -> Result<Due, sqlx::Error> {
    let visitor = VisitorKey(row.try_get::<Uuid, _>(0)?.as_u128());
    let subscription = match row.try_get::<Option<String>, _>(4)? {
        None => None,
        Some(endpoint) => Some(SubscriptionRow {
            site,
            endpoint,
            p256dh: row.try_get(5)?,
            auth: row.try_get(6)?,
            visitor,
            time_zone: row.try_get(7)?,
            created: Micros(row.try_get(8)?),
            updated: Micros(row.try_get(9)?),
        }),
    };
    Ok(Due {
        visitor,
        due: Micros(row.try_get(1)?),
        attempts: row.try_get::<i32, _>(2)?.unsigned_abs(),
        had: u32::try_from(row.try_get::<i64, _>(3)?).unwrap_or(u32::MAX),
        subscription,
    })
}

fn micros(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX)
}
