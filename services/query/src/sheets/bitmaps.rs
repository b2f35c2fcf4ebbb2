//! Bitmaps of clean days: from the cache, and those that it lacks from the warehouse.

use super::{Days, Packed, Span};
use crate::people::{BitmapCache, BitmapKey};
use crate::plan::{Malformed, Tenant};
use pistats_core::Day;
use pistats_core::report::Bots;
use pistats_store::{Cell, Rows, SheetDimension, Statement};
use std::collections::HashMap;
use std::sync::Arc;

/// Which bitmaps of a span's clean days.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) dimension: SheetDimension,
    pub(crate) bots: Bots,
}

/// Bitmaps of some values: one a day, and two where events by bots and others are asked for.
#[derive(Debug, Default)]
pub(crate) struct Bitmaps {
    /// By the place of the value.
    held: Vec<Vec<Arc<Packed>>>,
    missing: Vec<(usize, BitmapKey)>,
}

impl Bitmaps {
    /// What the cache holds of the values; the rest is missing.
    pub(crate) fn cached(
        cache: &BitmapCache,
        tenant: &Tenant,
        days: &Days,
        span: &Span,
        wanted: Wanted,
        values: &[Arc<str>],
    ) -> Bitmaps {
        let bots: &[bool] = match wanted.bots {
            Bots::Exclude => &[false],
            Bots::Only => &[true],
            Bots::Include => &[false, true],
        };
        let mut bitmaps = Bitmaps { held: vec![Vec::new(); values.len()], missing: Vec::new() };
        for (place, value) in values.iter().enumerate() {
            for (day, version) in days.clean_of(span) {
                for bot in bots {
                    let (site, dimension, value) = (tenant.site(), wanted.dimension, value.clone());
                    let key = BitmapKey { site, day, version, dimension, value, bot: *bot };
                    match cache.packed(&key) {
                        Some(bitmap) => bitmaps.held[place].push(bitmap),
                        None => bitmaps.missing.push((place, key)),
                    }
                }
            }
        }
        bitmaps
    }

    /// How the missing ones are read; nothing if there are none.
    pub(crate) fn statement(&self, tenant: &Tenant, span: &Span, wanted: Wanted) -> Option<Statement> {
        let (_, first) = self.missing.first()?;
        let mut sql = tenant.sql();
        let dimension = sql.bind(i64::from(wanted.dimension.number()));
        let clean = span.is_clean(&mut sql, "b.day");
        let bots = match wanted.bots {
            Bots::Exclude => " AND NOT b.bot",
            Bots::Only => " AND b.bot",
            Bots::Include => "",
        };
        // Missing ones lie together by value.
        let mut values = vec![sql.bind(&*first.value)];
        for pair in self.missing.windows(2) {
            if pair[0].0 != pair[1].0 {
                values.push(sql.bind(&*pair[1].1.value));
            }
        }
        let text = format!(
            "SELECT b.day, b.value, b.bot, b.bitmap FROM visitor_bitmap b \
             WHERE b.site = $1 AND b.dimension = {dimension} AND {clean}{bots} AND b.value IN ({})",
            values.join(", ")
        );
        Some(sql.finish(&text))
    }

    /// How many are missing.
    pub(crate) fn missing(&self) -> usize {
        self.missing.len()
    }

    /// Takes what was read of all that was missing, and keeps it.
    pub(crate) fn fill(&mut self, mut read: Read, cache: &BitmapCache) {
        let nobody = Arc::new(Packed::default());
        for (place, key) in self.missing.drain(..) {
            let Day(day) = key.day;
            // A value that the day does not have: nobody.
            let bitmap = read.0.remove(&(i64::from(day), key.value.clone(), key.bot)).unwrap_or_else(|| nobody.clone());
            self.held[place].push(bitmap.clone());
            cache.keep_packed(key, bitmap);
        }
    }

    /// The bitmaps of the value at a place.
    pub(crate) fn of(&self, place: usize) -> impl Iterator<Item = &Packed> {
        self.held.get(place).into_iter().flatten().map(Arc::as_ref)
    }
}

/// Bitmaps that were read: by day, value, and whether they are of bots.
#[derive(Debug, Default)]
pub(crate) struct Read(HashMap<(i64, Arc<str>, bool), Arc<Packed>>);

impl Read {
    /// Takes the rows of [`Bitmaps::statement`].
    pub(crate) fn take(&mut self, rows: Rows) -> Result<(), Malformed> {
        self.0.reserve(rows.rows.len());
        for row in rows.rows {
            let Ok([Cell::Int(day), Cell::Text(value), bot, Cell::Bytes(bytes)]) = <[Cell; 4]>::try_from(row) else {
                return Err(Malformed("a bitmap that is none".into()));
            };
            self.0.insert((day, value.into(), bot.int() != 0), Arc::new(Packed::of(bytes)?));
        }
        Ok(())
    }
}
