//! A day's sheet from its rows. Pure: rows go in one by one in any order, the sheet comes out.
//!
//! Per value two sets of visitors and two sets of sessions are kept, those of events by bots and those of others; which
//! kind a session is of falls out of the two sets at the end. Sessions are numbered 0, 1, 2 … within the day.

use super::SheetDimension;
use pistats_core::event::PAGE_VIEW;
use roaring::RoaringBitmap;
use std::collections::HashMap;

/// Kinds of rows in `breakdown_1d`: events not by bots, and sessions that hold such events of the value only.
pub const SESSIONS_WITHOUT_BOTS: i8 = 0;
/// Events by bots, and sessions that hold only such events of the value.
pub const SESSIONS_ONLY_BOTS: i8 = 1;
/// No events; sessions that hold events of the value by bots and others.
pub const SESSIONS_WITH_BOTS: i8 = 2;

/// Bitmaps hold numbers of 32 bits; this visitor's has more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("visitor number {0} does not fit 32 bits")]
pub struct VisitorTooLarge(pub u64);

/// A living session that starts on the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionOfDay {
    pub visitor: u64,
    /// Unix microseconds of its first and its last event.
    pub first_us: i64,
    pub last_us: i64,
    pub events: u64,
    pub page_views: u64,
}

/// An event, borrowed.
#[derive(Clone, Debug)]
pub struct EventOfDay<'a> {
    pub visitor: u64,
    pub time_us: i64,
    pub bot: bool,
    pub value: Option<i64>,
    /// Its values of [`SheetDimension::OF_EVENTS`], in that order.
    pub values: [&'a str; 7],
}

impl EventOfDay<'_> {
    fn is_page_view(&self) -> bool {
        // The event's name is the last but one of the dimensions.
        self.values[5] == PAGE_VIEW
    }
}

/// Counts and sums of events of one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub events: u64,
    pub page_views: u64,
    pub value_count: u64,
    pub value_sum: i128,
    pub value_min: Option<i64>,
    pub value_max: Option<i64>,
}

impl Counts {
    fn add(&mut self, event: &EventOfDay<'_>) {
        self.events += 1;
        self.page_views += u64::from(event.is_page_view());
        if let Some(value) = event.value {
            self.value_count += 1;
            self.value_sum += i128::from(value);
            self.value_min = Some(self.value_min.map_or(value, |least| least.min(value)));
            self.value_max = Some(self.value_max.map_or(value, |greatest| greatest.max(value)));
        }
    }
}

/// A row of `visitor_bitmap`.
#[derive(Clone, Debug, PartialEq)]
pub struct BitmapLine {
    pub dimension: SheetDimension,
    pub value: String,
    pub bot: bool,
    pub visitors: u64,
    /// Portable Roaring of visitor numbers.
    pub bitmap: Vec<u8>,
}

/// A row of `breakdown_1d`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakdownLine {
    pub dimension: SheetDimension,
    pub value: String,
    pub kind: i8,
    pub counts: Counts,
    /// Visitors of these events: as many as the bitmap of the value has.
    pub visitors: u64,
    pub sessions: u64,
    pub bounces: u64,
    pub session_us: i128,
    pub session_page_views: u64,
}

/// All rows of a day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    pub bitmaps: Vec<BitmapLine>,
    pub breakdown: Vec<BreakdownLine>,
}

/// Two sets: of events not by bots, of events by bots.
type Sets = [RoaringBitmap; 2];

#[derive(Default)]
struct OfValue {
    counts: [Counts; 2],
    visitors: Sets,
    sessions: Sets,
}

#[derive(Default)]
struct OfDimension {
    places: HashMap<Box<str>, usize>,
    values: Vec<OfValue>,
}

impl OfDimension {
    fn value(&mut self, value: &str) -> &mut OfValue {
        let place = match self.places.get(value) {
            Some(place) => *place,
            None => {
                self.places.insert(value.into(), self.values.len());
                self.values.push(OfValue::default());
                self.values.len() - 1
            }
        };
        &mut self.values[place]
    }
}

/// A sheet under construction.
pub struct Builder {
    /// By visitor, then by first event.
    sessions: Vec<SessionOfDay>,
    all: Sets,
    first_seen: RoaringBitmap,
    dimensions: [OfDimension; 7],
}

impl Builder {
    /// Starts a sheet with the living sessions that start on the day.
    pub fn new(mut sessions: Vec<SessionOfDay>) -> Builder {
        sessions.sort_unstable();
        let dimensions = std::array::from_fn(|_| OfDimension::default());
        Builder { sessions, all: Sets::default(), first_seen: RoaringBitmap::new(), dimensions }
    }

    /// Adds a visitor whose first event ever lies on the day.
    pub fn first_seen(&mut self, visitor: u64) -> Result<(), VisitorTooLarge> {
        self.first_seen.insert(narrow(visitor)?);
        Ok(())
    }

