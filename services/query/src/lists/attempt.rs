//! One attempt at a list: candidates of one snapshot, and bitmaps of their days' versions.

use super::threshold::Ranking;
use super::{Failure, List};
use crate::people::BitmapCache;
use crate::plan::candidates::{Asked, Candidate, Sums};
use crate::plan::{BreakdownRow, BreakdownRows, Malformed};
use crate::sheets::{Bitmaps, Counter, Days, Newcomers, People, Read, Span, Visitors, Wanted};
use pistats_core::report::{Bots, Metric};
use pistats_store::{SheetDimension, Store};
use std::collections::HashMap;
use std::sync::Arc;

/// Rows that are counted beyond the page at first: a page is rarely certain with fewer.
const AHEAD: usize = 16;

/// Bitmaps, of which two reads at once fetch half each: a read costs about a millisecond to begin with.
const WORTH_HALVING: usize = 512;

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
        let span = &self.asked.span;
        let Ok(newcomers) = self.first_seen(span, 0).await? else { return Ok(Outcome::Gone) };
        let mut people: HashMap<usize, People> = HashMap::new();
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
                let Ok(counts) = self.people_of(&several, span, &newcomers, |of| Some(&of.asked)).await? else {
                    return Ok(Outcome::Gone);
                };
                for (at, counted) in several.into_iter().zip(counts) {
                    ranking.is(at, counted.visitors);
                    people.insert(at, counted);
                }
                batch *= 2;
            }
            ranking.page(first)
        } else {
            (0..self.candidates.len()).collect()
        };
        self.rows(page, people, &newcomers).await
    }

    /// The rows of a page; `people` are those who are counted already.
    async fn rows(
        &self,
        page: Vec<usize>,
        mut people: HashMap<usize, People>,
        newcomers: &Arc<Newcomers>,
    ) -> Result<Outcome, Failure> {
        let unknown: Vec<usize> = page.iter().copied().filter(|at| !people.contains_key(at)).collect();
        let Ok(counts) = self.people_of(&unknown, &self.asked.span, newcomers, |of| Some(&of.asked)).await? else {
            return Ok(Outcome::Gone);
        };
        people.extend(unknown.into_iter().zip(counts));
        let compared = match &self.asked.compared {
            Some(span) => {
                let Ok(newcomers) = self.first_seen(span, 1).await? else { return Ok(Outcome::Gone) };
                let Ok(counts) = self.people_of(&page, span, &newcomers, |of| of.compared.as_ref()).await? else {
                    return Ok(Outcome::Gone);
                };
                Some(counts)
            }
            None => None,
        };
        let mut rows = Vec::with_capacity(page.len());
        for (place, at) in page.into_iter().enumerate() {
            let candidate = &self.candidates[at];
            let counted = people.remove(&at).unwrap_or_default();
            let metrics = candidate.asked.metrics(counted.visitors, counted.new_visitors)?;
            let compared = match (&compared, &candidate.compared) {
                (Some(counts), Some(sums)) => Some(sums.metrics(counts[place].visitors, counts[place].new_visitors)?),
                _ => None,
            };
            rows.push(BreakdownRow { value: candidate.value.clone(), metrics, compared });
        }
        Ok(Outcome::Answered(BreakdownRows { rows, total_rows: self.total_rows }))
    }

    /// How many people candidates have over a span, in the order given.
    async fn people_of(
        &self,
        places: &[usize],
        span: &Span,
        newcomers: &Arc<Newcomers>,
        sums: impl Fn(&Candidate) -> Option<&Sums>,
    ) -> Result<Result<Vec<People>, Gone>, Failure> {
        if places.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let value = |at: &usize| Arc::from(self.candidates[*at].value.as_str());
        let wanted = Wanted { dimension: self.asked.dimension, bots: self.list.question.selection.bots };
        let bitmaps = self.bitmaps(wanted, span, &places.iter().map(value).collect::<Vec<_>>()).await?;
        let Ok(bitmaps) = bitmaps else { return Ok(Err(Gone)) };
        let raw = |at: &usize| sums(&self.candidates[*at]).map(|sums| sums.raw.clone()).unwrap_or_default();
        let raw: Arc<[Visitors]> = places.iter().map(raw).collect();
        let bitmaps = Arc::new(bitmaps);
        // Milliseconds of work: not on the threads that answer everybody, and two at once.
        let half = |places: std::ops::Range<usize>| {
            let (raw, bitmaps, newcomers) = (raw.clone(), bitmaps.clone(), newcomers.clone());
            tokio::task::spawn_blocking(move || -> Vec<People> {
                let mut counter = Counter::new();
                let count = |at: usize| raw[at].people(bitmaps.of(at), &newcomers, &mut counter);
                places.map(count).collect()
            })
        };
        let middle = places.len() / 2;
        let (mut counts, others) = tokio::try_join!(half(0..middle), half(middle..places.len()))?;
        counts.extend(others);
        Ok(Ok(counts))
    }

    /// Whose first event ever lies in a span.
    async fn first_seen(&self, span: &Span, place: usize) -> Result<Result<Arc<Newcomers>, Gone>, Failure> {
        let wanted = Wanted { dimension: SheetDimension::FirstSeen, bots: Bots::Exclude };
        let Ok(bitmaps) = self.bitmaps(wanted, span, &["".into()]).await? else { return Ok(Err(Gone)) };
        let raw = self.newcomers.get(place).cloned().unwrap_or_default();
        let work = move || Arc::new(raw.newcomers(bitmaps.of(0)));
        Ok(Ok(tokio::task::spawn_blocking(work).await?))
    }

    /// The bitmaps of some values on a span's clean days.
    async fn bitmaps(
        &self,
        wanted: Wanted,
        span: &Span,
        values: &[Arc<str>],
    ) -> Result<Result<Bitmaps, Gone>, Failure> {
        let tenant = self.list.tenant;
        let mut bitmaps = Bitmaps::cached(self.cache, tenant, self.days, span, wanted, values);
        // Reading is work of one thread a statement: where there is much of it, two share it.
        let parts = if bitmaps.missing() < WORTH_HALVING { vec![span.clone()] } else { span.halves(self.days) };
        let [sheets, _] = self.list.days();
        let read = |part: &Span| {
            let statement = bitmaps.statement(tenant, part, wanted)?;
            Some(self.store.read(vec![sheets.clone(), statement]))
        };
        let answers = futures::future::try_join_all(parts.iter().filter_map(read)).await?;
        if answers.is_empty() {
            return Ok(Ok(bitmaps));
        }
        let mut parts = Vec::with_capacity(answers.len());
        for answer in answers {
            let mut results = answer.results.into_iter();
            let mut next = || results.next().unwrap_or_default();
            if !self.days.still_stand_in(&next()) {
                return Ok(Err(Gone));
            }
            parts.push(next());
        }
        let work = move || {
            let mut read = Read::default();
            parts.into_iter().try_for_each(|rows| read.take(rows))?;
            Ok::<Read, Malformed>(read)
        };
        bitmaps.fill(tokio::task::spawn_blocking(work).await??, self.cache);
        Ok(Ok(bitmaps))
    }
}
