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
//!   all(bought, latest in Germany, not on a page)     day sets: bought, on a page; of the SQL leaf who was in Germany on their last day
//!     surely   nobody                                 what holds whatever the SQL leaves are
//!     perhaps  bought ∩ in Germany then − on a page   what holds at most
//!     open     perhaps − surely                       of whom the SQL leaf is asked
//! ```
//!
//! One leaf after the other, the one with the fewest to ask of first: what it tells leaves fewer open for the next. Until then day
//! sets tell this much of it:
//!
//! | leaf of SQL | surely in it | nobody else can be |
//! |---|---|---|
//! | N events that pass one condition, or none | who has some on N days | who has one |
//! | latest event passes | | who has one that passes on their last day |
//! | several conditions, sequences | | who passed each of them some time |
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
    /// SQL. Who is in so many of the days is in the leaf, and who is in none is not.
    Times { place: usize, at_least: u32 },
    /// SQL. Who is in the leaf is in `passing` on their last day of `any`.
    Latest { passing: usize, any: usize },
    /// SQL. Who is in the leaf is in all of these on some day.
    Rows { within: Vec<usize> },
}

/// A plan of which some leaves are still SQL's to tell.
pub(crate) struct Narrowed {
    plan: Plan,
    /// What is known of each leaf.
    leaves: Vec<Bounds>,
    /// Leaves that were not asked for yet, by their place.
    unread: Vec<usize>,
    /// The one that is being asked for.
    asked: usize,
}

/// What comes next.
pub(crate) enum Step {
    /// This is to be read, and told to [`Narrowed::answered`].
    Ask(Narrowed, Statement),
    Members(RoaringBitmap),
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
        let source = |leaf: &Leaf| {
            if let Some((days, at_least)) = days_of(leaf) {
                return Source::Days { place: place(days), at_least };
            }
            match leaf {
                Leaf::Did { conditions, at_least, days, .. } if *at_least <= MOST_COUNTED => {
                    if let Some(did) = doing(conditions, *days) {
                        return Source::Times { place: place(did), at_least: *at_least };
                    }
                }
                Leaf::Latest { condition, days } => {
                    if let Some(told) = passing(condition, *days) {
                        return Source::Latest { passing: place(told), any: place(any_event(*days)) };
                    }
                }
                _ => {}
            }
            Source::Rows { within: around(leaf).into_iter().map(&mut place).collect() }
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
    pub(crate) fn narrow(self, tenant: &Tenant, days: &[DaySets]) -> Result<Step, Malformed> {
        let of = |place: usize| days.get(place).ok_or_else(missing);
        let over = |place: usize| Ok(of(place)?.over(ALWAYS.0, ALWAYS.1));
        let (mut leaves, mut unread) = (Vec::with_capacity(self.leaves.len()), Vec::new());
        for (number, source) in self.leaves.iter().enumerate() {
            if !matches!(source, Source::Days { .. }) {
                unread.push(number);
            }
            leaves.push(match source {
                Source::Days { place, at_least: 0 | 1 } => Bounds::exactly(over(*place)?),
                Source::Days { place, at_least } => Bounds::exactly(Arc::new(of(*place)?.in_days(*at_least))),
                Source::Times { place, at_least } => {
                    Bounds { surely: Arc::new(of(*place)?.in_days(*at_least)), perhaps: Some(over(*place)?) }
                }
                Source::Latest { passing, any } => {
                    let (passing, any) = (of(*passing)?, of(*any)?);
                    // Where a day came back after the next one had begun, the latest event may lie on a day that is not the last.
                    let is_in_order = any.days().all(|day| !tenant.zone().comes_back(day));
                    let perhaps = if is_in_order { passing.on_last_of(any) } else { passing.over(ALWAYS.0, ALWAYS.1) };
                    Bounds { surely: Arc::default(), perhaps: Some(perhaps) }
                }
                Source::Rows { within } => {
                    let within = within.iter().map(|place| over(*place)).collect::<Result<Vec<_>, Malformed>>()?;
                    Bounds { surely: Arc::default(), perhaps: intersection(within) }
                }
            });
        }
        Narrowed { plan: self.plan, leaves, unread, asked: 0 }.next(tenant)
    }
}

impl Narrowed {
    /// Takes what the statement gave. Takes time: for a thread of its own.
    ///
    /// Of whom bitmaps decided, it was not asked; that their leaf says "no" then is one of the answers that make no
    /// difference to them.
    pub(crate) fn answered(mut self, tenant: &Tenant, rows: &Rows) -> Result<Step, Malformed> {
        let leaf = self.leaves.get_mut(self.asked).ok_or_else(missing)?;
        *leaf = Bounds::exactly(Arc::new(visitors(rows)? | leaf.surely.as_ref()));
        self.next(tenant)
    }

