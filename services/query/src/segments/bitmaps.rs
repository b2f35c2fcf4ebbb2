//! A planned tree as set arithmetic over visitor numbers: leaves from day sets where there are some, else from SQL.
//!
//! | leaf | day sets |
//! |---|---|
//! | any event; or one condition `is` on a dimension that sheets keep; once or more | their union over the days |
//! | the same on at least N days | those who are in N of them |
//! | first seen | the sheets' own sets |
//! | anything else | SQL, one statement, in the same snapshot |
//!
//! Rows cost far more than bitmaps, so SQL is asked last, and only about visitors whom bitmaps leave open:
//!
//! ```text
//!   all(bought, latest in Germany, not on a page)     day sets: bought, on a page; of the SQL leaf who was ever in Germany
//!     surely   nobody                                 what holds whatever the SQL leaves are
//!     perhaps  bought ∩ ever in Germany − on a page   what holds at most
//!     open     perhaps − surely                       of whom the SQL leaf is asked
//! ```
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
/// Visitors that a statement is handed at most. Of more it reads everybody: they are no longer few beside a scan.
const MOST_HANDED: u64 = 100_000;

/// How a plan is to be read: first [`Reading::wanted`], then [`Reading::narrow`].
pub(crate) struct Reading {
    plan: Plan,
    leaves: Vec<Source>,
    pub(crate) wanted: Vec<DaysOf>,
}

/// Where a leaf comes from. Days by their place among what is wanted.
#[derive(Clone, Debug, PartialEq)]
enum Source {
    /// Who is in so many of the days or more.
    Days { place: usize, at_least: u32 },
    /// SQL. Who is in the leaf is in all of these on some day.
    Rows { within: Vec<usize> },
}

/// The leaves that day sets tell, and the statements that are left to read.
pub(crate) struct Narrowed {
    sets: Sets,
    leaves: Vec<Told>,
    pub(crate) statements: Vec<Statement>,
}

/// A leaf, as far as it is known.
enum Told {
    Members(Arc<RoaringBitmap>),
    /// By its place among the statements.
    Statement(usize),
}

impl Reading {
    /// Plans the reading of a tree's plan.
    pub(crate) fn new(plan: Plan) -> Reading {
        let mut wanted: Vec<DaysOf> = Vec::new();
        let mut place = |days: DaysOf| {
            wanted.iter().position(|known| *known == days).unwrap_or_else(|| {
                wanted.push(days);
                wanted.len() - 1
            })
        };
        let source = |leaf| match days_of(leaf) {
            Some((days, at_least)) => Source::Days { place: place(days), at_least },
            None => Source::Rows { within: around(leaf).into_iter().map(&mut place).collect() },
        };
        let leaves = plan.leaves.iter().map(source).collect();
        Reading { plan, leaves, wanted }
    }

    /// What it reads from.
    pub(crate) fn reader(&self) -> Reader {
        if self.leaves.iter().all(|source| matches!(source, Source::Days { .. })) {
            Reader::Bitmaps
        } else if self.wanted.is_empty() {
            Reader::Sql
        } else {
            Reader::Mixed
        }
    }

