//! Breakdown: the numbers by the values of a dimension, one statement for list, count and comparison.
//!
//! ```text
//!   ranks   every value with the number that orders the list: of the events in the range and of the sessions that start
//!           in it; a value of events outside of the range that belong to such a session is there with a number of 0
//!   page    the asked piece of the ordered values
//!   rows    all numbers of the values of the page, over the asked range (a_…) and over the compared one (b_…)
//! ```
//!
//! Most values are never shown, so all that is worked out of them is their rank. Entry and exit pages are read from
//! sessions alone: there the rows come first and tell the ranks.

use super::{Malformed, Tenant};
use crate::answer::{cell, count, read_events, read_sessions};
use crate::sql::{At, BYTEWISE, OF_SESSION, Selected, Source, Sql, Value, newcomers, value_of};
use pistats_core::event::PAGE_VIEW;
use pistats_core::report::{Breakdown, Compare, Metric, Metrics};
use pistats_store::{Cell, Rows, Statement};

/// The numbers of a row, in the order of [`read_events`] and [`read_sessions`].
const NUMBERS: [&str; 12] = [
    "visitors",
    "new_visitors",
    "events",
    "page_views",
    "value_count",
    "value_sum",
    "value_min",
    "value_max",
    "sessions",
    "bounces",
    "session_us",
    "session_page_views",
];

/// How a Breakdown is to be read.
pub struct BreakdownPlan {
    /// One.
    pub statements: Vec<Statement>,
    compared: bool,
}

/// One value and its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakdownRow {
    pub value: String,
    pub metrics: Metrics,
    /// The same value in the compared range; nothing where none was asked for.
    pub compared: Option<Metrics>,
}

/// What Breakdown is answered with.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakdownRows {
    pub rows: Vec<BreakdownRow>,
    /// Values in all, without limit and offset.
    pub total_rows: u64,
}

/// Plans a Breakdown, with the same values over the compared range.
pub fn breakdown(tenant: &Tenant, question: &Breakdown, compare: Option<Compare>) -> BreakdownPlan {
    let mut sql = tenant.sql();
    let range = question.selection.range;
    let compared_range = compare.map(|compare| compare.range(range, tenant.zone()));
    let rows = |range, name| RowsOf { selected: Selected::new(&question.selection, range, tenant.zone()), name };
    let (asked, compared) = (rows(range, "a_"), compared_range.map(|range| rows(range, "b_")));
    let (limit, offset) = (sql.bind(i64::from(question.limit)), sql.bind(i64::from(question.offset)));
    let page = format!("SELECT value, rank FROM ranks ORDER BY {} LIMIT {limit} OFFSET {offset}", ordered("ranks"));
    let value = match value_of(&mut sql, &question.dimension) {
        Value::Event(value) => Ok(value),
        Value::Items(items) => Ok(format!("unnest({items})")),
        Value::Session(column) => Err(column),
    };
    match value {
        Ok(value) => {
            asked.add_ranks(&mut sql, &value, question.order_by);
            sql.part("page", page);
            for rows in std::iter::once(&asked).chain(&compared) {
                rows.add_of_events(&mut sql, &value);
            }
        }
        Err(column) => {
            asked.add_of_sessions(&mut sql, column);
            sql.part("ranks", format!("SELECT value, {} AS rank FROM a_rows", column_of(question.order_by)));
            sql.part("page", page);
            if let Some(compared) = &compared {
                compared.add_of_sessions(&mut sql, column);
            }
        }
    }
    let numbers = |row: &str| NUMBERS.map(|name| format!(", {row}.{name}")).concat();
    let (more, join) = match &compared {
        Some(_) => (numbers("b"), " LEFT JOIN b_rows b ON b.value = k.value"),
        None => (String::new(), ""),
    };
    // One row at least, so that the count of all values is told beyond the last page too.
    let statement = sql.finish(&format!(
        "SELECT (SELECT count(*) FROM ranks), k.value{}{more} FROM (SELECT 1 AS one) always LEFT JOIN page k ON true \
         LEFT JOIN a_rows a ON a.value = k.value{join} ORDER BY {}",
        numbers("a"),
        ordered("k"),
    ));
    BreakdownPlan { statements: vec![statement], compared: compare.is_some() }
}

