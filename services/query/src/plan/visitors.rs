//! Visitors: who the selected events are of, the last seen first.
//!
//! ```text
//!   ranks   every visitor of a selected event: the latest instant, how many
//!   near    those at or after the instant at which the page ends: its rows, and who ties with its last one
//!   page    with their keys, in order, the asked piece
//!   lasts   the last selected event of each, which tells where and on what          held   sessions with a selected event
//! ```
//!
//! Ties are ordered by the visitor's key, never by its number: numbers differ between warehouses.

use super::{Malformed, Tenant};
use crate::answer::{cell, count};
use crate::sql::{OF_SESSION, Selected, Source};
use pistats_core::event::PAGE_VIEW;
use pistats_proto::convert::query::VisitorsQuestion;
use pistats_proto::query::v1::{VisitorRow, VisitorsResponse};
use pistats_store::{Cell, Rows, Statement};

/// What the last event tells, in the order of [`read`].
const TEXTS: [&str; 7] = ["e.host || e.path", "e.country", "e.device", "e.browser", "e.os", "e.source", "e.user_id"];

/// How a list of visitors is to be read.
pub struct VisitorsPlan {
    /// One.
    pub statements: Vec<Statement>,
}

/// Plans a list of visitors.
pub fn visitors(tenant: &Tenant, question: &VisitorsQuestion) -> VisitorsPlan {
    let mut sql = tenant.sql();
    let selection = &question.selection;
    let selected = Selected::new(selection, selection.range, tenant.zone());
    let Source { from, conditions } = selected.events_in_range(&mut sql, "");
    let (limit, offset) = (i64::from(question.limit), i64::from(question.offset));
    let (last_row, limit, offset) = (sql.bind(offset + limit), sql.bind(limit), sql.bind(offset));
    let page_view = sql.bind(PAGE_VIEW);
    sql.part(
        "ranks",
        format!(
            "SELECT e.visitor, max(e.time_us) AS last_us, count(*) AS events, \
             count(*) FILTER (WHERE e.name = {page_view}) AS page_views FROM {from} WHERE {conditions} GROUP BY e.visitor"
        ),
    );
    sql.part_first(
        "near",
        format!(
            "SELECT * FROM ranks WHERE last_us >= \
             (SELECT min(last_us) FROM (SELECT last_us FROM ranks ORDER BY last_us DESC LIMIT {last_row}) x)"
        ),
    );
    sql.part(
        "keys",
        "SELECT v.visitor, v.key, v.first_us FROM visitor v WHERE v.site = $1 AND v.visitor IN (SELECT visitor FROM near) \
         GROUP BY v.visitor, v.key, v.first_us HAVING sum(v.sign) > 0"
            .to_owned(),
    );
    sql.part_first(
        "page",
        format!(
            "SELECT n.visitor, k.key, k.first_us, n.last_us, n.events, n.page_views FROM near n \
             JOIN keys k ON k.visitor = n.visitor ORDER BY n.last_us DESC, k.key LIMIT {limit} OFFSET {offset}"
        ),
    );
    let texts = TEXTS.iter().enumerate().map(|(number, text)| format!(", {text} AS text_{number}")).collect::<String>();
    sql.part(
        "lasts",
        format!(
            "SELECT e.visitor{texts}, row_number() OVER (PARTITION BY e.visitor ORDER BY e.id DESC) AS place \
             FROM {from} JOIN page p ON p.visitor = e.visitor AND p.last_us = e.time_us WHERE {conditions}"
        ),
    );
    sql.part(
        "living",
        "SELECT s.visitor, s.first_us, s.last_us FROM session s WHERE s.site = $1 \
         AND s.visitor IN (SELECT visitor FROM page) GROUP BY s.visitor, s.first_us, s.last_us HAVING sum(s.sign) > 0"
            .to_owned(),
    );
    sql.part(
        "held",
        format!(
            "SELECT e.visitor, count(DISTINCT t.first_us) AS sessions FROM {from} JOIN living t ON {OF_SESSION} \
             WHERE {conditions} GROUP BY e.visitor"
        ),
    );
    let shown = (0..TEXTS.len()).map(|number| format!(", l.text_{number}")).collect::<String>();
    // One row at least, so that the count of all is told beyond the last page too.
    let statement = sql.finish(&format!(
        "SELECT (SELECT count(*) FROM ranks), p.key, p.first_us, p.last_us, p.events, p.page_views, h.sessions{shown} \
         FROM (SELECT 1 AS one) always LEFT JOIN page p ON true \
         LEFT JOIN lasts l ON l.visitor = p.visitor AND l.place = 1 LEFT JOIN held h ON h.visitor = p.visitor \
         ORDER BY p.last_us DESC, p.key"
    ));
    VisitorsPlan { statements: vec![statement] }
}

impl VisitorsPlan {
    /// Reads the answer of the statement. `as_of` is left to the caller.
    pub fn answer(&self, results: Vec<Rows>) -> Result<VisitorsResponse, Malformed> {
        let rows: Vec<Vec<Cell>> = results.into_iter().flat_map(|rows| rows.rows).collect();
        let Some(first) = rows.first() else {
            return Err(Malformed("no row tells how many there are".into()));
        };
        let total_visitors = count(first, 0)?;
        let visitors = rows.iter().filter(|row| matches!(row.get(1), Some(Cell::Wide(_)))).map(|row| read(row));
        Ok(VisitorsResponse { visitors: visitors.collect::<Result<_, _>>()?, total_visitors, as_of: None })
    }
}

fn read(row: &[Cell]) -> Result<VisitorRow, Malformed> {
    let Cell::Wide(key) = *cell(row, 1)? else {
        return Err(Malformed("a visitor without a key".into()));
    };
    let text = |number: usize| Ok::<_, Malformed>(cell(row, 7 + number)?.text().to_owned());
    Ok(VisitorRow {
        visitor: format!("{key:032x}"),
        first_seen_us: cell(row, 2)?.int(),
        last_us: cell(row, 3)?.int(),
        events: count(row, 4)?,
        page_views: count(row, 5)?,
        sessions: count(row, 6)?,
        page: text(0)?,
        country: text(1)?,
        device: text(2)?,
        browser: text(3)?,
        os: text(4)?,
        source: text(5)?,
        user_id: text(6)?,
    })
}
