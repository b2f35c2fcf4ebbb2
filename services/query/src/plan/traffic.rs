//! Traffic: totals and a series.
//!
//! ```text
//!                no filters, steps of whole quarters    one filter that bitmaps are kept of    otherwise
//!   visitors     days: day sets; else from event        days: day sets; else as otherwise      ┐ one statement, from event
//!   counts       rollups, raw where dirty               from event                             ┘
//!   sessions     rollups, raw where dirty               from session                           from session
//! ```
//!
//! Day sets (`people`) serve ranges of days with steps of days or none; new visitors are those of them that were first seen
//! in the same step. Every statement gives one row a step, and one without a step for the whole range: the visitors of a
//! range are not the sum of its steps' visitors.

use super::{Malformed, Tenant};
use crate::answer::{cell, count, read_counts, read_events, read_sessions};
use crate::people::{DaySets, DaysOf, has_bitmaps};
use crate::sql::{self, At, Selected, Source, Sql, fits_rollups, newcomers};
use pistats_core::Day;
use pistats_core::event::PAGE_VIEW;
use pistats_core::report::{Compare, Metrics, Selection, Traffic};
use pistats_core::time::{Bucket, Range};
use pistats_proto::convert::Invalid;
use pistats_proto::convert::query::MOST_STEPS;
use pistats_store::{Rows, Statement};
use std::collections::HashMap;

/// The columns of counts, in the order of [`read_counts`], summed over rows of the same columns.
const SUMS_OF_COUNTS: &str =
    "sum(events), sum(page_views), sum(value_count), sum(value_sum), min(value_min), max(value_max)";
/// Versions of sessions `s`, to be summed with their sign.
const SESSION_VERSION: &str = "s.sign AS sessions, CASE WHEN s.events = 1 THEN s.sign ELSE 0 END AS bounces, \
     s.sign * (s.last_us - s.first_us) AS session_us, s.sign * s.page_views AS page_views";
const SUMS_OF_SESSIONS: &str = "sum(sessions), sum(bounces), sum(session_us), sum(page_views)";
/// The hours whose rollups are behind, by their first instant.
const DIRTY: &str = "SELECT DISTINCT hour * 3600000000 AS hour_us FROM rollup_dirty WHERE site = $1";

/// How Traffic is to be read.
pub struct TrafficPlan {
    /// To be read in one snapshot, in this order.
    pub statements: Vec<Statement>,
    /// The day sets to be read in the same snapshot.
    pub(crate) sets: Vec<DaysOf>,
    asked: Side,
    compared: Option<Side>,
}

/// One range of a plan.
struct Side {
    series: Option<sql::Series>,
    people: PeopleOf,
    /// The days of the range, where day sets are asked for.
    days: Option<(Day, Day)>,
}

/// Where a range's visitors come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PeopleOf {
    /// A statement of their own.
    Statement,
    /// The same statement as the counts.
    Counts,
    /// Two sets: those with selected events, those first seen.
    Sets { selected: usize, seen: usize },
}

/// Totals and steps of a range.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub total: Metrics,
    /// In order, empty ones too; none without an interval.
    pub steps: Vec<(Bucket, Metrics)>,
}

/// What Traffic is answered with.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficAnswer {
    pub asked: Series,
    pub compared: Option<Series>,
}

/// Plans Traffic, and the same over the compared range.
///
/// Refused: more than 10,000 steps (field `interval`).
pub fn traffic(tenant: &Tenant, question: &Traffic, compare: Option<Compare>) -> Result<TrafficPlan, Invalid> {
    let (mut statements, mut sets) = (Vec::new(), Vec::new());
    let range = question.selection.range;
    let asked = plan_side(tenant, question, range, MOST_STEPS, &mut statements, &mut sets)?;
    let compared = match compare {
        // The same dates of another year may have a leap day, or an hour, more.
        Some(compare) => {
            let range = compare.range(range, tenant.zone());
            Some(plan_side(tenant, question, range, 2 * MOST_STEPS, &mut statements, &mut sets)?)
        }
        None => None,
    };
    Ok(TrafficPlan { statements, sets, asked, compared })
}

