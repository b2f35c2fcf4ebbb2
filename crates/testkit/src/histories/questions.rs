//! Random questions about a history: every report, dimension, operator, interval and bots mode, over ranges whose ends
//! lie on events, on days and a microsecond beside them.

use super::values::PROPERTY_KEYS;
use crate::Oracle;
use pistats_core::report::{Bots, Breakdown, Dimension, Filter, Metric, Operator, Selection, Traffic};
use pistats_core::time::{Interval, Range};
use pistats_core::{Micros, Zone};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::collections::HashMap;

/// One request of the query service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    Traffic(Traffic),
    Breakdown(Breakdown),
    Export(Selection),
}

/// The longest series that is asked for: longer ones cost time and show nothing new.
const LONGEST_SERIES: usize = 400;

/// Endless questions about the events of `oracle`; equal seeds ask the same.
pub fn questions<'a>(seed: u64, oracle: &'a Oracle, zone: &'a Zone) -> impl Iterator<Item = Question> + 'a {
    let mut asker = Asker::new(seed, oracle, zone);
    std::iter::repeat_with(move || asker.question())
}

/// All dimensions; of properties, those that histories have and one that they do not.
pub fn dimensions() -> Vec<Dimension> {
    let mut all = vec![
        Dimension::Url,
        Dimension::Page,
        Dimension::Path,
        Dimension::Host,
        Dimension::Title,
        Dimension::EntryPage,
        Dimension::ExitPage,
        Dimension::Referrer,
        Dimension::Source,
        Dimension::Channel,
        Dimension::UtmSource,
        Dimension::UtmMedium,
        Dimension::UtmCampaign,
        Dimension::UtmTerm,
        Dimension::UtmContent,
        Dimension::Country,
        Dimension::Language,
        Dimension::Device,
        Dimension::Screen,
        Dimension::Browser,
        Dimension::Os,
        Dimension::EventName,
        Dimension::Topic,
        Dimension::UserId,
        Dimension::Property("absent".to_owned()),
    ];
    all.extend(PROPERTY_KEYS.iter().map(|key| Dimension::Property((*key).to_owned())));
    all
}

/// Asks, with the words that events have.
pub(super) struct Asker<'a> {
    pub(super) rng: StdRng,
    pub(super) oracle: &'a Oracle,
    pub(super) zone: &'a Zone,
    /// The values of a dimension, looked up once.
    known: HashMap<Dimension, Vec<String>>,
}

