//! Random questions about people: retention, funnels, journeys, and counts of visitors by the dimensions that have bitmaps.

use super::questions::{Asker, Question};
use crate::{Oracle, OracleEvent};
use pistats_core::report::{
    Breakdown, Dimension, Filter, Funnel, Metric, Operator, Period, Retention, RetentionMode, Selection, Traffic,
    WeekStart,
};
use pistats_core::time::{Interval, Range};
use pistats_core::{Day, Micros, Zone};
use rand::Rng;
use rand::seq::IndexedRandom;

/// A question about people.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PeopleQuestion {
    Retention(Retention),
    Funnel(Funnel),
    Journey {
        visitor: String,
        sessions: u32,
        /// None: from the newest.
        before: Option<Micros>,
    },
    /// Visitors and the rest, mostly of whole days and by dimensions with bitmaps.
    Count(Question),
}

/// The dimensions whose visitors are kept as bitmaps (DESIGN section 7).
pub const BITMAP_DIMENSIONS: [Dimension; 7] = [
    Dimension::Country,
    Dimension::Device,
    Dimension::Browser,
    Dimension::Os,
    Dimension::Channel,
    Dimension::EventName,
    Dimension::Page,
];

/// Cells of a retention that are asked for at most: more cost time and show nothing new.
const MOST_CELLS: usize = 2_000;

/// Endless questions about the people of `oracle`, who must have one; equal seeds ask the same.
pub fn people_questions<'a>(
    seed: u64,
    oracle: &'a Oracle,
    zone: &'a Zone,
) -> impl Iterator<Item = PeopleQuestion> + 'a {
    let mut asker = Asker::new(seed, oracle, zone);
    std::iter::repeat_with(move || match asker.rng.random_range(0..20) {
        0..8 => PeopleQuestion::Retention(asker.retention()),
        8..14 => PeopleQuestion::Funnel(asker.funnel()),
        14 => asker.journey(),
        15..18 => PeopleQuestion::Count(asker.visitors()),
        _ => PeopleQuestion::Count(asker.rows()),
    })
}

