//! Which days of some ranges have a sheet, and which are dirty.

use crate::plan::{Malformed, Tenant};
use crate::sql::Sql;
use pistats_core::Day;
use pistats_core::time::Range;
use pistats_store::{Rows, Statement};
use std::collections::{BTreeMap, BTreeSet};

/// Days of one snapshot. A day that is neither here nor there holds nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Days {
    /// The version of each sheet, dirty days left out.
    pub(crate) clean: BTreeMap<Day, i64>,
    pub(crate) dirty: BTreeSet<Day>,
}

/// Some days in a row, both ends included, and which of them are dirty.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) first: Day,
    pub(crate) last: Day,
    /// Ascending.
    pub(crate) dirty: Vec<Day>,
}

impl Days {
    /// How they are read: two statements, columns of numbers.
    pub(crate) fn statements(tenant: &Tenant, ranges: &[(Day, Day)]) -> [Statement; 2] {
        let lies = |sql: &mut Sql<'_>| {
            let within: Vec<String> = ranges
                .iter()
                .map(|(first, last)| {
                    let (first, last) = (sql.bind(i64::from(first.0)), sql.bind(i64::from(last.0)));
                    format!("day BETWEEN {first} AND {last}")
                })
                .collect();
            format!("site = $1 AND ({})", within.join(" OR "))
        };
        let (mut sheets, mut marks) = (tenant.sql(), tenant.sql());
        let of_sheets = format!("SELECT day, version FROM sheet WHERE {}", lies(&mut sheets));
        let of_marks = format!("SELECT DISTINCT day FROM sheet_dirty WHERE {}", lies(&mut marks));
        [sheets.finish(&of_sheets).as_numbers(), marks.finish(&of_marks).as_numbers()]
    }

    /// The days that the rows of [`Days::statements`] tell.
    pub(crate) fn gather(sheets: &Rows, marks: &Rows) -> Result<Days, Malformed> {
        let column = |rows: &Rows, at: usize| rows.numbers.get(at).cloned().unwrap_or_default();
        let day = |day: i64| i32::try_from(day).map(Day).map_err(|_| Malformed(format!("{day} as a day")));
        let dirty: BTreeSet<Day> = column(marks, 0).into_iter().map(day).collect::<Result<_, _>>()?;
        let mut clean = BTreeMap::new();
        for (at, version) in column(sheets, 0).into_iter().zip(column(sheets, 1)) {
            let at = day(at)?;
            if !dirty.contains(&at) {
                clean.insert(at, version);
            }
        }
        Ok(Days { clean, dirty })
    }

    /// The span of a range of days; `None` for a range of times.
    pub(crate) fn span(&self, range: Range) -> Option<Span> {
        let Range::Days { first, last } = range else { return None };
        let dirty = if first <= last { self.dirty.range(first..=last).copied().collect() } else { Vec::new() };
        Some(Span { first, last, dirty })
    }

    /// The days of a span that have a sheet to be read, and its version.
    pub(crate) fn clean_of(&self, span: &Span) -> impl Iterator<Item = (Day, i64)> {
        let days = (span.first <= span.last).then(|| self.clean.range(span.first..=span.last));
        days.into_iter().flatten().map(|(day, version)| (*day, *version))
    }

    /// Whether every sheet of these days is there in another snapshot's, too, with the same version.
    pub(crate) fn still_stand_in(&self, sheets: &Rows) -> bool {
        let [days, versions] = sheets.numbers.as_slice() else { return self.clean.is_empty() };
        let there: BTreeMap<i64, i64> = days.iter().copied().zip(versions.iter().copied()).collect();
        self.clean.iter().all(|(day, version)| there.get(&i64::from(day.0)) == Some(version))
    }
}

impl Span {
    /// The span in two, with about as many days of `days` that are not dirty in each; whole where there are fewer than two.
    pub(crate) fn halves(&self, days: &Days) -> Vec<Span> {
        let clean: Vec<Day> = days.clean_of(self).map(|(day, _)| day).collect();
        let Some(middle) = clean.get(clean.len() / 2).filter(|_| clean.len() > 1) else { return vec![self.clone()] };
        let part = |first: Day, last: Day| {
            let dirty = self.dirty.iter().copied().filter(|day| (first..=last).contains(day)).collect();
            Span { first, last, dirty }
        };
        vec![part(self.first, middle.plus(-1)), part(*middle, self.last)]
    }