impl<'a> Asker<'a> {
    pub(super) fn new(seed: u64, oracle: &'a Oracle, zone: &'a Zone) -> Asker<'a> {
        Asker { rng: StdRng::seed_from_u64(seed), oracle, zone, known: HashMap::new() }
    }

    fn question(&mut self) -> Question {
        match self.rng.random_range(0..20) {
            0 => Question::Export(self.selection()),
            1..9 => self.traffic(),
            _ => self.breakdown(),
        }
    }

    fn traffic(&mut self) -> Question {
        let selection = self.selection();
        let intervals = [
            Interval::Minute,
            Interval::Hour,
            Interval::Hour,
            Interval::Day,
            Interval::Day,
            Interval::Week,
            Interval::Month,
        ];
        let wanted = intervals.choose(&mut self.rng).copied();
        let interval = wanted.filter(|interval| self.is_short(*interval, selection.range));
        Question::Traffic(Traffic { selection, interval })
    }

    pub(super) fn is_short(&self, interval: Interval, range: Range) -> bool {
        interval.buckets(self.zone, range, LONGEST_SERIES).is_some()
    }

    fn breakdown(&mut self) -> Question {
        let selection = self.selection();
        let dimension = self.dimension();
        let metrics = [Metric::Visitors, Metric::Sessions, Metric::PageViews, Metric::Events, Metric::ValueSum];
        let order_by = metrics.choose(&mut self.rng).copied().unwrap_or_default();
        let limit = if self.rng.random() { self.rng.random_range(1..=5) } else { 10_000 };
        let offset = if self.rng.random_ratio(1, 3) { self.rng.random_range(0..=4) } else { 0 };
        Question::Breakdown(Breakdown { selection, dimension, order_by, limit, offset })
    }

    fn selection(&mut self) -> Selection {
        let range = if self.rng.random() { self.days() } else { self.times() };
        let filters = match self.rng.random_range(0..10) {
            0..4 => 0,
            4..8 => 1,
            8 => 2,
            _ => 3,
        };
        let filters = (0..filters).map(|_| self.filter()).collect();
        Selection { range, filters, bots: self.bots() }
    }

    pub(super) fn bots(&mut self) -> Bots {
        let bots = [Bots::Exclude, Bots::Exclude, Bots::Include, Bots::Include, Bots::Only];
        bots.choose(&mut self.rng).copied().unwrap_or_default()
    }

    pub(super) fn some_time(&mut self) -> Micros {
        self.oracle.events().choose(&mut self.rng).map_or(Micros(0), |event| event.time)
    }

    pub(super) fn days(&mut self) -> Range {
        let a = self.zone.day_of(self.some_time()).plus(self.rng.random_range(-1..=1));
        if self.rng.random_ratio(1, 3) {
            return Range::Days { first: a, last: a };
        }
        let b = self.zone.day_of(self.some_time()).plus(self.rng.random_range(-1..=1));
        Range::Days { first: a.min(b), last: a.max(b) }
    }

    pub(super) fn times(&mut self) -> Range {
        let beside = [0, 0, 1, -1, 7 * Micros::MINUTE, Micros::HOUR];
        let end = |asker: &mut Self| asker.some_time().plus(beside.choose(&mut asker.rng).copied().unwrap_or(0));
        let a = end(self);
        let b = if self.rng.random() { a.plus(self.rng.random_range(1..4 * Micros::HOUR)) } else { end(self) };
        Range::Times { from: a.min(b), to: a.max(b).max(a.min(b).plus(1)) }
    }

    fn dimension(&mut self) -> Dimension {
        dimensions().choose(&mut self.rng).cloned().unwrap_or(Dimension::Page)
    }

    pub(super) fn filter(&mut self) -> Filter {
        let dimension = self.dimension();
        self.filter_by(dimension)
    }

    fn filter_by(&mut self, dimension: Dimension) -> Filter {
        let operators = [
            Operator::Is,
            Operator::Is,
            Operator::IsNot,
            Operator::Contains,
            Operator::DoesNotContain,
            Operator::StartsWith,
        ];
        let operator = operators.choose(&mut self.rng).copied().unwrap_or(Operator::Is);
        let values = (0..self.rng.random_range(1..=3)).map(|_| self.value(&dimension, operator)).collect();
        Filter { dimension, operator, values }
    }

    /// The events with a value that some have.
    pub(super) fn filter_is(&mut self, dimension: Dimension) -> Filter {
        let values = vec![self.value(&dimension, Operator::Is)];
        Filter { dimension, operator: Operator::Is, values }
    }

    /// Mostly a value that events have, or a part of one; now and then one that nothing has.
    fn value(&mut self, dimension: &Dimension, operator: Operator) -> String {
        if self.rng.random_ratio(1, 12) {
            return "nowhere".to_owned();
        }
        let (oracle, rng) = (self.oracle, &mut self.rng);
        let known = self.known.entry(dimension.clone()).or_insert_with(|| oracle.values(dimension));
        let value = known.choose(rng).cloned().unwrap_or_default();
        let letters: Vec<char> = value.chars().collect();
        let cut = |rng: &mut StdRng| rng.random_range(0..=letters.len());
        match operator {
            Operator::Is | Operator::IsNot => value,
            Operator::StartsWith => letters[..cut(rng)].iter().collect(),
            Operator::Contains | Operator::DoesNotContain => {
                let (a, b) = (cut(rng), cut(rng));
                letters[a.min(b)..a.max(b)].iter().collect()
            }
        }
    }
}
