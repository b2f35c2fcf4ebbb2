//! Breakdown: the numbers by the values of a dimension, one statement for list, count and comparison.
//!
//! ```text
//!   dimension of events     people  (value, visitor) of the selected events in the range
//!                           visits  (value, session): living sessions of the range with a selected event of that value
//!                           rows    people and visits, joined by value
//!   dimension of sessions   visits  living sessions of the range with a selected event
//!                           rows    visits by entry or exit page
//!   both                    page    the asked piece of the ordered rows; the compared range is read for its values only
//! ```
//!
//! Parts of the asked range are named `a_…`, those of the compared one `b_…`.

use super::{Malformed, Tenant};
use crate::answer::{cell, count, read_events, read_sessions};
use crate::sql::{BYTEWISE, ENGINE, Selected, Sql, Value, newcomers, value_of};
use pistats_core::event::PAGE_VIEW;
use pistats_core::report::{Breakdown, Compare, Metric, Metrics};
use pistats_core::time::Range;
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
    let mut sql = Sql::new(tenant.site, ENGINE);
    let range = question.selection.range;
    add_rows(&mut sql, tenant, question, range, "a_", None);
    let (limit, offset) = (sql.bind(i64::from(question.limit)), sql.bind(i64::from(question.offset)));
    let order = |row: &str| format!("{row}.{} DESC, {row}.value {BYTEWISE}", column(question.order_by));
    sql.part("page", format!("SELECT r.* FROM a_rows r ORDER BY {} LIMIT {limit} OFFSET {offset}", order("r")));
    let numbers = |row: &str| NUMBERS.map(|name| format!(", {row}.{name}")).concat();
    let (compared, join) = match compare {
        Some(compare) => {
            add_rows(&mut sql, tenant, question, compare.range(range, tenant.zone()), "b_", Some("page"));
            (numbers("b"), " LEFT JOIN b_rows b ON b.value = a.value")
        }
        None => (String::new(), ""),
    };
    // One row at least, so that the count of all values is told beyond the last page too.
    let statement = sql.finish(&format!(
        "SELECT (SELECT count(*) FROM a_rows), a.value{}{compared} \
         FROM (SELECT 1 AS one) always LEFT JOIN page a ON true{join} ORDER BY {}",
        numbers("a"),
        order("a"),
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

fn column(metric: Metric) -> &'static str {
    match metric {
        Metric::Visitors => "visitors",
        Metric::Sessions => "sessions",
        Metric::PageViews => "page_views",
        Metric::Events => "events",
        Metric::ValueSum => "value_sum",
    }
}

/// Adds the rows of a range, as the part `{name}rows`; only the values of the part `only`, if one is given.
fn add_rows(sql: &mut Sql<'_>, tenant: &Tenant, question: &Breakdown, range: Range, name: &str, only: Option<&str>) {
    let selected = Selected::new(&question.selection, range, tenant.zone());
    newcomers(sql, name, range, None);
    match value_of(sql, &question.dimension) {
        Value::Session(column) => session_rows(sql, &selected, column, name, only),
        Value::Event(value) => event_rows(sql, &selected, &value, "", name, only),
        Value::Items(items) => {
            event_rows(sql, &selected, "i.item", &format!(", unnest({items}) i(item)"), name, only);
        }
    }
}

fn among(only: Option<&str>, value: &str) -> String {
    only.map(|part| format!(" AND {value} IN (SELECT value FROM {part})")).unwrap_or_default()
}

fn session_rows(sql: &mut Sql<'_>, selected: &Selected<'_>, page: &str, name: &str, only: Option<&str>) {
    let sessions = selected.sessions_in_range(sql);
    let among = among(only, page);
    let visits = format!(
        "SELECT {page} AS value, s.visitor, s.first_us, s.last_us, s.events, s.page_views FROM session s \
         WHERE {sessions}{among} \
         GROUP BY {page}, s.visitor, s.first_us, s.last_us, s.events, s.page_views HAVING sum(s.sign) > 0"
    );
    sql.part(&format!("{name}visits"), visits);
    let rows = format!(
        "SELECT t.value, count(DISTINCT t.visitor) AS visitors, count(DISTINCT n.visitor) AS new_visitors, \
         sum(t.events) AS events, sum(t.page_views) AS page_views, 0 AS value_count, 0 AS value_sum, \
         CAST(NULL AS bigint) AS value_min, CAST(NULL AS bigint) AS value_max, count(*) AS sessions, \
         count(*) FILTER (WHERE t.events = 1) AS bounces, sum(t.last_us - t.first_us) AS session_us, \
         sum(t.page_views) AS session_page_views \
         FROM {name}visits t LEFT JOIN {name}newcomers n ON n.visitor = t.visitor GROUP BY t.value"
    );
    sql.part(&format!("{name}rows"), rows);
}

/// `value` and `more` say how an event's values are read: an expression, and what it adds to FROM.
fn event_rows(sql: &mut Sql<'_>, selected: &Selected<'_>, value: &str, more: &str, name: &str, only: Option<&str>) {
    let among = among(only, value);
    let events = selected.events_in_range(sql, name);
    let page_view = sql.bind(PAGE_VIEW);
    let people = format!(
        "SELECT {value} AS value, e.visitor, count(*) AS events, \
         count(*) FILTER (WHERE e.name = {page_view}) AS page_views, count(e.value) AS value_count, \
         sum(e.value) AS value_sum, min(e.value) AS value_min, max(e.value) AS value_max \
         FROM event e{more} WHERE {events}{among} GROUP BY 1, 2"
    );
    sql.part(&format!("{name}people"), people);

    let sessions = selected.sessions_by_themselves(sql);
    let alive = format!(
        "SELECT s.visitor, s.first_us, s.last_us, s.events, s.page_views FROM session s WHERE {sessions} \
         GROUP BY s.visitor, s.first_us, s.last_us, s.events, s.page_views HAVING sum(s.sign) > 0"
    );
    sql.part(&format!("{name}alive"), alive);
    let events = selected.events_of_sessions(sql);
    let visits = format!(
        "SELECT DISTINCT x.value, t.visitor, t.first_us, t.last_us, t.events, t.page_views FROM {name}alive t \
         JOIN (SELECT {value} AS value, e.visitor, e.time_us FROM event e{more} WHERE {events}{among}) x \
         ON x.visitor = t.visitor AND x.time_us >= t.first_us AND x.time_us <= t.last_us"
    );
    sql.part(&format!("{name}visits"), visits);

    let by_people = format!(
        "SELECT p.value, count(*) AS visitors, count(n.visitor) AS new_visitors, sum(p.events) AS events, \
         sum(p.page_views) AS page_views, sum(p.value_count) AS value_count, sum(p.value_sum) AS value_sum, \
         min(p.value_min) AS value_min, max(p.value_max) AS value_max \
         FROM {name}people p LEFT JOIN {name}newcomers n ON n.visitor = p.visitor GROUP BY p.value"
    );
    let by_visits = format!(
        "SELECT t.value, count(*) AS sessions, count(*) FILTER (WHERE t.events = 1) AS bounces, \
         sum(t.last_us - t.first_us) AS session_us, sum(t.page_views) AS session_page_views \
         FROM {name}visits t GROUP BY t.value"
    );
    let or_nothing = |row: &str, names: &[&str]| {
        names.iter().map(|name| format!(", coalesce({row}.{name}, 0) AS {name}")).collect::<String>()
    };
    let rows = format!(
        "SELECT coalesce(k.value, t.value) AS value{}, k.value_min, k.value_max{} \
         FROM ({by_people}) k FULL JOIN ({by_visits}) t ON t.value = k.value",
        or_nothing("k", &NUMBERS[..6]),
        or_nothing("t", &NUMBERS[8..]),
    );
    sql.part(&format!("{name}rows"), rows);
}