impl TrafficPlan {
    /// Reads the answer of the statements and the sets.
    pub(crate) fn answer(&self, results: Vec<Rows>, sets: &[DaySets]) -> Result<TrafficAnswer, Malformed> {
        let mut results = results.into_iter();
        let asked = self.asked.answer(&mut results, sets)?;
        let compared = self.compared.as_ref().map(|side| side.answer(&mut results, sets)).transpose()?;
        Ok(TrafficAnswer { asked, compared })
    }
}

fn plan_side(
    tenant: &Tenant,
    question: &Traffic,
    range: Range,
    most: usize,
    statements: &mut Vec<Statement>,
    sets: &mut Vec<DaysOf>,
) -> Result<Side, Invalid> {
    let series = match question.interval {
        Some(interval) => match sql::Series::new(interval, range, tenant.zone(), most) {
            Some(series) => Some(series),
            None => {
                let why =
                    format!("the range has more than {MOST_STEPS} steps; ask for longer steps or a shorter range");
                return Err(Invalid::field("interval", why));
            }
        },
        None => None,
    };
    let selected = Selected::new(&question.selection, range, tenant.zone());
    let aligned = fits_rollups(range) && series.as_ref().is_none_or(sql::Series::fits_rollups);
    let rolled = aligned && !selected.has_filters();
    let steps = Steps { tenant, selected: &selected, series: series.as_ref() };
    let (people, days) = match range {
        Range::Days { first, last } if question.interval.is_none_or(|interval| !interval.is_clock()) => {
            let of_range = DaysOf::Selected(Selection { range, ..question.selection.clone() });
            if has_bitmaps(&of_range) {
                let place = sets.len();
                sets.extend([of_range, DaysOf::FirstSeen { first, last }]);
                (PeopleOf::Sets { selected: place, seen: place + 1 }, Some((first, last)))
            } else {
                (PeopleOf::Counts, None)
            }
        }
        _ if rolled => (PeopleOf::Statement, None),
        _ => (PeopleOf::Counts, None),
    };
    match people {
        PeopleOf::Statement => statements.push(steps.people(false)),
        PeopleOf::Counts => statements.push(steps.people(true)),
        PeopleOf::Sets { .. } => {}
    }
    match (rolled, people) {
        (true, _) => statements.extend([steps.rolled_counts(), steps.rolled_sessions()]),
        (false, PeopleOf::Counts) => statements.push(steps.sessions()),
        (false, _) => statements.extend([steps.counts(), steps.sessions()]),
    }
    Ok(Side { series, people, days })
}

/// Takes the columns of one row into its step.
type ReadRow<'a> = dyn Fn(&mut Metrics, &[pistats_store::Cell]) -> Result<(), Malformed> + 'a;

impl Side {
    fn answer(&self, results: &mut impl Iterator<Item = Rows>, sets: &[DaySets]) -> Result<Series, Malformed> {
        let mut series = Series { total: Metrics::default(), steps: Vec::new() };
        let mut places = HashMap::new();
        if let Some(steps) = &self.series {
            places.extend(steps.buckets.iter().enumerate().map(|(place, bucket)| (steps.key(bucket), place)));
            series.steps.extend(steps.buckets.iter().map(|bucket| (*bucket, Metrics::default())));
        }
        let mut fill = |read: &ReadRow<'_>| {
            let rows = results.next().ok_or_else(|| Malformed("an answer is missing".into()))?;
            for row in &rows.rows {
                let metrics = match cell(row, 0)?.maybe_int() {
                    None => &mut series.total,
                    Some(key) => match places.get(&key) {
                        Some(place) => &mut series.steps[*place].1,
                        None => return Err(Malformed(format!("{key} is no step of the range"))),
                    },
                };
                read(metrics, row)?;
            }
            Ok(())
        };
        match self.people {
            PeopleOf::Counts => fill(&|metrics, row| read_events(metrics, row, 1))?,
            PeopleOf::Sets { .. } => fill(&|metrics, row| read_counts(metrics, row, 1))?,
            PeopleOf::Statement => {
                fill(&|metrics, row| {
                    metrics.visitors = count(row, 1)?;
                    metrics.new_visitors = count(row, 2)?;
                    Ok(())
                })?;
                fill(&|metrics, row| read_counts(metrics, row, 1))?;
            }
        }
        fill(&|metrics, row| read_sessions(metrics, row, 1))?;
        if let (PeopleOf::Sets { selected, seen }, Some(days)) = (self.people, self.days) {
            let set = |place: usize| sets.get(place).ok_or_else(|| Malformed("a day set is missing".into()));
            count_people(&mut series, days, set(selected)?, set(seen)?);
        }
        Ok(series)
    }
}

