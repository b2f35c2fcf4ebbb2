//! Export: selected events in the order (time, id), a page at a time.
//!
//! A page is a read of its own, so that no snapshot is held while a slow reader reads. What makes the pages one answer is
//! what the first page's snapshot had folded: later pages take only events that are stored below, and rows below never change.
//! (A filter by entry or exit page is the exception it sounds like: a late event may move a page of a session while one exports.)

use super::{Tenant, event};
use crate::sql::{Selected, Source, Sql};
use pistats_core::report::Selection;
use pistats_core::{EventId, Micros};
use pistats_store::{Rows, Statement};
use std::iter;

/// The last event of the page before, and what was folded at the first one.
#[derive(Clone, Debug, PartialEq)]
pub struct After {
    pub last: (Micros, EventId),
    pub folded: Folded,
}

/// Of each partition, what is folded lies below a stored offset: in the order of partitions and offsets as the warehouse keeps
/// them, with those of records that a log which went back no longer has.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Folded(Vec<(i64, i64)>);

impl Folded {
    /// Takes the rows of the second statement of a first page.
    pub fn of(rows: &Rows) -> Folded {
        match rows.numbers.as_slice() {
            [partitions, next] => Folded(partitions.iter().copied().zip(next.iter().copied()).collect()),
            _ => Folded::default(),
        }
    }
}

/// How a page of an export is to be read.
pub struct ExportPage {
    /// The page, and of a first one what is folded.
    pub statements: Vec<Statement>,
}

/// Plans a page of at most `rows` events.
pub fn export(tenant: &Tenant, selection: &Selection, after: Option<&After>, rows: u64) -> ExportPage {
    let mut sql = tenant.sql();
    let selected = Selected::new(selection, selection.range, tenant.zone());
    let Source { from, conditions } = selected.events_in_range(&mut sql, "");
    let mut conditions = vec![conditions];
    if let Some(after) = after {
        let (time, id) = (sql.bind(after.last.0.0), sql.bind(after.last.1.to_string()));
        // The first condition says less, but engines skip blocks of rows by it.
        conditions.push(format!("e.time_us >= {time}"));
        conditions.push(format!("(e.time_us > {time} OR e.id > CAST({id} AS uuid))"));
        conditions.push(below(&mut sql, &after.folded));
    }
    let rows = sql.bind(i64::try_from(rows).unwrap_or(i64::MAX));
    let conditions = crate::sql::all(&conditions);
    // Where the page ends is found by times alone: sorting whole events of all that is left would cost thirty times more.
    let times = format!("SELECT e.time_us FROM {from} WHERE {conditions} ORDER BY e.time_us LIMIT {rows}");
    sql.part("cut", format!("SELECT max(time_us) AS last_us FROM ({times}) x"));
    let page = format!(
        "SELECT {} FROM {from} WHERE {conditions} AND e.time_us <= (SELECT last_us FROM cut) \
         ORDER BY e.time_us, e.id LIMIT {rows}",
        event::columns("e.visitor")
    );
    sql.part("page", page);
    let on_page = sql.dialect.is_among("v.visitor", "SELECT visitor FROM page");
    sql.part(
        "keys",
        format!(
            "SELECT v.visitor, v.key FROM visitor v WHERE v.site = $1 AND {on_page} \
             GROUP BY v.visitor, v.key HAVING sum(v.sign) > 0"
        ),
    );
    let statement = sql.finish(&format!(
        "SELECT {} FROM page e LEFT JOIN keys k ON k.visitor = e.visitor ORDER BY e.time_us, e.id",
        event::columns("k.key")
    ));
    // Of no site: it tells nothing of what is in the log.
    let folded = || Statement::new("SELECT c.log_partition, c.next_offset FROM checkpoint c", vec![]).as_numbers();
    ExportPage { statements: iter::once(statement).chain(after.is_none().then(folded)).collect() }
}

/// Events of records that were folded already.
fn below(sql: &mut Sql<'_>, folded: &Folded) -> String {
    let mut case = |(partition, next): &(i64, i64)| format!(" WHEN {partition} THEN {}", sql.bind(*next));
    let cases: String = folded.0.iter().map(&mut case).collect();
    if cases.is_empty() { "false".to_owned() } else { format!("e.log_offset < CASE e.log_partition{cases} ELSE 0 END") }
}
