//! The steps of a series as an expression: every row finds its own step, without joins and without zone names.
//!
//! ```text
//!   clock (minute, hour)   key = first instant of the step: t - (t + shift) % width, cut at the stretch of one offset
//!   civil (day, week, …)   key = first local day of the step, from the stored local day
//! ```
//!
//! Zones enter as numbers only: a shift for each stretch of constant offset that the range touches (two or three, for a
//! range over the changes of a year). Weeks and months are arithmetic of civil days.

use super::{At, Sql};
use pistats_core::time::{Bucket, Interval, Range};
use pistats_core::{Micros, Zone};

/// The rollups' width.
const QUARTER_US: i64 = 15 * Micros::MINUTE;
/// Added before taking remainders, so that they are never taken of a negative number: a multiple of every width.
const LIFT_US: i64 = 7 * Micros::DAY;

/// The steps of a range.
pub(crate) struct Series {
    pub(crate) buckets: Vec<Bucket>,
    kind: Kind,
}

enum Kind {
    Civil(Interval, i64),
    Clock { width: i64, stretches: Vec<Piece> },
}

/// A stretch of one offset, as far as the range touches it.
struct Piece {
    /// The instant after it; nothing behind the last one.
    until: Option<Micros>,
    from: Micros,
    offset_us: i64,
}

impl Series {
    /// The steps of a range, `None` if there are more than `most`.
    pub(crate) fn new(interval: Interval, range: Range, zone: &Zone, most: usize) -> Option<Series> {
        let buckets = interval.buckets(zone, range, most)?;
        let kind = match interval {
            Interval::Minute => clock(Micros::MINUTE, range, zone),
            Interval::Hour => clock(Micros::HOUR, range, zone),
            _ => Kind::Civil(interval, buckets.first().map_or(0, |bucket| i64::from(bucket.first_day.0))),
        };
        Some(Series { buckets, kind })
    }

    /// The key that [`Series::expression`] gives to the rows of a step.
    pub(crate) fn key(&self, bucket: &Bucket) -> i64 {
        match self.kind {
            Kind::Civil(..) => i64::from(bucket.first_day.0),
            Kind::Clock { .. } => bucket.from.0,
        }
    }

    /// The step of a row.
    pub(crate) fn expression(&self, sql: &mut Sql<'_>, at: At) -> String {
        let (time, day) = (at.time, at.day);
        match &self.kind {
            Kind::Civil(Interval::Week, first) => {
                // Day 0 was a Thursday; 7,000,003 days keep the remainder positive.
                format!("greatest({day} - ({day} + 7000003) % 7, {})", sql.bind(*first))
            }
            Kind::Civil(Interval::Month, first) => {
                let of_month = format!("CAST(extract(day FROM DATE '1970-01-01' + {day}) AS integer)");
                format!("greatest({day} - {of_month} + 1, {})", sql.bind(*first))
            }
            Kind::Civil(..) => day.to_owned(),
            Kind::Clock { width, stretches } => {
                let mut cases = String::new();
                let mut last = time.to_owned();
                for piece in stretches {
                    let shift = piece.offset_us.rem_euclid(*width) + LIFT_US;
                    let start = format!("{time} - ({time} + {}) % {}", sql.bind(shift), sql.bind(*width));
                    let start = format!("greatest({start}, {})", sql.bind(piece.from.0));
                    match piece.until {
                        Some(until) => {
                            cases.push_str(&format!(" WHEN {time} < {} THEN {start}", sql.bind(until.0)));
                        }
                        None => last = start,
                    }
                }
                if cases.is_empty() { last } else { format!("CASE{cases} ELSE {last} END") }
            }
        }
    }

    /// Whether every step begins and ends on a quarter of an hour, as the rollups do.
    pub(crate) fn fits_rollups(&self) -> bool {
        let even = |micros: i64| micros % QUARTER_US == 0;
        match &self.kind {
            // Rollups keep the local day.
            Kind::Civil(..) => true,
            Kind::Clock { width, stretches } => {
                even(*width)
                    && stretches.iter().all(|piece| {
                        even(piece.from.0) && piece.until.is_none_or(|at| even(at.0)) && even(piece.offset_us)
                    })
            }
        }
    }
}