/// Visitors and new visitors of the range and of each step.
fn count_people(series: &mut Series, (first, last): (Day, Day), selected: &DaySets, seen: &DaySets) {
    let count = |metrics: &mut Metrics, first, last| {
        let visitors = selected.over(first, last);
        metrics.visitors = visitors.len();
        metrics.new_visitors = visitors.intersection_len(&seen.over(first, last));
    };
    count(&mut series.total, first, last);
    for (bucket, metrics) in &mut series.steps {
        count(metrics, bucket.first_day, bucket.last_day);
    }
}

/// The statements of one range.
struct Steps<'a> {
    tenant: &'a Tenant,
    selected: &'a Selected<'a>,
    series: Option<&'a sql::Series>,
}

impl Steps<'_> {
    fn sql(&self) -> Sql<'_> {
        self.tenant.sql()
    }

    /// `…, ` that names the step of a row; nothing without steps.
    fn step(&self, sql: &mut Sql<'_>, at: At) -> String {
        self.series.map(|series| format!("{} AS step, ", series.expression(sql, at))).unwrap_or_default()
    }

    /// Visitors and new visitors; with `counts` the numbers of their events too.
    fn people(&self, counts: bool) -> Statement {
        let mut sql = self.sql();
        let step = self.step(&mut sql, At::EVENT);
        let Source { from, conditions } = self.selected.events_in_range(&mut sql, "");
        let of_events = if counts {
            let page_view = sql.bind(PAGE_VIEW);
            format!(
                ", count(*) AS events, count(*) FILTER (WHERE e.name = {page_view}) AS page_views, \
                 count(e.value) AS value_count, sum(e.value) AS value_sum, min(e.value) AS value_min, \
                 max(e.value) AS value_max"
            )
        } else {
            String::new()
        };
        let keys = if self.series.is_some() { "1, 2" } else { "1" };
        sql.part(
            "people",
            format!("SELECT {step}e.visitor AS visitor{of_events} FROM {from} WHERE {conditions} GROUP BY {keys}"),
        );
        let first_step = self.series.map(|series| series.expression(&mut sql, At::VISITOR));
        newcomers(&mut sql, "", self.selected.range, first_step.as_deref());
        let (sums, again) = if counts {
            let again = "SELECT visitor, sum(events) AS events, sum(page_views) AS page_views, \
                 sum(value_count) AS value_count, sum(value_sum) AS value_sum, min(value_min) AS value_min, \
                 max(value_max) AS value_max FROM people GROUP BY visitor";
            (format!(", {SUMS_OF_COUNTS}"), again)
        } else {
            (String::new(), "SELECT DISTINCT visitor FROM people")
        };
        let total = |people: &str| {
            format!(
                "SELECT CAST(NULL AS bigint), count(*), count(n.visitor){sums} \
                 FROM {people} p LEFT JOIN newcomers n ON n.visitor = p.visitor"
            )
        };
        match self.series {
            None => sql.finish(&total("people")),
            Some(_) => {
                let steps = format!(
                    "SELECT p.step, count(*), count(n.visitor){sums} FROM people p \
                     LEFT JOIN newcomers n ON n.visitor = p.visitor AND n.step = p.step GROUP BY p.step"
                );
                let total = total(&format!("({again})"));
                sql.finish(&format!("{steps}\nUNION ALL\n{total}"))
            }
        }
    }

    /// Sums of rows by step and over all of them.
    fn grouped(&self, sql: Sql<'_>, sums: &str, rows: &str) -> Statement {
        let (step, grouping) = match self.series {
            None => ("CAST(NULL AS bigint)", ""),
            Some(_) => ("step", " GROUP BY GROUPING SETS ((step), ())"),
        };
        sql.finish(&format!("SELECT {step}, {sums} FROM (\n{rows}) x{grouping}"))
    }

    fn sessions(&self) -> Statement {
        let mut sql = self.sql();
        let step = self.step(&mut sql, At::SESSION);
        let (from, conditions) = if self.selected.has_event_filters() {
            let living = self.selected.living_sessions(&mut sql, "", "");
            let holding = self.selected.holds_selected(&mut sql, "", &living);
            (living, holding)
        } else {
            ("session".to_owned(), self.selected.sessions_by_themselves(&mut sql))
        };
        let rows = format!("SELECT {step}{SESSION_VERSION} FROM {from} s WHERE {conditions}");
        self.grouped(sql, SUMS_OF_SESSIONS, &rows)
    }

    fn rolled_counts(&self) -> Statement {
        let mut sql = self.sql();
        sql.part("dirty", DIRTY.to_owned());
        let clean = self.clean(&mut sql, self.selected.traffic_rollup_bots());
        let step = self.step(&mut sql, At::ROLLUP);
        let rolled = format!(
            "SELECT {step}r.events, r.page_views, r.value_count, r.value_sum, r.value_min, r.value_max \
             FROM traffic_15m r WHERE {clean}"
        );
        let raw = format!("{} AND {}", self.raw_counts(&mut sql), lies_in_dirty(At::EVENT));
        self.grouped(sql, SUMS_OF_COUNTS, &format!("{rolled}\nUNION ALL\n{raw}"))
    }

    /// Numbers of events, from rows alone.
    fn counts(&self) -> Statement {
        let mut sql = self.sql();
        let raw = self.raw_counts(&mut sql);
        self.grouped(sql, SUMS_OF_COUNTS, &raw)
    }

    /// The numbers of each event `e`, in the order of a rollup's.
    fn raw_counts(&self, sql: &mut Sql<'_>) -> String {
        let step = self.step(sql, At::EVENT);
        let Source { from, conditions } = self.selected.events_in_range(sql, "");
        let page_view = sql.bind(PAGE_VIEW);
        format!(
            "SELECT {step}1 AS events, CASE WHEN e.name = {page_view} THEN 1 ELSE 0 END AS page_views, \
             CASE WHEN e.value IS NULL THEN 0 ELSE 1 END AS value_count, e.value AS value_sum, e.value AS value_min, \
             e.value AS value_max FROM {from} WHERE {conditions}"
        )
    }

    fn rolled_sessions(&self) -> Statement {
        let mut sql = self.sql();
        sql.part("dirty", DIRTY.to_owned());
        let clean = self.clean(&mut sql, self.selected.session_rollup_bots());
        let step = self.step(&mut sql, At::ROLLUP);
        let rolled =
            format!("SELECT {step}r.sessions, r.bounces, r.session_us, r.page_views FROM session_15m r WHERE {clean}");
        let step = self.step(&mut sql, At::SESSION);
        let sessions = self.selected.sessions_by_themselves(&mut sql);
        let raw = format!(
            "SELECT {step}{SESSION_VERSION} FROM session s WHERE {sessions} AND {}",
            lies_in_dirty(At::SESSION)
        );
        self.grouped(sql, SUMS_OF_SESSIONS, &format!("{rolled}\nUNION ALL\n{raw}"))
    }

    /// Rollups `r` of the range that are not behind.
    fn clean(&self, sql: &mut Sql<'_>, bots: Option<&str>) -> String {
        let mut conditions = vec!["r.site = $1".to_owned(), At::ROLLUP.lies_in(sql, self.selected.range)];
        conditions.extend(bots.map(str::to_owned));
        conditions.push(format!("NOT ({})", is_dirty(At::ROLLUP)));
        sql::all(&conditions)
    }
}

/// Whether a row lies in an hour whose rollups are behind.
fn is_dirty(at: At) -> String {
    format!("{0} - {0} % 3600000000 IN (SELECT hour_us FROM dirty)", at.time)
}

/// The same of raw rows. The bounds say less, but engines skip blocks of rows by them; not by a bound that is NULL, so where
/// nothing is behind they are instants that no row has.
fn lies_in_dirty(at: At) -> String {
    format!(
        "{0} >= (SELECT coalesce(min(hour_us), {last}) FROM dirty) \
         AND {0} < (SELECT coalesce(max(hour_us) + 3600000000, 0) FROM dirty) AND {1}",
        at.time,
        is_dirty(at),
        last = i64::MAX,
    )
}
