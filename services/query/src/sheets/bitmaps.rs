//! Bitmaps of clean days.

use super::Span;
use crate::plan::{Malformed, Tenant};
use crate::sql::{ENGINE, Sql};
use pistats_core::report::Bots;
use pistats_store::{Cell, Rows, SheetDimension, Statement};
use roaring::RoaringBitmap;
use std::collections::HashMap;

/// Which bitmaps of a span's clean days.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) dimension: SheetDimension,
    pub(crate) bots: Bots,
}

/// Bitmaps by value: one a day, and two where events by bots and others are asked for.
#[derive(Debug, Default)]
pub(crate) struct Bitmaps(HashMap<String, Vec<RoaringBitmap>>);

impl Bitmaps {
    /// How they are read.
    pub(crate) fn statement(tenant: &Tenant, span: &Span, wanted: Wanted, values: &[&str]) -> Statement {
        let mut sql = Sql::new(tenant.site(), ENGINE);
        let dimension = sql.bind(i64::from(wanted.dimension.number()));
        let clean = span.is_clean(&mut sql, "b.day");
        let bots = match wanted.bots {
            Bots::Exclude => " AND NOT b.bot",
            Bots::Only => " AND b.bot",
            Bots::Include => "",
        };
        let values: Vec<String> = values.iter().map(|value| sql.bind(*value)).collect();
        let text = format!(
            "SELECT b.value, b.bitmap FROM visitor_bitmap b WHERE b.site = $1 AND b.dimension = {dimension} AND {clean}{bots} \
             AND b.value IN ({})",
            values.join(", ")
        );
        sql.finish(&text)
    }

    /// The bitmaps in the rows of [`Bitmaps::statement`].
    pub(crate) fn gather(rows: Rows) -> Result<Bitmaps, Malformed> {
        let mut bitmaps = Bitmaps::default();
        for row in rows.rows {
            let [Cell::Text(value), Cell::Bytes(bytes)] = &row[..] else {
                return Err(Malformed("a bitmap that is none".into()));
            };
            let bitmap = RoaringBitmap::deserialize_from(&bytes[..])
                .map_err(|error| Malformed(format!("a bitmap cannot be read: {error}")))?;
            match bitmaps.0.get_mut(value) {
                Some(of_value) => of_value.push(bitmap),
                None => {
                    bitmaps.0.insert(value.clone(), vec![bitmap]);
                }
            }
        }
        Ok(bitmaps)
    }

    /// The bitmaps of a value.
    pub(crate) fn of(&self, value: &str) -> &[RoaringBitmap] {
        self.0.get(value).map_or(&[], Vec::as_slice)
    }
}
