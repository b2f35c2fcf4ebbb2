//! Sets of bitmaps and of rows together: what to read first, what to fetch then. Pure, but for the cache.
//!
//! ```text
//!   first read, one snapshot   the sheets of calm days: day, version  ┐
//!                              raw rows of dirty days                 ├─▶ all bitmaps cached? ── yes ─▶ sets
//!                              questions without bitmaps, whole       ┘            │ no
//!   second read, the same      the bitmaps that are missing ──▶ sets
//! ```

use super::cache::{BitmapCache, BitmapKey};
use super::kept::Kept;
use super::rows::{self, DaysOf, Of};
use super::sets::DaySets;
use super::tally::{Tallies, add};
use crate::answer::cell;
use crate::plan::{Malformed, Tenant};
use pistats_core::Day;
use pistats_store::{Cell, Rows, Statement};
use roaring::{MultiOps, RoaringBitmap};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Stretches of days that one statement fetches by; more are one stretch from the first day to the last.
const MOST_STRETCHES: usize = 8;

/// A question for sets of visitors by day.
#[derive(Clone, Debug)]
pub(crate) struct Gather {
    tenant: Tenant,
    wanted: Vec<(DaysOf, Option<Kept>)>,
}

/// What was read first, where bitmaps are missing.
#[derive(Debug)]
pub(crate) struct Missing {
    /// To be read next.
    pub(crate) statements: Vec<Statement>,
    question: Gather,
    /// The version of the sheet of each calm day.
    versions: BTreeMap<Day, i64>,
    /// From raw rows.
    sets: Vec<DaySets>,
    held: HashMap<BitmapKey, Arc<RoaringBitmap>>,
    /// By question; in the order of the statements, those that miss none left out.
    missing: Vec<Vec<BitmapKey>>,
}

/// How far one read led.
#[derive(Debug)]
pub(crate) enum Filled {
    /// The sets, in the order of the question.
    Sets(Vec<DaySets>),
    /// Bitmaps have to be fetched first.
    Missing(Box<Missing>),
}

impl Gather {
    /// A question, to be answered from bitmaps where there are some.
    pub(crate) fn new(tenant: &Tenant, wanted: &[DaysOf]) -> Gather {
        let wanted = wanted.iter().map(|wanted| (wanted.clone(), Kept::of(wanted))).collect();
        Gather { tenant: tenant.clone(), wanted }
    }

    /// To be read in one snapshot.
    pub(crate) fn statements(&self) -> Vec<Statement> {
        let raw = |(wanted, kept): &(DaysOf, Option<Kept>)| {
            let days = if kept.is_some() { Of::DirtyDays } else { Of::AllDays };
            rows::statement(&self.tenant, wanted, days)
        };
        self.sheets().into_iter().chain(self.wanted.iter().map(raw)).collect()
    }

    /// Lists the sheets of the calm days that bitmaps are wanted of; nothing if none are.
    fn sheets(&self) -> Option<Statement> {
        let kept = || self.wanted.iter().filter_map(|(_, kept)| kept.as_ref());
        let (first, last) = (kept().map(|kept| kept.first).min()?, kept().map(|kept| kept.last).max()?);
        let mut sql = self.tenant.sql();
        let (first, last) = (sql.bind(i64::from(first.0)), sql.bind(i64::from(last.0)));
        let text = format!(
            "SELECT s.day, s.version FROM sheet s WHERE s.site = $1 AND s.day BETWEEN {first} AND {last} \
             AND s.day NOT IN (SELECT day FROM sheet_dirty WHERE site = $1)"
        );
        Some(sql.finish(&text).as_numbers())
    }

    /// Takes the rows of [`Gather::statements`].
    pub(crate) fn fill(self, results: Vec<Rows>, cache: &BitmapCache, tallies: &Tallies) -> Result<Filled, Malformed> {
        let mut results = results.into_iter();
        let mut next = || results.next().ok_or_else(|| Malformed("an answer is missing".into()));
        let versions = if self.sheets().is_some() { versions(&next()?)? } else { BTreeMap::new() };
        let mut sets = Vec::with_capacity(self.wanted.len());
        for (wanted, _) in &self.wanted {
            sets.push(rows::sets(&self.tenant, wanted, &next()?)?);
        }
        add(&tallies.days_of_rows, sets.iter().map(DaySets::len).sum());

        let mut held = HashMap::new();
        let mut missing = Vec::new();
        for (_, kept) in &self.wanted {
            let mut lacking = Vec::new();
            for key in kept.iter().flat_map(|kept| self.keys(kept, &versions)) {
                match cache.get(&key) {
                    Some(visitors) => _ = held.insert(key, visitors),
                    None => lacking.push(key),
                }
            }
            missing.push(lacking);
        }
        add(&tallies.bitmaps_cached, held.len());
        let mut filled = Missing { statements: Vec::new(), question: self, versions, sets, held, missing };
        if filled.missing.iter().all(Vec::is_empty) {
            return Ok(Filled::Sets(filled.sets(tallies)));
        }
        filled.statements = filled.fetches();
        Ok(Filled::Missing(Box::new(filled)))
    }

    /// The bitmaps of every calm day.
    fn keys<'a>(&'a self, kept: &'a Kept, versions: &'a BTreeMap<Day, i64>) -> impl Iterator<Item = BitmapKey> + 'a {
        let days = if kept.first <= kept.last { Some(versions.range(kept.first..=kept.last)) } else { None };
        let site = self.tenant.site();
        days.into_iter().flatten().flat_map(move |(day, version)| kept.keys(site, *day, *version))
    }
}