    /// A condition on a row's day: one of the span that is not dirty.
    pub(crate) fn is_clean(&self, sql: &mut Sql<'_>, day: &str) -> String {
        let (first, last) = (sql.bind(i64::from(self.first.0)), sql.bind(i64::from(self.last.0)));
        let within = format!("{day} BETWEEN {first} AND {last}");
        if self.dirty.is_empty() { within } else { format!("{within} AND NOT ({})", self.is_dirty(sql, day)) }
    }

    /// A condition on a row's day: a dirty one.
    pub(crate) fn is_dirty(&self, sql: &mut Sql<'_>, day: &str) -> String {
        let days: Vec<String> = self.dirty.iter().map(|day| sql.bind(i64::from(day.0))).collect();
        format!("{day} IN ({})", days.join(", "))
    }

    /// The dirty days, those in a row together.
    pub(crate) fn dirty_runs(&self) -> Vec<Range> {
        let mut runs: Vec<(Day, Day)> = Vec::new();
        for day in &self.dirty {
            match runs.last_mut() {
                Some((_, last)) if last.plus(1) == *day => *last = *day,
                _ => runs.push((*day, *day)),
            }
        }
        runs.into_iter().map(|(first, last)| Range::Days { first, last }).collect()
    }

    /// From the first to the last dirty day.
    pub(crate) fn dirty_range(&self) -> Option<Range> {
        Some(Range::Days { first: *self.dirty.first()?, last: *self.dirty.last()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(columns: &[&[i64]]) -> Rows {
        Rows { numbers: columns.iter().map(|column| column.to_vec()).collect(), ..Rows::default() }
    }

    #[test]
    fn a_marked_day_is_dirty_whether_it_has_a_sheet_or_not() {
        let days = Days::gather(&rows(&[&[1, 2, 4], &[10, 11, 12]]), &rows(&[&[2, 3]])).expect("days");
        assert_eq!(days.clean, BTreeMap::from([(Day(1), 10), (Day(4), 12)]));
        let span = days.span(Range::Days { first: Day(0), last: Day(2) }).expect("days");
        assert_eq!((&*span.dirty, days.clean_of(&span).collect::<Vec<_>>()), (&[Day(2)][..], vec![(Day(1), 10)]));
        assert_eq!(Days::gather(&Rows::default(), &Rows::default()).expect("none"), Days::default());
    }

    #[test]
    fn a_span_is_halved_by_its_clean_days() {
        let days = Days::gather(&rows(&[&[1, 2, 3, 8], &[10, 11, 12, 13]]), &rows(&[&[5, 9]])).expect("days");
        let span = days.span(Range::Days { first: Day(0), last: Day(9) }).expect("days");
        let part = |first, last, dirty: &[i32]| Span {
            first: Day(first),
            last: Day(last),
            dirty: dirty.iter().copied().map(Day).collect(),
        };
        assert_eq!(span.halves(&days), [part(0, 2, &[]), part(3, 9, &[5, 9])]);
        let one = part(4, 8, &[5]);
        assert_eq!(one.halves(&days), [one]);
        assert_eq!(part(2, 3, &[]).halves(&days), [part(2, 2, &[]), part(3, 3, &[])]);
    }

    #[test]
    fn dirty_days_in_a_row_are_one_run() {
        let span = Span { first: Day(0), last: Day(9), dirty: [1, 2, 3, 5, 8, 9].map(Day).to_vec() };
        let run = |first, last| Range::Days { first: Day(first), last: Day(last) };
        assert_eq!(span.dirty_runs(), [run(1, 3), run(5, 5), run(8, 9)]);
        assert_eq!(Span { dirty: vec![], ..span }.dirty_runs(), []);
    }

    #[test]
    fn days_stand_as_long_as_their_versions_do() {
        let days = Days::gather(&rows(&[&[1, 2], &[10, 11]]), &rows(&[&[2]])).expect("days");
        assert!(days.still_stand_in(&rows(&[&[2, 1], &[99, 10]])));
        assert!(!days.still_stand_in(&rows(&[&[2, 1], &[11, 12]])));
        assert!(!days.still_stand_in(&Rows::default()));
        assert!(Days::default().still_stand_in(&Rows::default()));
    }
}
