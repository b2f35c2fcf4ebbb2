//! Funnel: one statement gives the events that matter, the walk counts the runs.
//!
//! ```text
//!   event ─selected, from the range's first instant on─▶ hits (visitor, time, mask)     bit 0: matches step 1 in the range
//!         (to its end + the limit)                        │                              bit k: matches step k + 1
//!                                                         └─of visitors with bit 0─▶ ordered by (visitor, time, id) ─▶ walk
//! ```
//!
//! Later steps may lie after the range, so the events of a funnel reach further than its starts. In loose order an event
//! that matches no step says nothing and stays in the warehouse; in strict order it lies between two steps.

use super::{Malformed, Tenant};
use crate::sql::{self, At, Selected, Source, passes};
use crate::walk::{Overflow, Rules, Walk};
use pistats_core::report::{Funnel, FunnelAnswer};
use pistats_core::time::{Bucket, Range};
use pistats_core::{Micros, Zone};
use pistats_proto::convert::Invalid;
use pistats_proto::convert::query::MOST_STEPS;
use pistats_store::{Rows, Statement};

/// How Funnel is to be read.
pub struct FunnelPlan {
    /// One; its answer is columns of numbers.
    pub statements: Vec<Statement>,
    rules: Rules,
    periods: Periods,
}

/// Why the rows are no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("a sum exceeds 64 bits")]
    Overflow,
}

impl From<Overflow> for Unanswered {
    fn from(_: Overflow) -> Unanswered {
        Unanswered::Overflow
    }
}

/// Plans Funnel.
///
/// Refused: more than 10,000 steps of time (field `interval`).
pub fn funnel(tenant: &Tenant, question: &Funnel) -> Result<FunnelPlan, Invalid> {
    let periods = Periods::new(question, &tenant.zone)?;
    let mut sql = tenant.sql();
    // What is looked at reaches further than the starts do.
    let (from, to) = question.selection.range.hull(&tenant.zone);
    let to = match question.limit_us {
        _ if question.steps.len() == 1 => to,
        Some(limit) => to.plus(limit),
        None => Micros(i64::MAX),
    };
    let selected = Selected::new(&question.selection, Range::Times { from, to }, &tenant.zone);
    let Source { from, conditions } = selected.events_in_range(&mut sql, "");
    let starts = At::EVENT.lies_in(&mut sql, question.selection.range);
    let mut mask = String::new();
    for (number, filters) in question.steps.iter().enumerate() {
        let mut conditions: Vec<String> = filters.iter().map(|filter| passes(&mut sql, filter)).collect();
        if number == 0 {
            conditions.insert(0, starts.clone());
        }
        let matches = if conditions.is_empty() { "true".to_owned() } else { sql::all(&conditions) };
        let plus = if number == 0 { "" } else { " + " };
        mask.push_str(&format!("{plus}CASE WHEN {matches} THEN {} ELSE 0 END", 1_u64 << number));
    }
    sql.part(
        "hits",
        format!("SELECT e.visitor, e.time_us, e.id, CAST({mask} AS bigint) AS mask FROM {from} WHERE {conditions}"),
    );
    let matters = if question.strict { "" } else { "h.mask <> 0 AND " };
    let statement = sql.finish(&format!(
        "SELECT h.visitor, h.time_us, h.mask FROM hits h \
         WHERE {matters}h.visitor IN (SELECT visitor FROM hits WHERE mask % 2 = 1) ORDER BY h.visitor, h.time_us, h.id"
    ));
    let rules = Rules {
        steps: question.steps.len(),
        limit_us: question.limit_us,
        strict: question.strict,
        reentry: question.reentry,
    };
    Ok(FunnelPlan { statements: vec![statement.as_numbers()], rules, periods })
}

impl FunnelPlan {
    /// Walks the events of the statement. Takes as long as there are events: not for an async thread.
    pub fn answer(&self, results: Vec<Rows>) -> Result<FunnelAnswer, Unanswered> {
        let numbers = results.into_iter().next().map(|rows| rows.numbers).unwrap_or_default();
        let mut walk = Walk::new(self.rules, self.periods.buckets.len(), |at| self.periods.of(Micros(at)));
        match numbers.as_slice() {
            // No event, no chunk, no column.
            [] => {}
            [visitors, times, masks] => {
                let mut first = 0;
                for events in visitors.chunk_by(|one, next| one == next) {
                    let last = first + events.len();
                    walk.visitor(&times[first..last], &masks[first..last]);
                    first = last;
                }
            }
            other => return Err(Malformed(format!("a funnel of {} columns", other.len())).into()),
        }
        let mut places = walk.numbers()?.into_iter();
        let steps = places.next().unwrap_or_default();
        Ok(FunnelAnswer { steps, periods: self.periods.buckets.iter().copied().zip(places).collect() })
    }
}

/// The steps of time that starts are sorted into; none without an interval.
struct Periods {
    buckets: Vec<Bucket>,
    is_clock: bool,
    zone: Zone,
}

impl Periods {
    fn new(question: &Funnel, zone: &Zone) -> Result<Periods, Invalid> {
        let buckets = match question.interval {
            None => Vec::new(),
            Some(interval) => interval.buckets(zone, question.selection.range, MOST_STEPS).ok_or_else(|| {
                let why =
                    format!("the range has more than {MOST_STEPS} steps; ask for longer steps or a shorter range");
                Invalid::field("interval", why)
            })?,
        };
        let is_clock = question.interval.is_some_and(|interval| interval.is_clock());
        Ok(Periods { buckets, is_clock, zone: zone.clone() })
    }

    /// The period that an instant lies in. Clock buckets are in order of instants, the others of days.
    fn of(&self, at: Micros) -> Option<usize> {
        if self.buckets.is_empty() {
            return None;
        }
        let day = self.zone.day_of(at);
        let behind = if self.is_clock {
            self.buckets.partition_point(|bucket| bucket.from <= at)
        } else {
            self.buckets.partition_point(|bucket| bucket.first_day <= day)
        };
        let place = behind.checked_sub(1)?;
        let bucket = self.buckets.get(place)?;
        let lies = if self.is_clock { at < bucket.to } else { day <= bucket.last_day };
        lies.then_some(place)
    }
}
