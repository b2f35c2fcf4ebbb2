//! Campaigns in PostgreSQL: several processes may change them.

use super::PgStore;
use super::copy::narrow;
use super::failure::engine;
use crate::campaigns::{campaign_state, message_state, reason};
use crate::{CampaignRow, Campaigns, Error, Tally};
use async_trait::async_trait;
use pistats_core::push::{CampaignId, CampaignState, MessageState, Reason};
use pistats_core::segment::SegmentId;
use pistats_core::{Micros, SiteId};
use sqlx::types::Uuid;
use sqlx::{Connection, PgConnection};

/// id, state, version, content, segment; created, updated, started, ended, planned, closes.
type Row = (Uuid, i16, i32, Vec<u8>, Option<Uuid>, i64, i64, Option<i64>, Option<i64>, Option<i64>, Option<i64>);

const LIST: &str = "SELECT id, state, version, content, segment, created_us, updated_us, started_us, ended_us, planned_us, \
    closes_us FROM campaign WHERE site = $1 AND ($2 IS NULL OR id = $2) ORDER BY created_us DESC, id";

impl PgStore {
    async fn list(&self, site: SiteId, id: Option<CampaignId>) -> Result<Vec<CampaignRow>, Error> {
        let number: i32 = narrow(site.0, "site")?;
        let rows: Vec<Row> = self
            .run(move |conn| {
                Box::pin(async move {
                    let list = sqlx::query_as(LIST).bind(number).bind(id.map(|id| Uuid::from_u128(id.0)));
                    list.fetch_all(conn).await.map_err(engine)
                })
            })
            .await?;
        rows.into_iter().map(|row| read(site, row)).collect()
    }
}

#[async_trait]
impl Campaigns for PgStore {
    async fn campaigns(&self, site: SiteId) -> Result<Vec<CampaignRow>, Error> {
        self.list(site, None).await
    }

    async fn campaign(&self, site: SiteId, id: CampaignId) -> Result<Option<CampaignRow>, Error> {
        Ok(self.list(site, Some(id)).await?.into_iter().next())
    }

    async fn put_campaign(&self, row: &CampaignRow, before: u32) -> Result<bool, Error> {
        let row = row.clone();
        self.run(move |conn| {
            Box::pin(async move {
                let mut tx = conn.begin().await.map_err(engine)?;
                let is_put = put(&mut tx, &row, before).await?;
                tx.commit().await.map_err(engine)?;
                Ok(is_put)
            })
        })
        .await
    }

    async fn delete_campaign(&self, site: SiteId, id: CampaignId) -> Result<bool, Error> {
        let (site, id): (i32, _) = (narrow(site.0, "site")?, Uuid::from_u128(id.0));
        self.run(move |conn| {
            Box::pin(async move {
                let mut tx = conn.begin().await.map_err(engine)?;
                let delete = sqlx::query("DELETE FROM campaign WHERE site = $1 AND id = $2").bind(site).bind(id);
                let gone = delete.execute(&mut *tx).await.map_err(engine)?.rows_affected();
                let messages = sqlx::query("DELETE FROM push_message WHERE site = $1 AND campaign = $2");
                messages.bind(site).bind(id).execute(&mut *tx).await.map_err(engine)?;
                tx.commit().await.map_err(engine)?;
                Ok(gone > 0)
            })
        })
        .await
    }

    async fn tally(&self, site: SiteId, id: CampaignId) -> Result<Tally, Error> {
        let (site, id): (i32, _) = (narrow(site.0, "site")?, Uuid::from_u128(id.0));
        let rows: Vec<(i16, Option<i16>, i64, i64, i64, i64)> = self
            .run(move |conn| {
                Box::pin(async move {
                    let count = "SELECT state, reason, count(*), sum(removed)::bigint, count(unsubscribed_us), min(due_us) \
                                 FROM push_message WHERE site = $1 AND campaign = $2 GROUP BY state, reason \
                                 ORDER BY state, reason";
                    sqlx::query_as(count).bind(site).bind(id).fetch_all(conn).await.map_err(engine)
                })
            })
            .await?;
        let mut tally = Tally::default();
        for (state, why, messages, removed, unsubscribed, first) in rows {
            let state = message_state(state)?;
            tally.messages.push((state, why.map(reason).transpose()?, messages.unsigned_abs()));
            tally.removed += removed.unsigned_abs();
            tally.unsubscribed += unsubscribed.unsigned_abs();
            tally.next = if state == MessageState::Waiting { Some(Micros(first)) } else { tally.next };
        }
        Ok(tally)
    }
}

/// Puts a campaign in the place of its version `before`, in the running transaction. The condition on the version stands in the
/// statement: of two changes at once one finds it.
pub(super) async fn put(conn: &mut PgConnection, row: &CampaignRow, before: u32) -> Result<bool, Error> {
    let (site, id): (i32, Uuid) = (narrow(row.site.0, "site")?, Uuid::from_u128(row.id.0));
    let (version, before): (i32, i32) = (narrow(row.version, "version")?, narrow(before, "version")?);
    let text = if before == 0 {
        "INSERT INTO campaign VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING"
    } else {
        "UPDATE campaign SET state = $3, version = $4, content = $5, segment = $6, created_us = $7, updated_us = $8, \
         started_us = $9, ended_us = $10, planned_us = $11, closes_us = $12 WHERE site = $1 AND id = $2 AND version = $13"
    };
    let micros = |at: Option<Micros>| at.map(|at| at.0);
    let mut change = sqlx::query(text)
        .bind(site)
        .bind(id)
        .bind(row.state as i16)
        .bind(version)
        .bind(&row.content)
        .bind(row.segment.map(|segment| Uuid::from_u128(segment.0)))
        .bind(row.created.0)
        .bind(row.updated.0)
        .bind(micros(row.started))
        .bind(micros(row.ended))
        .bind(micros(row.planned))
        .bind(micros(row.closes));
    if before != 0 {
        change = change.bind(before);
    }
    if change.execute(&mut *conn).await.map_err(engine)?.rows_affected() == 0 {
        return Ok(false);
    }
    if row.state == CampaignState::Cancelled {
        cancel_waiting(conn, site, vec![id], row.updated).await?;
    }
    Ok(true)
}

/// What waits of these campaigns is not sent, as far as they are cancelled.
pub(super) async fn cancel_waiting(
    conn: &mut PgConnection,
    site: i32,
    ids: Vec<Uuid>,
    now: Micros,
) -> Result<(), Error> {
    let end = "UPDATE push_message m SET state = 5, reason = $3, ended_us = $4 FROM campaign c \
               WHERE m.site = $1 AND m.campaign = ANY($2) AND m.state = 0 AND c.site = m.site AND c.id = m.campaign \
               AND c.state = 6";
    let end = sqlx::query(end).bind(site).bind(ids).bind(Reason::Cancelled as i16).bind(now.0);
    end.execute(conn).await.map_err(engine).map(drop)
}

fn read(site: SiteId, row: Row) -> Result<CampaignRow, Error> {
    let (id, state, version, content, segment, created, updated, started, ended, planned, closes) = row;
    Ok(CampaignRow {
        site,
        id: CampaignId(id.as_u128()),
        state: campaign_state(state)?,
        version: version.unsigned_abs(),
        content,
        segment: segment.map(|id| SegmentId(id.as_u128())),
        created: Micros(created),
        updated: Micros(updated),
        started: started.map(Micros),
        ended: ended.map(Micros),
        planned: planned.map(Micros),
        closes: closes.map(Micros),
    })
}