/// Whether a range begins and ends where rollups do.
pub(crate) fn fits_rollups(range: Range) -> bool {
    match range {
        Range::Days { .. } => true,
        Range::Times { from, to } => from.0 % QUARTER_US == 0 && to.0 % QUARTER_US == 0,
    }
}

fn clock(width: i64, range: Range, zone: &Zone) -> Kind {
    let (from, to) = range.hull(zone);
    let mut stretches = Vec::new();
    let mut at = from;
    while at < to {
        let stretch = zone.stretch(at);
        let until = (stretch.to < to).then_some(stretch.to);
        stretches.push(Piece { until, from: at, offset_us: stretch.offset_us });
        at = stretch.to;
    }
    Kind::Clock { width, stretches }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::dialect_of;
    use pistats_core::{Day, SiteId};
    use pistats_store::{Cell, Engine};

    fn at(text: &str) -> Micros {
        Micros(text.parse::<jiff::Timestamp>().expect("a timestamp").as_microsecond())
    }

    fn series(interval: Interval, from: &str, to: &str, zone: &str) -> Series {
        let range = Range::Times { from: at(from), to: at(to) };
        Series::new(interval, range, &Zone::named(zone).expect("a zone"), 10_000).expect("few steps")
    }

    fn text(series: &Series) -> (String, Vec<Cell>) {
        let mut sql = Sql::new(SiteId(1), dialect_of(Engine::DuckDb));
        let expression = series.expression(&mut sql, At::EVENT);
        let statement = sql.finish(&expression);
        (statement.sql, statement.values[1..].to_vec())
    }

    #[test]
    fn hours_over_a_change_are_two_stretches_of_numbers() {
        let hours = series(Interval::Hour, "2024-04-06T14:00:00Z", "2024-04-06T17:30:00Z", "Australia/Lord_Howe");
        let (sql, values) = text(&hours);
        assert_eq!(
            sql,
            "CASE WHEN e.time_us < $5 THEN greatest(e.time_us - (e.time_us + $2) % $3, $4) \
             ELSE greatest(e.time_us - (e.time_us + $6) % $3, $5) END"
        );
        let lift = 7 * Micros::DAY;
        let change = at("2024-04-06T15:00:00Z").0;
        let expected =
            [lift, Micros::HOUR, at("2024-04-06T14:00:00Z").0, change, lift + 30 * Micros::MINUTE].map(Cell::Int);
        assert_eq!(values, expected);
    }

    #[test]
    fn days_are_the_stored_local_day() {
        let days = series(Interval::Day, "2024-03-30T00:00:00Z", "2024-04-02T00:00:00Z", "Europe/Berlin");
        assert_eq!(text(&days), ("e.day".to_owned(), vec![]));
        assert_eq!(days.key(&days.buckets[0]), i64::from(Day::parse("2024-03-30").expect("a day").0));
    }

    #[test]
    fn rollups_serve_whole_quarters_of_an_hour_only() {
        let (from, to) = ("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z");
        assert!(series(Interval::Hour, from, to, "Asia/Kathmandu").fits_rollups());
        assert!(!series(Interval::Minute, from, to, "UTC").fits_rollups());
        // St John's fell back at 00:01.
        let (from, to) = ("2010-11-07T02:00:00Z", "2010-11-07T04:00:00Z");
        assert!(!series(Interval::Hour, from, to, "America/St_Johns").fits_rollups());
        assert!(series(Interval::Day, from, to, "America/St_Johns").fits_rollups());
        let range = |from| Range::Times { from: Micros(from), to: Micros(QUARTER_US * 4) };
        assert!(fits_rollups(range(QUARTER_US)));
        assert!(!fits_rollups(range(QUARTER_US + 1)));
    }
}
