//! Whom a campaign can reach: members of its segment with a subscription, each with the zone of the newest one.

use super::service::Campaigns;
use crate::kept::Kept;
use crate::status;
use pistats_core::directory::Site;
use pistats_core::segment::SegmentId;
use pistats_core::{Micros, SiteId, VisitorKey, Zone};
use pistats_store::{Cell, Statement};
use std::collections::{BTreeMap, HashMap};
use tonic::Status;

/// Readings of members and of visitors that may disagree on the generation before it is told.
const TRIES: usize = 3;

/// Whom it can reach.
#[derive(Clone, Debug, Default)]
pub(super) struct Audience {
    /// Who is in the segment; of no segment: who has a subscription.
    pub(super) members: u64,
    pub(super) targets: BTreeMap<VisitorKey, Target>,
    pub(super) at: Micros,
}

/// Somebody to send to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The number of a visitor that has events.
    pub(super) number: Option<u32>,
    pub(super) zone: Zone,
}

/// Zones by the names that browsers gave, the site's for what is no name.
pub(super) struct Zones {
    own: Zone,
    known: HashMap<String, Zone>,
}

impl Zones {
    pub(super) fn new(site: &Site) -> Zones {
        Zones { own: site.zone.clone(), known: HashMap::new() }
    }

    pub(super) fn of(&mut self, name: &str) -> Zone {
        if name.is_empty() {
            return self.own.clone();
        }
        if let Some(zone) = self.known.get(name) {
            return zone.clone();
        }
        let zone = Zone::named(name).unwrap_or_else(|_| self.own.clone());
        self.known.insert(name.to_owned(), zone.clone());
        zone
    }
}

/// Reads it as it is now.
pub(super) async fn read(campaigns: &Campaigns, site: &Site, segment: Option<SegmentId>) -> Result<Audience, Status> {
    for _ in 0..TRIES {
        if let Some(audience) = once(campaigns, site, segment).await? {
            return Ok(audience);
        }
    }
    Err(Status::unavailable("the warehouse is being rebuilt; try again"))
}

/// None: members and visitors are of different generations.
async fn once(campaigns: &Campaigns, site: &Site, segment: Option<SegmentId>) -> Result<Option<Audience>, Status> {
    let (shared, at) = (&campaigns.shared, campaigns.now());
    let members = match segment {
        None => None,
        Some(id) => {
            let kept = Kept::read(shared.segments.as_ref(), site).await?;
            let plan = shared.plan(site, &kept, kept.tree(id)?, at)?;
            Some(shared.reading.members(site, plan, false).await?)
        }
    };
    let read = shared.store.read(statements(site.id)).await.map_err(status::of_store)?;
    if members.as_ref().is_some_and(|members| members.as_of.generation != read.as_of.generation) {
        return Ok(None);
    }
    let mut results = read.results.into_iter();
    let (subscribed, visitors) = (results.next().unwrap_or_default(), results.next().unwrap_or_default());
    let number = |row: &Vec<Cell>| match row.as_slice() {
        [Cell::Wide(key), Cell::Int(number)] => Some((*key, u32::try_from(*number).ok()?)),
        _ => None,
    };
    let numbers: HashMap<u128, u32> = visitors.rows.iter().filter_map(number).collect();
    let mut zones = Zones::new(site);
    let mut targets = BTreeMap::new();
    for row in &subscribed.rows {
        let [Cell::Wide(key), Cell::Text(zone)] = row.as_slice() else { continue };
        let number = numbers.get(key).copied();
        let is_member = match &members {
            None => true,
            Some(members) => number.is_some_and(|number| members.numbers.contains(number)),
        };
        if is_member {
            // The newest one comes first.
            targets.entry(VisitorKey(*key)).or_insert_with(|| Target { number, zone: zones.of(zone) });
        }
    }
    let members = members.map_or(targets.len() as u64, |members| members.numbers.len());
    Ok(Some(Audience { members, targets, at }))
}

/// Subscriptions, the newest of a visitor first; and the numbers of their visitors.
fn statements(site: SiteId) -> Vec<Statement> {
    let site = vec![Cell::Int(i64::from(site.0))];
    let subscribed = "SELECT s.visitor, s.time_zone FROM push_subscription s WHERE s.site = $1 \
                      ORDER BY s.visitor, s.updated_us DESC, s.endpoint";
    let visitors = "SELECT v.key, v.visitor FROM visitor v WHERE v.site = $1 \
                    AND v.key IN (SELECT s.visitor FROM push_subscription s WHERE s.site = $1) \
                    GROUP BY v.key, v.visitor HAVING sum(v.sign) > 0";
    vec![Statement::new(subscribed, site.clone()), Statement::new(visitors, site)]
}

/// Visitors that are looked up at a time.
const AT_ONCE: usize = 200;

/// The zones of those among these visitors who have a subscription.
pub(super) async fn zones_of(
    campaigns: &Campaigns,
    site: &Site,
    visitors: &[VisitorKey],
) -> Result<BTreeMap<VisitorKey, Zone>, Status> {
    let mut zones = Zones::new(site);
    let mut found = BTreeMap::new();
    for some in visitors.chunks(AT_ONCE) {
        let mut values = vec![Cell::Int(i64::from(site.id.0))];
        values.extend(some.iter().map(|visitor| Cell::Wide(visitor.0)));
        let places: Vec<String> = (2..).take(some.len()).map(|place| format!("${place}")).collect();
        let text = format!(
            "SELECT s.visitor, s.time_zone FROM push_subscription s WHERE s.site = $1 AND s.visitor IN ({}) \
             ORDER BY s.visitor, s.updated_us DESC, s.endpoint",
            places.join(", ")
        );
        let read = campaigns.shared.store.read(vec![Statement::new(text, values)]).await.map_err(status::of_store)?;
        for row in read.results.iter().flat_map(|rows| &rows.rows) {
            if let [Cell::Wide(key), Cell::Text(zone)] = row.as_slice() {
                found.entry(VisitorKey(*key)).or_insert_with(|| zones.of(zone));
            }
        }
    }
    Ok(found)
}
