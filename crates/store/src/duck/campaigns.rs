//! Campaigns in DuckDB: written by the writer between two commits.

use super::DuckStore;
use super::cells::Wide;
use super::fresh::{all, run};
use super::registry::{blob, get};
use super::worker::transaction;
use crate::campaigns::{campaign_state, message_state, reason};
use crate::{CampaignRow, Campaigns, Error, Tally};
use async_trait::async_trait;
use duckdb::{Connection, Row, params};
use pistats_core::push::{CampaignId, CampaignState, MessageState, Reason};
use pistats_core::segment::SegmentId;
use pistats_core::{Micros, SiteId};

const COLUMNS: &str =
    "id, state, version, content, segment, created_us, updated_us, started_us, ended_us, planned_us, closes_us";

#[async_trait]
impl Campaigns for DuckStore {
    async fn campaigns(&self, site: SiteId) -> Result<Vec<CampaignRow>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM campaign WHERE site = $1 ORDER BY created_us DESC, id");
        self.writer.run(move |conn| all(conn, &sql, params![site.0], |row| read(site, row))).await
    }

    async fn campaign(&self, site: SiteId, id: CampaignId) -> Result<Option<CampaignRow>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM campaign WHERE site = $1 AND id = CAST($2 AS UUID)");
        let find = move |conn: &Connection| all(conn, &sql, params![site.0, Wide(id.0)], |row| read(site, row));
        Ok(self.writer.run(find).await?.into_iter().next())
    }

    async fn put_campaign(&self, row: &CampaignRow, before: u32) -> Result<bool, Error> {
        let row = row.clone();
        self.writer.run(move |conn| transaction(conn, |conn| put(conn, &row, before))).await
    }

    async fn delete_campaign(&self, site: SiteId, id: CampaignId) -> Result<bool, Error> {
        let delete = move |conn: &Connection| {
            transaction(conn, |conn| {
                let was_there = version(conn, site, id)? != 0;
                let of = |table: &str, column: &str| {
                    let sql = format!("DELETE FROM {table} WHERE site = $1 AND {column} = CAST($2 AS UUID)");
                    run(conn, &sql, params![site.0, Wide(id.0)])
                };
                of("campaign", "id")?;
                of("push_message", "campaign")?;
                Ok(was_there)
            })
        };
        self.writer.run(delete).await
    }

    async fn tally(&self, site: SiteId, id: CampaignId) -> Result<Tally, Error> {
        let count = move |conn: &Connection| {
            let sql = "SELECT state, reason, count(*), CAST(sum(removed) AS BIGINT), count(unsubscribed_us), min(due_us) \
                       FROM push_message WHERE site = $1 AND campaign = CAST($2 AS UUID) GROUP BY state, reason \
                       ORDER BY state, reason";
            let mut tally = Tally::default();
            let rows = all(conn, sql, params![site.0, Wide(id.0)], |row| {
                let of = (message_state(get(row, 0)?)?, get::<Option<i16>>(row, 1)?.map(reason).transpose()?);
                Ok((of, get::<u64>(row, 2)?, get::<u64>(row, 3)?, get::<u64>(row, 4)?, Micros(get(row, 5)?)))
            })?;
            for ((state, reason), messages, removed, unsubscribed, first) in rows {
                tally.messages.push((state, reason, messages));
                tally.removed += removed;
                tally.unsubscribed += unsubscribed;
                tally.next = if state == MessageState::Waiting { Some(first) } else { tally.next };
            }
            Ok(tally)
        };
        self.writer.run(count).await
    }
}

/// Puts a campaign in the place of its version `before`, in the running transaction. False: another version is there.
pub(super) fn put(conn: &Connection, row: &CampaignRow, before: u32) -> Result<bool, Error> {
    if version(conn, row.site, row.id)? != before {
        return Ok(false);
    }
    let (site, id) = (row.site.0, Wide(row.id.0));
    run(conn, "DELETE FROM campaign WHERE site = $1 AND id = CAST($2 AS UUID)", params![site, id])?;
    let micros = |at: Option<Micros>| at.map(|at| at.0);
    run(
        conn,
        "INSERT INTO campaign VALUES ($1, CAST($2 AS UUID), $3, $4, $5, CAST($6 AS UUID), $7, $8, $9, $10, $11, $12)",
        params![
            site,
            id,
            row.state as i16,
            row.version,
            row.content,
            row.segment.map(|segment| super::cells::uuid_text(segment.0)),
            row.created.0,
            row.updated.0,
            micros(row.started),
            micros(row.ended),
            micros(row.planned),
            micros(row.closes)
        ],
    )?;
    if row.state == CampaignState::Cancelled {
        cancel_waiting(conn, row.site, row.id, row.updated)?;
    }
    Ok(true)
}

/// What waits of a cancelled campaign is not sent.
pub(super) fn cancel_waiting(conn: &Connection, site: SiteId, id: CampaignId, now: Micros) -> Result<(), Error> {
    let end = "UPDATE push_message SET state = 5, reason = $3, ended_us = $4 \
               WHERE site = $1 AND campaign = CAST($2 AS UUID) AND state = 0";
    run(conn, end, params![site.0, Wide(id.0), Reason::Cancelled as i16, now.0])
}

/// The version of a campaign, 0 for none.
fn version(conn: &Connection, site: SiteId, id: CampaignId) -> Result<u32, Error> {
    let sql = "SELECT version FROM campaign WHERE site = $1 AND id = CAST($2 AS UUID)";
    let found = all(conn, sql, params![site.0, Wide(id.0)], |row| get(row, 0))?;
    Ok(found.into_iter().next().unwrap_or(0))
}

/// Where a campaign stands; none: there is no such campaign.
pub(super) fn state(conn: &Connection, site: SiteId, id: CampaignId) -> Result<Option<CampaignState>, Error> {
    let sql = "SELECT state FROM campaign WHERE site = $1 AND id = CAST($2 AS UUID)";
    let found = all(conn, sql, params![site.0, Wide(id.0)], |row| campaign_state(get(row, 0)?))?;
    Ok(found.into_iter().next())
}

fn read(site: SiteId, row: &Row<'_>) -> Result<CampaignRow, Error> {
    let micros = |at| Ok::<_, Error>(get::<Option<i64>>(row, at)?.map(Micros));
    let has_segment = !matches!(row.get_ref(4), Ok(duckdb::types::ValueRef::Null));
    Ok(CampaignRow {
        site,
        id: CampaignId(u128::from_be_bytes(blob(row, 0)?)),
        state: campaign_state(get(row, 1)?)?,
        version: get(row, 2)?,
        content: get(row, 3)?,
        segment: has_segment.then(|| blob(row, 4)).transpose()?.map(|id| SegmentId(u128::from_be_bytes(id))),
        created: Micros(get(row, 5)?),
        updated: Micros(get(row, 6)?),
        started: micros(7)?,
        ended: micros(8)?,
        planned: micros(9)?,
        closes: micros(10)?,
    })
}