impl BreakdownPlan {
    /// Reads the answer of the statement.
    pub fn answer(&self, results: Vec<Rows>) -> Result<BreakdownRows, Malformed> {
        let Some(first) = results.first().and_then(|rows| rows.rows.first()) else {
            return Err(Malformed("no row tells how many there are".into()));
        };
        let total_rows = count(first, 0)?;
        let mut rows = Vec::new();
        for row in results.iter().flat_map(|rows| &rows.rows) {
            let Cell::Text(value) = cell(row, 1)? else { continue };
            let compared = if self.compared { Some(read(row, 2 + NUMBERS.len())?) } else { None };
            rows.push(BreakdownRow { value: value.clone(), metrics: read(row, 2)?, compared });
        }
        Ok(BreakdownRows { rows, total_rows })
    }
}

fn read(row: &[Cell], column: usize) -> Result<Metrics, Malformed> {
    let mut metrics = Metrics::default();
    read_events(&mut metrics, row, column)?;
    read_sessions(&mut metrics, row, column + 8)?;
    Ok(metrics)
}

/// Greatest first, equal ones by value.
fn ordered(row: &str) -> String {
    format!("{row}.rank DESC, {row}.value {BYTEWISE}")
}

fn column_of(metric: Metric) -> &'static str {
    match metric {
        Metric::Visitors => "visitors",
        Metric::Sessions => "sessions",
        Metric::PageViews => "page_views",
        Metric::Events => "events",
        Metric::ValueSum => "value_sum",
    }
}

/// Events `e` with the value of each as `item`; several rows for an event with several.
fn with_items(value: &str, Source { from, conditions }: Source) -> String {
    format!("(SELECT {value} AS item, e.visitor, e.time_us, e.day, e.name, e.value FROM {from} WHERE {conditions}) e")
}

/// The parts of one range; `name` leads their names.
struct RowsOf<'a> {
    selected: Selected<'a>,
    name: &'static str,
}

