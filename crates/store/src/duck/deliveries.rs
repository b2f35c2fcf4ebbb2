//! Messages of campaigns in DuckDB, and who sends them: the writer takes one step after the other, so that nothing slips in between
//! what a step looks at and what it changes. Leases are in memory: nobody outlives the process that could be superseded.
//!
//! Many rows cross as one text a column, and change in one statement: a statement a row would hold the writer up.

use super::DuckStore;
use super::cells::{Wide, uuid_text};
use super::fresh::{all, run};
use super::registry::{blob, get};
use super::worker::transaction;
use super::{campaigns, subscriptions};
use crate::{CampaignRow, Deliveries, Due, Error, Owner, Planned, Settled, SiteLease, Step};
use async_trait::async_trait;
use duckdb::{Connection, params};
use pistats_core::push::{CampaignId, CampaignState, MessageState};
use pistats_core::{Micros, SiteId, VisitorKey};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Who sends for which site: the epoch, and the owner until when.
#[derive(Default)]
pub(super) struct Senders(BTreeMap<SiteId, Sender>);

#[derive(Default)]
struct Sender {
    epoch: u64,
    owner: Option<(Owner, Instant)>,
}

impl Senders {
    fn check(&self, lease: &SiteLease) -> Result<(), Error> {
        let is_held = self.0.get(&lease.site).is_some_and(|sender| sender.is_held(lease));
        if is_held { Ok(()) } else { Err(Error::NotLeased(lease.site)) }
    }

    fn held(&mut self, lease: &SiteLease) -> Option<&mut Sender> {
        self.0.get_mut(&lease.site).filter(|sender| sender.is_held(lease))
    }
}

impl Sender {
    /// Also where its time ran out, as long as nobody took it.
    fn is_held(&self, lease: &SiteLease) -> bool {
        self.epoch == lease.epoch && self.owner.as_ref().is_some_and(|(owner, _)| owner.id == lease.owner.id)
    }
}

#[async_trait]
impl Deliveries for DuckStore {
    async fn sites_to_serve(&self) -> Result<Vec<SiteId>, Error> {
        let list = |conn: &Connection| {
            let sql = "SELECT site FROM campaign WHERE state IN (2, 3) UNION \
                       SELECT site FROM push_message WHERE state = 1 ORDER BY site";
            all(conn, sql, params![], |row| get(row, 0).map(SiteId))
        };
        self.writer.run(list).await
    }

    async fn lease_site(&self, site: SiteId, owner: &Owner, ttl: Duration) -> Result<Option<SiteLease>, Error> {
        let (senders, owner) = (self.senders.clone(), owner.clone());
        let take = move |conn: &Connection| {
            let (mut senders, now) = (senders.lock(), Instant::now());
            let sender = senders.0.entry(site).or_default();
            if sender.owner.as_ref().is_some_and(|(holds, until)| holds.id != owner.id && *until > now) {
                return Ok(None);
            }
            // D-4: nobody will tell what became of these.
            let doubt = "UPDATE push_message SET state = 4, ended_us = sent_us WHERE site = $1 AND state = 1";
            transaction(conn, |conn| run(conn, doubt, params![site.0]))?;
            sender.epoch += 1;
            sender.owner = Some((owner.clone(), now + ttl));
            Ok(Some(SiteLease { site, owner, epoch: sender.epoch }))
        };
        self.writer.run(take).await
    }

    async fn keep_lease(&self, lease: &SiteLease, ttl: Duration) -> Result<bool, Error> {
        let mut senders = self.senders.lock();
        let Some(sender) = senders.held(lease) else { return Ok(false) };
        sender.owner = Some((lease.owner.clone(), Instant::now() + ttl));
        Ok(true)
    }

    async fn free_lease(&self, lease: &SiteLease) -> Result<(), Error> {
        if let Some(sender) = self.senders.lock().held(lease) {
            sender.owner = None;
        }
        Ok(())
    }

