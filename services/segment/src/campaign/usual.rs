//! The hours in which visitors usually come: counts of events by the local hour of their own clocks.

use super::audience::Audience;
use super::service::Campaigns;
use crate::status;
use pistats_core::directory::Site;
use pistats_core::{Micros, VisitorKey, Zone};
use pistats_push::when::{Histogram, usual_hour};
use pistats_store::{Cell, Rows, Statement};
use std::collections::HashMap;
use tonic::Status;

/// How far back a habit reaches.
const HABIT: i64 = 90 * Micros::DAY;
/// Events are counted by quarters of an hour: no clock is off by less than that.
const QUARTER: i64 = 15 * Micros::MINUTE;

/// The usual hour of everybody in an audience.
pub(super) async fn hours(
    campaigns: &Campaigns,
    site: &Site,
    audience: &Audience,
) -> Result<HashMap<VisitorKey, u8>, Status> {
    let read = campaigns.shared.store.read(statements(site, campaigns.now())).await.map_err(status::of_store)?;
    let mut results = read.results.into_iter();
    let (of_visitors, of_site) = (results.next().unwrap_or_default(), results.next().unwrap_or_default());
    let own: HashMap<u32, (VisitorKey, &Zone)> =
        audience.targets.iter().filter_map(|(key, target)| Some((target.number?, (*key, &target.zone)))).collect();
    let mut histograms: HashMap<VisitorKey, Histogram> = HashMap::new();
    for [visitor, quarter, events] in rows(&of_visitors) {
        let found = u32::try_from(visitor).ok().and_then(|number| own.get(&number));
        if let Some((key, zone)) = found {
            count(histograms.entry(*key).or_default(), zone, quarter, events);
        }
    }
    let mut sites = Histogram::default();
    for [_, quarter, events] in rows(&of_site) {
        count(&mut sites, &site.zone, quarter, events);
    }
    let hour = |key: &VisitorKey| usual_hour(histograms.get(key).unwrap_or(&Histogram::default()), &sites);
    Ok(audience.targets.keys().map(|key| (*key, hour(key))).collect())
}

fn count(histogram: &mut Histogram, zone: &Zone, quarter: i64, events: i64) {
    if let Some(hour) = histogram.get_mut(super::moments::hour(zone, Micros(quarter))) {
        *hour += events.unsigned_abs();
    }
}

/// Three columns of numbers as rows.
fn rows(of: &Rows) -> impl Iterator<Item = [i64; 3]> + '_ {
    let column = |at: usize| of.numbers.get(at).map_or(&[][..], Vec::as_slice);
    column(0).iter().zip(column(1)).zip(column(2)).map(|((a, b), c)| [*a, *b, *c])
}

/// Events of visitors with a subscription, and of all; each with the quarter of an hour that it begins at.
fn statements(site: &Site, now: Micros) -> Vec<Statement> {
    let values = vec![Cell::Int(i64::from(site.id.0)), Cell::Int(now.plus(-HABIT).0)];
    let quarter = format!("e.time_us - e.time_us % {QUARTER}");
    let events = "FROM event e WHERE e.site = $1 AND e.time_us >= $2 AND NOT e.bot";
    let subscribed = "SELECT v.visitor FROM visitor v WHERE v.site = $1 AND v.key IN \
                      (SELECT s.visitor FROM push_subscription s WHERE s.site = $1)";
    let of_visitors = format!(
        "SELECT e.visitor, {quarter}, count(*) {events} AND e.visitor IN ({subscribed}) GROUP BY e.visitor, {quarter}"
    );
    let of_site = format!("SELECT CAST(0 AS BIGINT), {quarter}, count(*) {events} GROUP BY {quarter}");
    let of_visitors = Statement::new(of_visitors, values.clone()).as_numbers();
    vec![of_visitors, Statement::new(of_site, values).as_numbers()]
}