impl RowsOf<'_> {
    /// Adds `ranks`: every value that has a row, with the number that orders the list.
    fn add_ranks(&self, sql: &mut Sql<'_>, value: &str, order_by: Metric) {
        let number = match order_by {
            Metric::Visitors => "count(DISTINCT e.visitor)".to_owned(),
            Metric::Sessions => "0".to_owned(),
            Metric::PageViews => format!("count(*) FILTER (WHERE e.name = {})", sql.bind(PAGE_VIEW)),
            Metric::Events => "count(*)".to_owned(),
            Metric::ValueSum => "coalesce(sum(e.value), 0)".to_owned(),
        };
        let events = with_items(value, self.selected.events_in_range(sql, self.name));
        let of_events = format!("SELECT e.item AS value, {number} AS rank FROM {events} GROUP BY e.item");
        let living = self.selected.living_sessions(sql, self.name, "");
        let mut source = self.selected.events_of_living(sql, &living);
        let of_sessions = if order_by == Metric::Sessions {
            let events = with_items(value, source);
            format!(
                "SELECT value, count(*) AS rank FROM (\
                 SELECT DISTINCT e.item AS value, t.no FROM {events} JOIN {living} t ON {OF_SESSION}) x GROUP BY value"
            )
        } else {
            // Values within the range are known already: what is left lies outside of it.
            let outside = sql.bind(self.selected.first_outside().0);
            let inside = At::EVENT.lies_in(sql, self.selected.range);
            source.conditions.push_str(&format!(" AND e.time_us >= {outside} AND NOT ({inside})"));
            let events = with_items(value, source);
            format!(
                "SELECT e.item AS value, 0 AS rank FROM {events} \
                 JOIN {living} t ON {OF_SESSION} AND t.last_us >= {outside}"
            )
        };
        let ranks =
            format!("SELECT value, sum(rank) AS rank FROM ({of_events}\nUNION ALL\n{of_sessions}) x GROUP BY value");
        sql.part("ranks", ranks);
    }

    /// Adds `…rows` of a dimension of events, of the values of `page`.
    fn add_of_events(&self, sql: &mut Sql<'_>, value: &str) {
        let name = self.name;
        newcomers(sql, name, self.selected.range, None);
        let events = with_items(value, self.selected.events_in_range(sql, name));
        let page_view = sql.bind(PAGE_VIEW);
        let people = format!(
            "SELECT e.item AS value, count(DISTINCT e.visitor) AS visitors, count(DISTINCT n.visitor) AS new_visitors, \
             count(*) AS events, count(*) FILTER (WHERE e.name = {page_view}) AS page_views, \
             count(e.value) AS value_count, sum(e.value) AS value_sum, min(e.value) AS value_min, \
             max(e.value) AS value_max FROM {events} JOIN page p ON p.value = e.item \
             LEFT JOIN {name}newcomers n ON n.visitor = e.visitor GROUP BY e.item"
        );
        sql.part(&format!("{name}people"), people);

        let living = self.selected.living_sessions(sql, name, "");
        let events = with_items(value, self.selected.events_of_living(sql, &living));
        let hits = format!("SELECT e.item, e.visitor, e.time_us FROM {events} JOIN page p ON p.value = e.item");
        sql.part_first(&format!("{name}hits"), hits);
        let visits = format!(
            "SELECT x.value, count(*) AS sessions, count(*) FILTER (WHERE x.events = 1) AS bounces, \
             sum(x.length_us) AS session_us, sum(x.page_views) AS session_page_views FROM (\
             SELECT DISTINCT e.item AS value, t.no, t.events, t.last_us - t.first_us AS length_us, t.page_views \
             FROM {name}hits e JOIN {living} t ON {OF_SESSION}) x GROUP BY x.value"
        );
        sql.part(&format!("{name}visits"), visits);

        let or_nothing = |row: &str, names: &[&str]| {
            names.iter().map(|name| format!(", coalesce({row}.{name}, 0) AS {name}")).collect::<String>()
        };
        let rows = format!(
            "SELECT p.value{}, k.value_min, k.value_max{} FROM page p \
             LEFT JOIN {name}people k ON k.value = p.value LEFT JOIN {name}visits t ON t.value = p.value",
            or_nothing("k", &NUMBERS[..6]),
            or_nothing("t", &NUMBERS[8..]),
        );
        sql.part(&format!("{name}rows"), rows);
    }

    /// Adds `…rows` of entry or exit pages: numbers of whole sessions.
    fn add_of_sessions(&self, sql: &mut Sql<'_>, page: &str) {
        let name = self.name;
        newcomers(sql, name, self.selected.range, None);
        let living = self.selected.living_sessions(sql, name, &format!(", {page}"));
        let holding = self.selected.holds_selected(sql, name, &living);
        let rows = format!(
            "SELECT {page} AS value, count(DISTINCT s.visitor) AS visitors, count(DISTINCT n.visitor) AS new_visitors, \
             sum(s.events) AS events, sum(s.page_views) AS page_views, 0 AS value_count, 0 AS value_sum, \
             CAST(NULL AS bigint) AS value_min, CAST(NULL AS bigint) AS value_max, count(*) AS sessions, \
             count(*) FILTER (WHERE s.events = 1) AS bounces, sum(s.last_us - s.first_us) AS session_us, \
             sum(s.page_views) AS session_page_views \
             FROM {living} s LEFT JOIN {name}newcomers n ON n.visitor = s.visitor WHERE {holding} GROUP BY {page}"
        );
        sql.part(&format!("{name}rows"), rows);
    }
}
