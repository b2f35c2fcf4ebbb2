//! Breakdown from the sheets of whole days, where they can answer it: without filters, over days, by a kept dimension.
//!
//! ```text
//!   days ──▶ candidates (one snapshot: sums, bounds, all that is raw) ──▶ bitmaps of the best ──▶ page ──▶ people of the page
//!                                                                           ▲  until no other can be on the page
//!                                                                           └─ (threshold)
//! ```
//!
//! Everything else, and days that are mostly dirty, is one statement over raw rows (`plan::breakdown`): both give the same
//! answer to the unit. Bitmaps are read after the candidates, of the very versions that the candidates' snapshot had; where
//! one of them is gone meanwhile, the question starts over.

mod attempt;
mod threshold;

pub use crate::people::BitmapCache;
use crate::plan::candidates::{self, Asked};
use crate::plan::{self, BreakdownRows, Malformed, Tenant, Unanswered};
use crate::sheets::{Days, Visitors};
use attempt::{Attempt, Outcome};
use pistats_core::report::{AsOf, Breakdown, Compare, Metric};
use pistats_core::time::Range;
use pistats_store::{Error, Rows, SheetDimension, Statement, Store};

/// How often a question starts over before it is read raw: days change while it is being answered.
const ATTEMPTS: usize = 4;
/// Longer lists are read raw: nearly every value's bitmaps would be needed.
const MOST_ROWS: usize = 2_000;
/// Values whose bounds are read, at least; four times as many as are shown have always been enough in practice.
const LEAST_CANDIDATES: usize = 64;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Store(#[from] Error),
    #[error("{0:?}")]
    Unanswered(Unanswered),
    #[error("the work of a report ended abnormally: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}

impl From<Unanswered> for Failure {
    fn from(error: Unanswered) -> Failure {
        Failure::Unanswered(error)
    }
}

impl From<Malformed> for Failure {
    fn from(error: Malformed) -> Failure {
        Failure::Unanswered(Unanswered::Malformed(error))
    }
}

/// When sheets are used for what they can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sheets {
    /// Where no more days are dirty than are not: else one statement over raw rows costs less.
    WhereCheaper,
    /// Always: for tests.
    Always,
}

/// Answers a Breakdown, with the same values over the compared range.
pub async fn breakdown(
    store: &dyn Store,
    cache: &BitmapCache,
    tenant: &Tenant,
    question: &Breakdown,
    compare: Option<Compare>,
    sheets: Sheets,
) -> Result<(BreakdownRows, AsOf), Failure> {
    if let Some(list) = List::of(tenant, question, compare, sheets)
        && let Some(answer) = list.answer(store, cache).await?
    {
        return Ok(answer);
    }
    let mut plan = plan::breakdown(tenant, question, compare);
    let read = store.read(std::mem::take(&mut plan.statements)).await?;
    Ok((plan.answer(read.results)?, read.as_of))
}

/// A question that sheets can answer.
struct List<'a> {
    tenant: &'a Tenant,
    question: &'a Breakdown,
    dimension: SheetDimension,
    range: Range,
    compared: Option<Range>,
    sheets: Sheets,
}

impl<'a> List<'a> {
    fn of(tenant: &'a Tenant, question: &'a Breakdown, compare: Option<Compare>, sheets: Sheets) -> Option<Self> {
        let range = question.selection.range;
        let dimension = SheetDimension::of(&question.dimension)?;
        if !matches!(range, Range::Days { .. }) || !question.selection.filters.is_empty() {
            return None;
        }
        let compared = compare.map(|compare| compare.range(range, tenant.zone()));
        Some(List { tenant, question, dimension, range, compared, sheets })
    }

    /// The answer; nothing where most days are dirty, the list is long, or days change all the time.
    async fn answer(&self, store: &dyn Store, cache: &BitmapCache) -> Result<Option<(BreakdownRows, AsOf)>, Failure> {
        let mut days = gather(&mut store.read(self.days().to_vec()).await?.results)?;
        let mut most = (4 * self.last_row()).clamp(LEAST_CANDIDATES, 4 * MOST_ROWS);
        for _ in 0..ATTEMPTS {
            let Some(asked) = self.asked(&days) else { return Ok(None) };
            let (limit, offset) = match self.question.order_by {
                Metric::Visitors => (most, 0),
                _ => (self.question.limit as usize, self.question.offset as usize),
            };
            let mut statements = self.days().to_vec();
            statements.push(asked.candidates(limit, offset));
            let newcomers = std::iter::once(&asked.span).chain(&asked.compared).map(|span| asked.newcomers(span));
            let newcomers: Vec<Option<Statement>> = newcomers.collect();
            statements.extend(newcomers.iter().flatten().cloned());
            let mut read = store.read(statements).await?;
            let now = gather(&mut read.results)?;
            if now != days {
                days = now;
                continue;
            }
            let mut results = read.results.into_iter();
            let (total_rows, candidates) =
                candidates::read(results.next().unwrap_or_default(), asked.compared.is_some())?;
            if self.last_row().min(total_rows as usize) > MOST_ROWS {
                return Ok(None);
            }
            let newcomers = newcomers.iter().map(|read| read.as_ref().and_then(|_| results.next()).unwrap_or_default());
            let newcomers = newcomers.map(visitors).collect();
            let attempt =
                Attempt { store, cache, list: self, days: &days, asked: &asked, candidates, total_rows, newcomers };
            match attempt.run(limit).await? {
                Outcome::Answered(rows) => return Ok(Some((rows, read.as_of))),
                Outcome::Unsure => most *= 8,
                Outcome::Gone => {}
            }
        }
        Ok(None)
    }

    fn last_row(&self) -> usize {
        self.question.offset as usize + self.question.limit as usize
    }

    fn days(&self) -> [Statement; 2] {
        let ranges = std::iter::once(self.range).chain(self.compared);
        let ranges: Vec<_> = ranges
            .filter_map(|range| match range {
                Range::Days { first, last } => Some((first, last)),
                Range::Times { .. } => None,
            })
            .collect();
        Days::statements(self.tenant, &ranges)
    }

    /// The question over these days; nothing where raw rows would be most of it.
    fn asked(&self, days: &Days) -> Option<Asked<'a>> {
        let span = days.span(self.range)?;
        let compared = match self.compared {
            Some(range) => Some(days.span(range)?),
            None => None,
        };
        let spans = || std::iter::once(&span).chain(&compared);
        let dirty: usize = spans().map(|span| span.dirty.len()).sum();
        let clean: usize = spans().map(|span| days.clean_of(span).count()).sum();
        let (tenant, question, dimension) = (self.tenant, self.question, self.dimension);
        (dirty <= clean || self.sheets == Sheets::Always).then_some(Asked {
            tenant,
            question,
            dimension,
            span,
            compared,
        })
    }
}

/// Takes the days off the front of a read's results.
fn gather(results: &mut Vec<Rows>) -> Result<Days, Malformed> {
    if results.len() < 2 {
        return Err(Malformed("no rows tell of the days".into()));
    }
    let rest = results.split_off(2);
    let days = Days::gather(&results[0], &results[1]);
    *results = rest;
    days
}

/// Visitors of a column of numbers.
fn visitors(rows: Rows) -> Visitors {
    Visitors::of_numbers(rows.numbers.into_iter().next().unwrap_or_default().into_iter().map(i64::unsigned_abs))
}