impl Missing {
    fn fetches(&self) -> Vec<Statement> {
        let mut statements = Vec::new();
        for ((_, kept), missing) in self.question.wanted.iter().zip(&self.missing) {
            let Some(kept) = kept.as_ref().filter(|_| !missing.is_empty()) else { continue };
            let mut sql = self.question.tenant.sql();
            let dimension = sql.bind(i64::from(kept.dimension.number()));
            let values: Vec<String> = kept.values.iter().map(|value| sql.bind(value.as_ref())).collect();
            let bots = match kept.bots {
                [true] => " AND b.bot",
                [false] => " AND NOT b.bot",
                _ => "",
            };
            let days: Vec<String> = stretches(missing, &self.versions)
                .into_iter()
                .map(|(first, last)| {
                    let (first, last) = (sql.bind(i64::from(first.0)), sql.bind(i64::from(last.0)));
                    format!("b.day BETWEEN {first} AND {last}")
                })
                .collect();
            statements.push(sql.finish(&format!(
                "SELECT b.day, b.value, b.bot, b.bitmap FROM visitor_bitmap b WHERE b.site = $1 \
                 AND b.dimension = {dimension} AND b.value IN ({}){bots} AND ({})",
                values.join(", "),
                days.join(" OR ")
            )));
        }
        statements
    }

    /// Takes the rows of the fetch, which are of the snapshot that was read first.
    pub(crate) fn fill(
        mut self,
        results: Vec<Rows>,
        cache: &BitmapCache,
        tallies: &Tallies,
    ) -> Result<Vec<DaySets>, Malformed> {
        let mut results = results.into_iter();
        let mut next = || results.next().ok_or_else(|| Malformed("an answer is missing".into()));
        for missing in std::mem::take(&mut self.missing) {
            if missing.is_empty() {
                continue;
            }
            let mut fetched = bitmaps(&next()?)?;
            add(&tallies.bitmaps_fetched, missing.len());
            for key in missing {
                // A value that the day does not have: nobody.
                let visitors = fetched.remove(&(key.day, key.value.clone(), key.bot)).unwrap_or_default();
                cache.keep(key.clone(), visitors.clone());
                self.held.insert(key, visitors);
            }
        }
        Ok(self.sets(tallies))
    }

    /// The sets of rows, and with them those of the bitmaps that are held.
    fn sets(self, tallies: &Tallies) -> Vec<DaySets> {
        let Missing { question, versions, mut sets, held, .. } = self;
        let mut days = 0;
        for ((_, kept), set) in question.wanted.iter().zip(&mut sets) {
            let Some(kept) = kept else { continue };
            let before = set.len();
            let mut of_day: BTreeMap<Day, Vec<&Arc<RoaringBitmap>>> = BTreeMap::new();
            for key in question.keys(kept, &versions) {
                of_day.entry(key.day).or_default().extend(held.get(&key));
            }
            for (day, bitmaps) in of_day {
                match bitmaps.as_slice() {
                    [only] => set.insert(day, Arc::clone(only)),
                    several => set.insert(day, Arc::new(several.iter().map(|visitors| visitors.as_ref()).union())),
                }
            }
            days += set.len() - before;
        }
        add(&tallies.days_of_bitmaps, days);
        sets
    }
}

/// The days of keys as stretches without a calm day in between that is not asked for.
fn stretches(keys: &[BitmapKey], versions: &BTreeMap<Day, i64>) -> Vec<(Day, Day)> {
    let mut asked: Vec<Day> = keys.iter().map(|key| key.day).collect();
    asked.dedup();
    let mut asked = asked.into_iter().peekable();
    let mut stretches: Vec<(Day, Day)> = Vec::new();
    let mut open = false;
    for day in versions.keys() {
        if asked.next_if_eq(day).is_none() {
            open = false;
            continue;
        }
        match stretches.last_mut() {
            Some(stretch) if open => stretch.1 = *day,
            _ => stretches.push((*day, *day)),
        }
        open = true;
    }
    match (stretches.first(), stretches.last()) {
        (Some(first), Some(last)) if stretches.len() > MOST_STRETCHES => vec![(first.0, last.1)],
        _ => stretches,
    }
}

fn versions(rows: &Rows) -> Result<BTreeMap<Day, i64>, Malformed> {
    match rows.numbers.as_slice() {
        [] => Ok(BTreeMap::new()),
        [days, versions] => {
            let day = |day: &i64| i32::try_from(*day).map(Day).map_err(|_| Malformed(format!("{day} as a day")));
            days.iter().zip(versions).map(|(at, version)| Ok((day(at)?, *version))).collect()
        }
        columns => Err(Malformed(format!("{} columns of day and version", columns.len()))),
    }
}

type Fetched = HashMap<(Day, Arc<str>, bool), Arc<RoaringBitmap>>;

fn bitmaps(rows: &Rows) -> Result<Fetched, Malformed> {
    let mut fetched = HashMap::with_capacity(rows.rows.len());
    for row in &rows.rows {
        let (Ok(day), Cell::Bytes(bytes)) = (i32::try_from(cell(row, 0)?.int()), cell(row, 3)?) else {
            return Err(Malformed("a row that is no bitmap of a day".into()));
        };
        let visitors = RoaringBitmap::deserialize_from(bytes.as_slice())
            .map_err(|error| Malformed(format!("a bitmap of day {day} cannot be read: {error}")))?;
        let key = (Day(day), cell(row, 1)?.text().into(), cell(row, 2)?.int() != 0);
        fetched.insert(key, Arc::new(visitors));
    }
    Ok(fetched)
}