    /// Takes the day sets that were wanted. Takes time: for a thread of its own.
    pub(crate) fn narrow(self, tenant: &Tenant, days: &[DaySets]) -> Result<Narrowed, Malformed> {
        let missing = || Malformed("a leaf of a segment is missing".into());
        let over = |place: usize| Ok(days.get(place).ok_or_else(missing)?.over(ALWAYS.0, ALWAYS.1));
        let mut bounds = Vec::with_capacity(self.leaves.len());
        for source in &self.leaves {
            bounds.push(match source {
                Source::Days { place, at_least: 0 | 1 } => Bounds::exactly(over(*place)?),
                Source::Days { place, at_least } => {
                    Bounds::exactly(Arc::new(days.get(*place).ok_or_else(missing)?.in_days(*at_least)))
                }
                Source::Rows { within } => {
                    let within = within.iter().map(|place| over(*place)).collect::<Result<Vec<_>, Malformed>>()?;
                    Bounds { surely: Arc::default(), perhaps: intersection(within) }
                }
            });
        }
        let root = Bounds::of(&self.plan.sets, &bounds).ok_or_else(missing)?;
        let open = root.perhaps.map(|perhaps| Arc::new(perhaps.as_ref() - root.surely.as_ref()));

        let (mut leaves, mut statements) = (Vec::new(), Vec::new());
        for ((leaf, source), bounds) in self.plan.leaves.iter().zip(&self.leaves).zip(bounds) {
            if matches!(source, Source::Days { .. }) {
                leaves.push(Told::Members(bounds.surely));
                continue;
            }
            let among = intersection(open.iter().cloned().chain(bounds.perhaps).collect());
            if among.as_ref().is_some_and(|among| among.is_empty()) {
                leaves.push(Told::Members(Arc::default()));
                continue;
            }
            let among = among.filter(|among| among.len() <= MOST_HANDED);
            leaves.push(Told::Statement(statements.len()));
            statements.push(sql::of_leaf(tenant, leaf, among.as_deref()));
        }
        Ok(Narrowed { sets: self.plan.sets, leaves, statements })
    }
}

impl Narrowed {
    /// The members, of the rows of the statements. Takes time: for a thread of its own.
    ///
    /// Of whom bitmaps decided, a statement may not have been asked; that its leaf says "no" then is one of the answers that
    /// make no difference to them.
    pub(crate) fn members(&self, rows: &[Rows]) -> Result<RoaringBitmap, Malformed> {
        let missing = || Malformed("a leaf of a segment is missing".into());
        let mut leaves: Vec<Arc<RoaringBitmap>> = Vec::with_capacity(self.leaves.len());
        for told in &self.leaves {
            leaves.push(match told {
                Told::Members(members) => Arc::clone(members),
                Told::Statement(place) => Arc::new(visitors(rows.get(*place).ok_or_else(missing)?)?),
            });
        }
        combine(&self.sets, &leaves).map(Arc::unwrap_or_clone).ok_or_else(missing)
    }
}

/// What is known of a set of which some leaves are not.
#[derive(Clone, Debug, PartialEq)]
struct Bounds {
    /// Who is in it, whoever is in those leaves.
    surely: Arc<RoaringBitmap>,
    /// Nobody else can be; `None` where anybody can.
    perhaps: Option<Arc<RoaringBitmap>>,
}

impl Bounds {
    fn exactly(members: Arc<RoaringBitmap>) -> Bounds {
        Bounds { surely: members.clone(), perhaps: Some(members) }
    }

    /// The bounds of a set from those of the leaves.
    fn of(sets: &Sets, leaves: &[Bounds]) -> Option<Bounds> {
        let each = |sets: &[Sets]| sets.iter().map(|sets| Bounds::of(sets, leaves)).collect::<Option<Vec<_>>>();
        match sets {
            Sets::Leaf(number) => leaves.get(*number).cloned(),
            Sets::Any(any) => {
                let any = each(any)?;
                let surely = any.iter().map(|bounds| bounds.surely.as_ref()).union();
                let perhaps = any.iter().map(|bounds| bounds.perhaps.as_deref()).collect::<Option<Vec<_>>>();
                Some(Bounds {
                    surely: Arc::new(surely),
                    perhaps: perhaps.map(|perhaps| Arc::new(perhaps.into_iter().union())),
                })
            }
            Sets::Both { all, but } => {
                let (all, but) = (each(all)?, each(but)?);
                let mut surely = all.iter().map(|bounds| bounds.surely.as_ref()).intersection();
                let mut perhaps = intersection(all.iter().filter_map(|bounds| bounds.perhaps.clone()).collect());
                for bounds in but {
                    match bounds.perhaps {
                        Some(others) => surely -= others.as_ref(),
                        None => surely.clear(),
                    }
                    perhaps = perhaps.map(|perhaps| Arc::new(perhaps.as_ref() - bounds.surely.as_ref()));
                }
                Some(Bounds { surely: Arc::new(surely), perhaps })
            }
        }
    }
}

