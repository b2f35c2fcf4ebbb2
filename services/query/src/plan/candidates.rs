//! Breakdown from sheets: the values that may be on the page, with all of their numbers but people.
//!
//! ```text
//!   ranks        every value with the number that orders the list, of clean days from breakdown_1d, of dirty days raw.
//!                Visitors of several days cannot be added: their sum is an upper bound
//!   candidates   the first of them
//!   numbers      sums of the candidates, over the asked range (a_…) and over the compared one (b_…)
//!   raw          the candidates' visitors of dirty days, as text: they have to be of the same snapshot
//! ```

use super::{Malformed, Tenant, Unanswered};
use crate::answer::{cell, count};
use crate::sheets::{Span, Visitors};
use crate::sql::{BYTEWISE, OF_SESSION, Selected, Source, Sql, Value, newcomers, value_of};
use pistats_core::event::PAGE_VIEW;
use pistats_core::report::{Bots, Breakdown, Metric, Metrics};
use pistats_core::time::Range;
use pistats_store::{Cell, Rows, SheetDimension, Statement};

/// Columns of one range in a row of candidates.
const WIDTH: usize = 12;

/// A question whose list stands in sheets.
pub(crate) struct Asked<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) question: &'a Breakdown,
    pub(crate) dimension: SheetDimension,
    pub(crate) span: Span,
    pub(crate) compared: Option<Span>,
}

/// A value that may be on the page.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) value: String,
    /// At most so many visitors: days summed up.
    pub(crate) bound: u64,
    pub(crate) asked: Sums,
    pub(crate) compared: Option<Sums>,
}

/// Numbers of a value over one range; visitors are still missing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    numbers: Vec<Cell>,
    /// Rows of clean days that have visitors, and one for dirty days.
    pub(crate) sources: u64,
    /// Visitors of dirty days.
    pub(crate) raw: Visitors,
}

impl Asked<'_> {
    /// The candidates from `offset` on, `limit` of them.
    pub(crate) fn candidates(&self, limit: usize, offset: usize) -> Statement {
        let mut sql = self.tenant.sql();
        let (a, b) = (self.rows(&self.span, "a_"), self.compared.as_ref().map(|span| self.rows(span, "b_")));
        a.add_ranks(&mut sql, self.question.order_by);
        let (limit, offset) = (sql.bind(limit as i64), sql.bind(offset as i64));
        let first =
            format!("SELECT value, rank FROM ranks ORDER BY rank DESC, value {BYTEWISE} LIMIT {limit} OFFSET {offset}");
        sql.part_first("candidates", first);
        let mut columns = String::new();
        let mut joins = String::new();
        for rows in std::iter::once(&a).chain(&b) {
            rows.add_numbers(&mut sql);
            let name = rows.name;
            for column in ["events", "page_views", "value_count", "value_sum", "value_min", "value_max"] {
                columns.push_str(&format!(", {name}n.{column}"));
            }
            for column in ["sessions", "bounces", "session_us", "session_page_views", "sources"] {
                columns.push_str(&format!(", {name}n.{column}"));
            }
            joins.push_str(&format!(" LEFT JOIN {name}numbers {name}n ON {name}n.value = c.value"));
            if rows.span.dirty.is_empty() {
                columns.push_str(", ''");
            } else {
                columns.push_str(&format!(", {name}r.visitors"));
                joins.push_str(&format!(" LEFT JOIN {name}raw {name}r ON {name}r.value = c.value"));
            }
        }
        let bound = if self.question.order_by == Metric::Visitors { "c.rank" } else { "0" };
        // One row at least, so that the count of all values is told beyond the last page too.
        sql.finish(&format!(
            "SELECT (SELECT count(*) FROM ranks), c.value, {bound}{columns} FROM (SELECT 1 AS one) always \
             LEFT JOIN candidates c ON true{joins} ORDER BY c.rank DESC, c.value {BYTEWISE}"
        ))
    }

    /// Whose first event ever lies on a dirty day of a span: one column of numbers. `None` without a dirty day.
    pub(crate) fn newcomers(&self, span: &Span) -> Option<Statement> {
        let range = span.dirty_range()?;
        let mut sql = self.tenant.sql();
        newcomers(&mut sql, "", range, Some("v.first_day"));
        let dirty = span.is_dirty(&mut sql, "step");
        Some(sql.finish(&format!("SELECT visitor FROM newcomers WHERE {dirty}")).as_numbers())
    }

    fn rows<'a>(&'a self, span: &'a Span, name: &'static str) -> RowsOf<'a> {
        // Of dirty days alone: the rest is in sheets.
        let selection = &self.question.selection;
        let raw = span.dirty_range().map(|range| Selected::new(selection, range, self.tenant.zone()));
        RowsOf { asked: self, span, raw, name }
    }
}

/// The parts of one range; `name` leads their names.
struct RowsOf<'a> {
    asked: &'a Asked<'a>,
    span: &'a Span,
    raw: Option<Selected<'a>>,
    name: &'static str,
}

