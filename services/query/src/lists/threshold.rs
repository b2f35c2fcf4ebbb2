//! Which candidates are the best, when a bound of each is known and its true number costs work.
//!
//! Candidates come in descending order of their bounds (equal ones by value), and numbers are found out in that order. A page
//! is certain once its last row comes before the best that any candidate still unknown could be. (Threshold algorithm: Fagin,
//! Lotem and Naor, "Optimal aggregation algorithms for middleware", 2003, with one list.)

use crate::plan::candidates::Candidate;
use std::cmp::Reverse;

pub(super) struct Ranking<'a> {
    candidates: &'a [Candidate],
    /// Rows up to the end of the page.
    rows: usize,
    /// Whether there is no value but the candidates.
    are_all: bool,
    /// How many candidates were handed out.
    handed: usize,
    /// True numbers and places.
    known: Vec<(u64, usize)>,
}

impl<'a> Ranking<'a> {
    pub(super) fn new(candidates: &'a [Candidate], rows: usize, are_all: bool) -> Ranking<'a> {
        Ranking { candidates, rows, are_all, handed: 0, known: Vec::new() }
    }

    /// The places of the next candidates whose numbers are to be found out: those that may come before the page's last row
    /// as far as it is known, `most` of them.
    pub(super) fn next(&mut self, most: usize) -> Vec<usize> {
        let from = self.handed;
        let rest = self.candidates[from..].iter().take(most);
        let next = match self.last_row() {
            Some(last) => rest.take_while(|candidate| last > (Reverse(candidate.bound), &candidate.value)).count(),
            None => rest.count(),
        };
        self.handed = from + next;
        (from..self.handed).collect()
    }

    /// The number and the value of the page's last row, of what is known; sorted before.
    fn last_row(&self) -> Option<(Reverse<u64>, &'a String)> {
        let (number, place) = self.known.get(self.rows.checked_sub(1)?)?;
        Some((Reverse(*number), &self.candidates[*place].value))
    }

    /// Tells a candidate's number.
    pub(super) fn is(&mut self, place: usize, number: u64) {
        self.known.push((number, place));
    }

    /// Whether no other value can come before the last row of the page. All that were handed out have to be told.
    pub(super) fn is_certain(&mut self) -> bool {
        if self.are_all && self.handed == self.candidates.len() || self.rows == 0 {
            self.sort();
            return true;
        }
        self.sort();
        let Some(last) = self.last_row() else { return false };
        match (self.candidates.get(self.handed), self.candidates.last()) {
            (Some(next), _) => last < (Reverse(next.bound), &next.value),
            // What is no candidate has at most the bound of the last one; with the same bound, a later value.
            (None, Some(least)) => last <= (Reverse(least.bound), &least.value),
            (None, None) => false,
        }
    }

    /// The places of the page's rows, in order, from row `first` on.
    pub(super) fn page(&self, first: usize) -> Vec<usize> {
        let rows = self.known.iter().take(self.rows).skip(first);
        rows.map(|(_, place)| *place).collect()
    }

    /// Greatest first, equal ones by value, bytewise.
    fn sort(&mut self) {
        let candidates = self.candidates;
        self.known.sort_by(|a, b| (b.0, &candidates[a.1].value).cmp(&(a.0, &candidates[b.1].value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::candidates::Sums;

    fn candidates(bounds: &[(&str, u64)]) -> Vec<Candidate> {
        let candidate = |(value, bound): &(&str, u64)| Candidate {
            value: (*value).to_owned(),
            bound: *bound,
            asked: Sums::default(),
            compared: None,
        };
        bounds.iter().map(candidate).collect()
    }

    /// Tells numbers one by one until the page is certain; how many it took, and the page.
    fn told(candidates: &[Candidate], numbers: &[u64], rows: usize, are_all: bool) -> (usize, Option<String>) {
        let mut ranking = Ranking::new(candidates, rows, are_all);
        let mut count = 0;
        while !ranking.is_certain() {
            let next = ranking.next(1);
            if next.is_empty() {
                return (count, None);
            }
            for place in next {
                ranking.is(place, numbers[place]);
                count += 1;
            }
        }
        let page = ranking.page(0).iter().map(|place| &*candidates[*place].value).collect();
        (count, Some(page))
    }

    #[test]
    fn a_page_is_certain_when_no_bound_reaches_it() {
        let some = candidates(&[("a", 9), ("b", 8), ("c", 5), ("d", 4), ("e", 1)]);
        // b has 6 and a has 5: c and what comes after it have at most 5, and a value after a.
        assert_eq!(told(&some, &[5, 6, 2, 4, 1], 2, false), (2, Some("ba".into())));
        assert_eq!(told(&some, &[4, 6, 2, 4, 1], 2, false), (3, Some("ba".into())), "c may have 5");
        assert_eq!(told(&some, &[9, 1, 5, 4, 1], 1, false), (1, Some("a".into())));
        assert_eq!(told(&some, &[2, 2, 2, 2, 1], 2, false), (4, Some("ab".into())), "e has 1 at most");
    }

    #[test]
    fn equal_numbers_are_ordered_by_value_also_against_the_unknown() {
        let some = candidates(&[("b", 3), ("d", 2), ("e", 2), ("a", 1)]);
        // b turns out to have 2, as d and e may have: only an earlier value than b could come before it.
        assert_eq!(told(&some, &[2, 2, 2, 1], 1, false), (1, Some("b".into())));
        let some = candidates(&[("c", 3), ("a", 2), ("b", 2)]);
        assert_eq!(told(&some, &[2, 1, 2], 1, false), (3, Some("b".into())), "after a there can still be b");
        let some = candidates(&[("c", 3), ("a", 2)]);
        assert_eq!(told(&some, &[2, 1], 1, false), (2, None));
        assert_eq!(told(&some, &[2, 1], 1, true), (2, Some("c".into())));
    }

    #[test]
    fn no_more_are_handed_out_than_may_come_before_the_last_row() {
        let some = candidates(&[("a", 9), ("b", 8), ("c", 7), ("d", 6), ("e", 5), ("f", 5)]);
        let mut ranking = Ranking::new(&some, 2, false);
        assert_eq!(ranking.next(2), [0, 1], "nothing is known: as many as are asked for");
        ranking.is(0, 9);
        ranking.is(1, 5);
        assert!(!ranking.is_certain());
        assert_eq!(ranking.next(9), [2, 3], "e has 5 at most, as b has, and comes after it");
        ranking.is(2, 1);
        ranking.is(3, 2);
        assert!(ranking.is_certain());
        assert_eq!(ranking.page(0), [0, 1]);
    }

    #[test]
    fn a_page_beyond_the_end_is_certain_when_all_are_known() {
        let some = candidates(&[("a", 2), ("b", 1)]);
        assert_eq!(told(&some, &[1, 1], 5, true), (2, Some("ab".into())));
        assert_eq!(told(&some, &[1, 1], 5, false), (2, None));
        assert_eq!(told(&[], &[], 5, true), (0, Some(String::new())));
    }
}
