//! One attempt at a list: candidates of one snapshot, and bitmaps of their days' versions.

use super::threshold::Ranking;
use super::{Failure, List};
use crate::people::BitmapCache;
use crate::plan::candidates::{Asked, Candidate, Sums};
use crate::plan::{BreakdownRow, BreakdownRows};
use crate::sheets::{Bitmaps, Days, Span, Visitors, Wanted};
use pistats_core::report::{Bots, Metric};
use pistats_store::{SheetDimension, Store};
use std::collections::HashMap;
use std::sync::Arc;

/// Rows that are read beyond the page at first: a page is rarely certain with fewer.
const AHEAD: usize = 16;

/// The candidates and all that is of their snapshot.
pub(super) struct Attempt<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) cache: &'a BitmapCache,
    pub(super) list: &'a List<'a>,
    pub(super) days: &'a Days,
    pub(super) asked: &'a Asked<'a>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) total_rows: u64,
    /// First seen on dirty days of the asked and of the compared range.
    pub(super) newcomers: Vec<Visitors>,
}

/// What came of an attempt.
pub(super) enum Outcome {
    Answered(BreakdownRows),
    /// The candidates do not reach far enough to be sure of the page.
    Unsure,
    /// A day was built anew meanwhile.
    Gone,
}

/// Bitmaps that no longer stand.
struct Gone;

impl Attempt<'_> {
    /// Finds the page among at most `limit` candidates that were asked for, and counts its people.
    pub(super) async fn run(&self, limit: usize) -> Result<Outcome, Failure> {
        let mut people: HashMap<usize, Visitors> = HashMap::new();
        let page = if self.list.question.order_by == Metric::Visitors {
            let (first, last) = (self.list.question.offset as usize, self.list.last_row());
            let are_all = self.candidates.len() < limit;
            let mut ranking = Ranking::new(&self.candidates, last, are_all);
            let mut batch = last + AHEAD;
            while !ranking.is_certain() {
                let unknown = ranking.next(batch);
                if unknown.is_empty() {
                    return Ok(Outcome::Unsure);
                }
                // Who was there on one day only is counted already.
                let (single, several): (Vec<usize>, Vec<usize>) =
                    unknown.into_iter().partition(|at| self.candidates[*at].asked.sources <= 1);
                for at in single {
                    ranking.is(at, self.candidates[at].bound);
                }
                let Ok(sets) = self.people_of(&several, &self.asked.span, |candidate| Some(&candidate.asked)).await?
                else {
                    return Ok(Outcome::Gone);
                };
                for (at, visitors) in several.into_iter().zip(sets) {
                    ranking.is(at, visitors.count());
                    people.insert(at, visitors);
                }
                batch *= 2;
            }
            ranking.page(first)
        } else {
            (0..self.candidates.len()).collect()
        };
        self.rows(page, people).await
    }

    /// The rows of a page; `people` are those of whom it is known already.
    async fn rows(&self, page: Vec<usize>, mut people: HashMap<usize, Visitors>) -> Result<Outcome, Failure> {
        let unknown: Vec<usize> = page.iter().copied().filter(|at| !people.contains_key(at)).collect();
        let Ok(sets) = self.people_of(&unknown, &self.asked.span, |candidate| Some(&candidate.asked)).await? else {
            return Ok(Outcome::Gone);
        };
        people.extend(unknown.into_iter().zip(sets));
        let Ok(newcomers) = self.first_seen(&self.asked.span, 0).await? else { return Ok(Outcome::Gone) };
        let compared = match &self.asked.compared {
            Some(span) => {
                let Ok(sets) = self.people_of(&page, span, |candidate| candidate.compared.as_ref()).await? else {
                    return Ok(Outcome::Gone);
                };
                let Ok(newcomers) = self.first_seen(span, 1).await? else { return Ok(Outcome::Gone) };
                Some((sets, newcomers))
            }
            None => None,
        };
        let mut rows = Vec::with_capacity(page.len());
        for (place, at) in page.into_iter().enumerate() {
            let candidate = &self.candidates[at];
            let visitors = people.remove(&at).unwrap_or_default();
            let metrics = candidate.asked.metrics(visitors.count(), visitors.count_in(&newcomers))?;
            let compared = match (&compared, &candidate.compared) {
                (Some((sets, newcomers)), Some(sums)) => {
                    let visitors = &sets[place];
                    Some(sums.metrics(visitors.count(), visitors.count_in(newcomers))?)
                }
                _ => None,
            };
            rows.push(BreakdownRow { value: candidate.value.clone(), metrics, compared });
        }
        Ok(Outcome::Answered(BreakdownRows { rows, total_rows: self.total_rows }))
    }

    /// The visitors of candidates over a span, in the order given.
    async fn people_of(
        &self,
        places: &[usize],
        span: &Span,
        sums: impl Fn(&Candidate) -> Option<&Sums>,
    ) -> Result<Result<Vec<Visitors>, Gone>, Failure> {
        let of = |at: &usize| {
            let candidate = &self.candidates[*at];
            let raw = sums(candidate).map(|sums| sums.raw.clone()).unwrap_or_default();
            (Arc::from(candidate.value.as_str()), raw)
        };
        let wanted = Wanted { dimension: self.asked.dimension, bots: self.list.question.selection.bots };
        self.union(wanted, span, places.iter().map(of).collect()).await
    }

    /// Whose first event ever lies in a span.
    async fn first_seen(&self, span: &Span, place: usize) -> Result<Result<Visitors, Gone>, Failure> {
        let raw = self.newcomers.get(place).cloned().unwrap_or_default();
        let wanted = Wanted { dimension: SheetDimension::FirstSeen, bots: Bots::Include };
        let sets = self.union(wanted, span, vec![("".into(), raw)]).await?;
        Ok(sets.map(|mut sets| sets.pop().unwrap_or_default()))
    }

    /// Unites what is known of some values with their bitmaps of a span's clean days.
    async fn union(
        &self,
        wanted: Wanted,
        span: &Span,
        known: Vec<(Arc<str>, Visitors)>,
    ) -> Result<Result<Vec<Visitors>, Gone>, Failure> {
        let tenant = self.list.tenant;
        let (values, raw): (Vec<Arc<str>>, Vec<Visitors>) = known.into_iter().unzip();
        let mut bitmaps = Bitmaps::cached(self.cache, tenant, self.days, span, wanted, &values);
        if let Some(statement) = bitmaps.statement(tenant, span, wanted) {
            let [sheets, _] = self.list.days();
            let mut results = self.store.read(vec![sheets, statement]).await?.results.into_iter();
            let mut next = || results.next().unwrap_or_default();
            let (sheets, rows) = (next(), next());
            if !self.days.still_stand_in(&sheets) {
                return Ok(Err(Gone));
            }
            bitmaps.fill(&rows, self.cache)?;
        }
        // Milliseconds of work: not on the threads that answer everybody.
        let work = move || raw.iter().enumerate().map(|(place, raw)| raw.and_of(bitmaps.of(place))).collect();
        Ok(Ok(tokio::task::spawn_blocking(work).await?))
    }
}