impl RowsOf<'_> {
    /// Rows `b` of clean days.
    fn sheet(&self, sql: &mut Sql<'_>) -> String {
        let dimension = sql.bind(i64::from(self.asked.dimension.number()));
        let clean = self.span.is_clean(sql, "b.day");
        let kinds = match self.asked.question.selection.bots {
            Bots::Exclude => " AND b.kind IN (0, 2)",
            Bots::Only => " AND b.kind IN (1, 2)",
            Bots::Include => "",
        };
        format!("b.site = $1 AND b.dimension = {dimension} AND {clean}{kinds}")
    }

    fn value(&self, sql: &mut Sql<'_>) -> String {
        match value_of(sql, &self.asked.question.dimension) {
            Value::Event(value) => value,
            // Sheets are of values of events.
            Value::Items(list) => list,
            Value::Session(column) => column.to_owned(),
        }
    }

    /// Adds what is read raw, once for all that follows:
    ///
    /// ```text
    ///   …living   the living sessions of dirty days that count
    ///   …seen     selected events with their values as `item`: those of dirty days (`here`), and those of other days that are
    ///             of such a session
    /// ```
    fn add_raw(&self, sql: &mut Sql<'_>, raw: &Selected<'_>) {
        let name = self.name;
        let own = raw.sessions_by_themselves(sql);
        let dirty = self.span.is_dirty(sql, "s.day");
        let columns = "s.visitor, s.day, s.first_us, s.last_us, s.events, s.page_views";
        let living = format!(
            "SELECT row_number() OVER () AS no, {columns} FROM session s WHERE {own} AND {dirty} \
             GROUP BY {columns} HAVING sum(s.sign) > 0"
        );
        sql.part_first(&format!("{name}living"), living);

        let value = self.value(sql);
        let page_view = sql.bind(PAGE_VIEW);
        let columns = format!("{value} AS item, e.visitor, e.time_us, e.name = {page_view} AS page_view, e.value");
        let Source { from, conditions } = raw.events_in_range(sql, name);
        let dirty = self.span.is_dirty(sql, "e.day");
        let mut pieces = vec![format!("SELECT {columns}, true AS here FROM {from} WHERE {conditions} AND {dirty}")];
        // Days in a row at a time: between them may lie years.
        for range in self.span.dirty_runs() {
            let Range::Days { first, last } = range else { continue };
            let run = Selected::new(&self.asked.question.selection, range, self.asked.tenant.zone());
            let outside = sql.bind(run.first_outside().0);
            let (first, last) = (sql.bind(i64::from(first.0)), sql.bind(i64::from(last.0)));
            let reaching =
                format!("(SELECT * FROM {name}living WHERE day BETWEEN {first} AND {last} AND last_us >= {outside})");
            let Source { from, conditions } = run.events_of_living(sql, &format!("{reaching} r"));
            pieces.push(format!(
                "SELECT {columns}, false FROM {from} JOIN {reaching} t ON {OF_SESSION} \
                 WHERE {conditions} AND e.time_us >= {outside} AND NOT ({dirty})"
            ));
        }
        sql.part_first(&format!("{name}seen"), pieces.join("\nUNION ALL\n"));
    }

    /// Adds `ranks`: every value that has a row.
    fn add_ranks(&self, sql: &mut Sql<'_>, order_by: Metric) {
        let column = match order_by {
            Metric::Visitors => "visitors",
            Metric::Sessions => "sessions",
            Metric::PageViews => "page_views",
            Metric::Events => "events",
            Metric::ValueSum => "value_sum",
        };
        let sheet = self.sheet(sql);
        let mut pieces =
            vec![format!("SELECT b.value, sum(b.{column}) AS rank FROM breakdown_1d b WHERE {sheet} GROUP BY b.value")];
        if let Some(raw) = &self.raw {
            self.add_raw(sql, raw);
            let name = self.name;
            pieces.push(match order_by {
                Metric::Sessions => format!(
                    "SELECT value, count(*) AS rank FROM (SELECT DISTINCT e.item AS value, t.no \
                     FROM {name}seen e JOIN {name}living t ON {OF_SESSION}) x GROUP BY value\nUNION ALL\n\
                     SELECT DISTINCT e.item, 0 FROM {name}seen e"
                ),
                _ => {
                    let number = match order_by {
                        Metric::Visitors => "count(DISTINCT e.visitor) FILTER (WHERE e.here)",
                        Metric::PageViews => "count(*) FILTER (WHERE e.here AND e.page_view)",
                        Metric::ValueSum => "coalesce(sum(e.value) FILTER (WHERE e.here), 0)",
                        Metric::Events | Metric::Sessions => "count(*) FILTER (WHERE e.here)",
                    };
                    format!("SELECT e.item AS value, {number} AS rank FROM {name}seen e GROUP BY e.item")
                }
            });
        }
        let ranks = pieces.join("\nUNION ALL\n");
        sql.part("ranks", format!("SELECT value, sum(rank) AS rank FROM ({ranks}) x GROUP BY value"));
    }

    /// Adds `…numbers`, and `…raw` where days are dirty.
    fn add_numbers(&self, sql: &mut Sql<'_>) {
        let name = self.name;
        let sheet = self.sheet(sql);
        let mut pieces = vec![format!(
            "SELECT b.value, b.events, b.page_views, b.value_count, b.value_sum, b.value_min, b.value_max, \
             b.sessions, b.bounces, b.session_us, b.session_page_views, CASE WHEN b.visitors > 0 THEN 1 ELSE 0 END AS sources \
             FROM breakdown_1d b JOIN candidates c ON c.value = b.value WHERE {sheet}"
        )];
        if let Some(raw) = &self.raw {
            self.add_raw(sql, raw);
            let of_candidates = format!("{name}seen e JOIN candidates c ON c.value = e.item");
            pieces.push(format!(
                "SELECT e.item, count(*), count(*) FILTER (WHERE e.page_view), count(e.value), \
                 coalesce(sum(e.value), 0), min(e.value), max(e.value), 0, 0, 0, 0, 1 \
                 FROM {of_candidates} WHERE e.here GROUP BY e.item"
            ));
            pieces.push(format!(
                "SELECT x.value, 0, 0, 0, 0, CAST(NULL AS bigint), CAST(NULL AS bigint), count(*), \
                 count(*) FILTER (WHERE x.events = 1), sum(x.length_us), sum(x.page_views), 0 FROM (\
                 SELECT DISTINCT e.item AS value, t.no, t.events, t.last_us - t.first_us AS length_us, t.page_views \
                 FROM {of_candidates} JOIN {name}living t ON {OF_SESSION}) x GROUP BY x.value"
            ));
            let pairs = format!("SELECT DISTINCT e.item AS value, e.visitor FROM {of_candidates} WHERE e.here");
            let numbers = "string_agg(CAST(x.visitor AS varchar), ',')";
            let visitors = format!("SELECT x.value, {numbers} AS visitors FROM ({pairs}) x GROUP BY x.value");
            sql.part(&format!("{name}raw"), visitors);
        }
        let sums = pieces.join("\nUNION ALL\n");
        // Sums of candidates that are not shown may exceed 64 bits: they cross as text.
        let numbers = format!(
            "SELECT x.value, sum(x.events) AS events, sum(x.page_views) AS page_views, sum(x.value_count) AS value_count, \
             CAST(sum(x.value_sum) AS varchar) AS value_sum, min(x.value_min) AS value_min, max(x.value_max) AS value_max, \
             sum(x.sessions) AS sessions, sum(x.bounces) AS bounces, CAST(sum(x.session_us) AS varchar) AS session_us, \
             sum(x.session_page_views) AS session_page_views, sum(x.sources) AS sources FROM ({sums}) x GROUP BY x.value"
        );
        sql.part(&format!("{name}numbers"), numbers);
    }
}

