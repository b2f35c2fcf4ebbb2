//! Day sets from raw rows.

use super::DaySets;
use crate::plan::{Malformed, Tenant};
use crate::sql::{At, Selected, Source, Sql};
use pistats_core::report::Selection;
use pistats_core::time::Range;
use pistats_core::{Day, Micros};
use pistats_store::{Rows, Statement};

/// Whose days are asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DaysOf {
    /// Visitors with a selected event on the day, for the days of the selection's range.
    Selected(Selection),
    /// Visitors whose first selected event ever lies on the day, for the days of the selection's range.
    FirstSelected(Selection),
    /// Visitors whose first event ever, any event, lies on the day.
    FirstSeen { first: Day, last: Day },
}

/// Which days are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    AllDays,
    /// Those whose sheets are behind.
    DirtyDays,
}

/// The statement that reads a set from raw rows.
pub(crate) fn statement(tenant: &Tenant, wanted: &DaysOf, days: Of) -> Statement {
    let mut sql = tenant.sql();
    let only = |sql: &mut Sql<'_>, day: &str| match days {
        Of::AllDays => String::new(),
        Of::DirtyDays => {
            sql.part("dirty", "SELECT DISTINCT day FROM sheet_dirty WHERE site = $1".to_owned());
            format!(" AND {day} IN (SELECT day FROM dirty)")
        }
    };
    let text = match wanted {
        DaysOf::Selected(selection) => {
            let selected = Selected::new(selection, selection.range, tenant.zone());
            let Source { from, conditions } = selected.events_in_range(&mut sql, "");
            let mut only = only(&mut sql, "e.day");
            if !only.is_empty() {
                // The bounds say less, but engines skip blocks of rows by them.
                let last = i64::MAX;
                only.push_str(&format!(
                    " AND e.time_us >= (SELECT coalesce((min(day) - 1) * 86400000000, {last}) FROM dirty) \
                     AND e.time_us < (SELECT coalesce((max(day) + 2) * 86400000000, 0) FROM dirty)"
                ));
            }
            format!("SELECT DISTINCT e.day, e.visitor FROM {from} WHERE {conditions}{only}")
        }
        DaysOf::FirstSelected(selection) => {
            // Where a clock was set back over midnight an instant of the new day comes before one of the old day: the first
            // event is found by time, and its day is worked out afterwards.
            let history = Range::Times { from: Micros(i64::MIN), to: selection.range.hull(tenant.zone()).1 };
            let selected = Selected::new(selection, history, tenant.zone());
            let Source { from, conditions } = selected.events_in_range(&mut sql, "");
            format!("SELECT min(e.time_us), e.visitor FROM {from} WHERE {conditions} GROUP BY e.visitor")
        }
        DaysOf::FirstSeen { first, last } => {
            let lies = At::VISITOR.lies_in(&mut sql, Range::Days { first: *first, last: *last });
            let only = only(&mut sql, "v.first_day");
            format!(
                "SELECT v.first_day, v.visitor FROM visitor v WHERE v.site = $1 AND {lies}{only} \
                 GROUP BY v.visitor, v.first_us, v.first_day HAVING sum(v.sign) > 0"
            )
        }
    };
    sql.finish(&text).as_numbers()
}

/// The sets that the statement's rows are.
pub(crate) fn sets(tenant: &Tenant, wanted: &DaysOf, rows: &Rows) -> Result<DaySets, Malformed> {
    let (when, visitors): (&[i64], &[i64]) = match rows.numbers.as_slice() {
        [] => (&[], &[]),
        [when, visitors] => (when, visitors),
        columns => return Err(Malformed(format!("{} columns of day and visitor", columns.len()))),
    };
    match wanted {
        DaysOf::Selected(_) | DaysOf::FirstSeen { .. } => DaySets::of_pairs(when, visitors),
        DaysOf::FirstSelected(selection) => {
            let (mut days, mut within) = (Vec::new(), Vec::new());
            for (at, visitor) in when.iter().zip(visitors) {
                let (at, day) = (Micros(*at), tenant.zone().day_of(Micros(*at)));
                if selection.range.holds(at, day) {
                    days.push(i64::from(day.0));
                    within.push(*visitor);
                }
            }
            DaySets::of_pairs(&days, &within)
        }
    }
}
