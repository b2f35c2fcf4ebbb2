//! A planned tree as set arithmetic over visitor numbers: leaves from day sets where there are some, else from SQL.
//!
//! | leaf | day sets |
//! |---|---|
//! | any event; or one condition `is` on a dimension that sheets keep; once or more | their union over the days |
//! | the same on at least N days | those who are in N of them |
//! | first seen | the sheets' own sets |
//! | anything else | SQL, one statement, in the same snapshot |
//!
//! Day sets of dirty days are raw rows (`people`): what is read is exact, whatever was built.

use super::{Reader, sql};
use crate::people::{DaySets, DaysOf, has_bitmaps};
use crate::plan::{Malformed, Tenant};
use pistats_core::Day;
use pistats_core::report::{Bots, Filter, Operator, Selection};
use pistats_core::segment::{Condition, Counted, Leaf, Plan, Sets, Subject, Test};
use pistats_core::time::Range;
use pistats_store::{Rows, Statement};
use roaring::{MultiOps, RoaringBitmap};
use std::sync::Arc;

/// All days, as far as day sets go: no event lies outside.
const ALWAYS: (Day, Day) = (Day(-1_000_000), Day(1_000_000));
/// Days that are counted by sets at most: each costs a pass over all of them.
const MOST_COUNTED: u32 = 31;

/// How a plan is to be read.
pub(crate) struct Reading {
    plan: Plan,
    leaves: Vec<Source>,
    pub(crate) wanted: Vec<DaysOf>,
    pub(crate) statements: Vec<Statement>,
}

/// Where a leaf comes from, by its place among what is read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    /// In this many days or more.
    Days {
        place: usize,
        at_least: u32,
    },
    Statement(usize),
}

impl Reading {
    /// Plans the reading of a tree's plan.
    pub(crate) fn new(tenant: &Tenant, plan: Plan) -> Reading {
        let (mut leaves, mut wanted, mut statements) = (Vec::new(), Vec::new(), Vec::new());
        for leaf in &plan.leaves {
            leaves.push(match days_of(leaf) {
                Some((days, at_least)) => {
                    wanted.push(days);
                    Source::Days { place: wanted.len() - 1, at_least }
                }
                None => {
                    statements.push(sql::of_leaf(tenant, leaf));
                    Source::Statement(statements.len() - 1)
                }
            });
        }
        Reading { plan, leaves, wanted, statements }
    }

    /// What it reads from.
    pub(crate) fn reader(&self) -> Reader {
        if self.statements.is_empty() {
            Reader::Bitmaps
        } else if self.wanted.is_empty() {
            Reader::Sql
        } else {
            Reader::Mixed
        }
    }

    /// The members, of what was read. Takes time: for a thread of its own.
    pub(crate) fn members(&self, days: &[DaySets], rows: &[Rows]) -> Result<RoaringBitmap, Malformed> {
        let missing = || Malformed("a leaf of a segment is missing".into());
        let mut leaves: Vec<Arc<RoaringBitmap>> = Vec::with_capacity(self.leaves.len());
        for source in &self.leaves {
            leaves.push(match *source {
                Source::Statement(place) => Arc::new(visitors(rows.get(place).ok_or_else(missing)?)?),
                Source::Days { place, at_least: 0 | 1 } => {
                    days.get(place).ok_or_else(missing)?.over(ALWAYS.0, ALWAYS.1)
                }
                Source::Days { place, at_least } => Arc::new(days.get(place).ok_or_else(missing)?.in_days(at_least)),
            });
        }
        combine(&self.plan.sets, &leaves).map(Arc::unwrap_or_clone).ok_or_else(missing)
    }
}

/// A column of visitor numbers as a set.
pub(crate) fn visitors(rows: &Rows) -> Result<RoaringBitmap, Malformed> {
    let column: &[i64] = match rows.numbers.as_slice() {
        [] => &[],
        [visitors] => visitors,
        columns => return Err(Malformed(format!("{} columns of members", columns.len()))),
    };
    let number = |visitor: &i64| {
        u32::try_from(*visitor).map_err(|_| Malformed(format!("visitor {visitor} is beyond the numbers of a bitmap")))
    };
    let mut numbers = column.iter().map(number).collect::<Result<Vec<u32>, Malformed>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    RoaringBitmap::from_sorted_iter(numbers).map_err(|_| Malformed("sorted numbers that are not in order".into()))
}

fn combine(sets: &Sets, leaves: &[Arc<RoaringBitmap>]) -> Option<Arc<RoaringBitmap>> {
    match sets {
        Sets::Leaf(number) => leaves.get(*number).cloned(),
        Sets::Any(any) => {
            let any = any.iter().map(|sets| combine(sets, leaves)).collect::<Option<Vec<_>>>()?;
            Some(Arc::new(any.iter().map(Arc::as_ref).union()))
        }
        Sets::Both { all, but } => {
            let mut all = all.iter().map(|sets| combine(sets, leaves)).collect::<Option<Vec<_>>>()?;
            // The smallest first: what is left never grows.
            all.sort_by_key(|set| set.len());
            let mut left = all.iter().map(Arc::as_ref).intersection();
            for sets in but {
                left -= combine(sets, leaves)?.as_ref();
            }
            Some(Arc::new(left))
        }
    }
}

/// The day sets of a leaf and in how many of them a visitor must be; nothing where sheets cannot tell.
fn days_of(leaf: &Leaf) -> Option<(DaysOf, u32)> {
    match leaf {
        Leaf::FirstSeen { first, last } => Some((DaysOf::FirstSeen { first: *first, last: *last }, 1)),
        Leaf::Did { conditions, at_least, counted, days } => {
            let filters: Vec<Filter> = match conditions.as_slice() {
                [] => vec![],
                [Condition { subject: Subject::Dimension(dimension), test: Test::Is(values) }] => {
                    vec![Filter { dimension: dimension.clone(), operator: Operator::Is, values: values.clone() }]
                }
                _ => return None,
            };
            let is_told = match counted {
                Counted::Events => *at_least <= 1,
                Counted::Days => *at_least <= MOST_COUNTED,
            };
            let (first, last) = days.unwrap_or(ALWAYS);
            let selection = Selection { range: Range::Days { first, last }, filters, bots: Bots::Exclude };
            let days = DaysOf::Selected(selection);
            (is_told && has_bitmaps(&days)).then_some((days, *at_least))
        }
        Leaf::Latest(_) | Leaf::Sequence { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(visitors: &[u32]) -> Arc<RoaringBitmap> {
        Arc::new(visitors.iter().copied().collect())
    }

    #[test]
    fn sets_are_put_together_as_the_plan_says() {
        let leaves = [set(&[1, 2, 3, 4]), set(&[2, 3, 5]), set(&[3])];
        let both = Sets::Both { all: vec![Sets::Leaf(0), Sets::Leaf(1)], but: vec![Sets::Leaf(2)] };
        assert_eq!(combine(&both, &leaves), Some(set(&[2])));
        assert_eq!(combine(&Sets::Any(vec![both, Sets::Leaf(2)]), &leaves), Some(set(&[2, 3])));
        assert_eq!(combine(&Sets::Any(vec![]), &leaves), Some(set(&[])));
        assert_eq!(combine(&Sets::Leaf(3), &leaves), None);
    }
}