/// Reads the rows of [`Asked::candidates`]: how many values there are in all, and the candidates in order.
pub(crate) fn read(rows: Rows, is_compared: bool) -> Result<(u64, Vec<Candidate>), Malformed> {
    let Some(first) = rows.rows.first() else {
        return Err(Malformed("no row tells how many there are".into()));
    };
    let total = count(first, 0)?;
    let mut candidates = Vec::with_capacity(rows.rows.len());
    for row in &rows.rows {
        let Cell::Text(value) = cell(row, 1)? else { continue };
        let compared = if is_compared { Some(sums(row, 3 + WIDTH)?) } else { None };
        candidates.push(Candidate { value: value.clone(), bound: count(row, 2)?, asked: sums(row, 3)?, compared });
    }
    Ok((total, candidates))
}

fn sums(row: &[Cell], from: usize) -> Result<Sums, Malformed> {
    let numbers = row.get(from..from + 10).ok_or_else(|| Malformed("a row is too short".into()))?.to_vec();
    let raw = match cell(row, from + 11)? {
        Cell::Text(text) => Visitors::of_text(text)?,
        _ => Visitors::default(),
    };
    Ok(Sums { numbers, sources: count(row, from + 10)?, raw })
}

impl Sums {
    /// The numbers, with visitors and new visitors as they turned out.
    pub(crate) fn metrics(&self, visitors: u64, new_visitors: u64) -> Result<Metrics, Unanswered> {
        let row = &self.numbers[..];
        Ok(Metrics {
            visitors,
            new_visitors,
            events: count(row, 0)?,
            page_views: count(row, 1)?,
            value_count: count(row, 2)?,
            value_sum: wide(cell(row, 3)?)?,
            value_min: cell(row, 4)?.maybe_int(),
            value_max: cell(row, 5)?.maybe_int(),
            sessions: count(row, 6)?,
            bounces: count(row, 7)?,
            session_us: wide(cell(row, 8)?)?,
            session_page_views: count(row, 9)?,
        })
    }
}

/// A sum that crossed as text.
fn wide(cell: &Cell) -> Result<i64, Unanswered> {
    match cell {
        Cell::Null => Ok(0),
        Cell::Text(text) => {
            let sum: i128 = text.parse().map_err(|_| Malformed(format!("{text:?} as a sum")))?;
            i64::try_from(sum).map_err(|_| Unanswered::Overflow)
        }
        other => Err(Malformed(format!("{other:?} as a sum")).into()),
    }
}
