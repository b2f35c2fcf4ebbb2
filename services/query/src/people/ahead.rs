//! Reading ahead: bitmaps of days that were just built are put into the cache before anybody asks.
//!
//! ```text
//!   every two seconds   sheets since the newest known one, in one statement
//!   a new one           its largest bitmaps (of each dimension), while newer days leave room
//! ```
//!
//! The first list over many days after a start or an import otherwise reads thousands of bitmaps from disk while somebody
//! waits. Nothing depends on it: what is not here is fetched when it is asked for. Bounds: half of the cache's bytes,
//! newest days first, and one read at a time, so that questions find the other readers free.

use super::{BitmapCache, BitmapKey};
use crate::plan::Malformed;
use crate::reports::Reports;
use crate::sheets::Packed;
use pistats_core::{Day, SiteId};
use pistats_store::{Cell, Error, Rows, SheetDimension, Statement};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Often enough to be there before somebody opens a report on a day that was just built; a look costs under a millisecond.
const EVERY: Duration = Duration::from_secs(2);
/// Of each dimension of a day: more values than lists show, as each day has another order.
const LARGEST: i64 = 256;
/// The part of the cache that is filled ahead; the rest is for what is really asked for.
const PART: u64 = 2;

/// Which days were read ahead, and what they take.
#[derive(Debug, Default)]
struct Held {
    room: u64,
    bytes: u64,
    /// Version and bytes.
    days: BTreeMap<(Day, SiteId), (i64, u64)>,
}

impl Held {
    /// Whether a sheet is to be read: it is new, and there is room or an older day to make room.
    fn wants(&self, day: Day, site: SiteId, version: i64) -> bool {
        let is_new = self.days.get(&(day, site)).is_none_or(|(held, _)| *held != version);
        let oldest = self.days.first_key_value().map(|((oldest, _), _)| *oldest);
        is_new && self.room > 0 && (self.bytes < self.room || oldest.is_some_and(|oldest| day > oldest))
    }

    /// Tells that a sheet was read; the oldest days are no longer counted where there is no room for all.
    fn takes(&mut self, day: Day, site: SiteId, version: i64, bytes: u64) {
        self.bytes += bytes;
        if let Some((_, before)) = self.days.insert((day, site), (version, bytes)) {
            self.bytes -= before;
        }
        while self.bytes > self.room
            && let Some((_, (_, bytes))) = self.days.pop_first()
        {
            self.bytes -= bytes;
        }
    }
}

/// Reads ahead for one query service, and keeps nothing of it alive.
pub struct ReadAhead {
    reports: Weak<Reports>,
    held: Held,
    /// The newest version seen.
    since: i64,
}

impl ReadAhead {
    pub(crate) fn new(reports: &Arc<Reports>, cache_bytes: u64) -> ReadAhead {
        let held = Held { room: cache_bytes / PART, ..Held::default() };
        ReadAhead { reports: Arc::downgrade(reports), held, since: 0 }
    }

