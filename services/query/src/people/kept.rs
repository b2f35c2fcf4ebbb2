//! Which bitmaps a set of visitors is made of.

use super::{BitmapKey, DaysOf};
use pistats_core::report::{Bots, Filter, Operator, Selection};
use pistats_core::time::Range;
use pistats_core::{Day, SiteId};
use pistats_store::SheetDimension;
use std::sync::Arc;

/// Whether a set is made of bitmaps, on days whose sheets stand.
pub(crate) fn has_bitmaps(wanted: &DaysOf) -> bool {
    Kept::of(wanted).is_some()
}

/// The bitmaps of one day whose union is the set, the same ones on every day from `first` to `last`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) first: Day,
    pub(crate) last: Day,
    pub(crate) dimension: SheetDimension,
    pub(crate) values: Vec<Arc<str>>,
    /// Of events by bots, of the others, or both.
    pub(crate) bots: &'static [bool],
}

impl Kept {
    /// The bitmaps of a question, if it has some: all visitors, those first seen, or those with one of the values of a
    /// dimension that sheets are kept of.
    ///
    /// Two filters at once are about events that pass both, which bitmaps by one dimension cannot tell; and whose first
    /// selected event it is has to be found by time, not by day.
    pub(crate) fn of(wanted: &DaysOf) -> Option<Kept> {
        match wanted {
            DaysOf::FirstSeen { first, last } => Some(Kept {
                first: *first,
                last: *last,
                dimension: SheetDimension::FirstSeen,
                values: vec!["".into()],
                bots: &[false],
            }),
            DaysOf::FirstSelected(_) => None,
            DaysOf::Selected(Selection { range: Range::Days { first, last }, filters, bots }) => {
                let (dimension, values) = values(filters)?;
                let bots: &[bool] = match bots {
                    Bots::Exclude => &[false],
                    Bots::Include => &[false, true],
                    Bots::Only => &[true],
                };
                Some(Kept { first: *first, last: *last, dimension, values, bots })
            }
            DaysOf::Selected(_) => None,
        }
    }

    /// The bitmaps of a day.
    pub(crate) fn keys(&self, site: SiteId, day: Day, version: i64) -> impl Iterator<Item = BitmapKey> {
        self.values.iter().flat_map(move |value| {
            let key = move |bot: &bool| BitmapKey {
                site,
                day,
                version,
                dimension: self.dimension,
                value: value.clone(),
                bot: *bot,
            };
            self.bots.iter().map(key)
        })
    }
}

fn values(filters: &[Filter]) -> Option<(SheetDimension, Vec<Arc<str>>)> {
    match filters {
        [] => Some((SheetDimension::All, vec!["".into()])),
        [Filter { dimension, operator: Operator::Is, values }] => {
            let mut values: Vec<Arc<str>> = values.iter().map(|value| value.as_str().into()).collect();
            values.sort();
            values.dedup();
            Some((SheetDimension::of(dimension)?, values))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_core::report::Dimension;

    fn kept(filters: Vec<Filter>, bots: Bots) -> Option<Kept> {
        let range = Range::Days { first: Day(1), last: Day(2) };
        Kept::of(&DaysOf::Selected(Selection { range, filters, bots }))
    }

    fn is(dimension: Dimension, values: &[&str]) -> Filter {
        Filter { dimension, operator: Operator::Is, values: values.iter().map(|value| value.to_string()).collect() }
    }

    #[test]
    fn one_filter_of_values_is_a_union_and_two_filters_are_none() {
        let one = kept(vec![is(Dimension::Country, &["FR", "DE", "FR"])], Bots::Include).expect("bitmaps");
        assert_eq!(one.dimension, SheetDimension::Country);
        let keys: Vec<(String, bool)> =
            one.keys(SiteId(1), Day(1), 5).map(|key| (key.value.to_string(), key.bot)).collect();
        assert_eq!(keys, [("DE".into(), false), ("DE".into(), true), ("FR".into(), false), ("FR".into(), true)]);
        let two = vec![is(Dimension::Country, &["DE"]), is(Dimension::Os, &["Linux"])];
        assert_eq!(kept(two, Bots::Exclude), None);
    }

    #[test]
    fn only_is_and_only_the_kept_dimensions_have_bitmaps() {
        assert_eq!(
            kept(vec![], Bots::Only).map(|kept| (kept.dimension, kept.bots)),
            Some((SheetDimension::All, &[true][..]))
        );
        let not = Filter { operator: Operator::IsNot, ..is(Dimension::Country, &["DE"]) };
        assert_eq!(kept(vec![not], Bots::Exclude), None);
        for dimension in [Dimension::Url, Dimension::Topic, Dimension::EntryPage, Dimension::Property("plan".into())] {
            assert_eq!(kept(vec![is(dimension, &["x"])], Bots::Exclude), None);
        }
    }
}
