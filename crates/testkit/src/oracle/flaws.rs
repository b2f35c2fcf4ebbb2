//! Wrong comparisons, on purpose: whether the trees that readers are compared by would find one.
//!
//! A reader that turns one comparison the wrong way answers as the oracle with that [`Flaw`] does. So where a reader's answer is
//! the oracle's and not that of the flawed one, a reader with this flaw would have failed there.

use std::collections::BTreeSet;

/// A comparison that is turned the wrong way, one at a time: what a reader might get wrong. Tests hold that the trees which
/// readers are compared by tell each of them from the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// More than, where at least is meant.
    AtLeast,
    /// Less than, where at most is meant.
    AtMost,
    CountsEventsForDays,
    CountsDaysForEvents,
    WithoutToday,
    WithToTheFuture,
    WithoutTheFirstDay,
    OneDayMore,
    /// A sequence that takes exactly as long as it may fails.
    Within,
    /// A sequence may take a microsecond more.
    WithinOrMore,
    /// One event takes two steps.
    TwoStepsAtOnce,
    /// Of two events at one instant the second takes no step.
    StepsNeedLaterTimes,
    LatestIsFirst,
    /// Of the events at the latest instant the one with the least id.
    LatestOfTies,
    SinceIsAfter,
    BeforeIsUntil,
    LongerAgo,
    FirstSeenIsLast,
    LastSeenIsFirst,
    GreaterOrEqual,
    LessOrEqual,
    IsNotIsIs,
    ContainsIsStartsWith,
    StartsWithIsContains,
    BotsCount,
    BotsAreVisitors,
    AllIsAny,
    AnyIsAll,
    NotIsNothing,
}

impl Flaw {
    pub const ALL: [Flaw; 29] = [
        Flaw::AtLeast,
        Flaw::AtMost,
        Flaw::CountsEventsForDays,
        Flaw::CountsDaysForEvents,
        Flaw::WithoutToday,
        Flaw::WithToTheFuture,
        Flaw::WithoutTheFirstDay,
        Flaw::OneDayMore,
        Flaw::Within,
        Flaw::WithinOrMore,
        Flaw::TwoStepsAtOnce,
        Flaw::StepsNeedLaterTimes,
        Flaw::LatestIsFirst,
        Flaw::LatestOfTies,
        Flaw::SinceIsAfter,
        Flaw::BeforeIsUntil,
        Flaw::LongerAgo,
        Flaw::FirstSeenIsLast,
        Flaw::LastSeenIsFirst,
        Flaw::GreaterOrEqual,
        Flaw::LessOrEqual,
        Flaw::IsNotIsIs,
        Flaw::ContainsIsStartsWith,
        Flaw::StartsWithIsContains,
        Flaw::BotsCount,
        Flaw::BotsAreVisitors,
        Flaw::AllIsAny,
        Flaw::AnyIsAll,
        Flaw::NotIsNothing,
    ];
}

/// Which flaws the answers of a reader would have shown by now.
#[derive(Clone, Debug)]
pub struct Unnoticed {
    left: Vec<Flaw>,
    noticed: Vec<(Flaw, String)>,
}

impl Unnoticed {
    /// None of these is shown yet.
    pub fn new(flaws: impl IntoIterator<Item = Flaw>) -> Unnoticed {
        Unnoticed { left: flaws.into_iter().collect(), noticed: Vec::new() }
    }

    /// Takes an answer of the reader to a case, and what the flawed oracle answers to it.
    pub fn compare(&mut self, case: &str, answer: &BTreeSet<String>, flawed: impl Fn(Flaw) -> BTreeSet<String>) {
        let noticed = &mut self.noticed;
        self.left.retain(|flaw| {
            let is_same = flawed(*flaw) == *answer;
            if !is_same {
                noticed.push((*flaw, case.to_owned()));
            }
            is_same
        });
    }

    /// Adds what another run of the same reader has shown.
    pub fn join(&mut self, other: Unnoticed) {
        for (flaw, case) in other.noticed {
            if self.left.contains(&flaw) {
                self.left.retain(|left| *left != flaw);
                self.noticed.push((flaw, case));
            }
        }
    }

    /// Fails if one of the flaws would have passed all comparisons; returns where each is shown.
    pub fn check(self, reader: &str) -> Vec<(Flaw, String)> {
        assert!(self.left.is_empty(), "{reader}: no case tells {:?} from what is right", self.left);
        self.noticed
    }
}
