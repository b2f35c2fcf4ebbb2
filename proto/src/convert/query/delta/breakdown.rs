//! Deltas of a list: its rows come, go and move.

use super::{Difference, Misapplied, found, places, put};
use crate::query::v1;
use std::collections::HashMap;
use v1::delta;

pub(super) fn diff(before: &v1::BreakdownResponse, after: &v1::BreakdownResponse) -> Difference {
    if before.visitor_days != after.visitor_days {
        return Difference::Whole;
    }
    let known: HashMap<&str, &v1::Row> = before.rows.iter().map(|row| (row.value.as_str(), row)).collect();
    let is_new = |row: &&v1::Row| known.get(row.value.as_str()) != Some(row);
    let is_moved = !before.rows.iter().map(|row| &row.value).eq(after.rows.iter().map(|row| &row.value));
    let delta = v1::BreakdownDelta {
        rows: after.rows.iter().filter(is_new).cloned().collect(),
        order: after.rows.iter().filter(|_| is_moved).map(|row| row.value.clone()).collect(),
        emptied: !before.rows.is_empty() && after.rows.is_empty(),
        total_rows: after.total_rows,
    };
    found(delta != unchanged(before), || delta::Report::Breakdown(delta))
}

pub(super) fn unchanged(answer: &v1::BreakdownResponse) -> v1::BreakdownDelta {
    v1::BreakdownDelta { total_rows: answer.total_rows, ..Default::default() }
}

pub(super) fn apply(
    answer: &mut v1::BreakdownResponse,
    delta: v1::BreakdownDelta,
    as_of: Option<v1::AsOf>,
) -> Result<(), Misapplied> {
    if delta.emptied {
        answer.rows.clear();
    } else if delta.order.is_empty() {
        let places = places(&answer.rows, &delta.rows, |row| row.value.clone())?;
        put(&mut answer.rows, places, delta.rows);
    } else {
        let known = answer.rows.iter().chain(&delta.rows);
        let mut latest: HashMap<&str, &v1::Row> = known.map(|row| (row.value.as_str(), row)).collect();
        let in_order = delta
            .order
            .iter()
            .map(|value| latest.remove(value.as_str()).cloned().ok_or_else(|| Misapplied::Unknown(value.clone())));
        answer.rows = in_order.collect::<Result<_, _>>()?;
    }
    answer.total_rows = delta.total_rows;
    answer.as_of = as_of;
    Ok(())
}
