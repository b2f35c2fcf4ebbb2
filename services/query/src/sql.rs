//! Statements under construction: named parts, bound values, one dialect.
//!
//! The text is PostgreSQL's dialect as far as DuckDB shares it; the few differences are the methods of [`Dialect`]. Texts
//! are compared bytewise; nothing is ever a pattern, so nothing has to be escaped. Divisions are avoided (engines differ):
//! `x - x % n` is the same everywhere.

mod dialect;
mod select;
mod steps;

pub(crate) use dialect::{Dialect, of as dialect_of};
pub(crate) use select::{At, OF_SESSION, Selected, Source, Value, meets, newcomers, passes, value_of};
pub(crate) use steps::{Series, fits_rollups};

use crate::segments::{self, Plans};
use pistats_core::SiteId;
use pistats_core::segment::SegmentId;
use pistats_store::{Cell, Statement};
use std::fmt::Write;

/// How values are put in order: bytewise, whatever the database's own order is.
pub(crate) const BYTEWISE: &str = "COLLATE \"C\"";

/// A statement under construction. `$1` is the site, always.
pub(crate) struct Sql<'a> {
    pub(crate) dialect: &'a dyn Dialect,
    values: Vec<Cell>,
    parts: Vec<Part>,
    /// The segments that filters may name.
    segments: Option<&'a Plans>,
}

/// `WITH name AS (body)`.
struct Part {
    name: String,
    /// How the engine is told to treat it: nothing, or MATERIALIZED.
    how: &'static str,
    body: String,
}

impl<'a> Sql<'a> {
    /// Starts a statement about one site: there is no other way to start one.
    pub(crate) fn new(site: SiteId, dialect: &'a dyn Dialect) -> Sql<'a> {
        Sql { dialect, values: vec![Cell::Int(i64::from(site.0))], parts: Vec::new(), segments: None }
    }

    /// The same, where filters may name these segments.
    pub(crate) fn with_segments(self, segments: &'a Plans) -> Sql<'a> {
        Sql { segments: Some(segments), ..self }
    }

    /// Adds the visitors of a segment as a part with one column, `visitor`; returns its name. Nobody, if it is not known.
    pub(crate) fn segment(&mut self, id: SegmentId) -> Option<String> {
        let plan = self.segments?.get(&id)?;
        let name = format!("segment_{id}");
        let members = segments::members(self, plan, &format!("{name}_"));
        self.part_first(&name, format!("SELECT visitor FROM {members}"));
        Some(name)
    }

    /// Binds a value; equal values share a place.
    pub(crate) fn bind(&mut self, value: impl Into<Cell>) -> String {
        let value = value.into();
        // The site keeps its place to itself, so that `$1` always reads as the site.
        let known = self.values.iter().skip(1).position(|known| *known == value);
        let place = known.map(|index| index + 2).unwrap_or_else(|| {
            self.values.push(value);
            self.values.len()
        });
        format!("${place}")
    }

    /// Adds a named part (`WITH name AS (…)`). The same name means the same part.
    pub(crate) fn part(&mut self, name: &str, body: String) {
        self.add(name, "", body);
    }

    /// Adds a named part that is worked out before what refers to it: the engine then knows how small it is.
    pub(crate) fn part_first(&mut self, name: &str, body: String) {
        self.add(name, "MATERIALIZED ", body);
    }

    fn add(&mut self, name: &str, how: &'static str, body: String) {
        if !self.parts.iter().any(|known| known.name == name) {
            self.parts.push(Part { name: name.to_owned(), how, body });
        }
    }

    /// The statement that ends in `select`.
    pub(crate) fn finish(self, select: &str) -> Statement {
        let mut sql = String::new();
        for (number, Part { name, how, body }) in self.parts.iter().enumerate() {
            let lead = if number == 0 { "WITH " } else { ",\n" };
            // Writing to a String cannot fail.
            let _ = write!(sql, "{lead}{name} AS {how}(\n{body})");
        }
        if !sql.is_empty() {
            sql.push('\n');
        }
        sql.push_str(select);
        Statement::new(sql, self.values)
    }
}

/// Conditions that all must hold.
pub(crate) fn all(conditions: &[String]) -> String {
    conditions.join(" AND ")
}