/// What is in all sets; of no set that is anybody, `None`.
fn intersection(sets: Vec<Arc<RoaringBitmap>>) -> Option<Arc<RoaringBitmap>> {
    match sets.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        several => Some(Arc::new(several.iter().map(Arc::as_ref).intersection())),
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
            let is_told = match counted {
                Counted::Events => *at_least <= 1,
                Counted::Days => *at_least <= MOST_COUNTED,
            };
            let did = match conditions.as_slice() {
                [] => Some(any_event(*days)),
                [only] => passing(only, *days),
                _ => None,
            };
            did.filter(|_| is_told).map(|did| (did, *at_least))
        }
        Leaf::Latest { .. } | Leaf::Sequence { .. } => None,
    }
}

/// Day sets that each hold whoever is in a leaf: of every condition that an event of theirs passed, as far as sheets tell.
fn around(leaf: &Leaf) -> Vec<DaysOf> {
    let (conditions, days): (Vec<&Condition>, _) = match leaf {
        Leaf::Did { conditions, days, .. } => (conditions.iter().collect(), *days),
        Leaf::Latest { condition, days } => (vec![condition], *days),
        Leaf::Sequence { steps, days, .. } => (steps.iter().flatten().collect(), *days),
        Leaf::FirstSeen { .. } => return Vec::new(),
    };
    let told: Vec<DaysOf> = conditions.into_iter().filter_map(|condition| passing(condition, days)).collect();
    if told.is_empty() { vec![any_event(days)] } else { told }
}

fn any_event(days: Option<(Day, Day)>) -> DaysOf {
    selected(vec![], days)
}

/// Who has an event that passes a condition; nothing where sheets cannot tell.
fn passing(condition: &Condition, days: Option<(Day, Day)>) -> Option<DaysOf> {
    let Condition { subject: Subject::Dimension(dimension), test: Test::Is(values) } = condition else { return None };
    let is = Filter { dimension: dimension.clone(), operator: Operator::Is, values: values.clone() };
    Some(selected(vec![is], days)).filter(has_bitmaps)
}

