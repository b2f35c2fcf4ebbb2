//! One event in the field names of `to_events.py`.

use super::Error;
use pistats_core::enrich::Input;
use pistats_core::{Enricher, Event, EventId, Micros};
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::OracleEvent;

/// A line of the file. What a set does not have is empty.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Line {
    /// RFC 3339, UTC, whole seconds.
    pub ts: String,
    pub visitor: String,
    pub ip: String,
    pub ua: String,
    pub url: String,
    pub referrer: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// The Accept-Language header.
    pub lang: String,
    /// IANA name of the visitor's zone.
    pub tz: String,
    pub status: String,
    pub method: String,
    pub name: String,
    /// In whole units, at most two decimals.
    pub value: Option<f64>,
    pub country_name: String,
}

impl Line {
    /// When it happened.
    pub fn time(&self) -> Option<Micros> {
        let time: jiff::Timestamp = self.ts.parse().ok()?;
        Some(Micros(time.as_microsecond()))
    }

    /// The value in millionths.
    pub fn value_micros(&self) -> Option<i64> {
        // Two decimals survive a double exactly; rounding to hundredths undoes its binary tail.
        self.value.map(|value| (value * 100.0).round() as i64 * 10_000)
    }

    /// The line as the domain's event, `None` if its time is no time. The id depends on the time and the line's number, so
    /// that two identical lines are two events.
    ///
    /// `ip`, `status`, `method` and `country_name` are no part of an event.
    pub fn as_core(&self, number: u64) -> Option<Event<'_>> {
        let time = self.time()?;
        let created_ms = u64::try_from(time.0 / 1_000).unwrap_or(0);
        Some(Event {
            id: Some(EventId::from_parts(created_ms, u128::from(number))),
            time: Some(time),
            visitor_id: &self.visitor,
            raw_name: &self.name,
            url: &self.url,
            referrer: &self.referrer,
            language: &self.lang,
            time_zone: &self.tz,
            user_agent: &self.ua,
            country: &self.country,
            value: self.value_micros(),
            ..Event::default()
        })
    }

    /// The line as the oracle wants it, enriched.
    pub fn event(&self, number: u64, enricher: &mut Enricher) -> Option<OracleEvent> {
        let event = self.as_core(number)?;
        OracleEvent::from_core(&event, &enricher.enrich(&Input::of(&event)))
    }
}

/// Reads a file of events, line by line, in the order of the file.
pub fn lines(path: &Path) -> Result<impl Iterator<Item = Result<Line, Error>> + use<>, Error> {
    let file = File::open(path).map_err(Error::file(path))?;
    let path = path.to_owned();
    let texts = BufReader::with_capacity(1 << 20, file).lines();
    Ok(texts.zip(1..).map(move |(text, line)| {
        let text = text.map_err(Error::file(&path))?;
        serde_json::from_str(&text).map_err(|error| Error::Line { path: path.clone(), line, reason: error.to_string() })
    }))
}