    async fn plan(
        &self,
        lease: &SiteLease,
        row: &CampaignRow,
        before: u32,
        messages: &[Planned],
    ) -> Result<Option<u64>, Error> {
        let (row, messages) = (row.clone(), messages.to_vec());
        self.leased(lease, move |conn| {
            if !campaigns::put(conn, &row, before)? {
                return Ok(None);
            }
            plan(conn, &row, &messages).map(Some)
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
        self.writer.run(move |conn| due(conn, site, campaign, now, most, had_since)).await
    }

    async fn begin(
        &self,
        lease: &SiteLease,
        campaign: CampaignId,
        steps: &[(VisitorKey, Step)],
        now: Micros,
    ) -> Result<Vec<bool>, Error> {
        let (site, steps) = (lease.site, steps.to_vec());
        self.leased(lease, move |conn| begin(conn, site, campaign, &steps, now)).await
    }

    async fn settle(
        &self,
        lease: &SiteLease,
        results: &[(CampaignId, VisitorKey, Settled)],
        now: Micros,
    ) -> Result<(), Error> {
        let (site, results) = (lease.site, results.to_vec());
        self.leased(lease, move |conn| settle(conn, site, &results, now)).await
    }
}

impl DuckStore {
    /// One transaction under a lease (D-1).
    async fn leased<T: Send + 'static>(
        &self,
        lease: &SiteLease,
        body: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (senders, lease) = (self.senders.clone(), lease.clone());
        let job = move |conn: &Connection| {
            // Takes of leases run on this thread, too.
            senders.lock().check(&lease)?;
            transaction(conn, body)
        };
        self.writer.run(job).await
    }
}

/// Rows of several columns as one text a column.
fn column<T>(rows: &[T], of: impl Fn(&T) -> String) -> String {
    rows.iter().map(of).collect::<Vec<_>>().join("\n")
}

/// A column of [`column`], read as rows.
fn rows(parameter: usize, kind: &str) -> String {
    format!("CAST(unnest(string_split(${parameter}, chr(10))) AS {kind})")
}

fn plan(conn: &Connection, row: &CampaignRow, messages: &[Planned]) -> Result<u64, Error> {
    let count = "SELECT count(*) FROM push_message WHERE site = $1 AND campaign = CAST($2 AS UUID)";
    let (site, id) = (row.site.0, Wide(row.id.0));
    let planned = |conn| all(conn, count, params![site, id], |row| get::<u64>(row, 0));
    let before = planned(conn)?;
    if !messages.is_empty() {
        let sql = format!(
            "INSERT INTO push_message SELECT $1, CAST($2 AS UUID), n.visitor, CASE WHEN n.reason = 0 THEN 0 ELSE 5 END, \
             nullif(n.reason, 0), n.due, 0, '', NULL, CASE WHEN n.reason = 0 THEN NULL ELSE $6 END, 0, NULL \
             FROM (SELECT {} AS visitor, {} AS due, {} AS reason) AS n ON CONFLICT DO NOTHING",
            rows(3, "UUID"),
            rows(4, "BIGINT"),
            rows(5, "SMALLINT")
        );
        let visitors = column(messages, |message| uuid_text(message.visitor.0));
        let dues = column(messages, |message| message.due.0.to_string());
        let reasons = column(messages, |message| message.skip.map_or(0, |reason| reason as i16).to_string());
        run(conn, &sql, params![site, id, visitors, dues, reasons, row.updated.0])?;
    }
    let (before, after) = (before.first().copied().unwrap_or(0), planned(conn)?.first().copied().unwrap_or(0));
    Ok(after.saturating_sub(before))
}

fn due(
    conn: &Connection,
    site: SiteId,
    campaign: CampaignId,
    now: Micros,
    most: u32,
    had_since: Micros,
) -> Result<Vec<Due>, Error> {
    let sql = "WITH due AS (SELECT visitor, due_us, attempts FROM push_message \
                 WHERE site = $1 AND campaign = CAST($2 AS UUID) AND state = 0 AND due_us <= $3 \
                 ORDER BY due_us, visitor LIMIT $4), \
               newest AS (SELECT *, row_number() OVER (PARTITION BY visitor ORDER BY updated_us DESC, endpoint) AS place \
                 FROM push_subscription WHERE site = $1 AND visitor IN (SELECT visitor FROM due)), \
               had AS (SELECT visitor, count(*) AS messages FROM push_message \
                 WHERE site = $1 AND visitor IN (SELECT visitor FROM due) AND state IN (1, 2, 4) AND sent_us >= $5 \
                 GROUP BY visitor) \
               SELECT d.visitor, d.due_us, d.attempts, coalesce(h.messages, 0), n.site IS NOT NULL, \
                 n.endpoint, n.p256dh, n.auth, n.visitor, n.time_zone, n.created_us, n.updated_us \
               FROM due d LEFT JOIN newest n ON n.visitor = d.visitor AND n.place = 1 \
                 LEFT JOIN had h ON h.visitor = d.visitor ORDER BY d.due_us, d.visitor";
    all(conn, sql, params![site.0, Wide(campaign.0), now.0, most, had_since.0], |row| {
        Ok(Due {
            visitor: VisitorKey(u128::from_be_bytes(blob(row, 0)?)),
            due: Micros(get(row, 1)?),
            attempts: get(row, 2)?,
            had: get(row, 3)?,
            subscription: get::<bool>(row, 4)?.then(|| subscriptions::read(site, row, 5)).transpose()?,
        })
    })
}

fn begin(
    conn: &Connection,
    site: SiteId,
    campaign: CampaignId,
    steps: &[(VisitorKey, Step)],
    now: Micros,
) -> Result<Vec<bool>, Error> {
    if steps.is_empty() || campaigns::state(conn, site, campaign)? != Some(CampaignState::Running) {
        return Ok(vec![false; steps.len()]);
    }
    let visitors = column(steps, |(visitor, _)| uuid_text(visitor.0));
    let waiting = format!(
        "SELECT visitor FROM push_message WHERE site = $1 AND campaign = CAST($2 AS UUID) AND state = 0 \
         AND visitor IN (SELECT {})",
        rows(3, "UUID")
    );
    let id = Wide(campaign.0);
    let waiting = all(conn, &waiting, params![site.0, id, visitors], |row| blob(row, 0).map(u128::from_be_bytes))?;
    let waiting: BTreeSet<u128> = waiting.into_iter().collect();
    // state, reason, due, endpoint: what is not changed is told as it cannot be.
    let parts = |(_, step): &(VisitorKey, Step)| match step {
        Step::Send { endpoint } => (MessageState::Sending, 0, i64::MIN, endpoint.clone()),
        Step::Wait { until } => (MessageState::Waiting, 0, until.0, String::new()),
        Step::Skip { reason } => (MessageState::NotSent, *reason as i16, i64::MIN, String::new()),
    };
    let sql = format!(
        "UPDATE push_message AS m SET state = n.state, reason = nullif(n.reason, 0), \
         due_us = CASE WHEN n.state = 0 THEN n.due ELSE m.due_us END, \
         attempts = CASE WHEN n.state = 1 THEN m.attempts + 1 ELSE m.attempts END, \
         endpoint = CASE WHEN n.state = 1 THEN n.endpoint ELSE m.endpoint END, \
         sent_us = CASE WHEN n.state = 1 THEN $8 ELSE m.sent_us END, \
         ended_us = CASE WHEN n.state = 5 THEN $8 ELSE m.ended_us END \
         FROM (SELECT {} AS visitor, {} AS state, {} AS reason, {} AS due, {} AS endpoint) AS n \
         WHERE m.site = $1 AND m.campaign = CAST($2 AS UUID) AND m.visitor = n.visitor AND m.state = 0",
        rows(3, "UUID"),
        rows(4, "SMALLINT"),
        rows(5, "SMALLINT"),
        rows(6, "BIGINT"),
        rows(7, "VARCHAR")
    );
    let states = column(steps, |step| (parts(step).0 as i16).to_string());
    let reasons = column(steps, |step| parts(step).1.to_string());
    let dues = column(steps, |step| parts(step).2.to_string());
    let endpoints = column(steps, |step| parts(step).3);
    run(conn, &sql, params![site.0, id, visitors, states, reasons, dues, endpoints, now.0])?;
    Ok(steps.iter().map(|(visitor, _)| waiting.contains(&visitor.0)).collect())
}

fn settle(
    conn: &Connection,
    site: SiteId,
    results: &[(CampaignId, VisitorKey, Settled)],
    now: Micros,
) -> Result<(), Error> {
    if results.is_empty() {
        return Ok(());
    }
    let parts = |(_, _, settled): &(CampaignId, VisitorKey, Settled)| match settled {
        Settled::Accepted => (MessageState::Accepted, 0, i64::MIN, 0),
        Settled::Failed { reason } => (MessageState::Failed, *reason as i16, i64::MIN, 0),
        Settled::Uncertain => (MessageState::Uncertain, 0, i64::MIN, 0),
        Settled::Again { until } => (MessageState::Waiting, 0, until.0, 0),
        Settled::Gone { .. } => (MessageState::Waiting, 0, i64::MIN, 1),
    };
    let sql = format!(
        "UPDATE push_message AS m SET state = n.state, reason = nullif(n.reason, 0), \
         due_us = greatest(m.due_us, n.due), removed = m.removed + n.removed, \
         ended_us = CASE WHEN n.state = 0 THEN m.ended_us ELSE $8 END \
         FROM (SELECT {} AS campaign, {} AS visitor, {} AS state, {} AS reason, {} AS due, {} AS removed) AS n \
         WHERE m.site = $1 AND m.campaign = n.campaign AND m.visitor = n.visitor AND m.state = 1",
        rows(2, "UUID"),
        rows(3, "UUID"),
        rows(4, "SMALLINT"),
        rows(5, "SMALLINT"),
        rows(6, "BIGINT"),
        rows(7, "INTEGER")
    );
    let ids = column(results, |(campaign, _, _)| uuid_text(campaign.0));
    let visitors = column(results, |(_, visitor, _)| uuid_text(visitor.0));
    let states = column(results, |result| (parts(result).0 as i16).to_string());
    let reasons = column(results, |result| parts(result).1.to_string());
    let dues = column(results, |result| parts(result).2.to_string());
    let removed = column(results, |result| parts(result).3.to_string());
    run(conn, &sql, params![site.0, ids, visitors, states, reasons, dues, removed, now.0])?;
    for (_, _, settled) in results {
        if let Settled::Gone { endpoint } = settled {
            subscriptions::remove(conn, site, endpoint)?;
        }
    }
    let waits: BTreeSet<CampaignId> =
        results.iter().filter(|result| parts(result).0 == MessageState::Waiting).map(|(id, _, _)| *id).collect();
    for campaign in waits {
        if campaigns::state(conn, site, campaign)? == Some(CampaignState::Cancelled) {
            campaigns::cancel_waiting(conn, site, campaign, now)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_that_somebody_else_took_is_not_held_any_more() {
        let owner = |id| Owner { id, name: String::new() };
        let lease = |id, epoch| SiteLease { site: SiteId(1), owner: owner(id), epoch };
        let mut senders = Senders::default();
        assert!(senders.check(&lease(1, 1)).is_err());
        senders.0.insert(SiteId(1), Sender { epoch: 1, owner: Some((owner(1), Instant::now())) });
        assert!(senders.check(&lease(1, 1)).is_ok(), "it ran out, and nobody took it");
        senders.0.insert(SiteId(1), Sender { epoch: 2, owner: Some((owner(2), Instant::now())) });
        assert!(matches!(senders.check(&lease(1, 1)), Err(Error::NotLeased(SiteId(1)))));
        assert!(senders.held(&lease(2, 2)).is_some() && senders.held(&lease(2, 1)).is_none());
    }
}
