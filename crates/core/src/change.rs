//! What a commit touched: the notice that whoever shows reports waits for.

use crate::{Day, Micros, SiteId};
use std::collections::BTreeSet;

/// Stretches of days that a notice names of one site; beyond that, the gaps between them count as touched.
const STRETCHES_MOST: usize = 16;

/// A commit took effect; or what was known may be void.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// 1, 2, 3 … since the process started: one that is missing was not received, so everything may be touched.
    pub number: u64,
    /// When it became durable, by the server's clock.
    pub committed: Micros,
    /// Folding failed and starts again: a commit may have taken effect that no notice tells of. Everything may be touched.
    pub is_reset: bool,
    /// By site and day, without overlaps.
    pub sites: Vec<SiteChange>,
}

/// Consecutive local days of a site: those of events, of sessions (where they start) and of visitors (where they were
/// first seen), as they stand now and as they stood before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteChange {
    pub site: SiteId,
    pub first: Day,
    pub last: Day,
}

impl Changes {
    /// Whether a report of a site over these days, both included, may have changed.
    pub fn touch(&self, site: SiteId, first: Day, last: Day) -> bool {
        let is_hit = |change: &SiteChange| change.site == site && change.first <= last && first <= change.last;
        self.is_reset || self.sites.iter().any(is_hit)
    }
}

/// Gathers touched days.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    days: BTreeSet<(SiteId, Day)>,
    /// Rows of a commit lie close together: most repeat the one before.
    latest: Option<(SiteId, Day)>,
}

impl Touched {
    /// Notes a day of a site.
    pub fn add(&mut self, site: SiteId, day: Day) {
        if self.latest != Some((site, day)) {
            self.latest = Some((site, day));
            self.days.insert((site, day));
        }
    }

    /// The touched days as stretches.
    pub fn stretches(self) -> Vec<SiteChange> {
        let mut all: Vec<SiteChange> = Vec::new();
        let mut of_site = 0;
        for (site, day) in self.days {
            match all.last_mut().filter(|before| before.site == site) {
                Some(before) if before.last.plus(1) == day || of_site == STRETCHES_MOST => before.last = day,
                before => {
                    of_site = if before.is_some() { of_site + 1 } else { 1 };
                    all.push(SiteChange { site, first: day, last: day });
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretches(days: impl IntoIterator<Item = (u32, i32)>) -> Vec<(u32, i32, i32)> {
        let mut touched = Touched::default();
        days.into_iter().for_each(|(site, day)| touched.add(SiteId(site), Day(day)));
        touched.stretches().into_iter().map(|change| (change.site.0, change.first.0, change.last.0)).collect()
    }

    #[test]
    fn consecutive_days_of_a_site_are_one_stretch() {
        let days = [(1, 5), (1, 5), (2, 6), (1, 4), (1, 9), (2, 7)];
        assert_eq!(stretches(days), [(1, 4, 5), (1, 9, 9), (2, 6, 7)]);
    }

    #[test]
    fn beyond_the_bound_gaps_are_swallowed_and_no_day_is_lost() {
        let most = STRETCHES_MOST as i32;
        let exact: Vec<_> = (0..most).map(|n| (1, 2 * n, 2 * n)).collect();
        assert_eq!(stretches((0..most).map(|n| (1, 2 * n))), exact);
        let found = stretches((0..most + 3).map(|n| (1, 2 * n)).chain([(2, 50)]));
        assert_eq!(found.len(), STRETCHES_MOST + 1);
        assert_eq!(found[STRETCHES_MOST - 1], (1, 2 * (most - 1), 2 * (most + 2)));
        assert_eq!(found[STRETCHES_MOST], (2, 50, 50));
    }

    #[test]
    fn a_notice_touches_what_overlaps_and_a_reset_touches_everything() {
        let sites = vec![SiteChange { site: SiteId(1), first: Day(10), last: Day(12) }];
        let changes = Changes { number: 1, committed: Micros(0), is_reset: false, sites };
        let touched = |site, first, last| changes.touch(SiteId(site), Day(first), Day(last));
        assert!(touched(1, 12, 20) && touched(1, 0, 10) && touched(1, 11, 11));
        assert!(!touched(1, 13, 20) && !touched(1, 0, 9) && !touched(2, 10, 12));
        let reset = Changes { is_reset: true, sites: Vec::new(), ..changes };
        assert!(reset.touch(SiteId(2), Day(0), Day(0)));
    }
}
