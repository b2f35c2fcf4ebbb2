//! Cells as numbers: what the plans share when they read rows.

use pistats_core::report::Metrics;
use pistats_store::Cell;

/// An answer that cannot be: the plan and the warehouse do not fit together. Never the caller's fault.
#[derive(Debug, thiserror::Error)]
#[error("the warehouse answered what no plan expects: {0}")]
pub struct Malformed(pub String);

/// The cell of a column.
pub(crate) fn cell(row: &[Cell], column: usize) -> Result<&Cell, Malformed> {
    row.get(column).ok_or_else(|| Malformed(format!("column {column} of a row of {}", row.len())))
}

/// A count: NULL, the sum of nothing, is 0. A sum over signs below 0 is no count.
pub(crate) fn count(row: &[Cell], column: usize) -> Result<u64, Malformed> {
    match cell(row, column)? {
        Cell::Null => Ok(0),
        Cell::Int(number) if *number >= 0 => Ok(*number as u64),
        other => Err(Malformed(format!("{other:?} as a count in column {column}"))),
    }
}

/// Numbers of events and their visitors, eight columns from `column` on:
/// visitors, new visitors, events, page views, count, sum, least and greatest of values.
pub(crate) fn read_events(metrics: &mut Metrics, row: &[Cell], column: usize) -> Result<(), Malformed> {
    metrics.visitors = count(row, column)?;
    metrics.new_visitors = count(row, column + 1)?;
    read_counts(metrics, row, column + 2)
}

/// Numbers of events, six columns from `column` on: events, page views, count, sum, least and greatest of values.
pub(crate) fn read_counts(metrics: &mut Metrics, row: &[Cell], column: usize) -> Result<(), Malformed> {
    metrics.events = count(row, column)?;
    metrics.page_views = count(row, column + 1)?;
    metrics.value_count = count(row, column + 2)?;
    metrics.value_sum = cell(row, column + 3)?.int();
    metrics.value_min = cell(row, column + 4)?.maybe_int();
    metrics.value_max = cell(row, column + 5)?.maybe_int();
    Ok(())
}

/// Numbers of sessions, four columns from `column` on: sessions, bounces, microseconds, page views.
pub(crate) fn read_sessions(metrics: &mut Metrics, row: &[Cell], column: usize) -> Result<(), Malformed> {
    metrics.sessions = count(row, column)?;
    metrics.bounces = count(row, column + 1)?;
    metrics.session_us = cell(row, column + 2)?.int();
    metrics.session_page_views = count(row, column + 3)?;
    Ok(())
}