    /// Asks for the leaf that is known best, as long as anybody is open.
    fn next(mut self, tenant: &Tenant) -> Result<Step, Malformed> {
        let root = Bounds::of(&self.plan.sets, &self.leaves).ok_or_else(missing)?;
        let open = root.perhaps.map(|perhaps| Arc::new(perhaps.as_ref() - root.surely.as_ref()));
        if open.as_ref().is_some_and(|open| open.is_empty()) {
            return Ok(Step::Members(Arc::unwrap_or_clone(root.surely)));
        }
        let mut few: Option<(usize, Option<RoaringBitmap>)> = None;
        for (place, number) in self.unread.iter().enumerate() {
            let bounds = self.leaves.get(*number).ok_or_else(missing)?;
            let among = intersection(open.iter().cloned().chain(bounds.perhaps.clone()).collect());
            let among = among.map(|among| among.as_ref() - bounds.surely.as_ref());
            let many = |among: &Option<RoaringBitmap>| among.as_ref().map_or(u64::MAX, RoaringBitmap::len);
            if few.as_ref().is_none_or(|(_, few)| many(&among) < many(few)) {
                few = Some((place, among));
            }
        }
        // Somebody is open only where a leaf is.
        let (place, among) = few.ok_or_else(missing)?;
        self.asked = self.unread.remove(place);
        if among.as_ref().is_some_and(RoaringBitmap::is_empty) {
            return self.answered(tenant, &Rows::default());
        }
        let among = among.filter(|among| among.len() <= MOST_HANDED);
        let leaf = self.plan.leaves.get(self.asked).ok_or_else(missing)?;
        let statement = sql::of_leaf(tenant, leaf, among.as_ref());
        Ok(Step::Ask(self, statement))
    }
}

fn missing() -> Malformed {
    Malformed("a leaf of a segment is missing".into())
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

/// The day sets of a leaf and in how many of them a visitor must be; nothing where sheets cannot tell.
fn days_of(leaf: &Leaf) -> Option<(DaysOf, u32)> {
    match leaf {
        Leaf::FirstSeen { first, last } => Some((DaysOf::FirstSeen { first: *first, last: *last }, 1)),
        Leaf::Did { conditions, at_least, counted, days } => {
            let is_told = match counted {
                Counted::Events => *at_least <= 1,
                Counted::Days => *at_least <= MOST_COUNTED,
            };
            doing(conditions, *days).filter(|_| is_told).map(|did| (did, *at_least))
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

/// Who has an event that passes one condition, or none; nothing where there are more or sheets cannot tell.
fn doing(conditions: &[Condition], days: Option<(Day, Day)>) -> Option<DaysOf> {
    match conditions {
        [] => Some(any_event(days)),
        [only] => passing(only, days),
        _ => None,
    }
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

    fn rows(visitors: &[i64]) -> Rows {
        Rows { numbers: vec![visitors.to_vec()], ..Rows::default() }
    }

    /// Answers what is asked for until the members are known; whom each statement was handed.
    fn walk(mut step: Step, answers: &[&[i64]]) -> (Vec<Option<Vec<i64>>>, RoaringBitmap) {
        let mut asked = Vec::new();
        loop {
            match step {
                Step::Members(members) => return (asked, members),
                Step::Ask(narrowed, statement) => {
                    let answer = rows(answers.get(asked.len()).expect("one statement more than answers"));
                    asked.push(handed(&statement));
                    step = narrowed.answered(&tenant(), &answer).expect("rows");
                }
            }
        }
    }

    #[test]
    fn sql_is_asked_of_the_visitors_only_whom_what_is_known_leaves_open() {
        let (bought, page) = (is(Dimension::EventName, "purchase"), is(Dimension::Page, "shop.example/"));
        let latest = Leaf::Latest { condition: is(Dimension::Country, "DE"), days: None };
        let leaves = vec![did(bought.clone(), 1), did(bought, 2), latest, did(page, 1)];
        let sets = Sets::Both { all: vec![Sets::Leaf(0), Sets::Leaf(1), Sets::Leaf(2)], but: vec![Sets::Leaf(3)] };
        let reading = Reading::new(Plan { leaves, sets });
        assert_eq!(
            (reading.wanted.len(), reading.reader()),
            (4, Reader::Mixed),
            "bought is wanted once for two leaves"
        );
        // 2 bought on two days, and was seen once more outside of Germany.
        let bought = DaySets::of_pairs(&[1, 1, 1, 1, 1, 2], &[1, 2, 3, 4, 6, 2]).expect("sets");
        let any = DaySets::of_pairs(&[1, 1, 1, 1, 1, 1, 2, 3], &[1, 2, 3, 4, 5, 6, 2, 7]).expect("sets");
        let (germany, page) = (days(&[2, 3, 4, 5, 6]), days(&[4]));
        let step = reading.narrow(&tenant(), &[bought, germany, any, page]).expect("day sets");
        let (asked, members) = walk(step, &[&[3], &[3]]);
        assert_eq!(asked, [Some(vec![3, 6]), Some(vec![3])], "6 did not buy twice and is not asked for again");
        assert_eq!(members, *set(&[3]));
    }

    #[test]
    fn who_bought_on_two_days_bought_twice() {
        let leaves = vec![did(is(Dimension::EventName, "purchase"), 2)];
        let reading = Reading::new(Plan { leaves, sets: Sets::Leaf(0) });
        let bought = DaySets::of_pairs(&[1, 1, 1, 2], &[1, 2, 3, 2]).expect("sets");
        let step = reading.narrow(&tenant(), &[bought]).expect("day sets");
        assert_eq!(walk(step, &[&[3]]), (vec![Some(vec![1, 3])], (*set(&[2, 3])).clone()));
    }

    #[test]
    fn the_last_day_is_not_relied_on_where_a_day_came_back() {
        let latest = || Leaf::Latest { condition: is(Dimension::Country, "DE"), days: None };
        let asked = |zone: &str| {
            let reading = Reading::new(Plan { leaves: vec![latest()], sets: Sets::Leaf(0) });
            // The clocks of St John's were set back over the midnight after this day.
            let day = Day::parse("2010-11-06").expect("a day");
            let (day, next) = (i64::from(day.0), i64::from(day.plus(1).0));
            let germany = DaySets::of_pairs(&[day, next], &[1, 2]).expect("sets");
            let any = DaySets::of_pairs(&[day, day, next, next], &[1, 2, 1, 2]).expect("sets");
            let zone = Zone::named(zone).expect("a zone");
            let tenant = Tenant::of(&Site::new(SiteId(7), "", zone, Micros(0)), Engine::DuckDb);
            walk(reading.narrow(&tenant, &[germany, any]).expect("day sets"), &[&[]]).0
        };
        assert_eq!(asked("Europe/Berlin"), [Some(vec![2])]);
        assert_eq!(asked("America/St_Johns"), [Some(vec![1, 2])]);
    }

    #[test]
    fn nothing_is_asked_where_nobody_is_open_and_everybody_where_too_many_are() {
        let reading = || {
            let leaves = vec![did(is(Dimension::EventName, "purchase"), 2), did(is(Dimension::Country, "DE"), 1)];
            Reading::new(Plan { leaves, sets: Sets::Both { all: vec![Sets::Leaf(0), Sets::Leaf(1)], but: vec![] } })
        };
        let nobody = reading().narrow(&tenant(), &[days(&[1]), days(&[2])]).expect("day sets");
        assert_eq!(walk(nobody, &[]), (vec![], RoaringBitmap::new()));
        for (visitors, is_handed) in [(MOST_HANDED, true), (MOST_HANDED + 1, false)] {
            let many: Vec<i64> = (0..visitors as i64).collect();
            let step = reading().narrow(&tenant(), &[days(&many), days(&many)]).expect("day sets");
            assert_eq!(walk(step, &[&[]]).0.iter().map(Option::is_some).collect::<Vec<_>>(), [is_handed]);
        }
    }
}