    /// Goes on until the service is gone.
    pub(crate) async fn run(mut self) {
        loop {
            match self.look().await {
                Ok(Some(_)) => {}
                Ok(None) => return,
                // The next look tries again; whoever asks meanwhile is told by their own answer.
                Err(error) => tracing::debug!(%error, "nothing could be read ahead"),
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Reads what is new. Returns the bitmaps read; nothing once the service is gone.
    pub async fn look(&mut self) -> Result<Option<usize>, Error> {
        let Some(reports) = self.reports.upgrade() else { return Ok(None) };
        if self.held.room == 0 {
            return Ok(Some(0));
        }
        let answer = reports.store.read(vec![sheets(self.since)]).await?;
        let mut new = found(answer.results);
        new.sort_by_key(|(day, site, _)| std::cmp::Reverse((*day, *site)));
        let (mut bitmaps, newest) = (0, new.iter().map(|(_, _, version)| *version).max());
        for (day, site, version) in new {
            if !self.held.wants(day, site, version) {
                continue;
            }
            let rows = reports.store.read(vec![largest(site, day, version)]).await?.results.pop().unwrap_or_default();
            let shared = reports.people.clone();
            let keep = move || keep(rows, &shared.cache, day, site, version);
            let kept = tokio::task::spawn_blocking(keep).await.map_err(|error| Error::Engine(error.to_string()))?;
            let (count, bytes) = kept.map_err(|Malformed(what)| Error::Engine(what))?;
            self.held.takes(day, site, version, bytes);
            bitmaps += count;
        }
        self.since = newest.unwrap_or(self.since);
        Ok(Some(bitmaps))
    }
}

/// Sheets of a version or newer, dirty days left out. It is about all sites, and no site is told what it finds.
fn sheets(since: i64) -> Statement {
    let text = "SELECT s.site, s.day, s.version FROM sheet s WHERE s.version >= $1 AND NOT EXISTS \
                (SELECT 1 FROM sheet_dirty d WHERE d.site = s.site AND d.day = s.day)";
    Statement::new(text, vec![Cell::Int(since)]).as_numbers()
}

/// The largest bitmaps of a sheet. Those of bots are left out: dashboards do not ask for them by default.
fn largest(site: SiteId, day: Day, version: i64) -> Statement {
    let text = "SELECT x.dimension, x.value, x.bitmap FROM (SELECT b.dimension, b.value, b.bitmap, \
                row_number() OVER (PARTITION BY b.dimension ORDER BY b.visitors DESC) AS place FROM visitor_bitmap b \
                WHERE b.site = $1 AND b.day = $2 AND b.version = $3 AND NOT b.bot) x WHERE x.place <= $4";
    Statement::new(text, [i64::from(site.0), i64::from(day.0), version, LARGEST].map(Cell::Int).to_vec())
}

fn found(results: Vec<Rows>) -> Vec<(Day, SiteId, i64)> {
    let rows = results.into_iter().next().unwrap_or_default();
    let [sites, days, versions] = rows.numbers.as_slice() else { return Vec::new() };
    let places = sites.iter().zip(days).zip(versions);
    let place = |((site, day), version): ((&i64, &i64), &i64)| {
        Some((Day(i32::try_from(*day).ok()?), SiteId(u32::try_from(*site).ok()?), *version))
    };
    places.filter_map(place).collect()
}

/// Keeps a sheet's bitmaps; returns how many, and their bytes.
fn keep(rows: Rows, cache: &BitmapCache, day: Day, site: SiteId, version: i64) -> Result<(usize, u64), Malformed> {
    let (count, mut bytes) = (rows.rows.len(), 0);
    for row in rows.rows {
        let Ok([Cell::Int(dimension), Cell::Text(value), Cell::Bytes(bitmap)]) = <[Cell; 3]>::try_from(row) else {
            return Err(Malformed("a bitmap that is none".into()));
        };
        let Some(dimension) = SheetDimension::ALL.into_iter().find(|known| i64::from(known.number()) == dimension)
        else {
            continue;
        };
        let key = BitmapKey { site, day, version, dimension, value: value.into(), bot: false };
        bytes += cache.keep_packed(key, Arc::new(Packed::of(bitmap)?));
    }
    Ok((count, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: SiteId = SiteId(1);

    #[test]
    fn the_newest_days_are_held_within_the_room() {
        let mut held = Held { room: 10, ..Held::default() };
        for day in [5, 4, 3] {
            assert!(held.wants(Day(day), SITE, 1));
            held.takes(Day(day), SITE, 1, 4);
        }
        assert_eq!((held.bytes, held.days.len()), (8, 2), "the third does not fit, and it is the oldest");
        assert!(!held.wants(Day(5), SITE, 1), "there already");
        assert!(held.wants(Day(5), SITE, 2), "built anew");
        held.takes(Day(5), SITE, 2, 6);
        assert_eq!(held.bytes, 10, "instead of the version before");
        assert!(!held.wants(Day(3), SITE, 1), "full, and older than all");
        assert!(held.wants(Day(6), SITE, 1), "full, but newer");
        held.takes(Day(6), SITE, 1, 1);
        assert_eq!(held.days.keys().map(|(day, _)| day.0).collect::<Vec<_>>(), [5, 6]);
        assert!(!Held::default().wants(Day(9), SITE, 1), "no cache, nothing ahead");
    }
}