fn selected(filters: Vec<Filter>, days: Option<(Day, Day)>) -> DaysOf {
    let (first, last) = days.unwrap_or(ALWAYS);
    DaysOf::Selected(Selection { range: Range::Days { first, last }, filters, bots: Bots::Exclude })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_core::directory::Site;
    use pistats_core::report::Dimension;
    use pistats_core::{Micros, SiteId, Zone};
    use pistats_store::{Cell, Engine};

    fn set(visitors: &[u32]) -> Arc<RoaringBitmap> {
        Arc::new(visitors.iter().copied().collect())
    }

    fn days(visitors: &[i64]) -> DaySets {
        DaySets::of_pairs(&vec![1; visitors.len()], visitors).expect("sets")
    }

    fn is(dimension: Dimension, value: &str) -> Condition {
        Condition { subject: Subject::Dimension(dimension), test: Test::Is(vec![value.to_owned()]) }
    }

    fn did(condition: Condition, at_least: u32) -> Leaf {
        Leaf::Did { conditions: vec![condition], at_least, counted: Counted::Events, days: None }
    }

    fn tenant() -> Tenant {
        Tenant::of(&Site::new(SiteId(7), "", Zone::utc(), Micros(0)), Engine::DuckDb)
    }

    /// The visitors that a statement was handed.
    fn handed(statement: &Statement) -> Option<Vec<i64>> {
        statement.values.iter().find_map(|cell| match cell {
            Cell::Numbers(numbers) => Some(numbers.clone()),
            _ => None,
        })
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

    #[test]
    fn bounds_hold_whatever_the_unknown_leaves_are() {
        let unknown = Bounds { surely: set(&[]), perhaps: None };
        let within = Bounds { surely: set(&[]), perhaps: Some(set(&[2, 3])) };
        let leaves = [Bounds::exactly(set(&[1, 2, 3, 4])), unknown.clone(), within];
        let of = |sets: &Sets| Bounds::of(sets, &leaves);
        let (known, unknown_leaf, within_leaf) = (Sets::Leaf(0), Sets::Leaf(1), Sets::Leaf(2));
        let both = |all: &[&Sets], but: &[&Sets]| Sets::Both {
            all: all.iter().map(|sets| (*sets).clone()).collect(),
            but: but.iter().map(|sets| (*sets).clone()).collect(),
        };
        let open = |surely: &[u32], perhaps: &[u32]| Some(Bounds { surely: set(surely), perhaps: Some(set(perhaps)) });
        assert_eq!(of(&both(&[&known, &unknown_leaf], &[])), open(&[], &[1, 2, 3, 4]));
        assert_eq!(of(&both(&[&known], &[&within_leaf])), open(&[1, 4], &[1, 2, 3, 4]));
        assert_eq!(of(&both(&[&known], &[&unknown_leaf])), open(&[], &[1, 2, 3, 4]));
        assert_eq!(of(&both(&[&within_leaf], &[&known])), open(&[], &[]));
        assert_eq!(of(&Sets::Any(vec![known.clone(), within_leaf])), open(&[1, 2, 3, 4], &[1, 2, 3, 4]));
        let anybody = Bounds { surely: set(&[1, 2, 3, 4]), perhaps: None };
        assert_eq!(of(&Sets::Any(vec![known, unknown_leaf.clone()])), Some(anybody));
        assert_eq!(of(&unknown_leaf), Some(unknown));
    }

    #[test]
    fn sql_is_asked_of_the_visitors_only_whom_bitmaps_leave_open() {
        let (bought, page) = (is(Dimension::EventName, "purchase"), is(Dimension::Page, "shop.example/"));
        let latest = Leaf::Latest { condition: is(Dimension::Country, "DE"), days: None };
        let leaves = vec![did(bought.clone(), 1), did(bought, 2), latest, did(page, 1)];
        let sets = Sets::Both { all: vec![Sets::Leaf(0), Sets::Leaf(1), Sets::Leaf(2)], but: vec![Sets::Leaf(3)] };
        let reading = Reading::new(Plan { leaves, sets });
        assert_eq!(
            (reading.wanted.len(), reading.reader()),
            (3, Reader::Mixed),
            "bought is wanted once for two leaves"
        );
        let (bought, germany, page) = (days(&[1, 2, 3, 4]), days(&[2, 3, 4, 5]), days(&[4]));
        let narrowed = reading.narrow(&tenant(), &[bought, germany, page]).expect("day sets");
        let asked: Vec<Option<Vec<i64>>> = narrowed.statements.iter().map(handed).collect();
        assert_eq!(asked, [Some(vec![2, 3]), Some(vec![2, 3])]);
        let rows = |visitors: &[i64]| Rows { numbers: vec![visitors.to_vec()], ..Rows::default() };
        assert_eq!(narrowed.members(&[rows(&[2, 3]), rows(&[3])]).expect("members"), *set(&[3]));
    }

    #[test]
    fn nothing_is_asked_where_nobody_is_open_and_everybody_where_too_many_are() {
        let reading = || {
            let leaves = vec![did(is(Dimension::EventName, "purchase"), 2), did(is(Dimension::Country, "DE"), 1)];
            Reading::new(Plan { leaves, sets: Sets::Both { all: vec![Sets::Leaf(0), Sets::Leaf(1)], but: vec![] } })
        };
        let nobody = reading().narrow(&tenant(), &[days(&[1]), days(&[2])]).expect("day sets");
        assert_eq!((nobody.statements.len(), nobody.members(&[]).expect("members").len()), (0, 0));
        for (visitors, is_handed) in [(MOST_HANDED, true), (MOST_HANDED + 1, false)] {
            let many: Vec<i64> = (0..visitors as i64).collect();
            let narrowed = reading().narrow(&tenant(), &[days(&many), days(&many)]).expect("day sets");
            assert_eq!(narrowed.statements.iter().map(|one| handed(one).is_some()).collect::<Vec<_>>(), [is_handed]);
        }
    }
}
