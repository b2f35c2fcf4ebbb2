//! Journey: one visitor, its sessions from the newest on, and the events of those that are shown.
//!
//! ```text
//!   visitor ─key─▶ who ─▶ living sessions ─▶ totals                        statement 1: no row, no such visitor
//!                                    └─before─▶ page (one more: is it the last one?)      2
//!                                                └─▶ its first 500 events each            3
//! ```
//!
//! Living sessions of a visitor are disjoint, so the start of the oldest session shown says where the next page begins.

use super::{Malformed, Tenant, event};
use crate::answer::{cell, count};
use crate::sql::{OF_SESSION, Sql};
use pistats_core::{Micros, VisitorKey};
use pistats_proto::query::v1::{JourneyResponse, JourneySession};
use pistats_store::{Cell, Rows, Statement};
use std::collections::HashMap;

/// Events shown of a session: the first ones.
const MOST_EVENTS: i64 = 500;
/// What a session is shown by, and told from its older versions.
const SESSION: &str = "s.visitor, s.first_us, s.last_us, s.entry_page, s.exit_page, s.page_views, s.events";

/// How a journey is to be read.
pub struct JourneyPlan {
    /// To be read in one snapshot, in this order.
    pub statements: Vec<Statement>,
    key: VisitorKey,
    sessions: usize,
}

/// Plans a page of a visitor's journey: at most `sessions` sessions, all of which start before `before`.
pub fn journey(tenant: &Tenant, key: VisitorKey, sessions: u32, before: Option<Micros>) -> JourneyPlan {
    let start = || {
        let mut sql = tenant.sql();
        let key = sql.bind(Cell::Wide(key.0));
        let who = format!(
            "SELECT v.visitor, v.key, v.first_us FROM visitor v WHERE v.site = $1 AND v.key = {key} \
             GROUP BY v.visitor, v.key, v.first_us HAVING sum(v.sign) > 0"
        );
        sql.part_first("who", who);
        let of_visitor = sql.dialect.is_among("s.visitor", "SELECT visitor FROM who");
        let living = format!(
            "SELECT {SESSION} FROM session s WHERE s.site = $1 AND {of_visitor} \
             GROUP BY {SESSION} HAVING sum(s.sign) > 0"
        );
        sql.part("living", living);
        sql
    };
    let before = before.unwrap_or(Micros(i64::MAX)).0;
    let page = |sql: &mut Sql<'_>, rows: u32| {
        let (before, rows) = (sql.bind(before), sql.bind(i64::from(rows)));
        format!("SELECT * FROM living WHERE first_us < {before} ORDER BY first_us DESC LIMIT {rows}")
    };

    let totals = start().finish(
        "SELECT w.first_us, max(s.last_us), count(s.visitor), sum(s.events) \
         FROM who w LEFT JOIN living s ON s.visitor = w.visitor GROUP BY w.first_us",
    );
    let mut sql = start();
    let with_next = page(&mut sql, sessions + 1);
    let shown = sql.finish(&with_next);
    let mut sql = start();
    let shown_only = page(&mut sql, sessions);
    sql.part_first("page", shown_only);
    let most = sql.bind(MOST_EVENTS);
    // The join says so too; this is what an index is searched by.
    let of_visitor = sql.dialect.is_among("e.visitor", "SELECT visitor FROM who");
    let numbered = format!(
        "SELECT e.*, t.first_us, row_number() OVER (PARTITION BY t.first_us ORDER BY e.time_us, e.id) AS place \
         FROM event e JOIN page t ON {OF_SESSION} WHERE e.site = $1 AND {of_visitor} \
         AND e.time_us >= (SELECT min(first_us) FROM page) AND e.time_us <= (SELECT max(last_us) FROM page)"
    );
    let events = sql.finish(&format!(
        "SELECT {}, e.first_us FROM ({numbered}) e JOIN who k ON k.visitor = e.visitor WHERE e.place <= {most} \
         ORDER BY e.first_us DESC, e.time_us, e.id",
        event::columns("k.key")
    ));
    JourneyPlan { statements: vec![totals, shown, events], key, sessions: sessions as usize }
}

impl JourneyPlan {
    /// Reads the answer of the statements; `None`: the site never saw this visitor. `as_of` is left to the caller.
    pub fn answer(&self, results: Vec<Rows>) -> Result<Option<JourneyResponse>, Malformed> {
        let mut results = results.into_iter().map(|rows| rows.rows);
        let (Some(totals), Some(sessions), Some(events)) = (results.next(), results.next(), results.next()) else {
            return Err(Malformed("an answer is missing".into()));
        };
        let Some(totals) = totals.first() else { return Ok(None) };
        let is_last_page = sessions.len() <= self.sessions;
        let mut shown = sessions.iter().take(self.sessions).map(|row| session(row)).collect::<Result<Vec<_>, _>>()?;
        let places: HashMap<i64, usize> =
            shown.iter().enumerate().map(|(place, session)| (session.start_us, place)).collect();
        for mut row in events {
            let start = row.pop().unwrap_or(Cell::Null).int();
            let (event, _) = event::read(row)?;
            match places.get(&start) {
                Some(place) => shown[*place].events.push(event),
                None => return Err(Malformed(format!("no session of this page starts at {start}"))),
            }
        }
        Ok(Some(JourneyResponse {
            visitor: format!("{:032x}", self.key.0),
            first_seen_us: cell(totals, 0)?.int(),
            last_seen_us: cell(totals, 1)?.int(),
            total_sessions: count(totals, 2)?,
            total_events: count(totals, 3)?,
            next_before_us: if is_last_page { 0 } else { shown.last().map_or(0, |oldest| oldest.start_us) },
            sessions: shown,
            as_of: None,
        }))
    }
}

/// Reads a session, without its events.
fn session(row: &[Cell]) -> Result<JourneySession, Malformed> {
    Ok(JourneySession {
        start_us: cell(row, 1)?.int(),
        end_us: cell(row, 2)?.int(),
        entry_page: cell(row, 3)?.text().to_owned(),
        exit_page: cell(row, 4)?.text().to_owned(),
        page_views: count(row, 5)?,
        total_events: count(row, 6)?,
        events: Vec::new(),
    })
}