    /// Adds an event of the day.
    pub fn event(&mut self, event: &EventOfDay<'_>) -> Result<(), VisitorTooLarge> {
        let visitor = narrow(event.visitor)?;
        let side = usize::from(event.bot);
        let sessions = holding(&self.sessions, event);
        self.all[side].insert(visitor);
        for (dimension, value) in self.dimensions.iter_mut().zip(event.values) {
            let of = dimension.value(value);
            of.counts[side].add(event);
            of.visitors[side].insert(visitor);
            of.sessions[side].extend(sessions.clone());
        }
        Ok(())
    }

    /// Adds an event of another day: it counts for the day's sessions that hold it, and for nothing else.
    pub fn event_elsewhere(&mut self, event: &EventOfDay<'_>) {
        let sessions = holding(&self.sessions, event);
        if sessions.clone().next().is_none() {
            return;
        }
        for (dimension, value) in self.dimensions.iter_mut().zip(event.values) {
            dimension.value(value).sessions[usize::from(event.bot)].extend(sessions.clone());
        }
    }

    /// The sheet. Rows are in the order that they are best stored in: readers want one dimension, bots or not, and mostly
    /// the values with the most visitors.
    pub fn finish(self) -> Sheet {
        let mut sheet = Sheet::default();
        for (bot, set) in [false, true].into_iter().zip(self.all) {
            sheet.bitmap(SheetDimension::All, "", bot, set);
        }
        sheet.bitmap(SheetDimension::FirstSeen, "", false, self.first_seen);
        for (dimension, of) in SheetDimension::OF_EVENTS.into_iter().zip(self.dimensions) {
            let OfDimension { places, mut values } = of;
            for (value, place) in places {
                let of = std::mem::take(&mut values[place]);
                sheet.breakdown(dimension, &value, &of, &self.sessions);
                for (bot, set) in [false, true].into_iter().zip(of.visitors) {
                    sheet.bitmap(dimension, &value, bot, set);
                }
            }
        }
        sheet.bitmaps.sort_unstable_by(|a, b| {
            (a.dimension, a.bot, b.visitors, &a.value).cmp(&(b.dimension, b.bot, a.visitors, &b.value))
        });
        sheet.breakdown.sort_unstable_by(|a, b| (a.dimension, a.kind, &a.value).cmp(&(b.dimension, b.kind, &b.value)));
        sheet
    }
}

impl Sheet {
    fn bitmap(&mut self, dimension: SheetDimension, value: &str, bot: bool, mut set: RoaringBitmap) {
        if set.is_empty() {
            return;
        }
        set.optimize();
        let mut bitmap = Vec::with_capacity(set.serialized_size());
        // Writing to a Vec cannot fail.
        let _ = set.serialize_into(&mut bitmap);
        self.bitmaps.push(BitmapLine { dimension, value: value.to_owned(), bot, visitors: set.len(), bitmap });
    }

    fn breakdown(&mut self, dimension: SheetDimension, value: &str, of: &OfValue, sessions: &[SessionOfDay]) {
        let [others, bots] = &of.sessions;
        let kinds = [
            (SESSIONS_WITHOUT_BOTS, of.counts[0], of.visitors[0].len(), others - bots),
            (SESSIONS_ONLY_BOTS, of.counts[1], of.visitors[1].len(), bots - others),
            (SESSIONS_WITH_BOTS, Counts::default(), 0, others & bots),
        ];
        for (kind, counts, visitors, held) in kinds {
            if counts.events == 0 && held.is_empty() {
                continue;
            }
            let mut line = BreakdownLine {
                dimension,
                value: value.to_owned(),
                kind,
                counts,
                visitors,
                sessions: held.len(),
                bounces: 0,
                session_us: 0,
                session_page_views: 0,
            };
            for session in held.into_iter().map(|place| &sessions[place as usize]) {
                line.bounces += u64::from(session.events == 1);
                line.session_us += i128::from(session.last_us) - i128::from(session.first_us);
                line.session_page_views += session.page_views;
            }
            self.breakdown.push(line);
        }
    }
}

/// The places of the sessions that hold an event: one, since sessions of a visitor are disjoint, but for a moment of a
/// repair; then reports count all of them, and so does this.
fn holding(sessions: &[SessionOfDay], event: &EventOfDay<'_>) -> impl Iterator<Item = u32> + Clone {
    let from = sessions.partition_point(|session| session.visitor < event.visitor);
    let (visitor, time) = (event.visitor, event.time_us);
    let starts = sessions[from..]
        .iter()
        .enumerate()
        .take_while(move |(_, session)| session.visitor == visitor && session.first_us <= time);
    // A day has fewer sessions of a site than 2^32: each has a visitor or half an hour of its own.
    starts.filter(move |(_, session)| time <= session.last_us).map(move |(at, _)| (from + at) as u32)
}

fn narrow(visitor: u64) -> Result<u32, VisitorTooLarge> {
    u32::try_from(visitor).map_err(|_| VisitorTooLarge(visitor))
}

#[cfg(test)]
mod tests;