impl Asker<'_> {
    fn retention(&mut self) -> Retention {
        let periods =
            [Period::Day, Period::Day, Period::Week(WeekStart::Monday), Period::Week(WeekStart::Sunday), Period::Month];
        let mut period = periods.choose(&mut self.rng).copied().unwrap_or(Period::Day);
        let range = if self.rng.random() { self.days() } else { self.some_days() };
        let cells = self.rng.random_ratio(2, 5).then(|| self.rng.random_range(1..=12));
        let is_few = |period: Period| {
            let Range::Days { first, last } = range else { return false };
            let periods = period.touching(first, last, MOST_CELLS);
            periods.is_some_and(|all| all.len() * cells.map_or(all.len(), |cells| cells as usize) <= MOST_CELLS)
        };
        if !is_few(period) {
            period = Period::Month;
        }
        let modes = [RetentionMode::FirstTime, RetentionMode::Recurring];
        Retention {
            selection: self.people_of(range),
            period,
            mode: modes.choose(&mut self.rng).copied().unwrap_or_default(),
            start: self.condition(),
            returning: self.condition(),
            cells,
        }
    }

    fn funnel(&mut self) -> Funnel {
        let range = if self.rng.random() { self.all_days() } else { self.range() };
        let count = self.rng.random_range(1..=4);
        let steps = if self.rng.random() { self.walked(count) } else { (0..count).map(|_| self.step()).collect() };
        let intervals = [Interval::Hour, Interval::Day, Interval::Day, Interval::Week, Interval::Month];
        let wanted = intervals.choose(&mut self.rng).copied().filter(|_| self.rng.random_ratio(1, 3));
        Funnel {
            selection: self.people_of(range),
            steps,
            limit_us: self.limit(),
            strict: self.rng.random_ratio(1, 3),
            reentry: self.rng.random_ratio(2, 5),
            interval: wanted.filter(|interval| self.is_short(*interval, range)),
        }
    }

    /// None, or as long as two events of one visitor lie apart, a microsecond less or more.
    pub(super) fn limit(&mut self) -> Option<i64> {
        if self.rng.random_ratio(2, 5) {
            return None;
        }
        let one = self.oracle.events().choose(&mut self.rng)?;
        let of_visitor: Vec<Micros> =
            self.oracle.events().iter().filter(|event| event.visitor == one.visitor).map(|event| event.time).collect();
        let others: Vec<Micros> = of_visitor.into_iter().filter(|time| *time != one.time).collect();
        let other = others.choose(&mut self.rng)?;
        let beside = [0, 0, -1, 1].choose(&mut self.rng).copied().unwrap_or(0);
        Some((one.time.since(*other).abs() + beside).max(1))
    }

    fn journey(&mut self) -> PeopleQuestion {
        let visitor = self.oracle.events().choose(&mut self.rng).map_or(String::new(), |event| event.visitor.clone());
        let before = if self.rng.random() { None } else { Some(self.some_time().plus(self.rng.random_range(0..=1))) };
        PeopleQuestion::Journey { visitor, sessions: self.rng.random_range(1..=4), before }
    }

    fn visitors(&mut self) -> Question {
        let range = self.range();
        let selection = self.people_of(range);
        let intervals = [Interval::Hour, Interval::Day, Interval::Week, Interval::Month];
        let wanted = intervals.choose(&mut self.rng).copied().filter(|_| self.rng.random_ratio(2, 3));
        let interval = wanted.filter(|interval| self.is_short(*interval, range));
        Question::Traffic(Traffic { selection, interval })
    }

    fn rows(&mut self) -> Question {
        let range = self.range();
        let selection = self.people_of(range);
        let dimension = self.listed();
        let order_by = [Metric::Visitors, Metric::Sessions, Metric::Events].choose(&mut self.rng).copied();
        let limit = if self.rng.random() { 3 } else { 10_000 };
        Question::Breakdown(Breakdown {
            selection,
            dimension,
            order_by: order_by.unwrap_or_default(),
            limit,
            offset: 0,
        })
    }

    fn range(&mut self) -> Range {
        match self.rng.random_range(0..4) {
            0 => self.times(),
            1 => self.some_days(),
            _ => self.days(),
        }
    }

    /// Some days around an event.
    fn some_days(&mut self) -> Range {
        let day = self.zone.day_of(self.some_time());
        let (before, after) = (self.rng.random_range(0..=8), self.rng.random_range(0..=8));
        Range::Days { first: day.plus(-before), last: day.plus(after) }
    }

    fn all_days(&mut self) -> Range {
        let day = |event: Option<&OracleEvent>| event.map_or(Day(0), |event| self.zone.day_of(event.time));
        let events = self.oracle.events();
        Range::Days { first: day(events.first()), last: day(events.last()) }
    }

    fn listed(&mut self) -> Dimension {
        BITMAP_DIMENSIONS.choose(&mut self.rng).cloned().unwrap_or(Dimension::Page)
    }

    /// Mostly everything, else what bitmaps hold, or any filters.
    fn people_of(&mut self, range: Range) -> Selection {
        let filters = match self.rng.random_range(0..10) {
            0..6 => Vec::new(),
            6 | 7 => {
                let dimension = self.listed();
                vec![self.filter_is(dimension)]
            }
            8 => vec![self.filter()],
            _ => vec![self.filter(), self.filter()],
        };
        Selection { range, filters, bots: self.bots() }
    }

    /// A start or return event: mostly none, else by dimensions of events.
    fn condition(&mut self) -> Vec<Filter> {
        match self.rng.random_range(0..8) {
            0..5 => Vec::new(),
            5 => {
                let dimension = self.listed();
                vec![self.filter_is(dimension)]
            }
            6 => vec![self.filter_of_event()],
            _ => vec![self.filter_of_event(), self.filter_of_event()],
        }
    }

    /// Steps that a visitor took, each told by one value of its event.
    fn walked(&mut self, count: usize) -> Vec<Vec<Filter>> {
        let Some(one) = self.oracle.events().choose(&mut self.rng) else { return vec![Vec::new(); count] };
        let of_visitor: Vec<_> = self.oracle.events().iter().filter(|event| event.visitor == one.visitor).collect();
        let mut taken: Vec<usize> = (0..count).map(|_| self.rng.random_range(0..of_visitor.len())).collect();
        taken.sort_unstable();
        let told = |at: usize| {
            let event = of_visitor[at];
            let (dimension, value) = match self.rng.random_range(0..3) {
                0 => (Dimension::EventName, &event.name),
                1 => (Dimension::Host, &event.host),
                _ => (Dimension::Page, &event.page),
            };
            vec![Filter { dimension, operator: Operator::Is, values: vec![value.clone()] }]
        };
        taken.into_iter().map(told).collect()
    }

    /// A step of a funnel: mostly one that many events pass.
    fn step(&mut self) -> Vec<Filter> {
        match self.rng.random_range(0..8) {
            0 => Vec::new(),
            1..6 => {
                let often = [Dimension::EventName, Dimension::Host, Dimension::Topic, Dimension::Page, Dimension::Os];
                let dimension = often.choose(&mut self.rng).cloned().unwrap_or(Dimension::Page);
                vec![self.filter_is(dimension)]
            }
            6 => vec![self.filter_of_event()],
            _ => vec![self.filter_of_event(), self.filter_of_event()],
        }
    }

    fn filter_of_event(&mut self) -> Filter {
        loop {
            let filter = self.filter();
            if !matches!(filter.dimension, Dimension::EntryPage | Dimension::ExitPage) {
                return filter;
            }
        }
    }
}
