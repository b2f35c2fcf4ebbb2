//! Traffic and lists: the numbers of a place, and the rows of a dimension.

use super::numbers::Numbers;
use super::{MOST_STEPS, Oracle, Place, Unanswerable};
use pistats_core::Zone;
use pistats_core::report::{Breakdown, Dimension, Metrics, Selection, Traffic};
use pistats_core::time::Bucket;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What `Traffic` is answered with.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficAnswer {
    pub total: Metrics,
    /// Empty without an interval.
    pub steps: Vec<(Bucket, Metrics)>,
}

/// What `Breakdown` is answered with.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakdownAnswer {
    pub rows: Vec<(String, Metrics)>,
    /// How many rows there are without limit and offset.
    pub total_rows: u64,
}

impl Oracle {
    /// Totals and, with an interval, a series.
    pub fn traffic(&self, question: &Traffic, zone: &Zone) -> Result<TrafficAnswer, Unanswerable> {
        let selected = self.selected(&question.selection);
        let range = question.selection.range;
        let total = self.count(&selected, &Place { zone, range, step: None }).metrics()?;
        let mut steps = Vec::new();
        if let Some(interval) = question.interval {
            let buckets = interval.buckets(zone, range, MOST_STEPS).ok_or(Unanswerable::TooManySteps)?;
            for bucket in buckets {
                let place = Place { zone, range, step: Some((bucket, interval.is_clock())) };
                steps.push((bucket, self.count(&selected, &place).metrics()?));
            }
        }
        Ok(TrafficAnswer { total, steps })
    }

    /// The numbers by the values of a dimension.
    pub fn breakdown(&self, question: &Breakdown, zone: &Zone) -> Result<BreakdownAnswer, Unanswerable> {
        let mut rows = self.rows(&question.selection, &question.dimension, zone);
        // The list comes from a sorted map, and the sort is stable: equal rows stay in the order of their values.
        rows.sort_by_key(|(_, numbers)| std::cmp::Reverse(numbers.get(question.order_by)));
        let total_rows = rows.len() as u64;
        let cut = rows.into_iter().skip(question.offset as usize).take(question.limit as usize);
        let rows = cut.map(|(value, numbers)| Ok((value, numbers.metrics()?))).collect::<Result<_, _>>()?;
        Ok(BreakdownAnswer { rows, total_rows })
    }

    /// The numbers of one value: what a row shows of a compared range. All zero where there is no such row.
    pub fn row(
        &self,
        selection: &Selection,
        dimension: &Dimension,
        value: &str,
        zone: &Zone,
    ) -> Result<Metrics, Unanswerable> {
        let rows = self.rows(selection, dimension, zone);
        rows.into_iter().find(|(v, _)| v == value).map_or(Ok(Metrics::default()), |(_, numbers)| numbers.metrics())
    }

    /// The rows of a list, bytewise ascending by value.
    fn rows(&self, selection: &Selection, dimension: &Dimension, zone: &Zone) -> Vec<(String, Numbers)> {
        let place = Place { zone, range: selection.range, step: None };
        let mut by_value: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for number in self.selected(selection) {
            for value in self.values_of(number, dimension) {
                by_value.entry(value).or_default().push(number);
            }
        }
        let rows = by_value.into_iter().map(|(value, numbers)| {
            // All events of a session share its entry and exit page: grouping events groups the sessions too.
            let counted = match dimension {
                Dimension::EntryPage | Dimension::ExitPage => self.count_sessions(&numbers, &place),
                _ => self.count(&numbers, &place),
            };
            (value.to_owned(), counted)
        });
        rows.filter(|(_, counted)| counted.events > 0 || counted.sessions > 0).collect()
    }

    /// The numbers of a place over a set of selected events.
    fn count(&self, set: &[usize], place: &Place) -> Numbers {
        let mut numbers = Numbers::default();
        let mut visitors = HashSet::new();
        for number in set.iter().copied().filter(|number| place.holds(self.events[*number].time)) {
            let event = &self.events[number];
            numbers.events += 1;
            numbers.page_views += u64::from(event.is_page_view());
            numbers.add_value(event.value);
            visitors.insert(self.visitor_of[number]);
        }
        self.add_people(&mut numbers, &visitors, place);
        for session in self.sessions_of(set, place) {
            self.add_session(&mut numbers, session);
        }
        numbers
    }

    /// The numbers of a row of entry or exit pages, over the selected events of the sessions with that page.
    fn count_sessions(&self, set: &[usize], place: &Place) -> Numbers {
        let mut numbers = Numbers::default();
        let mut visitors = HashSet::new();
        for session in self.sessions_of(set, place) {
            self.add_session(&mut numbers, session);
            numbers.events += session.len() as u64;
            numbers.page_views += self.page_views(session);
            visitors.insert(self.visitor_of[session[0]]);
        }
        self.add_people(&mut numbers, &visitors, place);
        numbers
    }

    /// The sessions that lie in the place and hold an event of the set.
    fn sessions_of(&self, set: &[usize], place: &Place) -> Vec<&Vec<usize>> {
        let touched: BTreeSet<usize> = set.iter().map(|number| self.session_of[*number]).collect();
        let sessions = touched.into_iter().map(|session| &self.sessions[session]);
        sessions.filter(|session| place.holds(self.events[session[0]].time)).collect()
    }

    fn page_views(&self, session: &[usize]) -> u64 {
        session.iter().filter(|number| self.events[**number].is_page_view()).count() as u64
    }

    fn add_session(&self, numbers: &mut Numbers, session: &[usize]) {
        let (first, last) = (&self.events[session[0]], &self.events[session[session.len() - 1]]);
        numbers.sessions += 1;
        numbers.bounces += u64::from(session.len() == 1);
        numbers.session_us += i128::from(last.time.0) - i128::from(first.time.0);
        numbers.session_page_views += self.page_views(session);
    }

    fn add_people(&self, numbers: &mut Numbers, visitors: &HashSet<usize>, place: &Place) {
        let is_new = |visitor: &&usize| place.holds(self.events[self.events_of[**visitor][0]].time);
        numbers.visitors = visitors.len() as u64;
        numbers.new_visitors = visitors.iter().filter(is_new).count() as u64;
    }
}
